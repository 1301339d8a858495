//! A tenant of which nothing is kept, or only a tombstone.

use super::super::event::StateName;
use super::super::input::{Command, Input, Request, Stamp};
use super::super::{Decision, Record, Rejection, Repair, State, Tenant};
use super::draft::Draft;
use crate::id::{Incarnation, SpecVersion};
use crate::result::Health;

pub(super) fn step(record: &Record, stamp: Stamp, input: Input) -> Decision {
    match input {
        Input::Command(Command { request, .. }) => match request {
            Request::Provision { spec, provider, deadline } => {
                let incarnation = match record {
                    Record::Absent(_) => Incarnation(1),
                    Record::Gone(tombstone) => Incarnation(tombstone.incarnation.0 + 1),
                    Record::Live(tenant) => tenant.incarnation,
                };
                let tenant = Tenant {
                    id: record.id().clone(),
                    incarnation,
                    revision: record.revision().next(),
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
                };
                let mut draft = Draft::from(tenant, StateName::Pending, stamp);
                let began = draft.provision(spec, deadline);
                draft.apply(Some(stamp.operation), began)
            }
            Request::Update { .. } | Request::Pause | Request::Resume => {
                Decision::Reject(Rejection::NotProvisioned)
            }
            // A tenant that the store does not know may still have resources: finding them is the sweep's work.
            Request::Destroy => Decision::Ignore,
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
