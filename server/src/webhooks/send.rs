//! One request to a receiver: where it may go, how long it may take, and how much of the answer is read.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{HeaderValue, Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Url};

use super::address::is_public;
use super::trust::{Trust, TrustError};

/// How long a delivery may take, from the look for the address to the end of the answer.
const WITHIN: Duration = Duration::from_secs(30);
/// How long one address may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);
/// How much of an answer is read. Nothing is made of it.
const ANSWER: usize = 64 * 1024;

/// What is sent.
#[derive(Clone)]
pub(super) struct Message {
    /// What tells it from every other.
    pub(super) id: String,
    pub(super) body: Bytes,
}

/// Why a delivery failed. It says nothing of what the receiver answered, which may be anything.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("{0}")]
    Url(&'static str),
    #[error("the address of {host} is not found: {cause}")]
    NotFound { host: String, cause: std::io::Error },
    #[error(
        "{host} is at {address}, which is not on the internet; the server's configuration does not allow \
         deliveries there"
    )]
    Private { host: String, address: SocketAddr },
    #[error("{address} is on the internet, and http:// would send events there in the clear; use https://")]
    InTheClear { address: SocketAddr },
    #[error("{address} cannot be reached: {cause}")]
    Unreachable { address: SocketAddr, cause: std::io::Error },
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("the connection broke off: {0}")]
    Broken(#[from] hyper::Error),
    #[error("the receiver answered {0}; 2xx is wanted, and redirects are not followed")]
    Status(u16),
    #[error("the receiver did not answer within {} s", WITHIN.as_secs())]
    TooSlow,
}

/// Sends requests. Clones share whom they trust.
#[derive(Clone)]
pub(super) struct Sender {
    trust: Trust,
    private: bool,
}

impl Sender {
    /// `private`: also to addresses that are not on the internet.
    pub(super) fn new(trust: Trust, private: bool) -> Self {
        Self { trust, private }
    }

    /// Sends a message; returns once the receiver has taken it.
    pub(super) async fn send(
        &self,
        url: &Url,
        message: &Message,
        timestamp: i64,
        signatures: &str,
    ) -> Result<(), SendError> {
        let sent = timeout(WITHIN, self.exchange(url, message, timestamp, signatures)).await;
        sent.unwrap_or(Err(SendError::TooSlow))
    }

    async fn exchange(
        &self,
        url: &Url,
        message: &Message,
        timestamp: i64,
        signatures: &str,
    ) -> Result<(), SendError> {
        let request = request(url, message, timestamp, signatures)?;
        let address = self.address(url).await?;
        let unreachable = |cause| SendError::Unreachable { address, cause };
        let connecting = timeout(CONNECT, TcpStream::connect(address)).await;
        let stream = connecting.unwrap_or_else(|late| Err(late.into())).map_err(unreachable)?;
        if url.scheme() == "http" {
            return ask(stream, request).await;
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| SendError::Url("the host is no name"))?;
        let tls = self.trust.connector().await?;
        ask(tls.connect(name, stream).await.map_err(unreachable)?, request).await
    }

    /// Where a connection goes. Nobody looks for the name again, so it cannot lead elsewhere then.
    async fn address(&self, url: &Url) -> Result<SocketAddr, SendError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().ok_or(SendError::Url("the URL has no port"))?;
        let found = match url.host() {
            Some(Host::Ipv4(address)) => vec![SocketAddr::from((address, port))],
            Some(Host::Ipv6(address)) => vec![SocketAddr::from((address, port))],
            Some(Host::Domain(name)) => match lookup_host((name, port)).await {
                Ok(found) => found.collect(),
                Err(cause) => return Err(SendError::NotFound { host, cause }),
            },
            None => return Err(SendError::Url("the URL has no host")),
        };
        let allowed = found.iter().find(|address| self.private || is_public(address.ip()));
        match (allowed, found.first()) {
            (Some(address), _) if url.scheme() == "http" && is_public(address.ip()) => {
                Err(SendError::InTheClear { address: *address })
            }
            (Some(address), _) => Ok(*address),
            (None, Some(address)) => Err(SendError::Private { host, address: *address }),
            (None, None) => {
                let cause = std::io::Error::other("the name has no address");
                Err(SendError::NotFound { host, cause })
            }
        }
    }
}

fn request(
    url: &Url,
    message: &Message,
    timestamp: i64,
    signatures: &str,
) -> Result<Request<Full<Bytes>>, SendError> {
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err(SendError::Url("the URL has no host")),
    };
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    Request::post(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/cloudevents+json")
        .header(header::USER_AGENT, concat!("landlord-compute/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, HeaderValue::from_static("close"))
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signatures)
        .body(Full::new(message.body.clone()))
        .map_err(|_| SendError::Url("the URL cannot be asked for"))
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(), SendError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The connection goes on only while somebody asks for the answer.
    let asking = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        // So that the receiver can write it to its end; what is too long is cut off.
        let _ = Limited::new(response.into_body(), ANSWER).collect().await;
        if status.is_success() { Ok(()) } else { Err(SendError::Status(status.as_u16())) }
    };
    tokio::pin!(asking, connection);
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        ended = &mut connection => {
            ended?;
            asking.await
        }
    }
}
