//! Who asks, and what that may see and do.
//!
//! **Invariant:** nothing is answered before somebody said who asks: [`router`](crate::router) says it is the owner, and
//! [`guarded`](crate::guarded) asks for a token, or for the cookie of a session that a token has begun; the page's files, and what begins a
//! session, are for everybody. A route says what it [`Needs`]; where that is not all, as its answer is
//! about several tenants, its handler leaves out what [`Access::sees`] denies.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};
use landlord_api::{AccessDocument, Code, Role, TenantPattern};
use landlord_compute::machines::id::TenantId;
use tokio_util::sync::CancellationToken;

use crate::origin::{self, Sender};
use crate::refused::Refused;
use crate::served::Served;

/// What whoever asks must be allowed. Where a path names a tenant, it is with this tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// To look.
    Look,
    /// To look at all tenants there are.
    LookAtAll,
    /// To command.
    Command,
    /// To command all tenants there are.
    CommandAll,
    /// Everything: to be the engine's user on its own machine.
    Own,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// The engine's user, or the program that the engine is part of.
    Owner,
    /// Whoever has this token.
    Holder(Arc<Grant>),
}

/// What a token allows.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) name: String,
    role: Role,
    tenants: Vec<TenantPattern>,
    rate: DefaultDirectRateLimiter,
    /// Cancelled once the token is worth nothing.
    pub(crate) revoked: CancellationToken,
}

/// How many requests the holder of a token may send. Those beyond are answered 429, and when to send them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// In a second, for as long as it likes.
    pub per_second: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

impl Rate {
    /// So many.
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        Self { per_second, burst }
    }
}

impl Default for Rate {
    fn default() -> Self {
        const PER_SECOND: NonZeroU32 = NonZeroU32::new(500).unwrap();
        const BURST: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
        Self::new(PER_SECOND, BURST)
    }
}

impl Grant {
    pub(crate) fn new(name: String, role: Role, tenants: Vec<TenantPattern>, rate: Rate) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        let (rate, revoked) = (DefaultDirectRateLimiter::direct(quota), CancellationToken::new());
        Self { name, role, tenants, rate, revoked }
    }

    fn has_all(&self) -> bool {
        self.tenants.contains(&TenantPattern::All)
    }

    fn has(&self, tenant: &TenantId) -> bool {
        self.tenants.iter().any(|pattern| pattern.matches(tenant))
    }

    /// Counts a request.
    pub(crate) fn take(&self) -> Result<(), Box<Response>> {
        self.rate.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let detail = format!("token {} may send more in {seconds} s", self.name);
            let again = [(header::RETRY_AFTER, seconds.to_string())];
            Box::new((again, Refused::new(Code::RateLimited, detail)).into_response())
        })
    }
}

impl Access {
    /// Whether it may know of this tenant.
    pub(crate) fn sees(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Owner => true,
            Self::Holder(grant) => grant.has(tenant),
        }
    }

    /// Whether it may know of every tenant.
    pub(crate) fn sees_all(&self) -> bool {
        match self {
            Self::Owner => true,
            Self::Holder(grant) => grant.has_all(),
        }
    }

    /// With what the id of every tenant begins that it may know of; empty where there is nothing to say.
    pub(crate) fn beginning(&self) -> &str {
        match self {
            Self::Owner => "",
            Self::Holder(grant) => match grant.tenants.as_slice() {
                [TenantPattern::Prefix(beginning)] => beginning,
                [TenantPattern::One(one)] => one.as_str(),
                [] | [TenantPattern::All] | [_, _, ..] => "",
            },
        }
    }

    /// The same as an error, which says nothing of whether there is such a tenant.
    pub(crate) fn must_see(&self, tenant: &TenantId) -> Result<(), Refused> {
        match self {
            Self::Holder(grant) if !grant.has(tenant) => {
                Err(forbidden(format!("token {} is not for tenant {tenant}", grant.name)))
            }
            Self::Owner | Self::Holder(_) => Ok(()),
        }
    }

    /// The same of whoever a reader of events hears of: one tenant, or all that there are.
    pub(crate) fn must_see_events(&self, of: Option<&TenantId>) -> Result<(), Refused> {
        match (self, of) {
            (_, Some(tenant)) => self.must_see(tenant),
            (Self::Holder(grant), None) if !grant.has_all() => {
                let name = &grant.name;
                Err(forbidden(format!(
                    "token {name} is not for all tenants; give the filter one of its tenants"
                )))
            }
            (Self::Owner | Self::Holder(_), None) => Ok(()),
        }
    }

    /// What its token is called, where one is asked for.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::Owner => None,
            Self::Holder(grant) => Some(&grant.name),
        }
    }

    /// Returns once it is worth nothing any more. What is answered little by little ends then.
    pub(crate) fn revoked(&self) -> impl Future<Output = ()> + Send + use<> {
        let revoked = match self {
            Self::Owner => CancellationToken::new(),
            Self::Holder(grant) => grant.revoked.clone(),
        };
        revoked.cancelled_owned()
    }

    /// What it may do.
    pub(crate) fn document(&self, served: &Served) -> AccessDocument {
        let (role, tenants) = match self {
            Self::Owner => (Role::Operator, vec![TenantPattern::All]),
            Self::Holder(grant) => (grant.role, grant.tenants.clone()),
        };
        // Without an engine nobody changes anything.
        let role = if served.any_engine().is_some() { role } else { Role::Viewer };
        AccessDocument { token: self.token().map(str::to_owned), role, tenants }
    }

    fn allows(&self, needs: Needs) -> Result<(), Refused> {
        let grant = match self {
            Self::Owner => return Ok(()),
            Self::Holder(grant) => grant,
        };
        let (role, all) = match needs {
            Needs::Look => (Role::Viewer, false),
            Needs::LookAtAll => (Role::Viewer, true),
            Needs::Command => (Role::Operator, false),
            Needs::CommandAll => (Role::Operator, true),
            Needs::Own => {
                return Err(forbidden(
                    "no token allows this; ask on the machine of the server, over its socket".to_owned(),
                ));
            }
        };
        let name = &grant.name;
        if grant.role < role {
            return Err(forbidden(format!("token {name} is a {}'s; this needs an {role}'s", grant.role)));
        }
        if all && !grant.has_all() {
            return Err(forbidden(format!(
                "token {name} is not for all tenants, and this concerns them all"
            )));
        }
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Access {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        // Both routers say it; without it nothing is answered.
        let access = parts.extensions.get::<Self>().cloned();
        access.ok_or_else(|| Refused::new(Code::Defect, "nobody said who asks"))
    }
}

/// Lets a request through to a route when whoever asks is allowed what it needs.
pub(crate) async fn allow(
    State(needs): State<Needs>,
    access: Access,
    path: RawPathParams,
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    access.allows(needs)?;
    // What is no tenant's id is refused by whoever reads it.
    let tenant = path.iter().find(|(name, _)| *name == "tenant").and_then(|(_, id)| TenantId::new(id).ok());
    if let Some(tenant) = tenant {
        access.must_see(&tenant)?;
    }
    Ok(next.run(request).await)
}

/// Says that the owner asks.
pub(crate) async fn as_owner(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Access::Owner);
    next.run(request).await
}

/// Who asks, and what that may do.
pub(crate) async fn shown(State(served): State<Served>, access: Access) -> Json<AccessDocument> {
    Json(access.document(&served))
}

/// Asks for a token, or for the cookie of a session that a token has begun, and says who holds it.
pub(crate) async fn by_token(State(served): State<Served>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    // A browser sends a cookie by itself, whoever's page asks for that. It never sends a token by itself.
    let (grant, by_cookie) = match headers.contains_key(header::AUTHORIZATION) {
        true => (bearer(headers).and_then(|secret| served.tokens().find(secret)), false),
        false => (served.sessions().find(&served, &request), true),
    };
    let Some(grant) = grant else {
        let detail = "send a token that is valid here: `Authorization: Bearer …`; `landlord-compute token create` \
                      makes one on the machine of the server";
        let asks = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (asks, Refused::new(Code::Unauthorized, detail)).into_response();
    };
    if by_cookie {
        let sender = Sender::of(headers);
        let sent = match origin::only_looks(request.method()) {
            true => sender.must_not_be_another_page(),
            false => sender.must_be_this_page(),
        };
        if let Err(refused) = sent {
            return refused.into_response();
        }
    }
    if let Err(later) = grant.take() {
        return *later;
    }
    request.extensions_mut().insert(Access::Holder(grant));
    next.run(request).await
}

/// The one token that a request has.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, secret) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

fn forbidden(detail: String) -> Refused {
    Refused::new(Code::Forbidden, detail)
}
