//! A registry of images that answers the node.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// It ends when it is dropped.
pub(crate) struct Registry {
    /// What the names of its images begin with.
    pub(crate) address: String,
    serves: JoinHandle<()>,
}

impl Registry {
    /// One that has none of the images it is asked for.
    pub(crate) async fn without_images() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let serves = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(connection), service_fn(answer));
                tokio::spawn(async move {
                    // A node that hangs up has its answer.
                    let _done = served.await;
                });
            }
        });
        Self { address, serves }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.serves.abort();
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.uri().path() {
        "/v2/" => (StatusCode::OK, "{}"),
        _ => (
            StatusCode::NOT_FOUND,
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
        ),
    };
    let answer = Response::builder().status(status).header("content-type", "application/json");
    Ok(answer.body(Full::new(Bytes::from_static(body.as_bytes()))).expect("a good answer"))
}
