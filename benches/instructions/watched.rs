//! Who watches an engine: somebody who does nothing, somebody who counts, and somebody who sends metrics and traces to a receiver
//! that says yes to everything.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use landlord_compute::OperationId;
use landlord_compute::machines::trace::TraceContext;
use landlord_compute::telemetry::Watcher;
use landlord_telemetry::{Settings, Telemetry};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

/// Is told everything, and does nothing.
pub(crate) struct Ignores;

impl Watcher for Ignores {
    fn traces(&self, _operation: OperationId, _trace: Option<&TraceContext>) -> bool {
        false
    }
}

/// The first word of the process that receives.
pub(crate) const RECEIVER: &str = "--receiver";

/// A subscriber that takes nothing.
pub(crate) fn ignore() {
    let subscriber = tracing_subscriber::registry().with(LevelFilter::OFF);
    tracing::subscriber::set_global_default(subscriber).expect("the first one");
}

/// As `serve` does it where no receiver is named: metrics are counted for whoever asks.
pub(crate) fn count() -> Telemetry {
    begin(&Settings::default())
}

/// As `serve` does it by default where one is: with its share of operations traced, and metrics once a minute.
#[allow(clippy::zombie_processes, reason = "it ends when this process does")]
pub(crate) fn export() -> Telemetry {
    // A process of its own, which is not counted: a receiver is never a part of who sends.
    let mut receiver = Command::new(std::env::current_exe().expect("this program"));
    let receiver =
        receiver.arg(RECEIVER).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut address = String::new();
    BufReader::new(receiver.stdout.expect("stdout")).read_line(&mut address).expect("it says where");
    // Its end of this is closed when this process ends.
    std::mem::forget(receiver.stdin);
    let address = format!("http://{}", address.trim());
    let settings = Settings::default().endpoint("the benchmark", &address).expect("an address");
    begin(&settings)
}

/// Says yes to everything until stdin ends, at an address that it prints.
pub(crate) fn receive() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || while take(&stream).is_some() {});
        }
    });
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

fn begin(settings: &Settings) -> Telemetry {
    let (telemetry, exports) = Telemetry::new(settings).expect("set up");
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
