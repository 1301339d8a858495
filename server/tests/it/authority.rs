//! An authority that signs certificates of tests.

use std::path::PathBuf;

use landlord_client::Trust;
use landlord_server::Certificates;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// An authority, and the files of those whom it signs.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "tests");
        let issuer =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { issuer, folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Signs a certificate for these names, into the server's files.
    pub(super) fn sign(&self, names: &[&str]) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        std::fs::write(self.path("server.pem"), certificate.pem()).expect("written");
        std::fs::write(self.path("server.key"), key.serialize_pem()).expect("written");
    }

    pub(super) fn certificates(&self) -> Certificates {
        Certificates::read(self.path("server.pem"), self.path("server.key"))
            .expect("a certificate and its key")
    }

    pub(super) fn trust(&self) -> Trust {
        Trust::Authorities(self.path("ca.pem"))
    }
}
