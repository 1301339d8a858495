//! Who waits for an operation to settle.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use landlord_state_machines::id::OperationId;
use landlord_state_machines::tenant::{Settled, Settlement};
use tokio::sync::oneshot;

const SHARDS: usize = 64;

type Waiting = HashMap<OperationId, Vec<oneshot::Sender<Settled>>, RandomState>;

/// Waiting callers by operation. An operation whose callers have gone costs nothing once it has settled.
pub(crate) struct Waiters {
    shards: Box<[Mutex<Waiting>]>,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    fn shard(&self, id: OperationId) -> &Mutex<Waiting> {
        &self.shards[id.number as usize % SHARDS]
    }

    /// Gets the settlement once it is published. Look into the store after this: it may be there already.
    pub(crate) fn wait(&self, id: OperationId) -> oneshot::Receiver<Settled> {
        let (sender, receiver) = oneshot::channel();
        let mut shard = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = shard.entry(id).or_default();
        // Callers that gave up are forgotten now and then, so that asking again and again stays bounded.
        if waiting.len() >= 8 && waiting.len().is_power_of_two() {
            waiting.retain(|sender| !sender.is_closed());
        }
        waiting.push(sender);
        receiver
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
        for sender in waiting.into_iter().flatten() {
            let _ = sender.send(settlement.settled.clone());
        }
    }

    /// The engine ends: everybody learns that nothing more comes.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
