//! A client whose connections look at the engine's lease, beneath TLS. kube's own cannot be given a connector, so this one is put
//! together of the same parts, in the same order.

use std::error::Error as StdError;

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::{Client, Config, Error};
use landlord_compute::provider::{GuardedConnector, Lease};
use tower::{Service, ServiceBuilder};

type BoxError = Box<dyn StdError + Send + Sync>;

/// A client for this cluster, that sends nothing once the lease has ended. It may run an exec plugin.
///
/// # Errors
/// When the configuration leads to no client.
pub(super) fn client(config: &Config, lease: Lease) -> Result<Client, Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let tcp = GuardedConnector::new(tcp, lease);
    let Some(proxy) = &config.proxy_url else { return over(tcp, config) };
    match proxy.scheme_str() {
        Some("socks5") => over(SocksV5::new(proxy.clone(), tcp), config),
        Some("http") => over(tunnel(proxy, tcp, config), config),
        Some("https") => {
            let tls = config.rustls_https_connector_with_connector(tcp)?;
            over(tunnel(proxy, tls, config), config)
        }
        Some(_) | None => Err(Error::ProxyProtocolUnsupported { proxy_url: Box::new(proxy.clone()) }),
    }
}

/// A way through a proxy, with the name and the password that its address may have.
fn tunnel<C>(proxy: &Uri, connector: C, config: &Config) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.clone(), connector);
    let proxies = Matcher::builder().all(proxy.to_string()).build();
    match proxies.intercept(&config.cluster_url).as_ref().and_then(|proxy| proxy.basic_auth()) {
        Some(name) => tunnel.with_auth(name.clone()),
        None => tunnel,
    }
}

/// A client over these connections.
fn over<C>(connector: C, config: &Config) -> Result<Client, Error>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    let auth = config.auth_layer()?;
    let valid_until = match &config.auth_info.exec {
        Some(_) if auth.is_none() => until(config)?,
        Some(_) | None => None,
    };
    let mut timed = TimeoutConnector::new(config.rustls_https_connector_with_connector(connector)?);
    timed.set_connect_timeout(config.connect_timeout);
    timed.set_read_timeout(config.read_timeout);
    timed.set_write_timeout(config.write_timeout);
    timed.set_reset_reader_on_write(config.reset_reader_on_write);
    let http = legacy::Builder::new(TokioExecutor::new()).build::<_, Body>(timed);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(auth)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()).with_valid_until(valid_until))
}

/// Until when the certificate is good that an exec plugin gives. Only kube's own client tells; this one is never used.
fn until(config: &Config) -> Result<Option<Timestamp>, Error> {
    Ok(*ClientBuilder::try_from(config.clone())?.build().valid_until())
}
