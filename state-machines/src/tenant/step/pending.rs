//! A tenant that was tried, and of which everything was undone.

use super::super::effect::OperationKind;
use super::super::input::{Request, Stamp};
use super::super::{Decision, EventKind, Rejection, Removes, Tenant};
use super::admit::{Admitted, admit};
use super::draft::Draft;

/// What is looked at here.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) stamp: Stamp,
}

impl At<'_> {
    pub(super) fn asked(self, request: Request) -> Decision {
        let Self { tenant, stamp } = self;
        admit(tenant, stamp, request, |admitted| match admitted {
            Admitted::Provision { spec, deadline } => {
                let mut draft = Draft::of(tenant, stamp);
                let began = draft.provision(spec, deadline);
                draft.apply(Some(stamp.operation), began)
            }
            Admitted::Update { .. } | Admitted::Restart { .. } => Decision::Reject(Rejection::NotProvisioned),
            Admitted::Destroy => {
                let mut draft = Draft::of(tenant, stamp);
                let began = draft.open(OperationKind::Destroy, None);
                draft.remove(stamp.operation, Removes::Everything, 1);
                draft.apply(Some(stamp.operation), began)
            }
            Admitted::Cancel => Decision::Reject(Rejection::NothingToCancel),
            Admitted::Retry => Decision::Reject(Rejection::NothingToRetry),
            Admitted::Resume { since } => {
                let mut draft = Draft::of(tenant, stamp);
                draft.resume(since);
                draft.apply(None, EventKind::Resumed)
            }
        })
    }
}
