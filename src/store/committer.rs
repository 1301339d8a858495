//! The one task that writes to the store: it batches the transitions of all tenants into one commit, and
//! publishes them in the order of their positions.

use std::sync::Arc;

use landlord_state_machines::id::Revision;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

use super::{Epoch, Position, Store, StoreError, Write, WriteError};
use crate::closing::{Closed, Closing};
use crate::events::EventLog;
use crate::timers::Timers;
use crate::waiters::Waiters;

/// How many transitions may wait for the committer; whoever has one more waits for a place.
const QUEUE: usize = 4096;

/// Why a transition was not committed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CommitFailure {
    /// Somebody else wrote the tenant: load it again.
    #[error("the tenant is at revision {actual}")]
    Stale { actual: Revision },
    /// It may or may not be durable: load the tenant again, later.
    #[error("{0}")]
    Unavailable(Arc<StoreError>),
    /// This engine has ended.
    #[error("{0}")]
    Closed(Closed),
}

struct Request {
    write: Write,
    reply: oneshot::Sender<Result<Position, CommitFailure>>,
}

/// The way to the committer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Committer {
    requests: mpsc::Sender<Request>,
    closing: Arc<Closing>,
}

impl Committer {
    /// Starts the task. It ends when the last `Committer` is dropped, or when the engine is fenced.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        epoch: Epoch,
        log: Arc<EventLog>,
        waiters: Arc<Waiters>,
        timers: Arc<Timers>,
        closing: Arc<Closing>,
    ) -> Self {
        let (requests, queue) = mpsc::channel(QUEUE);
        let publisher = Publisher { log, waiters, timers };
        tokio::spawn(run(store, epoch, queue, publisher, Arc::clone(&closing)));
        Self { requests, closing }
    }

    /// Returns when the write is durable and published, or known not to be.
    pub(crate) async fn commit(&self, write: Write) -> Result<Position, CommitFailure> {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request { write, reply }).await.is_err() {
            return Err(self.ended());
        }
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    fn ended(&self) -> CommitFailure {
        let why = self.closing.why().unwrap_or_else(|| Closed::StoreLost("the committer ended".into()));
        CommitFailure::Closed(why)
    }
}

/// What learns of a committed batch, before its writers do.
struct Publisher {
    log: Arc<EventLog>,
    waiters: Arc<Waiters>,
    timers: Arc<Timers>,
}

async fn run(
    store: Arc<dyn Store>,
    epoch: Epoch,
    mut queue: mpsc::Receiver<Request>,
    publisher: Publisher,
    closing: Arc<Closing>,
) {
    let limit = usize::try_from(store.batch_limit().get()).unwrap_or(usize::MAX);
    let mut requests = Vec::with_capacity(limit.min(QUEUE));
    let mut writes = Vec::with_capacity(limit.min(QUEUE));
    let mut replies = Vec::with_capacity(limit.min(QUEUE));
    while queue.recv_many(&mut requests, limit).await > 0 {
        // Whoever is about to send gets to it first: a commit of many costs little more than a commit of one.
        tokio::task::yield_now().await;
        while requests.len() < limit
            && let Ok(request) = queue.try_recv()
        {
            requests.push(request);
        }
        for request in requests.drain(..) {
            writes.push(request.write);
            replies.push(request.reply);
        }
        let span = tracing::debug_span!(parent: None, "commit", transitions = writes.len());
        match store.commit(epoch, &writes).instrument(span).await {
            Ok(results) => {
                publisher.publish(&writes, &results);
                for (reply, result) in replies.drain(..).zip(results) {
                    // A writer that is gone finds its transition when it loads the tenant again.
                    let _ = reply.send(result.map_err(|error| match error {
                        WriteError::RevisionMismatch { actual, .. } => CommitFailure::Stale { actual },
                        WriteError::Invalid(message) => {
                            CommitFailure::Unavailable(Arc::new(StoreError::Unavailable {
                                message,
                                source: None,
                            }))
                        }
                    }));
                }
            }
            Err(error @ StoreError::Fenced { .. }) => {
                tracing::error!(%error, "fenced");
                closing.close(Closed::Fenced(error.to_string()));
                return;
            }
            Err(
                error @ (StoreError::Unavailable { .. }
                | StoreError::InUse { .. }
                | StoreError::Corrupt { .. }),
            ) => {
                tracing::warn!(%error, transitions = writes.len(), "commit failed; it is tried again");
                let error = Arc::new(error);
                for reply in replies.drain(..) {
                    let _ = reply.send(Err(CommitFailure::Unavailable(Arc::clone(&error))));
                }
            }
        }
        writes.clear();
    }
}

impl Publisher {
    fn publish(&self, writes: &[Write], results: &[Result<Position, WriteError>]) {
        let committed =
            || writes.iter().zip(results).filter_map(|(write, result)| Some((*result.as_ref().ok()?, write)));
        self.log.append(committed().map(|(position, write)| (position, Arc::clone(&write.event))));
        for (_, write) in committed() {
            for settlement in &write.event.settled {
                self.waiters.settle(settlement);
            }
        }
        if let Some(earliest) = committed().filter_map(|(_, write)| write.record.wake_at()).min() {
            self.timers.expect(earliest);
        }
    }
}
