//! Group commit: the transitions of all tenants, batched into one commit at a time and published in the order of
//! their positions.
//!
//! There is no committing task. Whoever has a transition and finds nobody committing commits it, together with all
//! that wait; whoever finds somebody committing waits for the answer, or for the next turn. So a store that is in
//! memory costs no switch of tasks, and one that waits for a disk gets all that came in meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use landlord_state_machines::id::Revision;
use tokio::sync::oneshot;
use tracing::Instrument;

use super::{Epoch, Events, Position, Scope, Store, StoreError, Write, WriteError};
use crate::closing::{Closed, Closing};
use crate::events::EventLog;
use crate::timers::Timers;
use crate::waiters::Waiters;

/// Why a transition was not committed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CommitFailure {
    /// Somebody else wrote the tenant: load it again.
    #[error("the tenant is at revision {actual}")]
    Stale { actual: Revision },
    /// The store can never keep this.
    #[error("the store refuses it: {0}")]
    Refused(String),
    /// It may or may not be durable: load the tenant again, later.
    #[error("{0}")]
    Unavailable(Arc<StoreError>),
    /// This engine has ended.
    #[error("{0}")]
    Closed(Closed),
}

type Answer = Result<Position, CommitFailure>;

/// Commits for one engine.
pub(crate) struct Committer {
    store: Arc<dyn Store>,
    epoch: Epoch,
    limit: usize,
    log: Arc<EventLog>,
    waiters: Arc<Waiters>,
    timers: Arc<Timers>,
    closing: Arc<Closing>,
    /// What waits for the next commit: at most one transition for each tenant with an actor.
    waiting: Mutex<Vec<(Write, oneshot::Sender<Answer>)>>,
    /// Held by whoever commits. Fair, so everybody's turn comes.
    turn: tokio::sync::Mutex<()>,
    /// A commit ended without anybody knowing what it did: events may be durable that were not published.
    behind: AtomicBool,
}

/// Says that a commit ended in doubt, unless it is told that it did not; also when it is dropped or panics.
struct Doubt<'a>(Option<&'a AtomicBool>);

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(behind) = self.0 {
            behind.store(true, Ordering::Release);
        }
    }
}

impl Committer {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        epoch: Epoch,
        log: Arc<EventLog>,
        waiters: Arc<Waiters>,
        timers: Arc<Timers>,
        closing: Arc<Closing>,
    ) -> Self {
        let limit = usize::try_from(store.batch_limit().get()).unwrap_or(usize::MAX);
        let (waiting, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        let behind = AtomicBool::new(false);
        Self { store, epoch, limit, log, waiters, timers, closing, waiting, turn, behind }
    }

    /// Returns when the write is durable and published, or known not to be. When this is dropped, or whoever
    /// commits for it is, the write may or may not be durable.
    pub(crate) async fn commit(&self, write: Write) -> Answer {
        if let Ok(_turn) = self.turn.try_lock() {
            return self.commit_first(write).await;
        }
        let (reply, mut answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((write, reply));
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.unwrap_or_else(|_| Err(interrupted())),
                // More may wait than one commit takes, so the turn may bring others' answers first.
                _turn = self.turn.lock() => self.commit_waiting().await,
            }
        }
    }

    /// Publishes what was durable all the same after a commit that ended in doubt, and tells who waits for it.
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        if !self.behind.load(Ordering::Acquire) {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        loop {
            match self.store.events(self.log.head(), &Scope::All, self.limit).await? {
                Events::Gap { resume } => self.log.skip_to(resume),
                Events::Page(page) if page.is_empty() => break,
                Events::Page(page) => {
                    for (_, event) in &page {
                        event.settled.iter().for_each(|settlement| self.waiters.settle(settlement));
                    }
                    self.log.append(page.into_iter());
                }
            }
        }
        // Which wake-ups these brought is not known: all that is due is looked at again.
        self.timers.expect(Timestamp::MIN);
        self.behind.store(false, Ordering::Release);
        Ok(())
    }

    /// Commits `write` together with what waits.
    async fn commit_first(&self, write: Write) -> Answer {
        if self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            let own = self.make(std::slice::from_ref(&write)).await.pop();
            return own.unwrap_or_else(|| Err(interrupted()));
        }
        let mut writes = vec![write];
        let replies = self.take_waiting(&mut writes);
        let mut answers = self.make(&writes).await.into_iter();
        let own = answers.next();
        tell(replies, answers);
        own.unwrap_or_else(|| Err(interrupted()))
    }

    /// Commits what waits, which somebody else may have done already.
    async fn commit_waiting(&self) {
        let mut writes = Vec::new();
        let replies = self.take_waiting(&mut writes);
        if !writes.is_empty() {
            tell(replies, self.make(&writes).await.into_iter());
        }
    }

    fn take_waiting(&self, writes: &mut Vec<Write>) -> Vec<oneshot::Sender<Answer>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.limit.saturating_sub(writes.len()).min(waiting.len());
        let mut replies = Vec::with_capacity(room);
        for (write, reply) in waiting.drain(..room) {
            writes.push(write);
            replies.push(reply);
        }
        replies
    }

    /// One commit of the store: an answer for each write.
    async fn make(&self, writes: &[Write]) -> Vec<Answer> {
        if let Some(why) = self.closing.why() {
            return vec![Err(CommitFailure::Closed(why)); writes.len()];
        }
        let span = tracing::debug_span!(parent: None, "commit", transitions = writes.len());
        let mut doubt = Doubt(Some(&self.behind));
        match self.store.commit(self.epoch, writes).instrument(span).await {
            Ok(results) => {
                self.publish(writes, &results);
                doubt.0 = None;
                results.into_iter().map(answer).collect()
            }
            Err(error @ StoreError::Fenced { .. }) => {
                tracing::error!(%error, "fenced");
                let why = Closed::Fenced(error.to_string());
                self.closing.close(why.clone());
                vec![Err(CommitFailure::Closed(why)); writes.len()]
            }
            Err(
                error @ (StoreError::Unavailable { .. }
                | StoreError::InUse { .. }
                | StoreError::Corrupt { .. }),
            ) => {
                tracing::warn!(%error, transitions = writes.len(), "commit failed; it is tried again");
                vec![Err(CommitFailure::Unavailable(Arc::new(error))); writes.len()]
            }
        }
    }

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

fn answer(result: Result<Position, WriteError>) -> Answer {
    result.map_err(|error| match error {
        WriteError::RevisionMismatch { actual, .. } => CommitFailure::Stale { actual },
        WriteError::Invalid(message) => CommitFailure::Refused(message),
    })
}

/// A writer that is gone finds its transition when it loads the tenant again.
fn tell(replies: Vec<oneshot::Sender<Answer>>, answers: impl Iterator<Item = Answer>) {
    for (reply, answer) in replies.into_iter().zip(answers) {
        let _ = reply.send(answer);
    }
}

fn interrupted() -> CommitFailure {
    let message = "the commit was interrupted; what it did is looked up".to_owned();
    CommitFailure::Unavailable(Arc::new(StoreError::Unavailable { message, source: None }))
}
