//! A tenant of which nothing is kept, or only a tombstone.

use std::sync::Arc;

use super::super::effect::OperationKind;
use super::super::event::StateName;
use super::super::input::{Request, Stamp};
use super::super::{Decision, Rejection, Removes, Repair, Retained, State, Tenant};
use super::draft::Draft;
use crate::id::{Incarnation, ProviderName, Revision, SpecVersion, TenantId};
use crate::status::Health;

/// What is looked at here.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) id: &'a TenantId,
    /// Its last one.
    pub(super) revision: Revision,
    /// How many it had.
    pub(super) lives: u64,
    /// What the last one left on purpose.
    pub(super) retained: Option<&'a Arc<Retained>>,
    pub(super) stamp: Stamp,
}

impl At<'_> {
    pub(super) fn asked(self, request: Request) -> Decision {
        let Self { lives, retained, stamp, .. } = self;
        match request {
            Request::Provision { spec, provider, deadline } => {
                let mut draft = self.draft(Incarnation(lives + 1), provider);
                let began = draft.provision(spec, deadline);
                draft.apply(Some(stamp.operation), began)
            }
            Request::Update { .. } | Request::Restart { .. } | Request::Pause | Request::Resume => {
                Decision::Reject(Rejection::NotProvisioned)
            }
            // A tenant that the store does not know may still have resources: finding them is the sweep's work.
            Request::Destroy => Decision::Ignore,
            // No life begins: what is over is removed, and the next life is counted after it.
            Request::Reclaim { provider, incarnation } => {
                let mut draft = self.draft(Incarnation(lives).max(incarnation), provider);
                let began = draft.open(OperationKind::Destroy, None);
                draft.remove(stamp.operation, Removes::Everything, 1);
                draft.apply(Some(stamp.operation), began)
            }
            // Nor here: a provision waits until what it may take up is gone, or stays.
            Request::Release { provider } => {
                match provider.or_else(|| retained.map(|retained| retained.provider.clone())) {
                    // As far as it is known there is nothing.
                    None => Decision::Ignore,
                    Some(provider) => {
                        let mut draft = self.draft(Incarnation(lives.max(1)), provider);
                        let began = draft.open(OperationKind::Release, None);
                        let removes = Removes::Retained { known: retained.cloned() };
                        draft.remove(stamp.operation, removes, 1);
                        draft.apply(Some(stamp.operation), began)
                    }
                }
            }
            Request::Cancel => Decision::Reject(Rejection::NothingToCancel),
            Request::Retry => Decision::Reject(Rejection::NothingToRetry),
            Request::Abandon { .. } => Decision::Reject(Rejection::DestroyFirst),
        }
    }

    /// A transition to a tenant of which nothing is known yet.
    fn draft(self, incarnation: Incarnation, provider: ProviderName) -> Draft {
        let tenant = Tenant {
            id: self.id.clone(),
            incarnation,
            revision: self.revision.next(),
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
        Draft::from(tenant, StateName::Pending, self.stamp)
    }
}
