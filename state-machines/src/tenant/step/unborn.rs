//! A tenant of which nothing is kept, or only a tombstone.

use super::super::effect::OperationKind;
use super::super::event::StateName;
use super::super::input::{Command, Input, Request, Stamp};
use super::super::{Decision, Rejection, Repair, State, Tenant};
use super::draft::Draft;
use crate::id::{Incarnation, ProviderName, Revision, SpecVersion, TenantId};
use crate::result::Health;

/// `revision` is its last one, and `lives` how many it had.
pub(super) fn step(id: &TenantId, revision: Revision, lives: u64, stamp: Stamp, input: Input) -> Decision {
    match input {
        Input::Command(Command { request, .. }) => match request {
            Request::Provision { spec, provider, deadline } => {
                let tenant = tenant(id, Incarnation(lives + 1), revision, provider);
                let mut draft = Draft::from(tenant, StateName::Pending, stamp);
                let began = draft.provision(spec, deadline);
                draft.apply(Some(stamp.operation), began)
            }
            Request::Update { .. } | Request::Pause | Request::Resume => {
                Decision::Reject(Rejection::NotProvisioned)
            }
            // A tenant that the store does not know may still have resources: finding them is the sweep's work.
            Request::Destroy => Decision::Ignore,
            // No life begins: what is over is removed, and the next life is counted after it.
            Request::Reclaim { provider, incarnation } => {
                let tenant = tenant(id, Incarnation(lives).max(incarnation), revision, provider);
                let mut draft = Draft::from(tenant, StateName::Pending, stamp);
                let began = draft.open(OperationKind::Destroy, None);
                draft.remove(stamp.operation, 1);
                draft.apply(Some(stamp.operation), began)
            }
            Request::Cancel => Decision::Reject(Rejection::NothingToCancel),
            Request::Retry => Decision::Reject(Rejection::NothingToRetry),
            Request::Abandon { .. } => Decision::Reject(Rejection::DestroyFirst),
        },
        Input::Outcome { .. }
        | Input::Progressed { .. }
        | Input::TimerFired
        | Input::Observed(_)
        | Input::Recovered => Decision::Ignore,
    }
}

/// A tenant of which nothing is known yet, at the revision after `revision`.
fn tenant(id: &TenantId, incarnation: Incarnation, revision: Revision, provider: ProviderName) -> Tenant {
    Tenant {
        id: id.clone(),
        incarnation,
        revision: revision.next(),
        provider,
        state: State::Pending,
        next: None,
        paused: None,
        health: Health::Unknown,
        repair: Repair::default(),
        last_failure: None,
        ledger: None,
        latest_spec: SpecVersion(0),
        settled_at: None,
    }
}
