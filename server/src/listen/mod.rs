//! Takes connections and answers them, within bounds.

mod certificates;
mod hosts;
mod socket;
mod tcp;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

pub(crate) use certificates::all_in;
pub use certificates::{CertificateError, Certificates};
pub use socket::Socket;
pub use tcp::{Security, Tcp};

/// The pause after a connection could not be taken, as there are no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How much is taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Connections at a time. Those beyond are closed at once.
    pub connections: usize,
    /// How long a client may take for the head of a request, and before it for its part of TLS.
    pub head: Duration,
    /// The most bytes of a request's head.
    pub head_bytes: usize,
    /// The most headers of a request.
    pub headers: usize,
    /// How long connections may go on when the server ends.
    pub ending: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head: Duration::from_secs(10),
            head_bytes: 64 * 1024,
            headers: 64,
            ending: Duration::from_secs(5),
        }
    }
}

/// What requests come through.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that was taken, and that its client may still have to open.
type Opening = BoxFuture<'static, io::Result<Box<dyn Stream>>>;

/// Where connections come from.
trait Listens {
    /// The next connection.
    fn take(&self) -> impl Future<Output = io::Result<Opening>> + Send;
}

/// Answers requests by `router` until `stop`, and then as long as `bounds` says what is on its way.
async fn answer_all(listener: impl Listens, router: Router, bounds: Bounds, stop: CancellationToken) {
    let connections = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_buf_size(bounds.head_bytes)
        .max_headers(bounds.headers);
    loop {
        let taken = tokio::select! {
            () = stop.cancelled() => break,
            taken = listener.take() => taken,
        };
        let opening = match taken {
            Ok(opening) => opening,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::warn!(connections = bounds.connections, "too many connections; one is closed");
            continue;
        };
        let (router, protocol, watcher) = (router.clone(), protocol.clone(), graceful.watcher());
        let (head, stop) = (bounds.head, stop.clone());
        tokio::spawn(async move {
            let opened = tokio::select! {
                () = stop.cancelled() => return,
                opened = timeout(head, opening) => opened,
            };
            let stream = match opened {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%error, "a connection was not opened"),
                Err(_elapsed) => return tracing::debug!("a connection was not opened in time"),
            };
            let service = service_fn(move |request| answer(router.clone(), request));
            let watched = watcher.watch(protocol.serve_connection(TokioIo::new(stream), service));
            if let Err(error) = watched.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(permit);
        });
    }
    // Nobody connects any more who would not be answered.
    drop(listener);
    if timeout(bounds.ending, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections that did not end are cut");
    }
}

async fn answer(mut router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    router.call(request.map(Body::new)).await
}
