//! The tenants of which somebody altered an object, until the engine makes them what they should be.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::kubernetes::Altered;
use landlord_state_machines::status::{ComputeState, ComputeStatus, Health};

/// What of a status says it.
const DRIFT: &str = "drift";

/// What was altered of each tenant, in words.
#[derive(Debug, Default)]
pub(super) struct Drifted(Mutex<HashMap<TenantId, Vec<String>>>);

impl Drifted {
    /// This was altered.
    pub(super) fn note(&self, tenant: &TenantId, altered: &[Altered]) {
        let mut drifted = self.lock();
        let known = drifted.entry(tenant.clone()).or_default();
        for words in altered.iter().map(Altered::to_string) {
            if !known.contains(&words) {
                known.push(words);
            }
        }
    }

    /// The tenant is made what it should be, or is removed.
    pub(super) fn forget(&self, tenant: &TenantId) {
        self.lock().remove(tenant);
    }

    /// A tenant that runs and has drifted is not as it should be.
    pub(super) fn shown_in(&self, mut status: ComputeStatus) -> ComputeStatus {
        let drifted = self.lock().get(&status.tenant_id).map(|words| words.join("; "));
        if let (Some(words), ComputeState::Running) = (drifted, status.state) {
            status.health = Health::Unhealthy;
            status.metadata.insert(DRIFT.to_owned(), words);
        }
        status
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
