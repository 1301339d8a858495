//! Sessions: a browser that has shown a token once goes on with a cookie, as its stream of events cannot send a header.
//!
//! A session is kept in memory alone, as the hash of its cookie, and is worth what its token is worth when it is used.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use landlord_api::{BearerToken, Code};
use serde::Deserialize;
use tokio::time::Instant;

use crate::access::{Access, Grant};
use crate::asked::JsonBody;
use crate::origin::Sender;
use crate::refused::Refused;
use crate::served::Served;
use crate::tokens::{Hash, hash, random};

/// How long a session lasts.
const LASTS: Duration = Duration::from_secs(12 * 60 * 60);
/// How many sessions one token may have. One more ends the oldest.
const OF_ONE_TOKEN: usize = 16;
/// How many sessions there may be. One more ends the oldest.
const ALL: usize = 4_096;

/// The sessions. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<RwLock<HashMap<Hash, Session>>>);

struct Session {
    token: Hash,
    ends: Instant,
}

impl Sessions {
    /// The token of the session of this cookie.
    fn token(&self, cookie: &str) -> Option<Hash> {
        let sessions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(&hash(cookie))?;
        (session.ends > Instant::now()).then(|| session.token.clone())
    }

    /// Whoever has the session that a request has a cookie of.
    pub(crate) fn find(&self, served: &Served, request: &Request) -> Option<Arc<Grant>> {
        let way = request.extensions().get::<Way>().copied().unwrap_or_default();
        let token = self.token(cookie(served, request.headers(), way)?)?;
        served.tokens().find_by_hash(&token)
    }

    fn add(&self, secret: &str, token: Hash) {
        let now = Instant::now();
        let mut sessions = self.0.write().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.ends > now);
        let of_token = sessions.values().filter(|session| session.token == token).count();
        let oldest = |sessions: &HashMap<Hash, Session>, of: Option<&Hash>| {
            let all = sessions.iter().filter(|(_, session)| of.is_none_or(|of| session.token == *of));
            all.min_by_key(|(_, session)| session.ends).map(|(hash, _)| hash.clone())
        };
        let ended = if of_token >= OF_ONE_TOKEN {
            oldest(&sessions, Some(&token))
        } else if sessions.len() >= ALL {
            oldest(&sessions, None)
        } else {
            None
        };
        if let Some(ended) = ended {
            sessions.remove(&ended);
        }
        sessions.insert(hash(secret), Session { token, ends: now + LASTS });
    }

    fn remove(&self, secret: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&hash(secret));
    }
}

/// How requests come to a server. Its listener says it with each; what is not said is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    #[default]
    Tls,
    /// Over the loopback alone: of a browser on this machine, or of a proxy that has TLS.
    Plain,
}

/// What begins a session.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begin {
    token: BearerToken,
}

/// Begins a session for whoever shows a token.
pub(crate) async fn begin(
    State(served): State<Served>,
    way: Option<Extension<Way>>,
    headers: HeaderMap,
    JsonBody(Begin { token }): JsonBody<Begin>,
) -> Result<Response, Refused> {
    Sender::of(&headers).must_be_this_page()?;
    let unknown = || Refused::new(Code::Unauthorized, "this token is not known here, or was revoked");
    let grant = served.tokens().find(token.reveal()).ok_or_else(unknown)?;
    if let Err(later) = grant.take() {
        return Ok(*later);
    }
    let secret = random()?;
    served.sessions().add(&secret, hash(token.reveal()));
    let set = set_cookie(&served, &headers, of(way), &secret, LASTS)?;
    Ok(([(header::SET_COOKIE, set)], Json(Access::Holder(grant).document(&served))).into_response())
}

/// Ends the session of whoever asks.
pub(crate) async fn end(
    State(served): State<Served>,
    way: Option<Extension<Way>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    Sender::of(&headers).must_be_this_page()?;
    if let Some(secret) = cookie(&served, &headers, of(way)) {
        served.sessions().remove(secret);
    }
    let forget = set_cookie(&served, &headers, of(way), "", Duration::ZERO)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, forget)]).into_response())
}

fn of(way: Option<Extension<Way>>) -> Way {
    way.map(|Extension(way)| way).unwrap_or_default()
}

/// What the cookie is called. Browsers keep cookies by host and not by port, so that two servers of one host differ by their
/// stores. Over TLS the prefix keeps other hosts of the domain from setting it.
fn cookie_name(served: &Served, over_tls: bool) -> String {
    let prefix = if over_tls { "__Host-" } else { "" };
    format!("{prefix}landlord-{}", served.store_name())
}

fn cookie<'h>(served: &Served, headers: &'h HeaderMap, way: Way) -> Option<&'h str> {
    let named = cookie_name(served, true);
    let plain = match way {
        Way::Tls => None,
        Way::Plain => Some(cookie_name(served, false)),
    };
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == named || plain.as_deref() == Some(*name)).map(|(_, value)| value)
}

fn set_cookie(
    served: &Served,
    headers: &HeaderMap,
    way: Way,
    secret: &str,
    lasts: Duration,
) -> Result<HeaderValue, Refused> {
    // A browser says how the page came to it: over TLS also where a proxy has that.
    let over_tls = match way {
        Way::Tls => true,
        Way::Plain => !Sender::of(headers).is_plain(),
    };
    let secure = if over_tls { "; Secure" } else { "" };
    let name = cookie_name(served, over_tls);
    let seconds = lasts.as_secs();
    let cookie = format!("{name}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).map_err(|error| Refused::new(Code::Defect, error.to_string()))
}
