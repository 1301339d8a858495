//! Who waits for an operation to settle.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use landlord_state_machines::id::OperationId;
use landlord_state_machines::tenant::{Settled, Settlement};
use tokio::sync::oneshot;

use super::config::SHARDS;

type Shard = Mutex<HashMap<OperationId, Vec<oneshot::Sender<Settled>>, RandomState>>;

/// Waiting callers by operation. An operation whose callers have gone costs nothing once it has settled.
pub(crate) struct Waiters {
    shards: Box<[Shard]>,
    /// How many operations have waiters. Mostly none has, and then a settlement takes no lock.
    operations: AtomicUsize,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), operations: AtomicUsize::new(0) }
    }

    fn shard(&self, id: OperationId) -> &Shard {
        &self.shards[id.number as usize % SHARDS]
    }

    /// Gets the settlement once it is published. Read the store after this call: the operation may have settled
    /// already.
    pub(crate) fn wait(&self, id: OperationId) -> oneshot::Receiver<Settled> {
        let (sender, receiver) = oneshot::channel();
        self.add(id, sender);
        receiver
    }

    /// The same for a caller of an operation that is not committed yet, so that no settlement of it is missed.
    pub(crate) fn add(&self, id: OperationId, caller: oneshot::Sender<Settled>) {
        let mut shard = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner);
        let callers = shard.entry(id).or_insert_with(|| {
            self.operations.fetch_add(1, Ordering::SeqCst);
            Vec::new()
        });
        // Callers that gave up are removed now and then, so that repeated waiting takes bounded memory.
        if callers.len() >= 8 && callers.len().is_power_of_two() {
            callers.retain(|caller| !caller.is_closed());
        }
        callers.push(caller);
    }

    /// Gives the last caller of an operation back, which was not committed.
    pub(crate) fn take_back(&self, id: OperationId) -> Option<oneshot::Sender<Settled>> {
        let mut shard = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner);
        let callers = shard.get_mut(&id)?;
        let last = callers.pop();
        if callers.is_empty() {
            shard.remove(&id);
            self.operations.fetch_sub(1, Ordering::SeqCst);
        }
        last
    }

    /// Forgets the callers of an operation that gave up.
    pub(crate) fn prune(&self, id: OperationId) {
        let mut shard = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(callers) = shard.get_mut(&id) {
            callers.retain(|caller| !caller.is_closed());
            if callers.is_empty() {
                shard.remove(&id);
                self.operations.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    /// Tells everybody who waits. The settlement is in the store already: who comes later finds it there.
    pub(crate) fn settle(&self, settlement: &Settlement) {
        if self.operations.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut shard = self.shard(settlement.operation).lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiting) = shard.remove(&settlement.operation) else { return };
        self.operations.fetch_sub(1, Ordering::SeqCst);
        drop(shard);
        for caller in waiting {
            // Whoever gave up does not listen.
            let _ = caller.send(settlement.settled.clone());
        }
    }

    /// Nobody is told any more, because the engine ends, or because ends are missing from the log: everybody learns of it, and
    /// may look for himself.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            self.operations.fetch_sub(shard.len(), Ordering::SeqCst);
            shard.clear();
        }
    }
}
