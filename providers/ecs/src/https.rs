//! The HTTP client of a provider that was given none: the SDK's own, and for an engine that shares its store one whose connections
//! look at the engine's lease, beneath TLS. The SDK's cannot be given a connector, so that one is put together of the same parts.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_ecs::config::{ConfigBag, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_types::body::SdkBody;
use http::header::PROXY_AUTHORIZATION;
use http::uri::Scheme;
use http::{Extensions, Request, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{self, Connected, Connection, HttpInfo, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use landlord_compute::provider::{Guarded, GuardedConnector, Lease};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

/// The system's certificates. To read them takes a while.
static ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
});

/// Where a provider keeps the lease that its engine may tell it of.
pub(super) type Leased = Arc<OnceLock<Lease>>;

/// Requests over HTTP/1 and 2 and rustls, with the system's certificates and through the proxy that the environment names. Nothing is
/// sent once the lease has ended, where there is one.
pub(super) fn client(leased: Leased) -> SharedHttpClient {
    let alone = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder()
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::Ring));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    });
    SharedHttpClient::new(Https { alone, leased, guarded: Mutex::default() })
}

struct Https {
    /// Makes the requests of an engine that is alone.
    alone: SharedHttpClient,
    leased: Leased,
    /// Make the others.
    guarded: Mutex<HashMap<Within, SharedHttpConnector>>,
}

/// How long things may take; some of the SDK's sources of credentials have times of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Within {
    connected: Option<Duration>,
    answered: Option<Duration>,
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Https").field("leased", &self.leased).finish_non_exhaustive()
    }
}

impl HttpClient for Https {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let Some(lease) = self.leased.get() else { return self.alone.http_connector(settings, components) };
        let within = Within { connected: settings.connect_timeout(), answered: settings.read_timeout() };
        let mut guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = guarded.entry(within).or_insert_with(|| {
            SharedHttpConnector::new(GuardedHttps::new(
                lease,
                Arc::clone(&ROOTS),
                Matcher::from_env(),
                within,
            ))
        });
        connector.clone()
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.alone.validate_base_client_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.alone.connector_metadata()
    }
}

/// Makes requests over connections that look at a lease.
pub(super) struct GuardedHttps {
    http: Client<TimeoutConnector<HttpsConnector<Way>>, SdkBody>,
    proxies: Arc<Matcher>,
    answered: Option<Duration>,
}

impl GuardedHttps {
    pub(super) fn new(lease: &Lease, roots: Arc<RootCertStore>, proxies: Matcher, within: Within) -> Self {
        let proxies = Arc::new(proxies);
        let mut tcp = connect::HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tcp = GuardedConnector::new(tcp, lease.clone());
        let mut tls = tls(roots);
        let to_proxy = HttpsConnector::from((tcp.clone(), tls.clone()));
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let way = Way { tcp, to_proxy, proxies: Arc::clone(&proxies) };
        let mut connector = TimeoutConnector::new(HttpsConnector::from((way, tls)));
        connector.set_connect_timeout(within.connected);
        let http = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Self { http, proxies, answered: within.answered }
    }

    /// The name and the password that a proxy wants to hear with each request that it hands on as it is.
    fn authorize(&self, request: &mut Request<SdkBody>) {
        if request.uri().scheme() != Some(&Scheme::HTTP)
            || request.headers().contains_key(PROXY_AUTHORIZATION)
        {
            return;
        }
        let proxy = self.proxies.intercept(request.uri());
        if let Some(name) = proxy.as_ref().and_then(|proxy| proxy.basic_auth()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, name.clone());
        }
    }
}

impl fmt::Debug for GuardedHttps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedHttps").finish_non_exhaustive()
    }
}

impl HttpConnector for GuardedHttps {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        self.authorize(&mut request);
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let (answer, within) = (self.http.request(request), self.answered);
        HttpConnectorFuture::new(async move {
            let answer = match within {
                None => answer.await,
                Some(within) => match tokio::time::timeout(within, answer).await {
                    Ok(answer) => answer,
                    Err(elapsed) => return Err(ConnectorError::timeout(elapsed.into())),
                },
            };
            let answer = answer.map_err(failed)?.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn tls(roots: Arc<RootCertStore>) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    // The provider has the ciphers of both versions.
    #[expect(clippy::expect_used)]
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has TLS 1.2 and 1.3");
    builder.with_root_certificates(roots).with_no_client_auth()
}

/// For the SDK, which has a connection that went wrong closed.
fn metadata(connection: &connect::CaptureConnection) -> Option<ConnectionMetadata> {
    let broken = connection.clone();
    let connected = connection.connection_metadata();
    let connected = connected.as_ref()?;
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    let addresses = extras.get::<HttpInfo>();
    let mut metadata = ConnectionMetadata::builder().proxied(connected.is_proxied()).poison_fn(move || {
        if let Some(connected) = broken.connection_metadata().as_ref() {
            connected.poison();
        }
    });
    metadata.set_remote_addr(addresses.map(HttpInfo::remote_addr));
    metadata.set_local_addr(addresses.map(HttpInfo::local_addr));
    Some(metadata.build())
}

/// A request that brought no answer, as the SDK tells them apart.
fn failed(error: legacy::Error) -> ConnectorError {
    let causes = || std::iter::successors(Some(&error as &(dyn StdError + 'static)), |&error| error.source());
    let is_late = causes()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::TimedOut);
    let is_ours = causes().filter_map(|cause| cause.downcast_ref()).any(hyper::Error::is_user);
    match (is_late, is_ours) {
        (true, _) => ConnectorError::timeout(error.into()),
        (false, true) => ConnectorError::user(error.into()),
        (false, false) => ConnectorError::io(error.into()),
    }
}

/// The way to a server, or through a proxy. TLS with the server goes over it.
#[derive(Clone, Debug)]
struct Way {
    tcp: GuardedConnector,
    to_proxy: HttpsConnector<GuardedConnector>,
    proxies: Arc<Matcher>,
}

impl Service<Uri> for Way {
    type Response = Hop;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Hop, BoxError>> + Send>>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(task)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.intercept(&to) else {
            let connecting = self.tcp.call(to);
            return Box::pin(async move {
                Ok(Hop { stream: MaybeHttpsStream::Http(connecting.await?), is_forwarded: false })
            });
        };
        if to.scheme() == Some(&Scheme::HTTPS) {
            let tunnel = Tunnel::new(proxy.uri().clone(), self.to_proxy.clone());
            let mut tunnel = match proxy.basic_auth() {
                Some(name) => tunnel.with_auth(name.clone()),
                None => tunnel,
            };
            let connecting = tunnel.call(to);
            return Box::pin(async move { Ok(Hop { stream: connecting.await?, is_forwarded: false }) });
        }
        let connecting = self.to_proxy.call(proxy.uri().clone());
        Box::pin(async move { Ok(Hop { stream: connecting.await?, is_forwarded: true }) })
    }
}

/// A connection to a server or to a proxy.
struct Hop {
    stream: MaybeHttpsStream<TokioIo<Guarded<TcpStream>>>,
    /// Whether a proxy reads the requests and hands them on.
    is_forwarded: bool,
}

impl Connection for Hop {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.is_forwarded)
    }
}

impl Read for Hop {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, into)
    }
}

impl Write for Hop {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
