//! Whom a connection over TLS trusts: the authorities of the machine, and those of a file.

use std::path::Path;
use std::sync::Arc;

use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use landlord_compute::store::StoreError;

/// What makes connections over TLS. Reads files, so it belongs on a thread that may block.
pub(crate) fn connector(ca: Option<&Path>) -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is trusted by nobody.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let unusable = |cause: Box<dyn std::error::Error + Send + Sync>| StoreError::Unavailable {
            message: format!("the authorities in {} cannot be used; name a file of PEM", path.display()),
            source: Some(cause),
        };
        let mut found = 0;
        for authority in CertificateDer::pem_file_iter(path).map_err(|cause| unusable(cause.into()))? {
            let authority = authority.map_err(|cause| unusable(cause.into()))?;
            roots.add(authority).map_err(|cause| unusable(cause.into()))?;
            found += 1;
        }
        if found == 0 {
            return Err(unusable("it has no certificate".into()));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|cause| StoreError::Unavailable {
            message: "TLS cannot be set up".to_owned(),
            source: Some(Box::new(cause)),
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
