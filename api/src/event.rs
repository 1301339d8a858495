//! What happened to tenants, as CloudEvents 1.0 in JSON.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::tenant::LifecycleEvent;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where an event stands among all events of a store. It names the store, and another store refuses it. Opaque to
/// subscribers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which store.
    pub store: String,
    /// Where, counted from 1; 0 is before the first event.
    pub position: u64,
}

/// A text that is no cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a cursor; use one as an event had it")]
pub struct CursorError(String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.store, self.position)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let parts = text.rsplit_once('.').filter(|(store, _)| !store.is_empty());
        // A number is written in one way only.
        let numbered = parts.and_then(|(store, number)| {
            number
                .parse()
                .ok()
                .filter(|position: &u64| position.to_string() == number)
                .map(|position| (store, position))
        });
        let (store, position) = numbered.ok_or_else(|| CursorError(text.chars().take(80).collect()))?;
        Ok(Self { store: store.to_owned(), position })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Cursor {
    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "Where an event stands. Opaque; another store refuses it." })
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent {
    /// `1.0`.
    pub specversion: Cow<'static, str>,
    /// Where it stands: begin again from here to go on after it. Also what tells it from every other event.
    pub id: Cursor,
    /// `landlord/` and the store's name.
    pub source: String,
    /// `landlord.tenant.` and what happened: `landlord.tenant.began`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The tenant.
    pub subject: TenantId,
    /// When.
    pub time: Timestamp,
    /// `application/json`.
    pub datacontenttype: Cow<'static, str>,
    /// What happened.
    pub data: Arc<LifecycleEvent>,
}

impl CloudEvent {
    /// The event that stands there.
    pub fn of(id: Cursor, data: Arc<LifecycleEvent>) -> Self {
        Self {
            specversion: "1.0".into(),
            source: format!("landlord/{}", id.store),
            kind: format!("landlord.tenant.{}", data.what.name()),
            subject: data.tenant_id.clone(),
            time: data.at,
            datacontenttype: "application/json".into(),
            id,
            data,
        }
    }
}

/// Events are missing here, because the store no longer keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The last one that is missing. The next event comes after it.
    pub resume: Cursor,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_nothing_else_reads_as_one() {
        let cursor = Cursor { store: "9f86d081".to_owned(), position: 42 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "42", ".42", "a.", "a.x", "a.-1", "a.+1", "a.042", "a.99999999999999999999"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
