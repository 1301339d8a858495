//! For which hosts a listener answers. A name that somebody else points at this machine is none of them: a page under that
//! name would be of the same origin as the answers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use landlord_api::Code;

use crate::refused::Refused;

/// For which hosts requests are answered.
#[derive(Clone, Debug)]
pub(super) enum Hosts {
    /// For any. A browser has compared the host with the certificate.
    Any,
    /// For this machine by its loopback, and for these names.
    LoopbackAnd(Arc<[String]>),
}

impl Hosts {
    pub(super) fn loopback() -> Self {
        Self::LoopbackAnd(Arc::default())
    }

    fn answers(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::LoopbackAnd(names) => {
                is_loopback(host) || names.iter().any(|name| name.eq_ignore_ascii_case(host))
            }
        }
    }
}

/// Lets through what is for one of the hosts, or names none as only programs do.
pub(super) async fn for_these(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let named = request.headers().get_all(header::HOST).iter();
    let named = named.map(|value| value.to_str().ok().and_then(|text| text.parse::<Authority>().ok()));
    let in_line = request.uri().authority().cloned().map(Some);
    let foreign = named.chain(in_line).find(|host| {
        let host = host.as_ref().map(|host| host.host().trim_matches(['[', ']']));
        !host.is_some_and(|host| hosts.answers(host))
    });
    match foreign {
        None => next.run(request).await,
        Some(host) => {
            let host = host.map_or_else(|| "a host that cannot be read".to_owned(), |host| host.to_string());
            let detail = format!(
                "this server does not answer for {host}; ask for localhost, or name the host in its configuration: \
                 listen.names"
            );
            Refused::new(Code::Misdirected, detail).into_response()
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let name = host.to_ascii_lowercase();
    // Browsers ask nobody where these are.
    let is_named = name == "localhost" || name.ends_with(".localhost");
    is_named || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}
