//! A tenant that was tried, and of which everything was undone.

use super::super::effect::OperationKind;
use super::super::input::{Command, Input, Request, Stamp};
use super::super::{Decision, Rejection, Tenant, What};
use super::draft::Draft;
use super::spec_refusal;

pub(super) fn step(tenant: &Tenant, stamp: Stamp, input: Input) -> Decision {
    match input {
        Input::Command(Command { request, .. }) => {
            if let Some(refusal) = spec_refusal(tenant, &request) {
                return Decision::Reject(refusal);
            }
            match request {
                Request::Provision { spec, deadline, .. } => {
                    let mut draft = Draft::of(tenant, stamp);
                    let began = draft.provision(spec, deadline);
                    draft.apply(Some(stamp.operation), began)
                }
                Request::Update { .. } => Decision::Reject(Rejection::NotProvisioned),
                Request::Destroy => {
                    let mut draft = Draft::of(tenant, stamp);
                    let began = draft.open(OperationKind::Destroy, None);
                    draft.remove(stamp.operation, 1);
                    draft.apply(Some(stamp.operation), began)
                }
                Request::Cancel => Decision::Reject(Rejection::NothingToCancel),
                Request::Retry => Decision::Reject(Rejection::NothingToRetry),
                Request::Pause => Draft::pause(tenant, stamp),
                Request::Resume => match tenant.paused {
                    None => Decision::Ignore,
                    Some(_) => {
                        let mut draft = Draft::of(tenant, stamp);
                        draft.tenant.paused = None;
                        draft.apply(None, What::Resumed)
                    }
                },
                Request::Reclaim { .. } => Decision::Reject(Rejection::Lives),
                Request::Abandon { .. } => Decision::Reject(Rejection::DestroyFirst),
            }
        }
        Input::Outcome { .. }
        | Input::Progressed { .. }
        | Input::TimerFired
        | Input::Observed(_)
        | Input::Recovered => Decision::Ignore,
    }
}
