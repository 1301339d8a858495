//! An object of the cluster as a look shows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::call::MANAGER;
use super::kind::{ObjectId, ObjectKind};

/// An object as the API server shows it, without what is long and says nothing here.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Which it is.
    pub id: ObjectId,
    /// Which life of that name.
    pub uid: String,
    /// When it was told to go, where it was.
    pub deleting: Option<Timestamp>,
    /// Whether it is as an apply left it: whatever a later apply does not name goes.
    pub owned: bool,
    /// All of it but `metadata.managedFields` and the values of secrets.
    pub body: Value,
}

impl Object {
    /// Takes an answer of the API server in. `None` where it has no name or no uid.
    pub fn read(kind: ObjectKind, mut body: Value) -> Option<Self> {
        let metadata = body.get_mut("metadata")?.as_object_mut()?;
        let managed = metadata.remove("managedFields");
        let owned = managed.as_ref().and_then(Value::as_array).is_none_or(|entries| is_owned(entries));
        let text =
            |of: &Map<String, Value>, key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
        let (name, uid) = (text(metadata, "name")?, text(metadata, "uid")?);
        let deleting = text(metadata, "deletionTimestamp").and_then(|at| at.parse().ok());
        if kind == ObjectKind::Secret
            && let Some(secret) = body.as_object_mut()
        {
            secret.remove("data");
            secret.remove("stringData");
        }
        Some(Self { id: ObjectId { kind, name }, uid, deleting, owned, body })
    }

    /// A label or an annotation, by its key.
    pub fn tag(&self, key: &str) -> Option<&str> {
        let of = |section: &str| self.body.pointer("/metadata")?.get(section)?.get(key)?.as_str();
        of("labels").or_else(|| of("annotations"))
    }

    /// All labels.
    pub fn labels(&self) -> BTreeMap<&str, &str> {
        let labels = self.body.pointer("/metadata/labels").and_then(Value::as_object);
        let pairs = labels.into_iter().flatten();
        pairs.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
    }

    /// What keeps it from going.
    pub fn finalizers(&self) -> Vec<&str> {
        let of = |pointer| self.body.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        of("/metadata/finalizers").chain(of("/spec/finalizers")).filter_map(Value::as_str).collect()
    }

    /// A whole number in it.
    pub fn number(&self, pointer: &str) -> Option<u64> {
        self.body.pointer(pointer).and_then(Value::as_u64)
    }

    /// A text in it.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer).and_then(Value::as_str)
    }

    /// Whether its controller has seen what it should be.
    pub fn is_observed(&self) -> bool {
        self.number("/status/observedGeneration") >= self.number("/metadata/generation")
    }

    /// Whether it counts already: a quota refuses nothing, or everything, until its controller has seen it.
    pub fn is_in_force(&self) -> bool {
        self.id.kind != ObjectKind::ResourceQuota || self.body.pointer("/status/hard").is_some()
    }

    /// A condition of its status: whether it is true, its reason and its message.
    pub fn condition(&self, named: &str) -> Option<Condition<'_>> {
        let all = self.body.pointer("/status/conditions").and_then(Value::as_array)?;
        let found = all.iter().find(|one| one.get("type").and_then(Value::as_str) == Some(named))?;
        let text = |key| found.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(Condition { holds: text("status") == "True", reason: text("reason"), message: text("message") })
    }
}

/// A condition of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition<'a> {
    /// Whether it is true.
    pub holds: bool,
    /// A word for programs.
    pub reason: &'a str,
    /// The platform's words.
    pub message: &'a str,
}

/// Whether our manager has what it has by applying, and nothing by an update.
fn is_owned(entries: &[Value]) -> bool {
    let text =
        |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ours = |entry: &&Value| text(entry, "manager") == MANAGER && text(entry, "subresource").is_empty();
    !entries.iter().filter(ours).any(|entry| text(entry, "operation") == "Update")
}
