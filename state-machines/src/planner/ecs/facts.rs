//! All that the ECS planner knows and intends. It is the ledger.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::call::{DefinitionStatus, EcsCall, Serves, Service, Settings, Task};
use super::figures::Failing;
use super::site::Site;
use super::tags;
use crate::error::ProviderError;
use crate::id::{self, Incarnation, TenantId};
use crate::planner::Subject;
use crate::status::Endpoint;

/// How long after a write looks may not show it: ECS is eventually consistent.
pub(super) const VISIBLE: SignedDuration = SignedDuration::from_secs(3);
/// How long after it was intended a write of unknown outcome may still happen.
pub(super) const LATE: SignedDuration = SignedDuration::from_secs(20);
/// How long before it goes out a write may have been intended: much less than [`LATE`].
pub(super) const MOMENT: SignedDuration = SignedDuration::from_secs(5);

/// What is known of a tenant's resources, and what was intended with them. Holds no environment and no secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EcsFacts {
    /// Where the tenant is.
    pub(super) at: Whereabouts,
    /// Its service.
    pub(super) service: Held,
    /// The revisions of its family that are known, by ARN.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) revisions: BTreeMap<String, Revision>,
    /// Writes that were intended and whose end is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) pending: Vec<Pending>,
    /// When the end of a write was last known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wrote_at: Option<Timestamp>,
    /// When a revision was last registered: a transport that asks twice makes two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) registered_at: Option<Timestamp>,
    /// When the revisions of each status were last listed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) listed: BTreeMap<DefinitionStatus, Timestamp>,
    /// How many services were created in this life: no client token is used for two.
    pub(super) creations: u32,
    /// The keys of the tags that the service was ever given.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) labels: BTreeSet<String>,
    /// The deployment that is ours and did not end well yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rollout: Option<Watched>,
    /// The rollout of the spec whose tasks last ran.
    #[serde(skip_serializing_if = "id::Rollout::is_first")]
    pub(super) rolled: id::Rollout,
    /// The deployment for another rollout that was asked for and is not proven yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restart: Option<Restart>,
    /// The settings that were asked for last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) settings: Option<Settings>,
    /// The number of tasks that ECS was told with these, where nothing has shown yet that it knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) counting: Option<u32>,
    /// The service deployment that was told to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stopped: Option<String>,
    /// Since when a deployment that was complete has fewer tasks than wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) short_since: Option<Timestamp>,
    /// Since when all tasks run, and how many had failed by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) steady: Option<Steady>,
    /// Where the tenant answers, as its spec says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) serves: Vec<Serves>,
    /// The containers that have a health check, as its spec says.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) checked: BTreeSet<String>,
    /// Where that is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) endpoints: Vec<Endpoint>,
    /// A call that brought no reply. An error that may pass is waited out; any other one ends the method, and the
    /// next one starts by looking.
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
    /// A search by tags found nothing.
    Nowhere,
    /// There.
    At(Site),
}

/// Whether there is a service of the tenant's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Held {
    /// No.
    #[default]
    None,
    /// It was asked for, and no look has shown it.
    Asked,
    /// This one.
    There(String),
}

/// A revision of the family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Revision {
    pub(super) status: DefinitionStatus,
    /// None: its tags were not looked at yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) whose: Option<Whose>,
    /// The hash of what it says, as its tag has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<String>,
    /// The caller's tags that it has; none: those that the service has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) labels: Option<BTreeMap<String, String>>,
}

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Whose {
    /// The tenant's, made in this life.
    Its(Incarnation),
    /// Of another tenant of this engine.
    Another(TenantId),
    /// It has not this engine's tags.
    Strangers,
}

impl Whose {
    pub(super) fn of(tags: &BTreeMap<String, String>, subject: &Subject) -> Self {
        match tags::owner(tags, &subject.engine, subject.provider.as_str()) {
            Some((tenant, incarnation)) if tenant == subject.tenant => Self::Its(incarnation),
            Some((tenant, _)) => Self::Another(tenant),
            None => Self::Strangers,
        }
    }

    pub(super) fn is_its(&self) -> bool {
        match self {
            Self::Its(_) => true,
            Self::Another(_) | Self::Strangers => false,
        }
    }
}

/// A write whose end is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) write: Write,
    /// When it was intended, or its answer stayed away.
    pub(super) since: Timestamp,
}

/// What a call writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Write {
    Create,
    Update,
    Tag,
    Stop,
    Delete,
    /// The tags of this revision.
    TagDefinition(String),
    /// A definition with this content.
    Register(String),
    /// These revisions are deregistered or deleted.
    Remove(BTreeSet<String>),
}

impl Write {
    /// What a call writes; none: it only looks.
    pub(super) fn of(call: &EcsCall) -> Option<Self> {
        match call {
            EcsCall::Locate(_)
            | EcsCall::DescribeService { .. }
            | EcsCall::ListDefinitions(..)
            | EcsCall::DescribeDefinition { .. }
            | EcsCall::FindTasks { .. } => None,
            EcsCall::RegisterDefinition(register) => Some(Self::Register(register.content.clone())),
            EcsCall::CreateService(_) => Some(Self::Create),
            EcsCall::UpdateService(_) => Some(Self::Update),
            EcsCall::TagService { .. } | EcsCall::UntagService { .. } => Some(Self::Tag),
            EcsCall::TagDefinition { arn, .. } | EcsCall::UntagDefinition { arn, .. } => {
                Some(Self::TagDefinition(arn.clone()))
            }
            EcsCall::StopDeployment { .. } => Some(Self::Stop),
            EcsCall::DeleteService(_) => Some(Self::Delete),
            EcsCall::DeregisterDefinition { arn, .. } => Some(Self::Remove(BTreeSet::from([arn.clone()]))),
            EcsCall::DeleteDefinitions { arns, .. } => Some(Self::Remove(arns.clone())),
        }
    }

    /// Whether it writes definitions; else the service.
    pub(super) fn is_of_definitions(&self) -> bool {
        match self {
            Self::TagDefinition(_) | Self::Register(_) | Self::Remove(_) => true,
            Self::Create | Self::Update | Self::Tag | Self::Stop | Self::Delete => false,
        }
    }
}

/// A deployment that we asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watched {
    /// The task definition that it is of.
    pub(super) definition: String,
    /// When it was asked for.
    pub(super) since: Timestamp,
    pub(super) stage: Stage,
}

/// A deployment for another rollout. Only its id tells it from others of the same definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Restart {
    /// The rollout.
    pub(super) to: id::Rollout,
    /// The deployments that there were before.
    pub(super) known: BTreeSet<String>,
    /// Its own id, once it has shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deployment: Option<String>,
}

/// How far a deployment that we asked for is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// It was asked for, and nothing has shown it yet.
    Asked,
    /// ECS works on it.
    Going {
        /// Its id.
        deployment: String,
    },
    /// It did not get there.
    GivenUp {
        /// ECS's words.
        why: String,
        /// Whether a method has reported it: then the next one deploys again.
        told: bool,
    },
}

/// All tasks run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Steady {
    pub(super) since: Timestamp,
    /// How many of the deployment's tasks had failed by then.
    pub(super) failures: usize,
}

/// What was seen since the method began.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) service: Look,
    pub(super) tasks: Option<Vec<Task>>,
    /// What was last seen of the failures of a deployment that goes on.
    pub(super) failing: Option<Failing>,
    /// How many calls of this method in a row brought no reply.
    pub(super) troubles: u32,
    /// When this method last wrote: a look from before that says nothing.
    pub(super) wrote: Option<Timestamp>,
    /// The settings that this method asked for; what ECS shows of them later may be put another way.
    pub(super) asked: Option<Settings>,
}

/// What a look at the service showed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Look {
    /// Nobody looked.
    #[default]
    NotYet,
    /// There is none.
    None,
    /// There is no such cluster.
    NoCluster(ProviderError),
    /// This one.
    Is(Box<Service>),
}

impl EcsFacts {
    /// Where the tenant is, as far as it is known.
    pub fn site(&self) -> Option<&Site> {
        match &self.at {
            Whereabouts::At(site) => Some(site),
            Whereabouts::Unknown | Whereabouts::Nowhere => None,
        }
    }

    /// A look at the service and at its running tasks that is asked for with those of other tenants, and what its answers are
    /// learned with.
    pub fn calls_of_a_look(&self, site: Site, subject: &Subject) -> [EcsCall; 2] {
        let (serves, checked) = (self.serves.clone(), self.checked.clone());
        [
            EcsCall::DescribeService { site: site.clone(), subject: subject.clone() },
            EcsCall::FindTasks { site, serves, checked, giving_up: None },
        ]
    }

    /// Until then a look may not show what was done, or what may still happen.
    pub(super) fn settled_at(&self) -> Option<Timestamp> {
        let wrote = self.wrote_at.map(|at| after(at, VISIBLE));
        let late = self.pending.iter().map(|pending| after(pending.since, LATE)).max();
        wrote.max(late)
    }

    /// The rollout that a primary deployment of this id is of. Where ECS went back from a restart, it is the one before.
    pub(super) fn rolled_by(&self, primary: &str) -> id::Rollout {
        match &self.restart {
            Some(restart) if restart.deployment.as_deref() == Some(primary) => restart.to,
            Some(_) | None => self.rolled,
        }
    }

    /// Whether something of the tenant may be where it is.
    pub(super) fn holds(&self) -> bool {
        let its = |revision: &Revision| revision.whose.as_ref().is_some_and(Whose::is_its);
        self.service != Held::None || self.revisions.values().any(its) || !self.pending.is_empty()
    }
}

/// A time later than another; the end of time where there is none.
pub(super) fn after(time: Timestamp, pause: SignedDuration) -> Timestamp {
    time.saturating_add(pause).unwrap_or(Timestamp::MAX)
}
