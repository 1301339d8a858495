//! Who waits for an operation to settle.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use landlord_state_machines::id::OperationId;
use landlord_state_machines::tenant::{Settled, Settlement};
use tokio::sync::oneshot;

const SHARDS: usize = 64;

type Shard = Mutex<HashMap<OperationId, Vec<oneshot::Sender<Settled>>, RandomState>>;

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
    pub(crate) fn wait(&self, id: OperationId) -> oneshot::Receiver<Settled> {
        let (sender, receiver) = oneshot::channel();
        let mut shard = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner);
        let callers = shard.entry(id).or_default();
        // Callers that gave up are forgotten now and then, so that asking again and again stays bounded.
        if callers.len() >= 8 && callers.len().is_power_of_two() {
            callers.retain(|caller| !caller.is_closed());
        }
        callers.push(sender);
        receiver
    }

    /// Forgets the callers of an operation that gave up.
    pub(crate) fn prune(&self, id: OperationId) {
        let mut shard = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(callers) = shard.get_mut(&id) {
            callers.retain(|caller| !caller.is_closed());
            if callers.is_empty() {
                shard.remove(&id);
            }
        }
    }

    pub(crate) fn settle(&self, settlement: &Settlement) {
        let waiting = self
            .shard(settlement.operation)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&settlement.operation);
        for caller in waiting.into_iter().flatten() {
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
