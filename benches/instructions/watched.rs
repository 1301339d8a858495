//! Metrics and traces of an engine, sent to a receiver that says yes to everything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use landlord_telemetry::{Settings, Telemetry};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;

/// As `serve` does it by default: with its share of operations traced, and metrics once a minute.
pub(crate) fn begin() -> Telemetry {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || while take(&stream).is_some() {});
        }
    });
    let settings = Settings::default().endpoint("the benchmark", &address).expect("an address");
    let (telemetry, exports) = Telemetry::new(&settings).expect("set up");
    let subscriber = tracing_subscriber::registry().with(telemetry.layer());
    tracing::subscriber::set_global_default(subscriber).expect("the first one");
    tokio::spawn(exports.run(CancellationToken::new(), Duration::ZERO));
    telemetry
}

/// One request.
fn take(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length: ") {
            length = text.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    (&mut &*stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()
}
