//! A TCP port: with TLS, or on the loopback alone.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::certificates::Certificates;
use super::hosts::{Hosts, for_these};
use super::{Bounds, Listens, Opening, Stream, answer_all};
use crate::sessions::Way;

/// Who can read what goes over a TCP connection.
#[derive(Clone, Debug)]
pub enum Security {
    /// The two sides alone.
    Tls(Certificates),
    /// Whoever can read the loopback of this machine. Other addresses are refused.
    PlainOnLoopback,
}

/// A TCP port.
pub struct Tcp {
    listener: TcpListener,
    /// None: what goes over it is plain.
    tls: Option<TlsAcceptor>,
    hosts: Hosts,
}

impl Tcp {
    /// Listens at this address. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be had; or it is reached from other machines, and nothing would be encrypted.
    pub async fn bind(address: SocketAddr, security: Security) -> io::Result<Self> {
        let tls = match security {
            Security::Tls(certificates) => Some(TlsAcceptor::from(Arc::new(tls(certificates)?))),
            Security::PlainOnLoopback if address.ip().is_loopback() => None,
            Security::PlainOnLoopback => {
                let reached = format!(
                    "{address} is reached from other machines, and tokens would go over it in the clear; give it a \
                     certificate, or listen on 127.0.0.1"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, reached));
            }
        };
        let hosts = if tls.is_some() { Hosts::Any } else { Hosts::loopback() };
        Ok(Self { listener: TcpListener::bind(address).await?, tls, hosts })
    }

    /// Answers for hosts of these names, and of the loopback, alone: as a proxy asks for that is before it. Without it, all are
    /// answered for over TLS, as clients compare them with the certificate, and the loopback alone without TLS.
    #[must_use]
    pub fn named(self, names: Vec<String>) -> Self {
        Self { hosts: Hosts::LoopbackAnd(names.into()), ..self }
    }

    /// Where it listens: the port that it got, where it was asked for port 0.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests by `router` until `stop`, and then as long as `bounds` says what is on its way. `router` is one
    /// that asks for a token: [`guarded`](crate::guarded).
    pub async fn serve(self, router: Router, bounds: Bounds, stop: CancellationToken) {
        let way = if self.tls.is_some() { Way::Tls } else { Way::Plain };
        let router = router.layer(Extension(way));
        let router = router.layer(from_fn_with_state(self.hosts.clone(), for_these));
        answer_all(self, router, bounds, stop).await;
    }
}

impl std::fmt::Debug for Tcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tcp").field("listener", &self.listener).finish_non_exhaustive()
    }
}

fn tls(certificates: Certificates) -> io::Result<ServerConfig> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let mut config = versions.with_no_client_auth().with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

impl Listens for Tcp {
    async fn take(&self) -> io::Result<Opening> {
        let (stream, _) = self.listener.accept().await?;
        // An answer is not held back for more of it.
        stream.set_nodelay(true)?;
        Ok(match self.tls.clone() {
            Some(tls) => Box::pin(async move { Ok(Box::new(tls.accept(stream).await?) as Box<dyn Stream>) }),
            None => Box::pin(async { Ok(Box::new(stream) as Box<dyn Stream>) }),
        })
    }
}
