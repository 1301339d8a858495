//! One tenant's life: what is known of it, what can happen, and what is decided then.
//!
//! [`step()`] is the sole place where a tenant's state changes; the head of `step/mod.rs` says how a change lives. The
//! table of all that it decides is in `tenant.md` beside this crate's manifest, generated from it.

mod effect;
mod event;
mod explain;
mod input;
mod policy;
pub mod samples;
mod settled;
mod step;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use effect::{Decision, Effect, OpenedOperation, OperationKind, Rejection, StartCall, Transition};
pub use event::{EventKind, LifecycleEvent, Settlement, StateName, StopReason};
pub use explain::{Advice, Attention, Coming, Explanation, Past, explain};
pub use input::{Command, Input, Outcome, Request, Stamp};
pub use policy::{Backoff, Policy, RepairPolicy, after};
pub use settled::Settled;
pub use step::step;

use crate::error::ProviderError;
use crate::id::{CallId, Incarnation, OperationId, ProviderName, Revision, Rollout, SpecVersion, TenantId};
use crate::ledger::Ledger;
use crate::spec::Spec;
use crate::status::Health;

/// What is kept under a tenant id.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Nothing: it was never provisioned.
    Absent(TenantId),
    /// It lived and was destroyed or abandoned.
    Gone(Tombstone),
    /// It lives.
    Live(Arc<Tenant>),
}

impl Record {
    /// The tenant.
    pub fn id(&self) -> &TenantId {
        match self {
            Self::Absent(id) => id,
            Self::Gone(tombstone) => &tombstone.id,
            Self::Live(tenant) => &tenant.id,
        }
    }

    /// How many transitions were committed; 0 when there is nothing.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Absent(_) => Revision(0),
            Self::Gone(tombstone) => tombstone.revision,
            Self::Live(tenant) => tenant.revision,
        }
    }

    /// When a [`Input::TimerFired`] is due.
    pub fn wake_at(&self) -> Option<Timestamp> {
        match self {
            Self::Absent(_) | Self::Gone(_) => None,
            Self::Live(tenant) => tenant.wake_at(),
        }
    }

    /// The call that is in flight, if one is.
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::Absent(_) | Self::Gone(_) => None,
            Self::Live(tenant) => tenant.call(),
        }
    }

    /// The operation that is on its way.
    pub fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Absent(_) | Self::Gone(_) => None,
            Self::Live(tenant) => tenant.operation(),
        }
    }
}

/// What stays of a tenant that is gone, so that its next life continues the count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The tenant.
    pub id: TenantId,
    /// Its last life.
    pub incarnation: Incarnation,
    /// Its last transition.
    pub revision: Revision,
    /// What it left on purpose, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<Arc<Retained>>,
}

/// What a life left on its platform because its spec asks for that. `release` removes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retained {
    /// Where.
    pub provider: ProviderName,
    /// A name for each thing, and where it is. Never empty.
    pub resources: BTreeMap<String, String>,
}

impl Retained {
    /// What there is at `provider`, if that is anything.
    pub fn of(provider: ProviderName, resources: BTreeMap<String, String>) -> Option<Arc<Self>> {
        (!resources.is_empty()).then(|| Arc::new(Self { provider, resources }))
    }

    /// A line each.
    pub fn lines(&self) -> Vec<String> {
        self.resources.iter().map(|(name, id)| format!("{name}: {id}")).collect()
    }
}

/// A living tenant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// Which of its lives this is.
    pub incarnation: Incarnation,
    /// How many transitions were committed, over all lives.
    pub revision: Revision,
    /// Who runs it.
    pub provider: ProviderName,
    /// Where it is in its life.
    pub state: State,
    /// The update or restart that follows when the current operation is over.
    pub next: Option<Queued>,
    /// Since when it is paused. Retries, repair and `next` wait then, and deadlines stop.
    pub paused: Option<Timestamp>,
    /// What its health checks say.
    pub health: Health,
    /// The repairs of what broke by itself.
    pub repair: Repair,
    /// The last thing that went wrong and was not followed by a success.
    pub last_failure: Option<Arc<Failure>>,
    /// What its provider knows and intends.
    pub ledger: Option<Arc<Ledger>>,
    /// The version of the latest spec it was given.
    pub latest_spec: SpecVersion,
    /// When an operation settled last. An observation from before then is outdated.
    pub settled_at: Option<Timestamp>,
}

/// Where a tenant is in its life. Failure is not a state but a fact that is kept beside it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing runs.
    Pending,
    /// It is being made, or what was made is being undone.
    Provisioning(Change),
    /// It runs.
    Running {
        /// What runs.
        applied: Rolled,
    },
    /// It runs and is being changed, restarted, or changed back, or repaired.
    Updating {
        /// What runs, and what an undo goes back to.
        applied: Rolled,
        /// What is being done.
        change: Change,
    },
    /// It is being removed.
    Destroying(Removal),
}

/// A spec and its number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Versioned {
    /// The number, counted within one life.
    pub version: SpecVersion,
    /// The body.
    pub spec: Spec,
}

/// A spec as it runs, or should run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rolled {
    /// Its number, counted within one life.
    pub version: SpecVersion,
    /// The body.
    pub spec: Spec,
    /// Which of its rollouts.
    #[serde(skip_serializing_if = "Rollout::is_first")]
    pub rollout: Rollout,
}

impl Versioned {
    /// This spec, in that rollout.
    pub fn rolled(self, rollout: Rollout) -> Rolled {
        Rolled { version: self.version, spec: self.spec, rollout }
    }
}

impl Rolled {
    /// Whether it is `other` anew.
    pub fn restarts(&self, other: &Self) -> bool {
        self.version == other.version && self.rollout != other.rollout
    }

    /// The spec without its rollout.
    pub fn versioned(&self) -> Versioned {
        Versioned { version: self.version, spec: self.spec.clone() }
    }
}

/// A provision, an update, a restart or a repair on its way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The operation.
    pub operation: OperationId,
    /// What should run in the end.
    pub target: Rolled,
    /// Towards the target, or back.
    pub direction: Direction,
    /// Which try in this direction this is, counted from 1.
    pub attempt: u32,
    /// What is happening now.
    pub run: Run,
}

/// Which way a [`Change`] goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the target, because somebody asked.
    Forward {
        /// When it has to be done; afterwards it is undone.
        deadline: Option<Timestamp>,
    },
    /// To the target, which was there and broke. There is nothing to go back to.
    Repair,
    /// Back to what was before.
    Undo(UndoCause),
}

/// Why an operation is undone; what it settles as in the end.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoCause {
    /// It failed for good, or ran out of time.
    Failed(Arc<ProviderError>),
    /// Somebody cancelled it.
    Cancelled,
}

/// What a [`Change`] is doing now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// The provider works.
    Calling(Call),
    /// The provider was asked to stop, and has until then.
    Stopping {
        /// The call that should stop.
        call: Call,
        /// Why, which decides what follows.
        why: Why,
        /// When the engine drops the call.
        until: Timestamp,
    },
    /// Nothing, until it is tried again.
    Waiting {
        /// When.
        until: Timestamp,
    },
}

/// One use of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Its name. An outcome of any other call is ignored.
    pub id: CallId,
    /// What the provider was asked.
    pub method: Method,
}

/// Which of a provider's methods is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// `provision`.
    Provision,
    /// `update`.
    Update,
    /// `destroy`.
    Destroy,
    /// `release`.
    Release,
}

impl Method {
    /// What it is called wherever people or programs name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Update => "update",
            Self::Destroy => "destroy",
            Self::Release => "release",
        }
    }
}

/// Why a call is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Somebody cancelled the operation: undo follows.
    Cancel,
    /// This destroy operation follows.
    Destroy(OperationId),
    /// The operation ran out of time: undo follows.
    Deadline,
}

/// A destroy or a release on its way. It goes on until the platform says that nothing is left, or somebody abandons it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Removal {
    /// The operation.
    pub operation: OperationId,
    /// What is removed.
    #[serde(skip_serializing_if = "Removes::is_everything")]
    pub removes: Removes,
    /// Which try this is, counted from 1.
    pub attempt: u32,
    /// What is happening now.
    pub run: RemovalRun,
}

/// What a [`Removal`] removes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Removes {
    /// The tenant, except for what its spec asks to retain.
    Everything,
    /// What a life that is over retained. Nothing else is there.
    Retained {
        /// What its tombstone knew of that.
        known: Option<Arc<Retained>>,
    },
}

impl Removes {
    /// The provider's method that does it.
    pub fn method(&self) -> Method {
        match self {
            Self::Everything => Method::Destroy,
            Self::Retained { .. } => Method::Release,
        }
    }

    fn is_everything(&self) -> bool {
        match self {
            Self::Everything => true,
            Self::Retained { .. } => false,
        }
    }
}

/// What a [`Removal`] is doing now. Nothing stops it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalRun {
    /// The provider works.
    Calling(CallId),
    /// Nothing, until it is tried again.
    Waiting {
        /// When.
        until: Timestamp,
    },
}

/// An update or a restart that waits for the current operation to end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Queued {
    /// The operation.
    pub operation: OperationId,
    /// What it does.
    pub wish: Wish,
    /// When it has to be done.
    pub deadline: Option<Timestamp>,
}

/// What a [`Queued`] operation does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Makes this run.
    Update(Versioned),
    /// Starts anew what runs by then.
    Restart,
}

impl Wish {
    /// Which kind of operation that is.
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::Update(_) => OperationKind::Update,
            Self::Restart => OperationKind::Restart,
        }
    }

    /// The spec that it brings.
    pub fn spec(&self) -> Option<&Versioned> {
        match self {
            Self::Update(versioned) => Some(versioned),
            Self::Restart => None,
        }
    }
}

/// The repairs of what broke by itself, so that a crash loop slows down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// How many there were without a quiet time between them.
    pub count: u32,
    /// When the last one was over.
    pub last: Option<Timestamp>,
    /// Something is broken, and is repaired then.
    pub due: Option<Timestamp>,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// During which operation.
    pub operation: OperationId,
    /// What.
    pub error: Arc<ProviderError>,
}

impl Tenant {
    /// When a [`Input::TimerFired`] is due. Kept with the record, so that no timer is lost and none is in memory.
    pub fn wake_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Pending => None,
            State::Provisioning(change) | State::Updating { change, .. } => self.change_wakes_at(change),
            State::Running { .. } => match self.paused {
                Some(_) => None,
                None => self.repair.due,
            },
            State::Destroying(removal) => match removal.run {
                RemovalRun::Calling(_) => None,
                RemovalRun::Waiting { until } => Some(until),
            },
        }
    }

    fn change_wakes_at(&self, change: &Change) -> Option<Timestamp> {
        let deadline = match (&change.direction, self.paused) {
            (Direction::Forward { deadline }, None) => *deadline,
            (Direction::Forward { .. }, Some(_)) | (Direction::Repair | Direction::Undo(_), _) => None,
        };
        match &change.run {
            Run::Calling(_) => deadline,
            Run::Stopping { until, .. } => Some(*until),
            Run::Waiting { until } => match (&change.direction, self.paused) {
                (Direction::Forward { .. } | Direction::Repair, Some(_)) => None,
                (Direction::Forward { .. } | Direction::Repair | Direction::Undo(_), _) => {
                    Some(deadline.map_or(*until, |deadline| deadline.min(*until)))
                }
            },
        }
    }

    /// The call that is in flight, if one is. After a restart nobody makes it any more: the tenant then gets
    /// [`Input::Recovered`].
    pub fn call(&self) -> Option<CallId> {
        match &self.state {
            State::Pending | State::Running { .. } => None,
            State::Provisioning(change) | State::Updating { change, .. } => match &change.run {
                Run::Calling(call) | Run::Stopping { call, .. } => Some(call.id),
                Run::Waiting { .. } => None,
            },
            State::Destroying(removal) => match removal.run {
                RemovalRun::Calling(call) => Some(call),
                RemovalRun::Waiting { .. } => None,
            },
        }
    }

    /// What the provider is asked by the call in flight. None where it was asked to stop, or there is no call.
    pub fn asks(&self) -> Option<StartCall> {
        match &self.state {
            State::Pending | State::Running { .. } => None,
            State::Provisioning(change) => self.change_asks(None, change),
            State::Updating { applied, change } => self.change_asks(Some(applied), change),
            State::Destroying(removal) => match removal.run {
                RemovalRun::Calling(call) => Some(StartCall {
                    call,
                    operation: removal.operation,
                    provider: self.provider.clone(),
                    method: removal.removes.method(),
                    spec: None,
                    rollout: Rollout::default(),
                    applied: None,
                    applied_rollout: Rollout::default(),
                    attempt: removal.attempt,
                    deadline: None,
                }),
                RemovalRun::Waiting { .. } => None,
            },
        }
    }

    fn change_asks(&self, applied: Option<&Rolled>, change: &Change) -> Option<StartCall> {
        let Run::Calling(Call { id, method }) = change.run else { return None };
        let (towards, deadline) = match &change.direction {
            Direction::Forward { deadline } => (Some(&change.target), *deadline),
            Direction::Repair => (Some(&change.target), None),
            Direction::Undo(_) => (applied, None),
        };
        let rollout = |rolled: Option<&Rolled>| rolled.map(|rolled| rolled.rollout).unwrap_or_default();
        Some(StartCall {
            call: id,
            operation: change.operation,
            provider: self.provider.clone(),
            method,
            spec: towards.map(|rolled| rolled.spec.clone()),
            rollout: rollout(towards),
            applied: applied.map(|rolled| rolled.spec.clone()),
            applied_rollout: rollout(applied),
            attempt: change.attempt,
            deadline,
        })
    }

    /// The operation that is on its way, if one is.
    pub fn operation(&self) -> Option<OperationId> {
        match &self.state {
            State::Pending | State::Running { .. } => None,
            State::Provisioning(change) | State::Updating { change, .. } => Some(change.operation),
            State::Destroying(removal) => Some(removal.operation),
        }
    }

    /// Which try of its operation is on its way.
    pub fn attempt(&self) -> Option<u32> {
        match &self.state {
            State::Pending | State::Running { .. } => None,
            State::Provisioning(change) | State::Updating { change, .. } => Some(change.attempt),
            State::Destroying(removal) => Some(removal.attempt),
        }
    }

    /// The spec that runs, as far as the engine knows.
    pub fn applied(&self) -> Option<&Rolled> {
        match &self.state {
            State::Pending | State::Provisioning(_) | State::Destroying(_) => None,
            State::Running { applied } | State::Updating { applied, .. } => Some(applied),
        }
    }

    /// Whether a destroy is refused: the spec that runs says so, or, before anything ran, the one that is worked towards.
    /// What is being undone or removed anyway is not protected.
    pub fn is_protected(&self) -> bool {
        match &self.state {
            State::Pending | State::Destroying(_) => false,
            State::Provisioning(change) => match change.direction {
                Direction::Forward { .. } | Direction::Repair => change.target.spec.deletion_protection,
                Direction::Undo(_) => false,
            },
            State::Running { applied } | State::Updating { applied, .. } => applied.spec.deletion_protection,
        }
    }

    /// The spec that is being worked towards.
    pub fn target(&self) -> Option<&Rolled> {
        match &self.state {
            State::Pending | State::Running { .. } | State::Destroying(_) => None,
            State::Provisioning(change) | State::Updating { change, .. } => Some(&change.target),
        }
    }
}
