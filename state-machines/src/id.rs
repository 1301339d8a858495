//! The names and numbers that everything else refers to.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name that breaks the rule shared by tenants, containers and providers (CONTRACT.md, "Shared validation").
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a valid name: {rule}")]
pub struct NameError {
    name: String,
    rule: &'static str,
}

/// What a valid name is, in words for an error message.
pub const NAME_RULE: &str = "use 1 to 63 of a-z, 0-9 and '-', not starting or ending with '-'";

/// Whether `name` is `^[a-z0-9-]+$`, 1 to 63 characters, without a leading or trailing `-`.
pub fn is_valid_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Names one customer's compute. Cheap to clone. Always a valid name; one from a store was valid when it was stored.
#[derive(Clone, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("pattern" = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength" = 63))]
#[expect(clippy::derived_hash_with_manual_eq, reason = "two that share their text have the same")]
pub struct TenantId(Arc<str>);

impl PartialEq for TenantId {
    fn eq(&self, other: &Self) -> bool {
        // Mostly one is a clone of the other.
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl TenantId {
    /// Checks and wraps a tenant id.
    ///
    /// # Errors
    /// [`NameError`] when it breaks [`NAME_RULE`].
    pub fn new(id: &str) -> Result<Self, NameError> {
        if is_valid_name(id) {
            Ok(Self(id.into()))
        } else {
            Err(NameError { name: id.chars().take(80).collect(), rule: NAME_RULE })
        }
    }

    /// The id of a tenant in a store. It was checked before it was stored, by the rule of that time: a stricter one
    /// must not make the tenant unreadable, or nobody could destroy it. Only for stores.
    pub fn from_stored(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TenantId {
    type Err = NameError;
    fn from_str(id: &str) -> Result<Self, NameError> {
        Self::new(id)
    }
}

impl<'de> Deserialize<'de> for TenantId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let id = String::deserialize(from)?;
        Self::new(&id).map_err(serde::de::Error::custom)
    }
}

/// Names a registered provider: a lowercase, alphanumeric identifier (CONTRACT.md, "name and kind").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("pattern" = "^[a-z0-9]+$", "maxLength" = 63))]
pub struct ProviderName(Arc<str>);

impl ProviderName {
    /// Checks and wraps a provider name.
    ///
    /// # Errors
    /// [`NameError`] unless it is 1 to 63 of `a-z0-9`.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if is_valid_name(name) && !name.contains('-') {
            Ok(Self(name.into()))
        } else {
            Err(NameError { name: name.chars().take(80).collect(), rule: "use 1 to 63 of a-z and 0-9" })
        }
    }

    /// The provider of a tenant in a store, by the rule of the time when it was stored. Only for stores; see
    /// [`TenantId::from_stored`].
    pub fn from_stored(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ProviderName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProviderName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Self::new(&name).map_err(serde::de::Error::custom)
    }
}

/// Counts a tenant's lives: the first provision of a tenant is life 1, one after a destroy is life 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts a tenant's committed transitions, over all its lives. Every write names the revision it expects.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision of the transition that follows this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the engines that opened a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// Names one use of the provider. It is the revision whose commit started the call, so it is unique for a
/// tenant over all its lives and needs no generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the specs that one life of a tenant was given; the body is stored once under this number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct SpecVersion(pub u64);

impl fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// Tells one rollout of a spec from another: the revision at which a restart began it, or 0 where none did. What is
/// started for another rollout is started anew, although its spec is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rollout(pub u64);

impl Rollout {
    /// Whether no restart began it; what is stored of such a rollout says nothing of it.
    pub fn is_first(&self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one operation, globally within a store: the epoch of the engine that accepted it and a number that
/// this engine counts up. Reads as `3-17`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId {
    /// The epoch of the engine that minted the id.
    pub epoch: u64,
    /// Counts the ids of that epoch.
    pub number: u64,
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text that is not an operation id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an operation id: it reads like 3-17")]
pub struct OperationIdError(String);

impl FromStr for OperationId {
    type Err = OperationIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || OperationIdError(text.chars().take(80).collect());
        let (epoch, number) = text.split_once('-').ok_or_else(bad)?;
        Ok(Self { epoch: epoch.parse().map_err(|_| bad())?, number: number.parse().map_err(|_| bad())? })
    }
}

impl JsonSchema for OperationId {
    fn schema_name() -> Cow<'static, str> {
        "OperationId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+-[0-9]+$", "description": "Reads like 3-17." })
    }
}

impl Serialize for OperationId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OperationId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_shared_rule() {
        for good in ["a", "acme", "acme-2", "0", &"x".repeat(63)] {
            assert!(TenantId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ü", "a b", &"x".repeat(64)] {
            assert!(TenantId::new(bad).is_err(), "{bad}");
        }
        assert!(ProviderName::new("ecs").is_ok());
        assert!(ProviderName::new("my-ecs").is_err());
    }

    #[test]
    fn operation_ids_read_back() {
        let id = OperationId { epoch: 3, number: 17 };
        assert_eq!(id.to_string().parse::<OperationId>(), Ok(id));
        for bad in ["", "3", "3-", "-17", "x-1", "3-17-1"] {
            assert!(bad.parse::<OperationId>().is_err(), "{bad}");
        }
    }
}
