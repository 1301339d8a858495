//! The certificate that a server shows, read anew when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, InconsistentKeys};
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read, or is no PEM.
    #[error("cannot read {} as PEM", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: pem::Error,
    },
    /// The file has no certificate.
    #[error("there is no certificate in {}", .0.display())]
    Empty(PathBuf),
    /// The key is of a kind that is not known, or is not the certificate's.
    #[error("the key in {} is not the one of the certificate in {}", key.display(), certificate.display())]
    Key {
        /// The key's file.
        key: PathBuf,
        /// The certificate's.
        certificate: PathBuf,
        /// The cause.
        #[source]
        source: rustls::Error,
    },
}

/// The certificate chain and the key of a server, from two PEM files. Clones are the same.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Files>);

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    shown: RwLock<Arc<CertifiedKey>>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads both files.
    ///
    /// # Errors
    /// [`CertificateError`] says what is wrong with which file.
    pub fn read(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, CertificateError> {
        let (certificate, key) = (certificate.into(), key.into());
        let shown = RwLock::new(Arc::new(pair(&certificate, &key)?));
        Ok(Self(Arc::new(Files { certificate, key, shown })))
    }

    /// Reads both files again, for connections from now on; whether there was something new. What is wrong with them leaves
    /// the one that is shown.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn reload(&self) -> Result<bool, CertificateError> {
        let files = &*self.0;
        let new = pair(&files.certificate, &files.key)?;
        let mut shown = files.shown.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = shown.cert != new.cert;
        if is_new {
            *shown = Arc::new(new);
        }
        Ok(is_new)
    }

    /// From when until when the certificate that is shown is valid; none where it does not say it in a way that is understood.
    pub fn validity(&self) -> Option<(Timestamp, Timestamp)> {
        let shown = Arc::clone(&self.0.shown.read().unwrap_or_else(PoisonError::into_inner));
        let (_, certificate) = x509_parser::parse_x509_certificate(shown.cert.first()?).ok()?;
        let at = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).ok();
        Some((at(certificate.validity().not_before)?, at(certificate.validity().not_after)?))
    }

    /// Looks at the files every 5 s, until `stop`, and reads them when they have changed. Blocks no other task: what is read
    /// is small.
    pub async fn follow(self, stop: CancellationToken) {
        let mut seen = self.stamps();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            let stamps = self.stamps();
            if stamps == seen {
                continue;
            }
            match self.reload() {
                Ok(is_new) => {
                    seen = stamps;
                    if is_new {
                        tracing::info!(certificate = %self.0.certificate.display(), "a new certificate is shown");
                    }
                }
                // Perhaps one of the two files is still to be written.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the certificate changed and cannot be used; the old one is shown");
                }
            }
        }
    }

    /// What tells that a file has changed.
    fn stamps(&self) -> [Option<(std::time::SystemTime, u64)>; 2] {
        [&self.0.certificate, &self.0.key].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.shown.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown))
    }
}

/// All certificates of a PEM file; there is one.
pub(crate) fn all_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let unread = |source| CertificateError::File { path: path.to_owned(), source };
    let all = CertificateDer::pem_file_iter(path).map_err(unread)?;
    let all = all.collect::<Result<Vec<_>, _>>().map_err(unread)?;
    if all.is_empty() { Err(CertificateError::Empty(path.to_owned())) } else { Ok(all) }
}

fn pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let chain = all_in(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|source| CertificateError::File { path: key.to_owned(), source })?;
    let of_key =
        |source| CertificateError::Key { key: key.to_owned(), certificate: certificate.to_owned(), source };
    let signs = ring::sign::any_supported_type(&secret).map_err(of_key)?;
    let pair = CertifiedKey::new(chain, signs);
    match pair.keys_match() {
        // Of some kinds of keys that cannot be told.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(source) => Err(of_key(source)),
    }
}
