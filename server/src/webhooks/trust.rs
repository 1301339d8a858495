//! Whose certificates deliveries trust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::listen::{CertificateError, all_in};

/// Why no receiver can be trusted.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrustError {
    #[error("no authorities to trust: {0}")]
    Authorities(#[from] CertificateError),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the authorities could not be read to their end")]
    Cut,
}

/// The authorities of this machine, and those of a file. They are read before the first delivery over TLS, and again at
/// the next where that failed. Clones are the same.
#[derive(Clone)]
pub(super) struct Trust {
    beside: Option<PathBuf>,
    read: Arc<OnceCell<TlsConnector>>,
}

impl Trust {
    pub(super) fn new(beside: Option<PathBuf>) -> Self {
        Self { beside, read: Arc::default() }
    }

    pub(super) async fn connector(&self) -> Result<&TlsConnector, TrustError> {
        let reading = || async {
            let beside = self.beside.clone();
            let reading = tokio::task::spawn_blocking(move || connector(beside.as_deref()));
            reading.await.unwrap_or(Err(TrustError::Cut))
        };
        self.read.get_or_try_init(reading).await
    }
}

fn connector(beside: Option<&Path>) -> Result<TlsConnector, TrustError> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is trusted by nobody.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = beside {
        all_in(path)?.into_iter().try_for_each(|authority| roots.add(authority))?;
    }
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
