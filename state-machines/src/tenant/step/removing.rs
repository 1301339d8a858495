//! A tenant being removed, or what it retained. This goes on until its platform says that nothing is left, or somebody abandons it.

use std::sync::Arc;

use super::super::input::{Outcome, Request, Stamp};
use super::super::policy::Policy;
use super::super::{
    Decision, EventKind, Rejection, Removal, RemovalRun, Removes, Retained, Settled, State, Tenant,
};
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

/// Answers a request while the call before the removal is being stopped for the destroy `by`.
pub(super) fn asked_before(by: OperationId, request: Request) -> Decision {
    match request {
        Request::Destroy => Decision::Join(by),
        Request::Cancel => Decision::Reject(Rejection::NotCancellable),
        Request::Retry => Decision::Reject(Rejection::NothingToRetry),
        Request::Provision { .. }
        | Request::Update { .. }
        | Request::Restart { .. }
        | Request::Pause
        | Request::Resume
        | Request::Reclaim { .. }
        | Request::Release { .. }
        | Request::Abandon { .. } => Decision::Reject(Rejection::BeingDestroyed { by }),
    }
}

impl At<'_> {
    pub(super) fn asked(self, request: Request) -> Decision {
        let Removal { operation: by, removes, run, .. } = self.removal;
        let by = *by;
        let busy = || {
            Decision::Reject(match removes {
                Removes::Everything => Rejection::BeingDestroyed { by },
                Removes::Retained { .. } => Rejection::BeingReleased { by },
            })
        };
        match (request, removes, run) {
            (
                Request::Provision { .. }
                | Request::Update { .. }
                | Request::Restart { .. }
                | Request::Pause
                | Request::Resume,
                Removes::Everything | Removes::Retained { .. },
                _,
            )
            | (Request::Reclaim { .. }, Removes::Retained { .. }, _)
            | (Request::Release { .. }, Removes::Everything, _) => busy(),
            (Request::Release { provider: Some(provider) }, Removes::Retained { .. }, _)
                if provider != self.tenant.provider =>
            {
                busy()
            }
            // The tenant is gone once the release is over: it is gone already.
            (Request::Destroy, Removes::Everything | Removes::Retained { .. }, _)
            | (Request::Reclaim { .. }, Removes::Everything, _)
            | (Request::Release { .. }, Removes::Retained { .. }, _) => Decision::Join(by),
            (Request::Cancel, _, _) => Decision::Reject(Rejection::NotCancellable),
            (Request::Retry, _, RemovalRun::Waiting { .. }) => self.again(1, EventKind::Retried),
            (Request::Retry, _, RemovalRun::Calling(_)) => Decision::Reject(Rejection::NothingToRetry),
            (Request::Abandon { reason }, _, _) => self.abandon(reason),
        }
    }

    pub(super) fn outcome(self, call: CallId, outcome: Outcome) -> Decision {
        if self.removal.run != RemovalRun::Calling(call) {
            return Decision::Ignore;
        }
        match outcome {
            Outcome::Succeeded { changes, message, retained } => self.gone(changes, message, retained),
            // The contract wants no error for an absent tenant; a provider that gives one means the same.
            Outcome::Failed(error) if error.kind == ErrorKind::TenantNotFound => {
                self.gone(Vec::new(), None, None)
            }
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

    /// The same try begins again where the tenant is from now on.
    pub(super) fn handed_over(self, call: CallId) -> Decision {
        if self.removal.run != RemovalRun::Calling(call) {
            return Decision::Ignore;
        }
        let Removal { operation, removes, attempt, .. } = self.removal;
        let (operation, attempt) = (*operation, *attempt);
        let mut draft = self.draft();
        let run = RemovalRun::Waiting { until: self.stamp.now };
        draft.tenant.state = State::Destroying(Removal { operation, removes: removes.clone(), attempt, run });
        draft.apply(Some(operation), EventKind::HandedOver)
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
        let Removal { operation, removes, .. } = self.removal;
        let mut draft = self.draft();
        draft.remove(*operation, removes.clone(), attempt);
        draft.apply(Some(*operation), what)
    }

    fn gone(
        self,
        changes: Vec<String>,
        message: Option<String>,
        retained: Option<Arc<Retained>>,
    ) -> Decision {
        let operation = self.removal.operation;
        let mut draft = self.draft();
        draft.settle(operation, Settled::Done);
        let stays = match &self.removal.removes {
            Removes::Everything => retained.clone(),
            // What was retained elsewhere is still there.
            Removes::Retained { known } => known.clone().filter(|known| !self.is_released(known)),
        };
        draft.bury(operation, EventKind::Succeeded { changes, message, retained }, stays)
    }

    fn abandon(self, reason: String) -> Decision {
        let Removal { operation, removes, run, .. } = self.removal;
        let mut draft = self.draft();
        match run {
            RemovalRun::Calling(call) => draft.drop_call(*call),
            RemovalRun::Waiting { .. } => {}
        }
        let (left, retained) = match removes {
            Removes::Everything => {
                (self.tenant.ledger.as_ref().map(|ledger| ledger.left()).unwrap_or_default(), None)
            }
            Removes::Retained { known } => {
                let here = known.as_ref().filter(|known| self.is_released(known));
                (here.map(|known| known.lines()).unwrap_or_default(), known.clone())
            }
        };
        draft.settle(*operation, Settled::Abandoned { left: left.clone() });
        draft.bury(*operation, EventKind::Abandoned { reason, left }, retained)
    }

    /// Whether a release removes this.
    fn is_released(self, known: &Retained) -> bool {
        known.provider == self.tenant.provider
    }

    /// `spent` is how many tries this one counts as: a call that was never made costs none.
    fn wait(self, spent: u32, error: Arc<ProviderError>) -> Decision {
        let Removal { operation, removes, attempt, .. } = self.removal;
        let (operation, attempt) = (*operation, *attempt);
        let mut draft = self.draft();
        let until = draft.retry_at(self.policy, attempt, &error);
        draft.note(operation, &error);
        draft.tenant.state = State::Destroying(Removal {
            operation,
            removes: removes.clone(),
            attempt: attempt + spent,
            run: RemovalRun::Waiting { until },
        });
        draft.apply(Some(operation), EventKind::WillRetry { error, at: until })
    }
}
