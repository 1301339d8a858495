//! Who waits for an operation to settle.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use landlord_state_machines::id::{OperationId, TenantId};
use landlord_state_machines::tenant::{Settled, Settlement};
use tokio::sync::oneshot;

const SHARDS: usize = 64;

/// Who waits for one operation.
struct Waiting {
    tenant: TenantId,
    callers: Vec<oneshot::Sender<Settled>>,
}

type Shard = Mutex<HashMap<OperationId, Waiting, RandomState>>;

/// Waiting callers by operation. An operation whose callers have gone costs nothing once it has settled.
pub(crate) struct Waiters {
    shards: Box<[Shard]>,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    fn shard(&self, id: OperationId) -> &Shard {
        &self.shards[id.number as usize % SHARDS]
    }

    /// Gets the settlement once it is published. Look into the store after this: it may be there already.
    pub(crate) fn wait(&self, id: OperationId, tenant: &TenantId) -> oneshot::Receiver<Settled> {
        let (sender, receiver) = oneshot::channel();
        let mut shard = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Waiting { tenant: tenant.clone(), callers: Vec::new() };
        let callers = &mut shard.entry(id).or_insert_with(new).callers;
        // Callers that gave up are forgotten now and then, so that asking again and again stays bounded.
        if callers.len() >= 8 && callers.len().is_power_of_two() {
            callers.retain(|caller| !caller.is_closed());
        }
        callers.push(sender);
        receiver
    }

    /// The operations of a tenant that somebody waits for. Looks at all that wait.
    pub(crate) fn of(&self, tenant: &TenantId) -> Vec<OperationId> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            found.extend(shard.iter().filter(|(_, waiting)| waiting.tenant == *tenant).map(|(id, _)| *id));
        }
        found
    }

    /// Nobody will settle this: it never became an operation.
    pub(crate) fn forget(&self, id: OperationId) {
        self.shard(id).lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub(crate) fn settle(&self, settlement: &Settlement) {
        let waiting = self
            .shard(settlement.operation)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&settlement.operation);
        for caller in waiting.into_iter().flat_map(|waiting| waiting.callers) {
            // Whoever gave up does not listen.
            let _ = caller.send(settlement.settled.clone());
        }
    }

    /// The engine ends: everybody learns that nothing more comes.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
