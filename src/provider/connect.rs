//! Connections for hyper's client that look at a lease.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::lease::{Guarded, Lease};

/// Makes TCP connections for hyper's client that are [`Guarded`], and makes none once the lease has ended. What goes over them,
/// as TLS or a proxy's protocol, is put around this.
#[derive(Clone, Debug)]
pub struct GuardedConnector {
    connector: HttpConnector,
    lease: Lease,
}

impl GuardedConnector {
    /// Connects as `connector` does, while the lease holds.
    pub fn new(connector: HttpConnector, lease: Lease) -> Self {
        Self { connector, lease }
    }
}

impl Service<Uri> for GuardedConnector {
    type Response = TokioIo<Guarded<TcpStream>>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(task).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        if let Err(ended) = self.lease.look() {
            return Box::pin(std::future::ready(Err(ended.into())));
        }
        let (connecting, lease) = (self.connector.call(to), self.lease.clone());
        Box::pin(async move {
            let connection = connecting.await?;
            Ok(TokioIo::new(Guarded::new(connection.into_inner(), lease)))
        })
    }
}

impl Connection for Guarded<TcpStream> {
    fn connected(&self) -> Connected {
        self.connection().connected()
    }
}
