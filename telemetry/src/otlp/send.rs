//! One request to a receiver.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message;

use super::tally::Dropped;
use crate::settings::Headers;

/// How much of an answer is read.
const ANSWER: usize = 64 * 1024;

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The authorities of this machine cannot be read.
    #[error("the certificates that this machine trusts cannot be read: {0}")]
    Authorities(#[from] std::io::Error),
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTaken {
    pub(crate) why: Dropped,
    /// Whether the same may be taken a little later.
    pub(crate) passes: bool,
}

/// Sends requests.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: Headers,
    within: Duration,
}

impl Sender {
    /// The authorities are read now, where a receiver is at `https://`.
    pub(crate) fn new(headers: Headers, within: Duration, tls: bool) -> Result<Self, SenderError> {
        let connector = match tls {
            true => {
                let provider = rustls::crypto::ring::default_provider();
                let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)?;
                builder.https_or_http().enable_http1().build()
            }
            false => {
                let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
                let config = rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(std::io::Error::other)?
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth();
                HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build()
            }
        };
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build(connector);
        Ok(Self { client, headers, within })
    }

    /// Sends a message that is written already, and reads the answer; redirects are not followed.
    pub(crate) async fn send<A: Message + Default>(&self, to: &Uri, message: Bytes) -> Result<A, NotTaken> {
        let exchanged = tokio::time::timeout(self.within, self.exchange(to, message)).await;
        exchanged.unwrap_or(Err(NotTaken { why: Dropped::TimedOut, passes: false }))
    }

    async fn exchange<A: Message + Default>(&self, to: &Uri, body: Bytes) -> Result<A, NotTaken> {
        let refused = NotTaken { why: Dropped::Refused, passes: false };
        let mut request = Request::post(to.clone())
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .header(header::USER_AGENT, concat!("landlord-compute/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|_| refused)?;
        for (name, value) in &self.headers.0 {
            request.headers_mut().insert(name, value.clone());
        }
        let away = NotTaken { why: Dropped::Unreachable, passes: true };
        let answer = self.client.request(request).await.map_err(|_| away)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await;
        if !status.is_success() {
            let passes = [
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ];
            return Err(NotTaken { passes: passes.contains(&status), ..refused });
        }
        // What cannot be read of an answer says nothing of what was not taken.
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        Ok(A::decode(body).unwrap_or_default())
    }
}
