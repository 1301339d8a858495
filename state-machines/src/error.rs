//! What a provider says when it could not do what it was asked (CONTRACT.md, "Errors").

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which of the contract's errors this is; it says which of the methods failed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// `ErrInvalidSpec`: the spec is not valid for this provider.
    InvalidSpec,
    /// `ErrProvisionFailed`.
    ProvisionFailed,
    /// `ErrTenantNotFound`: the tenant has no resources there.
    TenantNotFound,
    /// `ErrUpdateFailed`.
    UpdateFailed,
    /// A destroy that could not finish.
    DestroyFailed,
    /// The platform could not be asked how the tenant is; whether it exists is not known.
    StatusFailed,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidSpec => "invalid compute specification",
            Self::ProvisionFailed => "provisioning failed",
            Self::TenantNotFound => "tenant compute resources not found",
            Self::UpdateFailed => "update failed",
            Self::DestroyFailed => "destroy failed",
            Self::StatusFailed => "status not known",
        })
    }
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// The same call may succeed later.
    Retry,
    /// It never will with this spec.
    Permanent,
    /// Somebody has to change something first: a permission, a quota, an expired credential.
    NeedsPerson,
}

/// A stable code for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// No answer within the time it had.
    ProviderTimeout,
    /// The platform cannot be reached, or answers that it cannot serve.
    ProviderUnavailable,
    /// A quota, a limit, or no capacity.
    ResourceExhausted,
    /// The spec or the provider's configuration is wrong.
    InvalidConfiguration,
    /// Something the spec refers to is not there.
    ResourceNotFound,
    /// The engine may not do this there.
    PermissionDenied,
    /// Something of that name exists and is not ours, or is ours with another spec.
    Conflict,
    /// None of the others.
    UnknownError,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProviderTimeout => "PROVIDER_TIMEOUT",
            Self::ProviderUnavailable => "PROVIDER_UNAVAILABLE",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::InvalidConfiguration => "INVALID_CONFIGURATION",
            Self::ResourceNotFound => "RESOURCE_NOT_FOUND",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::Conflict => "CONFLICT",
            Self::UnknownError => "UNKNOWN_ERROR",
        })
    }
}

/// The one error of every provider method.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProviderError {
    /// Which of the contract's errors this is.
    pub kind: ErrorKind,
    /// Whether trying again can help.
    pub remedy: Remedy,
    /// A stable code for programs.
    pub code: ErrorCode,
    /// What happened and what to do next, for a person. Never holds a secret.
    pub message: String,
    /// The platform asked for a pause of at least this length before the next try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// The platform's own words: a stopped reason, an event, a condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The error it came from; not stored.
    #[serde(skip)]
    pub source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl ProviderError {
    /// An error with the given parts, and nothing from the platform.
    pub fn new(kind: ErrorKind, remedy: Remedy, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { kind, remedy, code, message: message.into(), retry_after: None, platform: None, source: None }
    }

    /// The tenant has no resources at this provider.
    pub fn tenant_not_found(tenant: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::TenantNotFound,
            Remedy::Permanent,
            ErrorCode::ResourceNotFound,
            format!("nothing runs for tenant {tenant}; provision it first"),
        )
    }

    /// The platform throttles requests and asks for a pause. Nothing is wrong with the request. A quota on how much
    /// there may be is another error, which needs a person.
    pub fn throttled(kind: ErrorKind, pause: Duration, message: impl Into<String>) -> Self {
        Self::new(kind, Remedy::Retry, ErrorCode::ResourceExhausted, message).with_retry_after(pause)
    }

    /// The platform did not say in time how the tenant is.
    pub fn status_timeout(tenant: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::StatusFailed,
            Remedy::Retry,
            ErrorCode::ProviderTimeout,
            format!("the platform did not say in time how tenant {tenant} is; ask again"),
        )
    }

    /// What happened, and the platform's own words. A provider may build its message of them: nothing is said twice.
    pub fn words(&self) -> String {
        match &self.platform {
            Some(words) if !self.message.contains(words) => format!("{} [{words}]", self.message),
            Some(_) | None => self.message.clone(),
        }
    }

    /// The same error with the platform's own words.
    #[must_use]
    pub fn with_platform(mut self, words: impl Into<String>) -> Self {
        self.platform = Some(words.into());
        self
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The same error, asking for a pause before the next try.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.kind, self.code, self.words())
    }
}

impl StdError for ProviderError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

/// Equal when they say the same; the cause does not count.
impl PartialEq for ProviderError {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.remedy == other.remedy
            && self.code == other.code
            && self.message == other.message
            && self.retry_after == other.retry_after
            && self.platform == other.platform
    }
}
impl Eq for ProviderError {}
