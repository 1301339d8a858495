//! Why a request was not done (RFC 9457).

use landlord_state_machines::id::TenantId;
use landlord_state_machines::tenant::{Explanation, Retained};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of problem it is. Stable: programs decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request cannot be read: its path, its query, a header, or the form of its body.
    InvalidRequest,
    /// The spec is not valid; every problem is named.
    InvalidSpec,
    /// There is no token, or it is not known.
    Unauthorized,
    /// The token does not allow it.
    Forbidden,
    /// The token's holder sends more requests than it may.
    RateLimited,
    /// A page of another site sends the request.
    ForeignOrigin,
    /// The request is for a host that this server does not answer for.
    Misdirected,
    /// There is nothing at this path.
    NoSuchPath,
    /// The path has no such method.
    MethodNotAllowed,
    /// The body has a media type that is not read.
    UnsupportedMediaType,
    /// The body is longer than is read.
    TooLarge,
    /// The request took too long.
    TimedOut,
    /// There is no such token, to be revoked.
    TokenNotFound,
    /// A token of this name exists.
    TokenExists,
    /// There is no provider of this name.
    ProviderNotFound,
    /// There was never such a tenant.
    TenantNotFound,
    /// The tenant is gone.
    TenantGone,
    /// There is no such operation.
    OperationNotFound,
    /// The tenant has no such spec, or it is no longer kept.
    SpecNotFound,
    /// There is no such subscription.
    SubscriptionNotFound,
    /// There is no such webhook.
    WebhookNotFound,
    /// The platform has nothing of the tenant.
    NothingRuns,
    /// The tenant's state does not allow it.
    Rejected,
    /// The tenant is protected from deletion.
    Protected,
    /// The tenant is at another revision than was expected.
    RevisionMismatch,
    /// Another request has this idempotency key.
    KeyReused,
    /// No event stands there, or it is another store's cursor.
    UnknownCursor,
    /// The provider cannot do this at all.
    NotSupported,
    /// The platform failed, or said something that makes no sense.
    Platform,
    /// The platform did not answer in time.
    PlatformTimeout,
    /// Too much is on its way already.
    Overloaded,
    /// The store cannot be used.
    Store,
    /// The engine has ended, or is about to.
    Closed,
    /// A defect of landlord-compute.
    Defect,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 34] = [
        Self::InvalidRequest,
        Self::InvalidSpec,
        Self::Unauthorized,
        Self::Forbidden,
        Self::RateLimited,
        Self::ForeignOrigin,
        Self::Misdirected,
        Self::NoSuchPath,
        Self::MethodNotAllowed,
        Self::UnsupportedMediaType,
        Self::TooLarge,
        Self::TimedOut,
        Self::TokenNotFound,
        Self::TokenExists,
        Self::ProviderNotFound,
        Self::TenantNotFound,
        Self::TenantGone,
        Self::OperationNotFound,
        Self::SpecNotFound,
        Self::SubscriptionNotFound,
        Self::WebhookNotFound,
        Self::NothingRuns,
        Self::Rejected,
        Self::Protected,
        Self::RevisionMismatch,
        Self::KeyReused,
        Self::UnknownCursor,
        Self::NotSupported,
        Self::Platform,
        Self::PlatformTimeout,
        Self::Overloaded,
        Self::Store,
        Self::Closed,
        Self::Defect,
    ];

    /// The status of an answer with it.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::UnknownCursor => 400,
            Self::Unauthorized => 401,
            Self::Forbidden | Self::ForeignOrigin => 403,
            Self::NoSuchPath
            | Self::TenantNotFound
            | Self::OperationNotFound
            | Self::SpecNotFound
            | Self::ProviderNotFound => 404,
            Self::NothingRuns | Self::TokenNotFound | Self::SubscriptionNotFound | Self::WebhookNotFound => {
                404
            }
            Self::MethodNotAllowed => 405,
            Self::TimedOut => 408,
            Self::Rejected | Self::Protected | Self::NotSupported | Self::TokenExists => 409,
            Self::TenantGone => 410,
            Self::RevisionMismatch => 412,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Misdirected => 421,
            Self::InvalidSpec | Self::KeyReused => 422,
            Self::Overloaded | Self::RateLimited => 429,
            Self::Defect => 500,
            Self::Platform => 502,
            Self::Store | Self::Closed => 503,
            Self::PlatformTimeout => 504,
        }
    }

    /// What it means, in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "the request cannot be read",
            Self::InvalidSpec => "the spec is not valid",
            Self::Unauthorized => "there is no token, or it is not known",
            Self::Forbidden => "the token does not allow it",
            Self::RateLimited => "too many requests with this token",
            Self::ForeignOrigin => "a page of another site sends the request",
            Self::Misdirected => "the request is for another host",
            Self::NoSuchPath => "there is nothing at this path",
            Self::MethodNotAllowed => "the path has no such method",
            Self::UnsupportedMediaType => "the media type of the body is not read",
            Self::TooLarge => "the body is too long",
            Self::TimedOut => "the request took too long",
            Self::TokenNotFound => "there is no such token",
            Self::TokenExists => "a token has this name",
            Self::ProviderNotFound => "there is no such provider",
            Self::TenantNotFound => "there is no such tenant",
            Self::TenantGone => "the tenant is gone",
            Self::OperationNotFound => "there is no such operation",
            Self::SpecNotFound => "the tenant has no such spec",
            Self::SubscriptionNotFound => "there is no such subscription",
            Self::WebhookNotFound => "there is no such webhook",
            Self::NothingRuns => "the platform has nothing of the tenant",
            Self::Rejected => "the tenant's state does not allow it",
            Self::Protected => "the tenant is protected from deletion",
            Self::RevisionMismatch => "the tenant is at another revision",
            Self::KeyReused => "another request has this idempotency key",
            Self::UnknownCursor => "the cursor is not known",
            Self::NotSupported => "the provider cannot do this",
            Self::Platform => "the platform failed",
            Self::PlatformTimeout => "the platform did not answer in time",
            Self::Overloaded => "too much is on its way",
            Self::Store => "the store cannot be used",
            Self::Closed => "the engine has ended",
            Self::Defect => "a defect of landlord-compute",
        }
    }
}

/// Why a request was not done: a problem document, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// What kind of problem it is.
    pub code: Code,
    /// What its code means, in a few words.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What happened here, and what to do.
    pub detail: String,
    /// The tenant that is not there, or gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    /// The causes below it that `detail` does not repeat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// Everything that is wrong with a spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemAt>,
    /// What a tenant that is gone has left on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<Retained>,
    /// What was left of a tenant that was abandoned, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// Why the tenant is not there, or gone, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Box<Explanation>>,
}

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemAt {
    /// Where: `containers[0].ports[1].container_port`; empty for the spec as a whole.
    pub path: String,
    /// What is wrong there, and what to write instead.
    pub message: String,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            tenant_id: None,
            causes: Vec::new(),
            problems: Vec::new(),
            retained: None,
            left: Vec::new(),
            explanation: None,
        }
    }

    /// A problem of this kind, in the words of an error and of the causes below it.
    pub fn of(code: Code, error: &dyn std::error::Error) -> Self {
        Self { causes: causes_of(error), ..Self::new(code, error.to_string()) }
    }
}

/// The causes below an error, the nearest first, without those that the words above them repeat.
pub fn causes_of(error: &dyn std::error::Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !said.contains(&words) {
            causes.push(words.clone());
        }
        said = words;
        cause = error.source();
    }
    causes
}
