//! Tokens: who may ask for what, from other machines.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use landlord_state_machines::id::{NameError, TenantId};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the holder of a token may do with its tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look at them: records, events, live status, logs, plans.
    Viewer,
    /// Also command them. What a spec runs, runs as its provider says: an operator runs programs.
    Operator,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who asks, and what that may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessDocument {
    /// What the token is called. Absent where none is asked for, as over the server's socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What it may do. Where no engine answers, everybody only looks.
    pub role: Role,
    /// With which tenants.
    pub tenants: Vec<TenantPattern>,
}

/// Some tenants: all, as `*`; those whose id begins alike, as `acme-*`; or one, by its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TenantPattern {
    /// All of them, also those that come.
    All,
    /// Those whose id begins with this.
    Prefix(String),
    /// This one.
    One(TenantId),
}

/// A text that is no [`TenantPattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantPatternError {
    /// What stands before the `*` is no beginning of a tenant's id.
    #[error("{0:?} does not name tenants; write an id, a beginning and a *, as in acme-*, or * for all")]
    Prefix(String),
    /// It is no id.
    #[error("{0}; write an id, a beginning and a *, as in acme-*, or * for all")]
    One(NameError),
}

impl TenantPattern {
    /// Whether it is one of them.
    pub fn matches(&self, tenant: &TenantId) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(beginning) => tenant.as_str().starts_with(beginning),
            Self::One(one) => one == tenant,
        }
    }
}

impl FromStr for TenantPattern {
    type Err = TenantPatternError;

    fn from_str(text: &str) -> Result<Self, TenantPatternError> {
        match text.strip_suffix('*') {
            None => TenantId::new(text).map(Self::One).map_err(TenantPatternError::One),
            Some("") => Ok(Self::All),
            // With one more character it has to be an id.
            Some(beginning) if TenantId::new(&format!("{beginning}a")).is_ok() => {
                Ok(Self::Prefix(beginning.to_owned()))
            }
            Some(_) => Err(TenantPatternError::Prefix(text.to_owned())),
        }
    }
}

impl fmt::Display for TenantPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Prefix(beginning) => write!(f, "{beginning}*"),
            Self::One(one) => write!(f, "{one}"),
        }
    }
}

impl Serialize for TenantPattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TenantPattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for TenantPattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TenantPattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Tenants: `*` for all, `acme-*` for those whose id begins alike, or one id.",
            "pattern": r"^([a-z0-9][a-z0-9-]{0,61})?\*$|^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        })
    }
}

/// A token that is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What to call it, for people: it is listed and revoked by this name. By the rule of tenants' ids.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// With which tenants.
    #[schemars(length(min = 1, max = 64))]
    pub tenants: Vec<TenantPattern>,
}

/// A token, without what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenDocument {
    /// What it is called.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// With which tenants.
    pub tenants: Vec<TenantPattern>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// All tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokensDocument {
    /// By name.
    pub tokens: Vec<TokenDocument>,
}

/// A token that was made just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MadeToken {
    /// What it may do.
    pub token: TokenDocument,
    /// What proves it. It is shown this once, and kept nowhere.
    pub secret: BearerToken,
}

/// What proves a token. Debugging output does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct BearerToken(String);

impl BearerToken {
    /// Wraps it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(…)")
    }
}
