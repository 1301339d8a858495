//! What reaches the machine.

use std::sync::Arc;

use jiff::Timestamp;

use super::Retained;
use crate::error::ProviderError;
use crate::id::{CallId, Incarnation, OperationId, ProviderName, Revision};
use crate::ledger::Ledger;
use crate::observation::Observation;
use crate::spec::Spec;

/// What the machine cannot make by itself: the time, a random number, and an id for an operation that may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Now.
    pub now: Timestamp,
    /// Spreads retries: 0 to 999.
    pub jitter: u16,
    /// The id of the operation that this input may begin. Never used before.
    pub operation: OperationId,
}

/// Everything that can happen to a tenant.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A caller asks for something.
    Command(Command),
    /// A call came back, or never will.
    Outcome {
        /// Which.
        call: CallId,
        /// With what.
        outcome: Outcome,
    },
    /// A call made progress, and wants its ledger kept.
    Progressed {
        /// Which.
        call: CallId,
        /// What the provider now knows and intends.
        ledger: Arc<Ledger>,
        /// What it is doing, for people.
        step: String,
    },
    /// The time that [`super::Tenant::wake_at`] named may have come.
    TimerFired,
    /// The tenant was looked at on its platform.
    Observed(Observation),
    /// No call of this tenant is alive in this engine: it was just started, or the tenant's actor was lost
    /// between a commit and its call.
    Recovered,
    /// A call was stopped because the tenant is another engine's from now on, or did not begin for that. It says nothing about the
    /// tenant.
    HandedOver {
        /// Which.
        call: CallId,
    },
}

/// A caller's wish.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Refused unless the tenant is at this revision.
    pub expected: Option<Revision>,
    /// What is asked.
    pub request: Request,
}

/// What callers can ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Run this; nothing runs yet.
    Provision {
        /// What.
        spec: Spec,
        /// Where; the spec's `provider_type`.
        provider: ProviderName,
        /// When it has to be done.
        deadline: Option<Timestamp>,
    },
    /// Run this instead.
    Update {
        /// What.
        spec: Spec,
        /// Where; the spec's `provider_type`.
        provider: ProviderName,
        /// When it has to be done.
        deadline: Option<Timestamp>,
    },
    /// Start anew what runs, with the values that its secrets have by then.
    Restart {
        /// When it has to be done.
        deadline: Option<Timestamp>,
    },
    /// Remove everything.
    Destroy,
    /// Stop what is on its way and undo it.
    Cancel,
    /// Do not wait any longer, try again now.
    Retry,
    /// Begin nothing by yourself.
    Pause,
    /// Go on.
    Resume,
    /// Remove what an earlier life left on its platform, while no tenant of this name lives.
    Reclaim {
        /// Where it was found.
        provider: ProviderName,
        /// The life that it was tagged with.
        incarnation: Incarnation,
    },
    /// Remove what an earlier life retained, while no tenant of this name lives.
    Release {
        /// Where; none: where the last life retained it.
        provider: Option<ProviderName>,
    },
    /// Give up a destroy or a release, and leave what is left.
    Abandon {
        /// Why, for the audit.
        reason: String,
    },
}

impl Request {
    /// What it is called wherever people or programs name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Provision { .. } => "provision",
            Self::Update { .. } => "update",
            Self::Restart { .. } => "restart",
            Self::Destroy => "destroy",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Reclaim { .. } => "reclaim",
            Self::Release { .. } => "release",
            Self::Abandon { .. } => "abandon",
        }
    }

    /// The provider that it names, if it names one.
    pub fn provider(&self) -> Option<&ProviderName> {
        match self {
            Self::Provision { provider, .. }
            | Self::Update { provider, .. }
            | Self::Reclaim { provider, .. } => Some(provider),
            Self::Release { provider } => provider.as_ref(),
            Self::Restart { .. }
            | Self::Destroy
            | Self::Cancel
            | Self::Retry
            | Self::Pause
            | Self::Resume
            | Self::Abandon { .. } => None,
        }
    }
}

/// What a call came back with.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The provider did it, and made these changes.
    Succeeded {
        /// A line each; none when nothing had to be changed.
        changes: Vec<String>,
        /// What else a person should know, such as what the platform does not enforce.
        message: Option<String>,
        /// What a destroy left on purpose.
        retained: Option<Arc<Retained>>,
    },
    /// The provider could not, or panicked.
    Failed(Arc<ProviderError>),
    /// The call took longer than the provider's calls may, and was dropped. It may have worked.
    TimedOut(Arc<ProviderError>),
    /// The call ended without an answer. It may have worked.
    Lost(Arc<ProviderError>),
    /// The call was never made, because its provider is not registered in this engine.
    Held(Arc<ProviderError>),
}
