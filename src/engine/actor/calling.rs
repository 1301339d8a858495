//! Makes the calls that a tenant's machine wants made.

use std::sync::Arc;

use landlord_state_machines::planner::Subject;
use landlord_state_machines::tenant::{Direction, Record, StartCall, State};

use super::tenant::TenantState;
use crate::engine::calls::{Over, Particulars};
use crate::provider::Initiator;

impl TenantState {
    /// Makes a call. It is over already, or becomes a task that tells when it is.
    pub(super) async fn make(&mut self, start: StartCall) -> Option<Over> {
        let particulars = self.particulars(&start).await?;
        let leaving = std::mem::take(&mut self.leaving);
        self.core.calls.make(&self.core, start, particulars, leaving)
    }

    /// Makes a call, in a task whatever comes of it.
    pub(super) async fn hand_over(&mut self, start: StartCall) {
        if let Some(particulars) = self.particulars(&start).await {
            let leaving = std::mem::take(&mut self.leaving);
            self.core.calls.hand_over(&self.core, start, particulars, leaving);
        }
    }

    /// What a call needs; none when it must not begin.
    async fn particulars(&mut self, start: &StartCall) -> Option<Particulars> {
        let Some(Record::Live(tenant)) = &self.record else { return None };
        let (incarnation, ledger) = (tenant.incarnation, tenant.ledger.clone());
        let provider = tenant.provider.clone();
        let initiator = initiator(&tenant.state);
        let traced = match self.begun.iter().find(|begun| begun.operation == start.operation) {
            Some(begun) => begun.traced.clone(),
            None => Box::pin(self.look_up(start.operation)).await,
        };
        // A call that is not started now is taken up at the next start of the engine.
        if self.core.draining() || !self.core.ownership.has(self.id()) {
            return None;
        }
        self.own.made = Some(start.call);
        let engine = Arc::clone(&self.engine);
        let subject = Subject { engine, provider, tenant: self.id().clone(), incarnation };
        Some(Particulars { subject, ledger, traced, initiator })
    }
}

/// Who initiated what a tenant is doing: the engine for a repair, a person for all else.
fn initiator(state: &State) -> Initiator {
    match state {
        State::Provisioning(change) | State::Updating { change, .. } => match change.direction {
            Direction::Repair => Initiator::Engine,
            Direction::Forward { .. } | Direction::Undo(_) => Initiator::Person,
        },
        State::Pending | State::Running { .. } | State::Destroying(_) => Initiator::Person,
    }
}
