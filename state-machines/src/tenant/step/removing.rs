//! A tenant being removed. This goes on until its platform says that nothing is left, or somebody abandons it.

use std::sync::Arc;

use super::super::input::{Outcome, Request, Stamp};
use super::super::policy::Policy;
use super::super::{Decision, EventKind, Rejection, Removal, RemovalRun, Settled, State, Tenant};
use super::draft::Draft;
use crate::error::{ErrorKind, ProviderError};
use crate::id::{CallId, OperationId};

/// What is looked at here.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) policy: &'a Policy,
    pub(super) tenant: &'a Tenant,
    pub(super) removal: &'a Removal,
    pub(super) stamp: Stamp,
}

/// Answers a request while `by` destroys the tenant. There is no `run` yet while the call before it is being stopped.
pub(super) fn asked(
    tenant: &Tenant,
    stamp: Stamp,
    by: OperationId,
    run: Option<&RemovalRun>,
    request: Request,
) -> Decision {
    match (request, run) {
        (
            Request::Provision { .. }
            | Request::Update { .. }
            | Request::Restart { .. }
            | Request::Pause
            | Request::Resume,
            Some(_) | None,
        )
        | (Request::Reclaim { .. } | Request::Abandon { .. }, None) => {
            Decision::Reject(Rejection::BeingDestroyed { by })
        }
        (Request::Destroy, Some(_) | None) | (Request::Reclaim { .. }, Some(_)) => Decision::Join(by),
        (Request::Cancel, Some(_) | None) => Decision::Reject(Rejection::NotCancellable),
        (Request::Retry, Some(RemovalRun::Waiting { .. })) => again(tenant, stamp, by, 1, EventKind::Retried),
        (Request::Retry, Some(RemovalRun::Calling(_)) | None) => Decision::Reject(Rejection::NothingToRetry),
        (Request::Abandon { reason }, Some(run)) => {
            let mut draft = Draft::of(tenant, stamp);
            if let RemovalRun::Calling(call) = run {
                draft.drop_call(*call);
            }
            let left = tenant.ledger.as_ref().map(|ledger| ledger.left()).unwrap_or_default();
            draft.settle(by, Settled::Abandoned { left: left.clone() });
            draft.bury(by, EventKind::Abandoned { reason, left })
        }
    }
}

impl At<'_> {
    pub(super) fn asked(self, request: Request) -> Decision {
        let Removal { operation, run, .. } = self.removal;
        asked(self.tenant, self.stamp, *operation, Some(run), request)
    }

    pub(super) fn outcome(self, call: CallId, outcome: Outcome) -> Decision {
        if self.removal.run != RemovalRun::Calling(call) {
            return Decision::Ignore;
        }
        match outcome {
            Outcome::Succeeded { changes, message } => self.gone(changes, message),
            // The contract wants no error for an absent tenant; a provider that gives one means the same.
            Outcome::Failed(error) if error.kind == ErrorKind::TenantNotFound => self.gone(Vec::new(), None),
            Outcome::Failed(error) | Outcome::TimedOut(error) | Outcome::Lost(error) => self.wait(1, error),
            Outcome::Held(error) => self.wait(0, error),
        }
    }

    pub(super) fn timer(self) -> Decision {
        match self.removal.run {
            RemovalRun::Waiting { until } if until <= self.stamp.now => {
                self.again(self.removal.attempt, EventKind::Retried)
            }
            RemovalRun::Waiting { .. } | RemovalRun::Calling(_) => Decision::Ignore,
        }
    }

    pub(super) fn recovered(self) -> Decision {
        match self.removal.run {
            RemovalRun::Calling(_) => self.again(self.removal.attempt + 1, EventKind::Recovered),
            RemovalRun::Waiting { .. } => Decision::Ignore,
        }
    }

    fn draft(self) -> Draft {
        Draft::of(self.tenant, self.stamp)
    }

    fn again(self, attempt: u32, what: EventKind) -> Decision {
        again(self.tenant, self.stamp, self.removal.operation, attempt, what)
    }

    fn gone(self, changes: Vec<String>, message: Option<String>) -> Decision {
        let operation = self.removal.operation;
        let mut draft = self.draft();
        draft.settle(operation, Settled::Done);
        draft.bury(operation, EventKind::Succeeded { changes, message })
    }

    /// `spent` is how many tries this one counts as: a call that was never made costs none.
    fn wait(self, spent: u32, error: Arc<ProviderError>) -> Decision {
        let Removal { operation, attempt, .. } = *self.removal;
        let mut draft = self.draft();
        let until = draft.retry_at(self.policy, attempt, &error);
        draft.note(operation, &error);
        let run = RemovalRun::Waiting { until };
        draft.tenant.state = State::Destroying(Removal { operation, attempt: attempt + spent, run });
        draft.apply(Some(operation), EventKind::WillRetry { error, at: until })
    }
}

fn again(tenant: &Tenant, stamp: Stamp, operation: OperationId, attempt: u32, what: EventKind) -> Decision {
    let mut draft = Draft::of(tenant, stamp);
    draft.remove(operation, attempt);
    draft.apply(Some(operation), what)
}
