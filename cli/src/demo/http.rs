//! Real HTTP: what the demo's tenants answer, and how the demo asks.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use landlord_compute::machines::status::Endpoint;
use tokio::net::{TcpListener, TcpStream};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Answers every request with `text`, until the process ends.
pub(super) async fn serve(port: u16, text: String) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let answer = Bytes::from(text);
    loop {
        let (stream, _) = listener.accept().await?;
        let answer = answer.clone();
        let service = service_fn(move |_request| {
            let answer = Response::new(Full::new(answer.clone()));
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
    let address = format!("{}:{}", endpoint.address, endpoint.port);
    match tokio::time::timeout(WITHIN, ask(&address)).await {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(error)) => Err(format!("{address} does not answer: {error}")),
        Err(_elapsed) => Err(format!("{address} does not answer within {WITHIN:?}")),
    }
}

async fn ask(address: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/").header(header::HOST, address).body(Empty::<Bytes>::new())?;
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
