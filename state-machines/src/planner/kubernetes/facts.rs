//! All that the Kubernetes planner knows and intends. It is the ledger.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::call::{FieldConflict, KubernetesCall, Place, Running, Survey};
use super::kind::ObjectId;
use super::object::Object;
use super::tags;
use crate::error::{ErrorCode, ProviderError, Remedy};
use crate::id::{Incarnation, TenantId};
use crate::planner::Subject;
use crate::status::Endpoint;

/// How long after it was intended a write of unknown outcome may still happen.
pub(super) const LATE: SignedDuration = SignedDuration::from_secs(10);

/// What is known of a tenant's objects, and what was intended with them. Holds no environment and no secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KubernetesFacts {
    /// The cluster that the tenant is in, by the uid of its namespace `kube-system`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cluster: Option<String>,
    /// Where in it the tenant is.
    pub(super) at: Whereabouts,
    /// Its objects that are there, or may be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) held: BTreeMap<ObjectId, Held>,
    /// Writes that were intended and whose end is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) pending: Vec<Pending>,
    /// The rollout that was asked for last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rollout: Option<Watched>,
    /// The number of pods that the cluster was told last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<u32>,
    /// Where the tenant answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) endpoints: Vec<Endpoint>,
    /// A call that brought no reply. An error that may pass is waited out; any other one ends the method, and the next one
    /// starts by looking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trouble: Option<ProviderError>,
    /// What was seen since the method began; looked at again by the next one.
    #[serde(skip)]
    pub(super) seen: Seen,
}

/// Where a tenant is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Whereabouts {
    /// Not asked yet.
    #[default]
    Unknown,
    /// A search by labels found nothing.
    Nowhere,
    /// There.
    At(Place),
}

/// An object of the tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Held {
    /// It was asked for, and nothing has shown it yet.
    Asked,
    /// This one.
    There(String),
}

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The tenant's, made in this life.
    Its(Incarnation),
    /// Of another tenant of this engine.
    Another(TenantId),
    /// It has not this engine's labels.
    Strangers,
}

impl Whose {
    pub(super) fn of(object: &Object, subject: &Subject) -> Self {
        match tags::owner(&object.labels(), &subject.engine, subject.provider.as_str()) {
            Some((tenant, incarnation)) if tenant == subject.tenant => Self::Its(incarnation),
            Some((tenant, _)) => Self::Another(tenant),
            None => Self::Strangers,
        }
    }
}

/// A write whose end is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) write: Write,
    /// When it was intended, or its answer stayed away.
    pub(super) since: Timestamp,
    /// Whether its answer stayed away. The answer to another one like it says nothing of this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) lost: bool,
}

/// What a call writes, as far as it matters when it comes late. A pod that goes is made again by its controller at any time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Write {
    /// An object of this content is made.
    Create(ObjectId, String),
    /// An object gets this content.
    Apply(ObjectId, String),
    /// The workload gets so many pods.
    Scale(ObjectId, u32),
    /// The object of this uid goes.
    Delete(ObjectId, String),
}

impl Write {
    /// What a call writes; none: it only looks, or what it does does not matter when it is late.
    pub(super) fn of(call: &KubernetesCall) -> Option<Self> {
        match call {
            KubernetesCall::Create(make) | KubernetesCall::CopySecret { make, uid: None, .. } => {
                Some(Self::Create(make.id.clone(), make.content.clone()))
            }
            KubernetesCall::Apply { make, .. } | KubernetesCall::CopySecret { make, uid: Some(_), .. } => {
                Some(Self::Apply(make.id.clone(), make.content.clone()))
            }
            KubernetesCall::Scale { workload, replicas, .. } => {
                Some(Self::Scale(workload.clone(), *replicas))
            }
            KubernetesCall::Delete(delete) => Some(Self::Delete(delete.id.clone(), delete.uid.clone())),
            KubernetesCall::Survey
            | KubernetesCall::Locate
            | KubernetesCall::Look(_)
            | KubernetesCall::Watch { .. }
            | KubernetesCall::Explain { .. }
            | KubernetesCall::Own { .. }
            | KubernetesCall::DeletePod { .. } => None,
        }
    }

    /// The object that it writes.
    pub(super) fn id(&self) -> &ObjectId {
        match self {
            Self::Create(id, _) | Self::Apply(id, _) | Self::Scale(id, _) | Self::Delete(id, _) => id,
        }
    }

    /// The object that there may be because of it.
    pub(super) fn leaves(&self) -> Option<&ObjectId> {
        match self {
            Self::Create(id, _) | Self::Apply(id, _) | Self::Scale(id, _) => Some(id),
            Self::Delete(_, _) => None,
        }
    }
}

/// A rollout that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watched {
    /// The content of its template.
    pub(super) template: String,
    /// When it was asked for.
    pub(super) since: Timestamp,
    pub(super) stage: Stage,
}

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// The cluster works on it.
    Going {
        /// What is wrong, where something is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        complaint: Option<Complaint>,
        /// Since when all pods are ready, and an address from outside is still missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ready_since: Option<Timestamp>,
    },
    /// It did not get there in time, and nothing has said why: the platform's words are asked for.
    Overdue,
    /// It did not get there.
    GivenUp {
        /// Why.
        why: Why,
        /// Whether a method has reported it: then the next one tries again with new pods.
        told: bool,
    },
}

impl Stage {
    /// The beginning.
    pub(super) const BEGUN: Self = Self::Going { complaint: None, ready_since: None };
}

/// What is wrong with a rollout that goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Complaint {
    /// What: it is the same complaint as long as this is the same.
    pub(super) what: String,
    /// Since when.
    pub(super) since: Timestamp,
    /// For how many seconds it may pass; none: as long as the rollout may take.
    pub(super) patience: Option<u32>,
    /// The first words about it; later ones say less.
    pub(super) why: Why,
}

/// Why a rollout does not get there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Why {
    /// The platform's words, and of what. Nothing that the tenant wrote.
    pub(super) words: String,
    pub(super) code: ErrorCode,
    pub(super) remedy: Remedy,
}

/// What was seen since the method began.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// The cluster.
    pub(super) survey: Option<Survey>,
    /// The tenant's objects, and those that have the names that it wants.
    pub(super) objects: Option<BTreeMap<ObjectId, Object>>,
    /// What runs.
    pub(super) running: Option<Running>,
    /// The names that a create found taken: whose they are, a look at them tells.
    pub(super) taken: BTreeSet<ObjectId>,
    /// The fields of objects that are other managers'.
    pub(super) conflicts: BTreeMap<ObjectId, BTreeSet<FieldConflict>>,
    /// The Secrets that were copied.
    pub(super) copied: BTreeSet<ObjectId>,
    /// The other places where a search found something of the tenant.
    pub(super) elsewhere: BTreeSet<Place>,
    /// How many writes of this method have ended.
    pub(super) writes: u64,
    /// How many calls of this method in a row brought no reply.
    pub(super) troubles: Troubles,
}

/// How many calls in a row brought no reply. A look that is answered is no news of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Troubles {
    pub(super) reads: u32,
    pub(super) writes: u32,
}

impl KubernetesFacts {
    /// Where the tenant is, as far as it is known.
    pub(super) fn place(&self) -> Option<&Place> {
        match &self.at {
            Whereabouts::At(place) => Some(place),
            Whereabouts::Unknown | Whereabouts::Nowhere => None,
        }
    }

    /// Whether something of the tenant may be where it is.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty() || self.pending.iter().any(|pending| pending.write.leaves().is_some())
    }

    /// A rollout of this template is waited for from now on.
    pub(super) fn roll(&mut self, template: &str, now: Timestamp) {
        let template = template.to_owned();
        self.rollout = Some(Watched { template, since: now, stage: Stage::BEGUN });
    }
}

/// A time later than another; the end of time where there is none.
pub(super) fn after(time: Timestamp, pause: SignedDuration) -> Timestamp {
    time.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

/// A time so many seconds later than another.
pub(super) fn seconds_after(time: Timestamp, seconds: u32) -> Timestamp {
    after(time, SignedDuration::from_secs(i64::from(seconds)))
}
