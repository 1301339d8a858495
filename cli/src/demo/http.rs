//! Real HTTP: what the demo's tenants answer, and how the demo asks.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use landlord_compute::machines::status::Endpoint;
use tokio::net::{TcpListener, TcpStream};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(5);

/// What makes a server hang: from then on it answers 503.
const HANG: &str = "/hang";

/// Answers every request with `text`, until the process ends or hangs.
pub(super) async fn serve(port: u16, text: String) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let (answer, hangs) = (Bytes::from(text), Arc::new(AtomicBool::new(false)));
    loop {
        let (stream, _) = listener.accept().await?;
        let (answer, hangs) = (answer.clone(), Arc::clone(&hangs));
        let service = service_fn(move |request: Request<Incoming>| {
            if request.uri().path() == HANG {
                hangs.store(true, Ordering::Relaxed);
            }
            let mut answer = Response::new(Full::new(answer.clone()));
            if hangs.load(Ordering::Relaxed) {
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            async { Ok::<_, Infallible>(answer) }
        });
        // A client that goes away early is no concern of the server.
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// Asks an endpoint for `/`, and says what it answers.
pub(super) async fn get(endpoint: &Endpoint) -> Result<String, String> {
    get_path(endpoint, "/").await
}

/// Makes what answers at an endpoint hang.
pub(super) async fn hang(endpoint: &Endpoint) -> Result<(), String> {
    match get_path(endpoint, HANG).await {
        Ok(text) => Err(format!("it answers {text}")),
        Err(_hangs) => Ok(()),
    }
}

async fn get_path(endpoint: &Endpoint, path: &str) -> Result<String, String> {
    let address = format!("{}:{}", endpoint.address, endpoint.port);
    match tokio::time::timeout(WITHIN, ask(&address, path)).await {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(error)) => Err(format!("{address} does not answer: {error}")),
        Err(_elapsed) => Err(format!("{address} does not answer within {WITHIN:?}")),
    }
}

async fn ask(address: &str, path: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header(header::HOST, address).body(Empty::<Bytes>::new())?;
    let ask = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status.is_success() {
            Ok(String::from_utf8_lossy(&body).into_owned())
        } else {
            Err(format!("status {status}").into())
        }
    };
    tokio::select! {
        answer = ask => answer,
        ended = connection => match ended {
            Ok(()) => Err("the connection was closed".into()),
            Err(error) => Err(error.into()),
        },
    }
}
