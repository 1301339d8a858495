//! Secrets that are copied from the operator's namespace. From where they are read to where they are sent, their values are in types
//! that do not print; answers do not repeat them.

use std::collections::BTreeMap;

use landlord_state_machines::planner::kubernetes::{KubernetesReply, Make, ObjectKind, SecretSource};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{Failure, Why};
use super::reads::At;
use super::request::{Ask, Part, Resource, What};

/// The annotation that says which Secret's values these are, and as of when.
const SOURCE: &str = "landlord.source";

/// A Secret, with values. It has no `Debug`.
#[derive(Deserialize)]
struct Source {
    metadata: Metadata,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    data: Option<BTreeMap<String, SecretString>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    uid: String,
    resource_version: String,
}

impl At<'_> {
    /// Makes a Secret with the values of another one, or gives it those.
    pub(super) async fn copy_secret(
        &self,
        make: &Make,
        from: &SecretSource,
        uid: Option<&str>,
    ) -> Result<KubernetesReply, Failure> {
        let source = match self.source(from).await? {
            Some(source) => source,
            None => return Ok(KubernetesReply::NoSource(missing(from, None))),
        };
        let body = match source.copied(make, from) {
            Ok(body) => body,
            Err(key) => return Ok(KubernetesReply::NoSource(missing(from, Some(&key)))),
        };
        let Some(uid) = uid else { return self.create(make, body).await };
        // A key that it was created with goes where it is not among the wanted ones any more.
        if self.own(&make.place, &make.id, uid, make.api_version()).await? == KubernetesReply::Gone {
            return Ok(KubernetesReply::Gone);
        }
        // The copy is the engine's alone: what others wrote there is drift.
        self.apply(make, body, uid, true, None).await
    }

    async fn source(&self, from: &SecretSource) -> Result<Option<Source>, Failure> {
        let resource = Resource::all("v1", ObjectKind::Secret.plural(), Some(&from.namespace));
        let ask = Ask::new(resource.named(&from.name), What::Get(Part::Whole));
        self.cluster.turn(self.rank).await?;
        match self.cluster.bytes(&ask).await {
            // What cannot be read has values in it: its words are not told.
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(source) => Ok(Some(source)),
                Err(_) => Err(Failure::unreadable(&ask, "it is no Secret")),
            },
            Err(Failure { why: Why::NotThere | Why::NoNamespace, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

impl Source {
    /// The manifest with the values.
    ///
    /// # Errors
    /// A key that is not there.
    fn copied(&self, make: &Make, from: &SecretSource) -> Result<Value, String> {
        let mut data = Map::new();
        for key in &from.keys {
            let value = self.data.as_ref().and_then(|data| data.get(key)).ok_or_else(|| key.clone())?;
            data.insert(key.clone(), value.expose_secret().into());
        }
        let mut body = make.body.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("data".to_owned(), data.into());
            if let Some(kind) = &self.kind {
                fields.entry("type").or_insert_with(|| kind.as_str().into());
            }
        }
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            let annotations = metadata.entry("annotations").or_insert_with(|| Map::new().into());
            if let Some(annotations) = annotations.as_object_mut() {
                let as_of = format!("{}/{}", self.metadata.uid, self.metadata.resource_version);
                annotations.insert(SOURCE.to_owned(), as_of.into());
            }
        }
        Ok(body)
    }
}

/// What is not there, for a person.
fn missing(from: &SecretSource, key: Option<&str>) -> String {
    let SecretSource { namespace, name, keys: _ } = from;
    match key {
        None => format!(
            "there is no Secret {name} in namespace {namespace} to copy; make it, or correct the spec's secrets"
        ),
        Some(key) => format!(
            "the Secret {name} in namespace {namespace} has no key {key}; add it, or correct the spec's secrets"
        ),
    }
}
