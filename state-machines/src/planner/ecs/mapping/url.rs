//! URLs of a configuration.

use http::Uri;

use crate::status::{Endpoint, EndpointType};

/// Where a URL leads.
pub(super) fn endpoint(url: &str) -> Result<Endpoint, &'static str> {
    const WRONG: &str = "not a URL; write one like https://acme.example.com or http://127.0.0.1:4566";
    let uri: Uri = url.parse().map_err(|_| WRONG)?;
    let (kind, usual) = match uri.scheme_str() {
        Some("http") => (EndpointType::Http, 80),
        Some("https") => (EndpointType::Https, 443),
        Some(_) | None => return Err(WRONG),
    };
    let authority = uri.authority().ok_or(WRONG)?;
    if authority.as_str().contains('@') {
        return Err("holds a name before the host; leave it out, as URLs are shown");
    }
    let host = authority.host();
    let port = match authority.as_str().strip_prefix(host) {
        Some("") => usual,
        Some(rest) => match rest.strip_prefix(':').and_then(|port| port.parse().ok()) {
            Some(0) | None => return Err(WRONG),
            Some(port) => port,
        },
        None => return Err(WRONG),
    };
    // An IPv6 address is in brackets only within a URL.
    let address = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    match address.is_empty() {
        true => Err(WRONG),
        false => Ok(Endpoint {
            kind,
            address,
            port,
            url: Some(url.to_owned()),
            container: None,
            container_port: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_somewhere() {
        for (url, kind, address, port) in [
            ("https://acme.example.com", EndpointType::Https, "acme.example.com", 443),
            ("http://acme.example.com/app?x=1", EndpointType::Http, "acme.example.com", 80),
            ("http://127.0.0.1:4566", EndpointType::Http, "127.0.0.1", 4566),
            ("https://[2001:db8::1]:8443/", EndpointType::Https, "2001:db8::1", 8443),
        ] {
            let found = endpoint(url).unwrap();
            assert_eq!((found.kind, &*found.address, found.port), (kind, address, port), "{url}");
            assert_eq!(found.url.as_deref(), Some(url));
        }
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for url in [
            "",
            "acme.example.com",
            "/app",
            "ftp://acme.example.com",
            "https://",
            "https:///app",
            "http://acme:99999",
            "http://acme:0",
            "http://a b",
            "https://me:hunter2@acme.example.com",
        ] {
            assert!(endpoint(url).is_err(), "{url}");
        }
    }
}
