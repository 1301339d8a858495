//! The front end over HTTP.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Shared;
use super::answer::{Outcome, Reply};
use super::request::Request;
use super::streams::{follow, watch};

/// Why a connection ends without an answer, or in the middle of one.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for Cut {}

type Body = UnsyncBoxBody<Bytes, Cut>;

/// Answers whoever connects, until it is dropped.
pub(super) async fn serve(shared: Arc<Shared>, listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(Arc::clone(&shared), stream));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    // Small answers are not to wait for each other.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| answer(Arc::clone(&shared), request));
    // A client that goes away, and a cut, end the connection with an error.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(shared: Arc<Shared>, request: hyper::Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes().to_vec();
    let request = Request::new(head.method.as_str(), &head.uri, head.headers, body);
    let mut outcome = shared.act(|world| world.answer(&request));
    if let Outcome::Late(after) = outcome {
        tokio::time::sleep(after).await;
        outcome = shared.act(|world| world.handle(&request));
    }
    match outcome {
        Outcome::Answer(after, reply) => {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            let Reply { code, content_type, retry_after, body } = reply;
            let mut response = Response::builder()
                .status(StatusCode::from_u16(code).map_err(|_| Cut)?)
                .header("content-type", content_type);
            if let Some(seconds) = retry_after {
                response = response.header("retry-after", seconds.to_string());
            }
            let body =
                Full::new(Bytes::from(body.into_bytes())).map_err(|never| match never {}).boxed_unsync();
            response.body(body).map_err(|_| Cut)
        }
        Outcome::Watch(watching) => {
            let body = StreamBody::new(watch(shared, *watching));
            stream("application/json", BodyExt::boxed_unsync(body))
        }
        Outcome::Follow(reading) => {
            let body = StreamBody::new(follow(shared, *reading));
            stream("text/plain", BodyExt::boxed_unsync(body))
        }
        Outcome::Cut | Outcome::Late(_) => Err(Cut),
        Outcome::Hang => match std::future::pending::<Infallible>().await {},
    }
}

fn stream(content_type: &str, body: Body) -> Result<Response<Body>, Cut> {
    Response::builder().header("content-type", content_type).body(body).map_err(|_| Cut)
}
