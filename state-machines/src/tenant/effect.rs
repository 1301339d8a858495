//! What the machine decides, as data for the engine.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LifecycleEvent, Method, Record, Versioned};
use crate::id::{CallId, OperationId, ProviderName, Revision, Rollout, SpecVersion};
use crate::spec::Spec;

/// What [`super::step`] decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The tenant changes: commit this, then run its effects.
    Apply(Transition),
    /// What was asked for is on its way already, as this operation.
    Join(OperationId),
    /// Nothing changes. For a command this means that what it wants is already so.
    Ignore,
    /// The command cannot be done.
    Reject(Rejection),
}

/// A change of one tenant. Its record and its event are committed together, at the next revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// What is known afterwards.
    pub record: Record,
    /// What is published. It names the operations that settled.
    pub event: Arc<LifecycleEvent>,
    /// An operation that began, or was queued.
    pub opened: Option<OpenedOperation>,
    /// A spec that was not known before: its body is stored under its version.
    pub spec: Option<Versioned>,
    /// What to do once it is committed, in this order.
    pub effects: Vec<Effect>,
}

/// An operation that began, or was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedOperation {
    /// Its id.
    pub operation: OperationId,
    /// What it does.
    pub kind: OperationKind,
    /// The spec it works towards.
    pub target: Option<SpecVersion>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Makes the tenant's resources.
    Provision,
    /// Changes them.
    Update,
    /// Starts them anew, from the same spec.
    Restart,
    /// Makes again what broke by itself.
    Repair,
    /// Removes them.
    Destroy,
    /// Removes what a destroy retained.
    Release,
}

impl OperationKind {
    /// What it is called wherever people or programs name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Update => "update",
            Self::Restart => "restart",
            Self::Repair => "repair",
            Self::Destroy => "destroy",
            Self::Release => "release",
        }
    }
}

/// What the engine does after the commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Call the provider, once the tenant's previous call is gone.
    StartCall(StartCall),
    /// Ask the call to stop between two calls of the platform's API.
    StopCall(CallId),
    /// Drop the call where it stands.
    DropCall(CallId),
}

/// One use of the provider.
#[derive(Clone, Debug, PartialEq)]
pub struct StartCall {
    /// Its name.
    pub call: CallId,
    /// What it is for.
    pub operation: OperationId,
    /// Which provider.
    pub provider: ProviderName,
    /// Which method.
    pub method: Method,
    /// What should run; none for `destroy` and `release`.
    pub spec: Option<Spec>,
    /// In which rollout it should run.
    pub rollout: Rollout,
    /// What runs now, as far as the engine knows.
    pub applied: Option<Spec>,
    /// In which rollout that runs.
    pub applied_rollout: Rollout,
    /// Which try this is.
    pub attempt: u32,
    /// When the operation has to be done.
    pub deadline: Option<Timestamp>,
}

/// Why a command cannot be done, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// There is nothing to change.
    #[error("the tenant is not provisioned; provision it first")]
    NotProvisioned,
    /// It runs, or will run, another spec.
    #[error("the tenant already has another spec; use update to change it")]
    Conflict,
    /// An update waits, which a restart must not take the place of.
    #[error("update {by} waits for its turn; restart the tenant once that has settled")]
    UpdateWaits {
        /// The update.
        by: OperationId,
    },
    /// It belongs to another provider.
    #[error("the tenant is run by provider {provider}; destroy it before it moves to another")]
    ProviderMismatch {
        /// The provider that runs it.
        provider: ProviderName,
    },
    /// It is paused.
    #[error("the tenant is paused; resume it first")]
    Paused,
    /// It is being destroyed.
    #[error("the tenant is being destroyed by operation {by}; wait until that has settled")]
    BeingDestroyed {
        /// The destroy operation.
        by: OperationId,
    },
    /// Its spec protects it.
    #[error(
        "the tenant is protected from deletion; update it to a spec with deletion_protection: false, and destroy it once \
         that is done"
    )]
    Protected,
    /// Nothing is on its way.
    #[error("nothing is on its way that could be cancelled")]
    NothingToCancel,
    /// A destroy or a release is on its way.
    #[error("a destroy or a release cannot be cancelled; abandon it if its platform will never answer")]
    NotCancellable,
    /// Nothing waits.
    #[error("nothing waits to be tried again")]
    NothingToRetry,
    /// Only a destroy can be abandoned.
    #[error("only a destroy can be abandoned; destroy the tenant first")]
    DestroyFirst,
    /// What it retained is being removed.
    #[error("what the tenant retained is being released by operation {by}; wait until that has settled")]
    BeingReleased {
        /// The release operation.
        by: OperationId,
    },
    /// It lives, so that it may use what was retained.
    #[error("the tenant lives and may use what was retained; destroy it before you release that")]
    MayUseIt,
    /// It lives, so that what is found of it may be its own.
    #[error("the tenant lives; what an earlier life left goes with it when it is destroyed")]
    Lives,
    /// It changed since the caller looked.
    #[error("the tenant is at revision {actual}, not {expected}; look at it again before you change it")]
    RevisionMismatch {
        /// What the caller expected.
        expected: Revision,
        /// What it is.
        actual: Revision,
    },
}
