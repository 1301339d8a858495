//! A tenant being removed. This goes on until its platform says that nothing is left, or somebody abandons it.

use std::sync::Arc;

use super::super::input::{Command, Input, Outcome, Request, Stamp};
use super::super::policy::Policy;
use super::super::{Decision, Rejection, Removal, RemovalRun, Settled, State, Tenant, What};
use super::draft::Draft;
use crate::error::{ErrorKind, ProviderError};
use crate::id::OperationId;

pub(super) fn step(
    policy: &Policy,
    tenant: &Tenant,
    removal: &Removal,
    stamp: Stamp,
    input: Input,
) -> Decision {
    let operation = removal.operation;
    match input {
        Input::Command(Command { request, .. }) => match request {
            Request::Provision { .. } | Request::Update { .. } | Request::Pause | Request::Resume => {
                Decision::Reject(Rejection::BeingDestroyed { by: operation })
            }
            Request::Destroy | Request::Reclaim { .. } => Decision::Join(operation),
            Request::Cancel => Decision::Reject(Rejection::NotCancellable),
            Request::Retry => match removal.run {
                RemovalRun::Calling(_) => Decision::Reject(Rejection::NothingToRetry),
                RemovalRun::Waiting { .. } => again(tenant, operation, 1, stamp, What::Retried),
            },
            Request::Abandon { reason } => {
                let mut draft = Draft::of(tenant, stamp);
                if let RemovalRun::Calling(call) = removal.run {
                    draft.drop_call(call);
                }
                let left = tenant.ledger.as_ref().map(|ledger| ledger.left()).unwrap_or_default();
                draft.settle(operation, Settled::Abandoned { left: left.clone() });
                draft.bury(operation, What::Abandoned { reason, left })
            }
        },
        Input::Outcome { call, outcome } if removal.run == RemovalRun::Calling(call) => match outcome {
            Outcome::Succeeded { changes } => gone(tenant, operation, stamp, changes),
            // The specification wants no error for an absent tenant; a provider that gives one means the same.
            Outcome::Failed(error) if error.kind == ErrorKind::TenantNotFound => {
                gone(tenant, operation, stamp, Vec::new())
            }
            Outcome::Failed(error) | Outcome::TimedOut(error) | Outcome::Lost(error) => {
                wait(policy, tenant, removal, 1, stamp, error)
            }
            Outcome::Held(error) => wait(policy, tenant, removal, 0, stamp, error),
        },
        Input::Progressed { call, ledger, step } if removal.run == RemovalRun::Calling(call) => {
            let mut draft = Draft::of(tenant, stamp);
            draft.keep(ledger);
            draft.apply(Some(operation), What::Progressed { step })
        }
        Input::TimerFired => match removal.run {
            RemovalRun::Waiting { until } if until <= stamp.now => {
                again(tenant, operation, removal.attempt, stamp, What::Retried)
            }
            RemovalRun::Waiting { .. } | RemovalRun::Calling(_) => Decision::Ignore,
        },
        Input::Recovered => match removal.run {
            RemovalRun::Calling(_) => again(tenant, operation, removal.attempt + 1, stamp, What::Recovered),
            RemovalRun::Waiting { .. } => Decision::Ignore,
        },
        Input::Outcome { .. } | Input::Progressed { .. } | Input::Observed(_) => Decision::Ignore,
    }
}

fn again(tenant: &Tenant, operation: OperationId, attempt: u32, stamp: Stamp, what: What) -> Decision {
    let mut draft = Draft::of(tenant, stamp);
    draft.remove(operation, attempt);
    draft.apply(Some(operation), what)
}

fn gone(tenant: &Tenant, operation: OperationId, stamp: Stamp, changes: Vec<String>) -> Decision {
    let mut draft = Draft::of(tenant, stamp);
    draft.settle(operation, Settled::Done);
    draft.bury(operation, What::Succeeded { changes })
}

/// `spent` is how many tries this one counts as: a call that was never made costs none.
fn wait(
    policy: &Policy,
    tenant: &Tenant,
    removal: &Removal,
    spent: u32,
    stamp: Stamp,
    error: Arc<ProviderError>,
) -> Decision {
    let mut draft = Draft::of(tenant, stamp);
    let until = draft.retry_at(policy, removal.attempt, &error);
    draft.note(removal.operation, &error);
    draft.tenant.state = State::Destroying(Removal {
        operation: removal.operation,
        attempt: removal.attempt + spent,
        run: RemovalRun::Waiting { until },
    });
    draft.apply(Some(removal.operation), What::WillRetry { error, at: until })
}
