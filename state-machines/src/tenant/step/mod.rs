//! The tenant machine: the sole place where a tenant's state changes.
//!
//! # How a change lives
//!
//! A provision, an update, a restart or a repair is a [`Change`](super::Change): an operation, the spec that it works towards, a
//! direction, and what it does now: it calls the provider, stops such a call, or waits.
//!
//! - **Forward.** The provider is called. When it succeeds, the target becomes the applied spec, the operation is
//!   done, and a queued update begins. A failure that may pass is waited out and tried again, up to
//!   `Policy::attempts` times.
//! - **Undo.** A permanent failure, the last failed attempt, the deadline or a cancel turns the change around: an update
//!   goes back to the applied spec, a provision back to nothing. An undo has no last attempt. Its operation settles
//!   when it succeeds, or when a new update or a destroy takes its place. A repair has nothing to go back to: it settles
//!   as failed, the tenant stays as it is, and the next repair is due later. A restart goes back to the same spec: when
//!   that fails for good or as often as a call is tried, it settles as failed, and a repair follows, if repair is on.
//! - **Stop.** A cancel, a destroy or the deadline asks the call in flight to stop, and gives it
//!   `Policy::stop_grace`. An undo is not asked, but gets the same time. Once the call is over, whatever it came back
//!   with, or the time is, the reason for the stop decides what follows: the undo, or the removal.
//! - **Release.** What a destroy retained stays on the tombstone. A release removes it as a destroy removes a tenant: nothing
//!   lives meanwhile, and a provision waits until it is over.
//! - **Remove.** A destroy replaces what is on its way. It cannot be cancelled or undone, and is tried until the platform
//!   says that nothing is left, or until somebody abandons it.
//!
//! # Where it is decided
//!
//! [`step`] refuses a command that expects another revision, and hands every other input to the module of the
//! tenant's configuration. [`admit`] answers what all living tenants answer alike, so the modules see only what they
//! answer differently. [`draft`] builds a transition.

mod admit;
mod changing;
mod draft;
mod pending;
mod removing;
mod running;
mod unborn;

use std::sync::Arc;

use super::input::{Command, Input, Stamp};
use super::policy::Policy;
use super::{Decision, EventKind, Record, Rejection, State, Tenant, Tombstone};
use crate::id::{CallId, Revision};
use crate::ledger::Ledger;
use draft::Draft;

/// Decides what `input` does to `record`. Pure: the same arguments always give the same decision.
///
/// Rejected, ignored and joined inputs change nothing and emit nothing.
pub fn step(policy: &Policy, record: &Record, stamp: Stamp, input: Input) -> Decision {
    use Configuration::{Changing, Pending, Removing, Running, Unborn};

    let configuration = || Configuration::of(policy, record, stamp);
    match input {
        Input::Command(Command { expected: Some(expected), .. }) if expected != record.revision() => {
            Decision::Reject(Rejection::RevisionMismatch { expected, actual: record.revision() })
        }
        Input::Command(Command { request, .. }) => match configuration() {
            Unborn(at) => at.asked(request),
            Pending(at) => at.asked(request),
            Changing(at) => at.asked(request),
            Running(at) => at.asked(request),
            Removing(at) => at.asked(request),
        },
        // What comes of another call than the one in flight is ignored.
        Input::Outcome { call, outcome } => match configuration() {
            Changing(at) => at.outcome(call, outcome),
            Removing(at) => at.outcome(call, outcome),
            Unborn(_) | Pending(_) | Running(_) => Decision::Ignore,
        },
        Input::Progressed { call, ledger, step } => match configuration() {
            Changing(changing::At { tenant, .. }) | Removing(removing::At { tenant, .. }) => {
                progressed(tenant, stamp, call, ledger, step)
            }
            Unborn(_) | Pending(_) | Running(_) => Decision::Ignore,
        },
        Input::TimerFired => match configuration() {
            Changing(at) => at.timer(),
            Running(at) => at.timer(),
            Removing(at) => at.timer(),
            Unborn(_) | Pending(_) => Decision::Ignore,
        },
        Input::Observed(observation) => match configuration() {
            Running(at) => at.observed(observation),
            // Where a call is on its way, or will be, it finds out for itself.
            Unborn(_) | Pending(_) | Changing(_) | Removing(_) => Decision::Ignore,
        },
        Input::HandedOver { call } => match configuration() {
            Changing(at) => at.handed_over(call),
            Removing(at) => at.handed_over(call),
            Unborn(_) | Pending(_) | Running(_) => Decision::Ignore,
        },
        Input::Recovered => match configuration() {
            Changing(at) => at.recovered(),
            Removing(at) => at.recovered(),
            Unborn(_) | Pending(_) | Running(_) => Decision::Ignore,
        },
    }
}

/// The call in flight got somewhere: its ledger is kept, and nothing else changes.
fn progressed(tenant: &Tenant, stamp: Stamp, call: CallId, ledger: Arc<Ledger>, step: String) -> Decision {
    if tenant.call() != Some(call) {
        return Decision::Ignore;
    }
    let what = match &ledger.waits {
        Some(waiting) if waiting.call == call => {
            EventKind::Waits { what: waiting.what.clone(), since: waiting.since }
        }
        Some(_) | None => EventKind::Progressed { step },
    };
    let mut draft = Draft::of(tenant, stamp);
    draft.tenant.ledger = Some(ledger);
    draft.apply(tenant.operation(), what)
}

/// The module that decides, with what it looks at.
enum Configuration<'a> {
    /// Nothing is kept, or only a tombstone.
    Unborn(unborn::At<'a>),
    Pending(pending::At<'a>),
    /// It is provisioned, updated or repaired, or that is undone.
    Changing(changing::At<'a>),
    Running(running::At<'a>),
    Removing(removing::At<'a>),
}

impl<'a> Configuration<'a> {
    // Inlined, each input is compared only with the states that heed it, which saves instructions.
    #[inline(always)]
    fn of(policy: &'a Policy, record: &'a Record, stamp: Stamp) -> Self {
        let tenant = match record {
            Record::Absent(id) => {
                return Self::Unborn(unborn::At {
                    id,
                    revision: Revision(0),
                    lives: 0,
                    retained: None,
                    stamp,
                });
            }
            Record::Gone(Tombstone { id, incarnation, revision, retained }) => {
                let (lives, retained) = (incarnation.0, retained.as_ref());
                return Self::Unborn(unborn::At { id, revision: *revision, lives, retained, stamp });
            }
            Record::Live(tenant) => tenant,
        };
        match &tenant.state {
            State::Pending => Self::Pending(pending::At { tenant, stamp }),
            State::Provisioning(change) => {
                Self::Changing(changing::At { policy, tenant, applied: None, change, stamp })
            }
            State::Running { applied } => Self::Running(running::At { policy, tenant, applied, stamp }),
            State::Updating { applied, change } => {
                Self::Changing(changing::At { policy, tenant, applied: Some(applied), change, stamp })
            }
            State::Destroying(removal) => Self::Removing(removing::At { policy, tenant, removal, stamp }),
        }
    }
}
