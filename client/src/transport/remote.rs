//! Over TCP, with a token.

use std::path::PathBuf;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use landlord_api::BearerToken;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

use super::Http;

/// Whose certificates a client trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those that this system trusts.
    #[default]
    System,
    /// Those that the authorities of this PEM file signed, and no others.
    Authorities(PathBuf),
}

/// Why a server cannot be asked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// It is no address of a server.
    #[error("{url:?} is no server's address: {why}; write it like https://compute.example.com:8443")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The token cannot go into a header.
    #[error("the token is no token: it has characters that none has")]
    Token,
    /// The authorities that are to be trusted cannot be read.
    #[error("cannot read the authorities in {}", path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: pem::Error,
    },
    /// TLS cannot be set up: no authority is trusted, or one is not understood.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl Http<HttpsConnector<HttpConnector>> {
    pub(crate) fn remote(url: &str, token: &BearerToken, trust: &Trust) -> Result<Self, RemoteError> {
        let (scheme, authority) =
            address(url).map_err(|why| RemoteError::Address { url: url.to_owned(), why })?;
        let mut proof =
            HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| RemoteError::Token)?;
        proof.set_sensitive(true);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls(trust)?);
        // Plain HTTP was asked for by name, and stays on this machine.
        let connector = connector.https_or_http().enable_http1().build();
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Ok(Self { pool, scheme, authority, proof: Some(proof) })
    }
}

fn address(url: &str) -> Result<(Scheme, Authority), String> {
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let parts = uri.into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
        return Err("it has to begin with https://".to_owned());
    };
    if authority.as_str().contains('@') {
        return Err("a token is given by itself, and not as a part of it".to_owned());
    }
    match parts.path_and_query.as_ref().map_or("/", |path| path.as_str()) {
        "/" | "" => {}
        path => return Err(format!("it ends before {path:?}")),
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match scheme.as_str() {
        "https" => Ok((scheme, authority)),
        "http" if here => Ok((scheme, authority)),
        "http" => Err("over http the token would go to another machine in the clear".to_owned()),
        other => Err(format!("{other} is not spoken here")),
    }
}

fn tls(trust: &Trust) -> Result<ClientConfig, RemoteError> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let say = |error: &dyn std::fmt::Display| RemoteError::Tls(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| say(&error))?;
    let trusts = match trust {
        Trust::System => builder.with_native_roots().map_err(|error| say(&error))?,
        Trust::Authorities(path) => {
            let unread = |source| RemoteError::Authorities { path: path.clone(), source };
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(unread)? {
                roots.add(certificate.map_err(unread)?).map_err(|error| say(&error))?;
            }
            if roots.is_empty() {
                return Err(RemoteError::Tls(format!("there is no certificate in {}", path.display())));
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(trusts.with_no_client_auth())
}
