//! The front end over HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Fake;
use super::held::{AFTER, HANG, RESET, SIMULATED};
use super::wire::{Outcome, Request};

/// The platform at a port of this machine, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    // Its tasks end with it.
    _connections: JoinSet<()>,
}

impl Server {
    /// What the SDK is told as its endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Fake {
    /// Serves the API.
    pub(crate) async fn serve(&self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let fake = self.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(fake.clone(), stream));
                while connections.try_join_next().is_some() {}
            }
        });
        Server { address, _connections: tasks }
    }
}

/// Why a connection ends without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for Cut {}

async fn connection(fake: Fake, stream: TcpStream) {
    let service = service_fn(move |request: hyper::Request<Incoming>| answer(fake.clone(), request));
    // A client that goes away, and a cut, end the connection with an error.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(fake: Fake, request: hyper::Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let simulated = head.headers.contains_key(SIMULATED);
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes().to_vec();
    let told = |name: &str| Response::builder().header(name, "yes").body(Full::default()).map_err(|_| Cut);
    match fake.answer(&Request { headers: head.headers, body }) {
        Outcome::Hang if simulated => told(HANG),
        Outcome::Hang => match std::future::pending::<Infallible>().await {},
        Outcome::Reset if simulated => told(RESET),
        Outcome::Reset => Err(Cut),
        Outcome::Answer(after, reply) => {
            let mut response = Response::builder();
            match simulated {
                true => response = response.header(AFTER, after.as_millis().to_string()),
                false => tokio::time::sleep(after).await,
            }
            let response = response
                .status(StatusCode::from_u16(reply.status).map_err(|_| Cut)?)
                .header("content-type", reply.content_type)
                .header("x-amzn-requestid", reply.request_id)
                .body(Full::new(Bytes::from(reply.body)));
            response.map_err(|_| Cut)
        }
    }
}
