//! What is asked of a cluster, and what it answers, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kind::{ObjectId, ObjectKind};
use super::object::Object;
use super::pod::Pod;
use super::tags;
use super::wanted::Serves;
use crate::planner::Subject;

/// The field manager of everything that is applied: one name for all versions, because a manager that is left over keeps its
/// fields.
pub const MANAGER: &str = "landlord";
/// The field manager of what is told of a number of replicas, which is nobody's to keep.
pub const SCALER: &str = "landlord-scale";

/// One thing to ask. The subject comes with the call's context.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KubernetesCall {
    /// Read: which cluster this is, and what it has.
    Survey,
    /// Read: finds the tenant by its labels in every namespace.
    Locate,
    /// Read: the tenant's objects in a place, and its namespace where that is its own.
    Look(Look),
    /// Read: what runs: the workload, its pods, and how many of them answer.
    Watch {
        /// Where.
        place: Place,
        /// The Deployment or StatefulSet.
        workload: ObjectId,
        /// What is awaited of it, where something is. Not sent; its answer is read with it.
        awaited: Option<Awaited>,
        /// How many writes had ended when it was asked: after another one its answer says nothing. Not sent.
        since: u64,
    },
    /// Read: the platform's words about objects: its events.
    Explain {
        /// Where.
        place: Place,
        /// The objects, by uid.
        uids: BTreeSet<String>,
    },
    /// Write: makes an object that is not there.
    Create(Box<Make>),
    /// Write: what was created becomes what was applied, so that a later apply can take things away again. The number of
    /// replicas is nobody's from then on.
    Own {
        /// Where.
        place: Place,
        /// Which.
        id: ObjectId,
        /// Only this one.
        uid: String,
        /// The API version that it is changed in.
        api_version: String,
    },
    /// Write: server-side apply to an object that is there.
    Apply {
        /// What.
        make: Box<Make>,
        /// Only to this one.
        uid: String,
        /// Whether fields of other managers are taken over.
        force: bool,
        /// What is done where the API server refuses the result for what an apply leaves in it.
        instead: Option<Box<Instead>>,
    },
    /// Write: makes or changes a Secret with the values of another one. The values are in no call and no reply.
    CopySecret {
        /// What it becomes, without values.
        make: Box<Make>,
        /// Whose values.
        from: SecretSource,
        /// The object that is changed; none: it is made.
        uid: Option<String>,
    },
    /// Write: how many pods there should be.
    Scale {
        /// Where.
        place: Place,
        /// The Deployment or StatefulSet.
        workload: ObjectId,
        /// Only this one.
        uid: String,
        /// How many.
        replicas: u32,
    },
    /// Write: deletes an object.
    Delete(Delete),
    /// Write: deletes a pod, for which its controller makes another one.
    DeletePod {
        /// Where.
        place: Place,
        /// Which.
        name: String,
        /// Only this one.
        uid: String,
    },
}

/// Where a tenant's objects are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The namespace.
    pub namespace: String,
    /// Whose it is.
    pub sharing: Sharing,
}

/// Whose a namespace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// The tenant's own: it is made with the tenant and goes with it.
    Own,
    /// The operator's, for many tenants: it stays.
    Shared,
}

/// A rollout that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Awaited {
    /// The content of its template: pods of another one are old.
    pub template: String,
    /// How long it may take, in seconds.
    pub deadline_seconds: u32,
    /// How long a pod may be on no node, in seconds.
    pub unschedulable_seconds: u32,
    /// Where the tenant answers then.
    pub serves: Vec<Serves>,
}

/// A look at the tenant's objects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Look {
    /// Where.
    pub place: Place,
    /// Which of them there can be.
    pub kinds: BTreeSet<ObjectKind>,
    /// Objects that are looked at by name, whosever they are.
    pub named: BTreeSet<ObjectId>,
    /// Whose.
    pub subject: Subject,
    /// How many writes had ended when it was asked: after another one its answer says nothing. Not sent.
    pub since: u64,
}

/// What an object should be.
#[derive(Clone, PartialEq, Serialize)]
pub struct Make {
    /// Where.
    pub place: Place,
    /// Which.
    pub id: ObjectId,
    /// The whole manifest, with its `apiVersion`. Never written anywhere, because environments may hold secrets.
    #[serde(skip)]
    pub body: Value,
    /// The hash of it, which is among its annotations too.
    pub content: String,
}

impl Make {
    /// The manifest's `apiVersion`.
    pub fn api_version(&self) -> &str {
        self.body.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
    }

    /// The content of a workload's template.
    pub(super) fn template(&self) -> Option<&str> {
        template_in(&self.body)
    }
}

impl fmt::Debug for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, id, body: _, content } = self;
        f.debug_struct("Make")
            .field("place", place)
            .field("id", id)
            .field("content", content)
            .finish_non_exhaustive()
    }
}

/// A spec in place of the one that is there. It has no `Debug` of its values, which may be a tenant's secrets.
#[derive(Clone, PartialEq, Serialize)]
pub struct Instead {
    /// The version of the object that it was made from: another one is not changed.
    pub version: String,
    /// The whole `spec`.
    pub spec: Value,
}

impl fmt::Debug for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, spec: _ } = self;
        f.debug_struct("Instead").field("version", version).finish_non_exhaustive()
    }
}

/// The content of the template of a workload with this body.
pub(super) fn template_in(workload: &Value) -> Option<&str> {
    workload.pointer("/spec/template/metadata/labels")?.get(tags::CONTENT)?.as_str()
}

/// A Secret whose values are copied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretSource {
    /// Its namespace, which the operator names.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which of its keys.
    pub keys: BTreeSet<String>,
}

/// A deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delete {
    /// Where.
    pub place: Place,
    /// Which.
    pub id: ObjectId,
    /// Only this one, so that nobody's successor is hit.
    pub uid: String,
    /// The API version that it is deleted in.
    pub api_version: String,
    /// What becomes of what it owns.
    pub propagation: Propagation,
}

/// What becomes of what a deleted object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// The object goes at once, the others later.
    Background,
    /// The object goes when the others are gone.
    Foreground,
}

/// What a cluster answers. Each reply says itself what it is about.
#[derive(Clone, Debug, PartialEq)]
pub enum KubernetesReply {
    /// To [`KubernetesCall::Survey`].
    Surveyed(Survey),
    /// To [`KubernetesCall::Locate`].
    Located(BTreeSet<Place>),
    /// To [`KubernetesCall::Look`]: every object that it is about and that is there.
    Objects(Vec<Object>),
    /// To [`KubernetesCall::Watch`].
    Running(Box<Running>),
    /// To [`KubernetesCall::Explain`], the newest last.
    Words(Vec<Words>),
    /// To [`KubernetesCall::Create`], [`KubernetesCall::Own`], [`KubernetesCall::Apply`], [`KubernetesCall::CopySecret`] and
    /// [`KubernetesCall::Scale`]: the object as it is then.
    Is(Box<Object>),
    /// To a create: one of that name is there, whosever it is.
    Exists,
    /// To a write that was for one object only: that is gone, and another may be there.
    Gone,
    /// To a create: the namespace is being deleted, or is not there.
    NoNamespace,
    /// To [`KubernetesCall::CopySecret`]: what is to be copied is not there, in the words for a person.
    NoSource(String),
    /// To [`KubernetesCall::Apply`]: these fields are other managers'.
    Conflicts(BTreeSet<FieldConflict>),
    /// To [`KubernetesCall::Delete`] and [`KubernetesCall::DeletePod`]: it is going, or gone.
    Deleted,
}

/// A field that another manager has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FieldConflict {
    /// Who has it, as the API server names it.
    pub manager: String,
    /// Where it is, such as `.spec.replicas`.
    pub field: String,
}

/// Which cluster it is, and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The uid of its namespace `kube-system`: a cluster has no other name that stays.
    pub cluster: String,
    /// Its version, as in 1.33.
    pub version: (u32, u32),
    /// The kinds that it has, of those that are known here, each in its best API version.
    pub kinds: BTreeMap<ObjectKind, String>,
    /// The version of its autoscalers, where it has them.
    pub autoscaling: Option<String>,
    /// The version in which it lists the addresses behind a service.
    pub endpoint_slices: Option<String>,
}

/// What runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Running {
    /// The workload.
    pub workload: Option<Object>,
    /// Its pods, whichever revision they are of.
    pub pods: Vec<Pod>,
    /// How many addresses behind the tenant's service take requests; none: it has no service.
    pub addresses: Option<u32>,
    /// The name of an autoscaler that scales the workload.
    pub autoscaler: Option<String>,
    /// Where the service and the route answer from outside, as far as the cluster says.
    pub entrances: Vec<Entrance>,
    /// Whether somebody watches, and wakes whoever waits when a pod or the workload changes.
    pub watched: bool,
}

/// Where something answers from outside of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The Service, Ingress or HTTPRoute.
    pub of: ObjectId,
    /// The port of the Service that it leads to, where each of them has an address of its own.
    pub port: Option<u16>,
    /// A name or an address of it; none: it has none yet.
    pub address: Option<String>,
}

/// What the platform says about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The object's uid.
    pub uid: String,
    /// What it is, such as `Pod/acme-5f7`.
    pub object: String,
    /// The event's reason.
    pub reason: String,
    /// The event's message. Empty where the tenant may have written a part of it.
    pub message: String,
    /// When it was last said.
    pub last: Option<Timestamp>,
}

impl From<Survey> for KubernetesReply {
    fn from(survey: Survey) -> Self {
        Self::Surveyed(survey)
    }
}
