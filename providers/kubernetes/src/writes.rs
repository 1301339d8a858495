//! The requests that change something. Each is for one object only, by its uid; it is their turn already, and what they look up
//! beside it waits for its own.

use landlord_state_machines::planner::kubernetes::MANAGER;
use landlord_state_machines::planner::kubernetes::{
    Delete, Instead, KubernetesReply, Make, Object, ObjectId, ObjectKind, Place, SCALER,
};
use serde_json::{Value, json};

use super::error::{Failure, Why};
use super::owned;
use super::reads::At;
use super::request::{Ask, Part, Resource, What};

impl At<'_> {
    /// Makes an object that is not there.
    pub(super) async fn create(&self, make: &Make, body: Value) -> Result<KubernetesReply, Failure> {
        let ask = Ask::new(collection(make), What::Create(body)).with(self.writes);
        match self.cluster.ask_now(&ask).await {
            Ok(body) => is(&ask, make.id.kind, body),
            Err(failure) => match failure.why {
                Why::Exists => Ok(KubernetesReply::Exists),
                Why::NoNamespace => Ok(KubernetesReply::NoNamespace),
                Why::NoKind => {
                    self.forget_discovered();
                    Err(failure)
                }
                Why::NotThere
                | Why::FieldConflicts(_)
                | Why::NotAsMeant
                | Why::Invalid
                | Why::Unauthorized
                | Why::Forbidden
                | Why::Throttled(_)
                | Why::Expired
                | Why::BadRequest
                | Why::NotTried(_)
                | Why::Other => Err(failure),
            },
        }
    }

    /// Applies to an object that is there.
    pub(super) async fn apply(
        &self,
        make: &Make,
        body: Value,
        uid: &str,
        force: bool,
        instead: Option<&Instead>,
    ) -> Result<KubernetesReply, Failure> {
        let resource = Resource::of(&make.place, &make.id, make.api_version());
        let what = What::Apply { body: with_uid(body, uid), force };
        let ask = Ask::new(resource.clone(), what).with(self.writes);
        match (self.cluster.ask_now(&ask).await, instead) {
            (Ok(body), _) => is(&ask, make.id.kind, body),
            (Err(Failure { why: Why::FieldConflicts(fields), .. }), _) => {
                Ok(KubernetesReply::Conflicts(fields))
            }
            // Nobody else has any of its fields, or they are taken over: that would have been a conflict.
            (Err(Failure { why: Why::Invalid, .. }), Some(Instead { version, spec })) => {
                let operations = json!([
                    { "op": "test", "path": "/metadata/uid", "value": uid },
                    { "op": "test", "path": "/metadata/resourceVersion", "value": version },
                    { "op": "replace", "path": "/spec", "value": spec },
                ]);
                self.cluster.turn(self.rank).await?;
                self.patch(resource, make.id.kind, operations, MANAGER, uid).await
            }
            (Err(failure), _) => self.unless_gone(failure, resource, uid).await,
        }
    }

    /// What was created becomes what was applied.
    pub(super) async fn own(
        &self,
        place: &Place,
        id: &ObjectId,
        uid: &str,
        api_version: &str,
    ) -> Result<KubernetesReply, Failure> {
        let resource = Resource::of(place, id, api_version);
        let get = Ask::new(resource.clone(), What::Get(super::reads::part_of(id.kind)));
        let body = match self.ask(&get).await {
            Ok(body) => body,
            Err(Failure { why: Why::NotThere | Why::NoNamespace, .. }) => return Ok(KubernetesReply::Gone),
            Err(failure) => return Err(failure),
        };
        let text = |pointer| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if text("/metadata/uid") != uid {
            return Ok(KubernetesReply::Gone);
        }
        let entries = body.pointer("/metadata/managedFields").and_then(Value::as_array);
        let Some(moves) = entries.and_then(|entries| owned::moves(entries)) else {
            return is(&get, id.kind, body);
        };
        let mut operations = vec![json!({ "op": "test", "path": "/metadata/uid", "value": uid })];
        operations.extend(moves);
        let operations = operations.into();
        self.patch(resource, id.kind, operations, MANAGER, uid).await
    }

    /// Tells how many pods there should be.
    pub(super) async fn scale(
        &self,
        place: &Place,
        workload: &ObjectId,
        uid: &str,
        replicas: u32,
    ) -> Result<KubernetesReply, Failure> {
        let version = workload.kind.api_versions().first().copied().unwrap_or_default();
        let operations = json!([
            { "op": "test", "path": "/metadata/uid", "value": uid },
            { "op": "add", "path": "/spec/replicas", "value": replicas },
        ]);
        self.patch(Resource::of(place, workload, version), workload.kind, operations, SCALER, uid).await
    }

    /// Deletes an object.
    pub(super) async fn delete(&self, delete: &Delete) -> Result<KubernetesReply, Failure> {
        let Delete { place, id, uid, api_version, propagation } = delete;
        let what = What::Delete { uid: uid.clone(), propagation: Some(*propagation) };
        self.deleted(Resource::of(place, id, api_version), what, uid).await
    }

    /// Deletes a pod.
    pub(super) async fn delete_pod(
        &self,
        place: &Place,
        name: &str,
        uid: &str,
    ) -> Result<KubernetesReply, Failure> {
        let what = What::Delete { uid: uid.to_owned(), propagation: None };
        self.deleted(Resource::pod(&place.namespace, name), what, uid).await
    }

    async fn deleted(&self, resource: Resource, what: What, uid: &str) -> Result<KubernetesReply, Failure> {
        match self.cluster.bytes(&Ask::new(resource.clone(), what).with(self.writes)).await {
            Ok(_) => Ok(KubernetesReply::Deleted),
            Err(Failure { why: Why::NotThere | Why::NoNamespace | Why::NoKind, .. }) => {
                Ok(KubernetesReply::Deleted)
            }
            Err(failure) => self.unless_gone(failure, resource, uid).await,
        }
    }

    async fn patch(
        &self,
        resource: Resource,
        kind: ObjectKind,
        operations: Value,
        manager: &'static str,
        uid: &str,
    ) -> Result<KubernetesReply, Failure> {
        let ask = Ask::new(resource.clone(), What::Patch { operations, manager }).with(self.writes);
        match self.cluster.ask_now(&ask).await {
            Ok(body) => is(&ask, kind, body),
            Err(failure) => self.unless_gone(failure, resource, uid).await,
        }
    }

    /// What a write that was for one object only met, where that is not there any more. Kubernetes has one answer to a change in
    /// between and to another life of the object: a look tells them apart.
    async fn unless_gone(
        &self,
        failure: Failure,
        resource: Resource,
        uid: &str,
    ) -> Result<KubernetesReply, Failure> {
        match failure.why {
            Why::NotThere | Why::NoNamespace => Ok(KubernetesReply::Gone),
            Why::NotAsMeant => {
                let shown = self.get(resource, Part::Metadata).await?;
                let shown = shown.as_ref().and_then(|body| body.pointer("/metadata/uid")?.as_str());
                match shown == Some(uid) {
                    true => Err(failure),
                    false => Ok(KubernetesReply::Gone),
                }
            }
            Why::NoKind => {
                self.forget_discovered();
                Err(failure)
            }
            Why::Exists
            | Why::Invalid
            | Why::FieldConflicts(_)
            | Why::Unauthorized
            | Why::Forbidden
            | Why::Throttled(_)
            | Why::Expired
            | Why::BadRequest
            | Why::NotTried(_)
            | Why::Other => Err(failure),
        }
    }
}

/// Where objects like this one are made.
fn collection(make: &Make) -> Resource {
    Resource { name: None, ..Resource::of(&make.place, &make.id, make.api_version()) }
}

/// The manifest, for this object only.
fn with_uid(mut body: Value, uid: &str) -> Value {
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("uid".to_owned(), uid.into());
    }
    body
}

/// The object, as an answer has it.
fn is(ask: &Ask, kind: ObjectKind, body: Value) -> Result<KubernetesReply, Failure> {
    let object = Object::read(kind, body);
    let object = object.ok_or_else(|| Failure::unreadable(ask, "the object has no name or no uid"))?;
    Ok(KubernetesReply::Is(Box::new(object)))
}
