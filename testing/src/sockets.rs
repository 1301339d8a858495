//! A server that counts the bytes which reach it, for tests of what a client sends and when.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and stops")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1 without TLS.
    Plain,
    /// HTTP/1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    Http2,
}

/// A server of this machine, until it is dropped. It answers each request with `{}` once it has all of it.
#[derive(Debug)]
pub struct CountingServer {
    address: SocketAddr,
    speaks: Speaks,
    certificate: Vec<u8>,
    counts: watch::Receiver<Counts>,
    limit: watch::Sender<u64>,
    // Its tasks end with it.
    _tasks: JoinSet<()>,
}

/// What has reached a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were made.
    pub connections: u64,
    /// Of these, those that the client has not ended.
    pub open: u64,
    /// Bytes from the network.
    pub bytes: u64,
    /// Requests that came whole.
    pub requests: u64,
}

impl CountingServer {
    /// Starts one.
    pub async fn start(speaks: Speaks) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let mut tls = builder.with_single_cert(vec![cert.der().clone()], key).expect("a certificate");
        if speaks == Speaks::Http2 {
            tls.alpn_protocols = vec![b"h2".to_vec()];
        }
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (count, counts) = watch::channel(Counts::default());
        let (limit, limits) = watch::channel(u64::MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.send_modify(|counts| {
                    (counts.connections, counts.open) = (counts.connections + 1, counts.open + 1)
                });
                let (ours, theirs) = duplex(1 << 16);
                connections.spawn(relay(stream, ours, count.clone(), limits.clone()));
                connections.spawn(serve(theirs, speaks, tls.clone(), count.clone()));
            }
        });
        Self { address, speaks, certificate: cert.der().to_vec(), counts, limit, _tasks: tasks }
    }

    /// Its address.
    pub fn url(&self) -> String {
        let scheme = if self.speaks == Speaks::Plain { "http" } else { "https" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// Its certificate, which it has signed itself, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// What has reached it.
    pub fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// From now on it stops to read once it has read so many bytes in all; those that are under way wait in the kernel.
    pub fn reads_up_to(&self, bytes: u64) {
        self.limit.send_replace(bytes);
    }

    /// Returns once what has reached it is like this.
    pub async fn until(&self, reached: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.counts.clone();
        *counts.wait_for(reached).await.expect("the server runs")
    }
}

/// Hands on what comes from the network, and back.
async fn relay(
    client: TcpStream,
    server: DuplexStream,
    count: watch::Sender<Counts>,
    mut limits: watch::Receiver<u64>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = split(server);
    let forth = async {
        let mut bytes = vec![0; 1 << 14];
        loop {
            let may_read = limits.wait_for(|limit| *limit > count.borrow().bytes).await.is_ok();
            // A client that is gone without a word has ended the connection, too.
            let read = from_client.read(&mut bytes).await.unwrap_or_default();
            if read == 0 || !may_read {
                break;
            }
            count.send_modify(|counts| counts.bytes += read as u64);
            let _ended = to_server.write_all(&bytes[..read]).await;
        }
        count.send_modify(|counts| counts.open -= 1);
        let _ended = to_server.shutdown().await;
    };
    let back = async {
        let _ended = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ended = to_client.shutdown().await;
    };
    tokio::join!(forth, back);
}

async fn serve(connection: DuplexStream, speaks: Speaks, tls: TlsAcceptor, count: watch::Sender<Counts>) {
    match speaks {
        Speaks::Plain => http1(TokioIo::new(connection), count).await,
        Speaks::Tls => {
            if let Ok(connection) = tls.accept(connection).await {
                http1(TokioIo::new(connection), count).await;
            }
        }
        Speaks::Http2 => {
            if let Ok(connection) = tls.accept(connection).await {
                let service = service_fn(move |request| answer(request, count.clone()));
                let server = http2::Builder::new(TokioExecutor::new());
                let _ended = server.serve_connection(TokioIo::new(connection), service).await;
            }
        }
    }
}

async fn http1(connection: impl Read + Write + Unpin, count: watch::Sender<Counts>) {
    let service = service_fn(move |request| answer(request, count.clone()));
    let _ended = http1::Builder::new().serve_connection(connection, service).await;
}

async fn answer(
    request: hyper::Request<Incoming>,
    count: watch::Sender<Counts>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut body = request.into_body();
    let is_whole = loop {
        match body.frame().await {
            Some(Ok(_)) => {}
            Some(Err(_)) => break false,
            None => break true,
        }
    };
    if is_whole {
        count.send_modify(|counts| counts.requests += 1);
    }
    Ok(Response::new(Full::new(Bytes::from_static(b"{}"))))
}
