//! The published fact of a committed transition.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::effect::OperationKind;
use super::{Retained, Settled, State};
use crate::error::ProviderError;
use crate::id::{Incarnation, OperationId, Revision, SpecVersion, TenantId};
use crate::status::Health;

/// What happened to a tenant. Gapless and ordered by revision for each tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LifecycleEvent {
    /// The tenant.
    pub tenant_id: TenantId,
    /// Which of its lives.
    pub incarnation: Incarnation,
    /// The transition, counted over all lives.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// Where it was.
    pub from: StateName,
    /// Where it is now; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<StateName>,
    /// The operation it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
    /// Which try of that operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What happened.
    pub what: EventKind,
    /// The operations that ended with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<Settlement>,
}

/// An operation and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settlement {
    /// The operation.
    pub operation: OperationId,
    /// How it ended.
    pub settled: Settled,
}

/// The name of a [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// Nothing runs.
    Pending,
    /// It is being made.
    Provisioning,
    /// It runs.
    Running,
    /// It is being changed.
    Updating,
    /// It is being removed.
    Destroying,
}

impl StateName {
    /// As it is written in stores and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Provisioning => "provisioning",
            Self::Running => "running",
            Self::Updating => "updating",
            Self::Destroying => "destroying",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl State {
    /// Its name.
    pub fn name(&self) -> StateName {
        match self {
            Self::Pending => StateName::Pending,
            Self::Provisioning(_) => StateName::Provisioning,
            Self::Running { .. } => StateName::Running,
            Self::Updating { .. } => StateName::Updating,
            Self::Destroying(_) => StateName::Destroying,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum EventKind {
    /// An operation began.
    Began {
        /// What it does.
        operation_kind: OperationKind,
        /// The spec it works towards.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spec: Option<SpecVersion>,
        /// What was seen, where it is the repair of what broke just then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A provision was asked for, of what runs already.
    AlreadyRunning,
    /// An update or a restart waits for the current operation to end.
    Queued {
        /// The operation that waits.
        queued: OperationId,
        /// The spec that an update works towards; none: it is a restart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spec: Option<SpecVersion>,
    },
    /// The provider got somewhere.
    Progressed {
        /// What it is doing.
        step: String,
    },
    /// The provider waits for its platform.
    Waits {
        /// What has to become true, as it follows "waits until".
        what: String,
        /// Since when.
        since: Timestamp,
    },
    /// The provider did what it was asked.
    Succeeded {
        /// The changes it made, a line each.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changes: Vec<String>,
        /// What else the provider says of it, for a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// What a destroy left on purpose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retained: Option<Arc<Retained>>,
    },
    /// The provider found nothing to update, and is asked to provision instead.
    FoundNothing,
    /// A call failed, and is made again later.
    WillRetry {
        /// Why.
        error: Arc<ProviderError>,
        /// When.
        at: Timestamp,
    },
    /// The call is made again.
    Retried,
    /// The call in flight was asked to stop.
    Stopping {
        /// What for.
        why: StopReason,
    },
    /// The operation failed for good, or was cancelled, and is being undone.
    Undoing {
        /// Why; absent when it was cancelled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Arc<ProviderError>>,
    },
    /// The undo is over: everything is as it was before.
    Undone,
    /// A repair failed for good.
    RepairFailed {
        /// Why; absent when it was cancelled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Arc<ProviderError>>,
        /// When the next one is due; absent when repair was switched off since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_at: Option<Timestamp>,
    },
    /// A restart is undone by what was there before, and that failed for good. What runs is repaired instead.
    NotUndone {
        /// Why.
        error: Arc<ProviderError>,
        /// When the repair is due.
        next_at: Timestamp,
    },
    /// The tenant was looked at, and its health has changed.
    HealthChanged {
        /// What it is now.
        health: Health,
        /// What was seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The engine was started again, and takes up the operation where it was.
    Recovered,
    /// Another engine has the tenant from now on, and goes on with the operation.
    HandedOver,
    /// Somebody paused the tenant.
    Paused,
    /// Somebody resumed it.
    Resumed,
    /// Somebody cancelled the update or restart that waited.
    QueueCancelled,
    /// Somebody gave up the destroy or the release.
    Abandoned {
        /// Why.
        reason: String,
        /// What is left on the platform.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<String>,
    },
}

impl EventKind {
    /// What each kind is called, in their order.
    pub const NAMES: [&'static str; 21] = [
        "began",
        "already_running",
        "queued",
        "progressed",
        "waits",
        "succeeded",
        "found_nothing",
        "will_retry",
        "retried",
        "stopping",
        "undoing",
        "undone",
        "repair_failed",
        "not_undone",
        "health_changed",
        "recovered",
        "handed_over",
        "paused",
        "resumed",
        "queue_cancelled",
        "abandoned",
    ];

    /// What it is called in stores and on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Began { .. } => "began",
            Self::AlreadyRunning => "already_running",
            Self::Queued { .. } => "queued",
            Self::Progressed { .. } => "progressed",
            Self::Waits { .. } => "waits",
            Self::Succeeded { .. } => "succeeded",
            Self::FoundNothing => "found_nothing",
            Self::WillRetry { .. } => "will_retry",
            Self::Retried => "retried",
            Self::Stopping { .. } => "stopping",
            Self::Undoing { .. } => "undoing",
            Self::Undone => "undone",
            Self::RepairFailed { .. } => "repair_failed",
            Self::NotUndone { .. } => "not_undone",
            Self::HealthChanged { .. } => "health_changed",
            Self::Recovered => "recovered",
            Self::HandedOver => "handed_over",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::QueueCancelled => "queue_cancelled",
            Self::Abandoned { .. } => "abandoned",
        }
    }
}

/// What a call was asked to stop for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Somebody cancelled the operation.
    Cancelled,
    /// The tenant is to be destroyed.
    Destroy,
    /// The operation ran out of time.
    DeadlineExceeded,
}
