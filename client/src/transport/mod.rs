//! How requests get to a server.

mod remote;
mod unix;

use async_trait::async_trait;
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::Connect;

pub use remote::{RemoteError, Trust};

/// Whether a server listens on this socket.
pub(crate) async fn connects(socket: &std::path::Path) -> bool {
    unix::connect(socket).await.is_ok()
}

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer, as it comes.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Sends requests to a server. Their addresses are paths.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends a request; returns with the head of the answer.
    ///
    /// # Errors
    /// The server was not reached, or did not answer.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Body>, BoxError>;
}

/// HTTP/1.1, with kept connections.
pub(crate) struct Http<C> {
    pool: Pool<C, Full<Bytes>>,
    scheme: Scheme,
    authority: Authority,
    /// `Bearer …`, where the server asks for a token. Debugging output does not show it.
    proof: Option<HeaderValue>,
}

#[async_trait]
impl<C: Connect + Clone + Send + Sync + 'static> Transport for Http<C> {
    async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Body>, BoxError> {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        *request.uri_mut() = Uri::from_parts(parts)?;
        if let Some(proof) = &self.proof {
            request.headers_mut().insert(header::AUTHORIZATION, proof.clone());
        }
        let response = self.pool.request(request).await?;
        Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
    }
}
