//! Group commit: the transitions of all tenants, batched into one commit at a time and published in the order of
//! their positions.
//!
//! An actor that has a transition while nobody commits does the commit itself. Transitions that arrive meanwhile are
//! queued, and a task commits them together until the queue is empty. So a store in memory costs no task switch, and a
//! store that waits for a disk gets large batches.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join;
use jiff::Timestamp;
use landlord_state_machines::id::Revision;
use tokio::sync::{Notify, oneshot};

use crate::engine::closing::{Closed, Closing};
use crate::engine::events::EventLog;
use crate::engine::ownership::Ownership;
use crate::engine::waiters::Waiters;
use crate::engine::wakeups::Wakeups;
use crate::engine::watched::Watched;
use crate::store::{Epoch, Events, NotedRequest, Position, Scope, Store, StoreError, Write, WriteError};

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

/// A write whose commit has begun.
pub(crate) enum CommitLater {
    /// The store is asked.
    Asking(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// Somebody else asks the store for it.
    Waiting(oneshot::Receiver<Answer>),
}

impl CommitLater {
    /// Returns when it is known what came of it.
    pub(crate) async fn over(self) -> Answer {
        match self {
            Self::Asking(answer) => answer.await,
            Self::Waiting(answer) => answer.await.unwrap_or_else(|_lost| Err(interrupted())),
        }
    }
}

/// Who is told of what is committed.
pub(crate) struct Told {
    pub(crate) log: Arc<EventLog>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) wakeups: Arc<Wakeups>,
    pub(crate) watched: Watched,
}

/// Commits for one engine.
pub(crate) struct Committer {
    store: Arc<dyn Store>,
    epoch: Epoch,
    limit: usize,
    log: Arc<EventLog>,
    waiters: Arc<Waiters>,
    wakeups: Arc<Wakeups>,
    closing: Arc<Closing>,
    ownership: Arc<Ownership>,
    watched: Watched,
    queue: Mutex<Queue>,
    /// A commit ended without anybody knowing what it did: events may be durable that were not published.
    behind: AtomicBool,
    outage: Outage,
}

/// Whether the store failed last, and who waits for its end.
#[derive(Default)]
struct Outage {
    lasts: AtomicBool,
    over: Notify,
}

/// What waits for the turn, which at most one has.
#[derive(Default)]
struct Queue {
    taken: bool,
    /// At most one transition for each tenant with an actor.
    writes: Vec<(Write, oneshot::Sender<Answer>)>,
    /// Who wants the turn for something else.
    others: Vec<oneshot::Sender<Turn>>,
}

/// The right to commit. Ends with [`pass_on`]; when it is dropped instead, the waiting writers learn that nothing was
/// committed.
struct Turn {
    committer: Arc<Committer>,
    /// False once it was given back.
    held: bool,
}

impl Turn {
    /// For whoever has just taken it.
    fn of(committer: &Arc<Committer>) -> Self {
        Self { committer: Arc::clone(committer), held: true }
    }

    /// What is next. When nothing is, the turn is given back.
    fn next(&mut self) -> Next {
        let mut queue = self.committer.queue();
        if let Some(other) = queue.others.pop() {
            return Next::Other(other);
        }
        if queue.writes.is_empty() {
            queue.taken = false;
            self.held = false;
            return Next::Nothing;
        }
        Next::Writes(queue.batch(self.committer.limit))
    }

    /// The next batch, if that is what comes next.
    fn batch(&mut self) -> Option<Batch> {
        let mut queue = self.committer.queue();
        let first = queue.others.is_empty() && !queue.writes.is_empty();
        first.then(|| queue.batch(self.committer.limit))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        let mut queue = self.committer.queue();
        queue.taken = false;
        let lost = (std::mem::take(&mut queue.writes), std::mem::take(&mut queue.others));
        drop(queue);
        drop(lost);
    }
}

/// Writes that are made durable together, and who waits for each.
struct Batch {
    writes: Vec<Write>,
    replies: Vec<oneshot::Sender<Answer>>,
}

impl Queue {
    fn batch(&mut self, limit: usize) -> Batch {
        let room = limit.min(self.writes.len());
        let (writes, replies) = self.writes.drain(..room).unzip();
        Batch { writes, replies }
    }
}

/// What is next for whoever has the turn.
enum Next {
    Writes(Batch),
    Other(oneshot::Sender<Turn>),
    Nothing,
}

/// Marks the commit as in doubt when it is dropped, also by a panic, unless it was disarmed.
struct Doubt<'a>(Option<&'a AtomicBool>);

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(behind) = self.0 {
            behind.store(true, Ordering::Release);
        }
    }
}

/// A batch that is durable and not published yet.
struct Made<'a> {
    results: Vec<Result<Position, WriteError>>,
    doubt: Doubt<'a>,
}

impl Committer {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        epoch: Epoch,
        closing: Arc<Closing>,
        ownership: Arc<Ownership>,
        told: Told,
    ) -> Self {
        let Told { log, waiters, wakeups, watched } = told;
        let limit = usize::try_from(store.batch_limit().get()).unwrap_or(usize::MAX);
        let (queue, behind) = (Mutex::default(), AtomicBool::new(false));
        let outage = Outage::default();
        Self {
            store,
            epoch,
            limit,
            log,
            waiters,
            wakeups,
            closing,
            ownership,
            watched,
            queue,
            behind,
            outage,
        }
    }

    /// The store has answered: whoever could not commit tries again at once.
    pub(crate) fn store_answers(&self) {
        // Looked at first, because each commit comes here and all of them would write to it.
        if self.outage.lasts.load(Ordering::Acquire) && self.outage.lasts.swap(false, Ordering::AcqRel) {
            self.outage.over.notify_waiters();
        }
    }

    /// Returns when the store answers again after an outage.
    pub(crate) async fn outage_over(&self) {
        self.outage.over.notified().await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits a write, if nothing has to be waited for. It is durable and published then, or known not to be.
    pub(crate) fn commit_now(&self, write: &Write) -> Option<Answer> {
        let queue = self.queue();
        if queue.taken {
            return None;
        }
        // Under the lock, which serves as the turn because nothing is awaited.
        self.make_now(write)
    }

    /// Begins to commit a write that has to wait. When the returned future is dropped, or the task that commits for it,
    /// the write may or may not be durable.
    pub(crate) fn commit_later(self: &Arc<Self>, write: Write) -> CommitLater {
        let mut queue = self.queue();
        if queue.taken {
            let (reply, answer) = oneshot::channel();
            queue.writes.push((write, reply));
            return CommitLater::Waiting(answer);
        }
        queue.taken = true;
        drop(queue);
        let turn = Turn::of(self);
        CommitLater::Asking(Box::pin(async move {
            let answer = turn.committer.make(std::slice::from_ref(&write)).await.pop();
            pass_on(turn);
            answer.unwrap_or_else(|| Err(interrupted()))
        }))
    }

    /// Keeps a request that changes nothing. It waits for no turn, as it has no event: the store takes it beside a commit.
    pub(crate) async fn note(&self, request: &NotedRequest) -> Result<(), CommitFailure> {
        if let Some(why) = self.closing.why() {
            return Err(CommitFailure::Closed(why));
        }
        match self.store.note_request(self.epoch, request).await {
            Ok(noted) => noted.map_err(failure),
            Err(error) => Err(self.failed(error, 0)),
        }
    }

    /// How many transitions wait for the commit before theirs.
    pub(crate) fn waiting(&self) -> usize {
        self.queue().writes.len()
    }

    fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    /// Waits for the turn, for something else than a write.
    async fn turn(self: &Arc<Self>) -> Option<Turn> {
        let turn = {
            let mut queue = self.queue();
            if !queue.taken {
                queue.taken = true;
                return Some(Turn::of(self));
            }
            let (sender, turn) = oneshot::channel();
            queue.others.push(sender);
            turn
        };
        turn.await.ok()
    }

    /// Publishes what was durable all the same after a commit that ended in doubt, and tells who waits for it.
    pub(crate) async fn catch_up(self: &Arc<Self>) -> Result<(), StoreError> {
        if let Some(shared) = self.ownership.shared() {
            // Whoever reads what others commit reads that too, but does not see which wake-ups it brought.
            if self.behind.swap(false, Ordering::AcqRel) {
                self.wakeups.expect(Timestamp::MIN);
                shared.look.notify_one();
            }
            return Ok(());
        }
        while self.is_behind() {
            // A turn that was lost on its way here is taken again.
            if let Some(turn) = self.turn().await {
                let caught_up = self.read_on(None).await;
                pass_on(turn);
                return caught_up;
            }
        }
        Ok(())
    }

    /// Events from `told` on are told to the watcher by whoever committed them.
    async fn read_on(&self, told: Option<Position>) -> Result<(), StoreError> {
        loop {
            match self.store.events(self.log.head(), &Scope::All, self.limit).await? {
                Events::Gap { resume } => {
                    self.log.skip_to(resume);
                    self.waiters.clear();
                }
                Events::Page(page) if page.is_empty() => break,
                Events::Page(page) => {
                    for (position, event) in &page {
                        if told.is_none_or(|told| *position < told) {
                            self.watched.late(event);
                        }
                        event.settled.iter().for_each(|settlement| self.waiters.settle(settlement));
                    }
                    self.log.append(page.iter().map(|(position, event)| (*position, event)));
                }
            }
        }
        // Events do not say which wake-ups they brought, so everything that is due is looked at again.
        self.wakeups.expect(Timestamp::MIN);
        self.behind.store(false, Ordering::Release);
        Ok(())
    }

    /// One commit of a store that answers at once; none when the store has to be waited for.
    fn make_now(&self, write: &Write) -> Option<Answer> {
        if let Some(why) = self.closing.why() {
            return Some(Err(CommitFailure::Closed(why)));
        }
        // What was durable before has to be read first, and that may take a while.
        if self.is_behind() {
            return None;
        }
        let mut doubt = Doubt(Some(&self.behind));
        let Some(result) = self.store.commit_now(self.epoch, write) else {
            doubt.0 = None;
            return None;
        };
        Some(match result {
            Ok(result) => {
                self.store_answers();
                self.watched.committed(None, usize::from(result.is_ok()));
                self.publish(result.as_ref().ok().map(|position| (*position, write)).into_iter());
                doubt.0 = None;
                answer(result)
            }
            Err(error) => Err(self.failed(error, 1)),
        })
    }

    /// One commit of the store: an answer for each write.
    async fn make(&self, writes: &[Write]) -> Vec<Answer> {
        match self.ask(writes).await {
            Ok(made) => self.conclude(writes, made).await,
            Err(failure) => vec![Err(failure); writes.len()],
        }
    }

    /// Asks the store to make a batch durable, without publishing it.
    async fn ask(&self, writes: &[Write]) -> Result<Made<'_>, CommitFailure> {
        if let Some(why) = self.closing.why() {
            return Err(CommitFailure::Closed(why));
        }
        let doubt = Doubt(Some(&self.behind));
        let begun = self.watched.commit_begins();
        match self.store.commit(self.epoch, writes).await {
            Ok(results) => {
                self.store_answers();
                self.watched.committed(begun, results.iter().filter(|result| result.is_ok()).count());
                Ok(Made { results, doubt })
            }
            Err(error) => Err(self.failed(error, writes.len())),
        }
    }

    /// Publishes a batch that is durable: an answer for each write.
    async fn conclude(&self, writes: &[Write], made: Made<'_>) -> Vec<Answer> {
        let Made { results, mut doubt } = made;
        let committed = writes.iter().zip(&results);
        let committed = committed.filter_map(|(write, result)| Some((*result.as_ref().ok()?, write)));
        match self.is_behind() && self.ownership.shared().is_none() {
            false => self.publish(committed),
            // An earlier commit may be durable too, and its events come before these.
            true => {
                let told = results.iter().filter_map(|result| result.as_ref().ok()).min().copied();
                if let Err(error) = self.read_on(told).await {
                    tracing::warn!(%error, "what is durable cannot be read; its events are told later");
                    self.tell_who_waits(committed);
                }
            }
        }
        doubt.0 = None;
        results.into_iter().map(answer).collect()
    }

    /// What writers are told when the store failed.
    fn failed(&self, error: StoreError, transitions: usize) -> CommitFailure {
        match error {
            error @ StoreError::Fenced { .. } => CommitFailure::Closed(self.closing.fenced(&error)),
            error @ (StoreError::Unavailable { .. }
            | StoreError::InUse { .. }
            | StoreError::Corrupt { .. }) => {
                tracing::warn!(%error, transitions, "commit failed; it is tried again");
                self.outage.lasts.store(true, Ordering::Release);
                self.watched.commit_failed();
                CommitFailure::Unavailable(Arc::new(error))
            }
        }
    }

    fn publish<'w>(&self, committed: impl Iterator<Item = (Position, &'w Write)> + Clone) {
        let events = committed.clone().map(|(position, write)| (position, &write.event));
        match self.ownership.shared() {
            None => self.log.append(events),
            Some(shared) if self.log.offer(events) => shared.look.notify_one(),
            Some(_) => {}
        }
        self.tell_who_waits(committed);
    }

    /// Tells those that wait for an operation or for a time.
    fn tell_who_waits<'w>(&self, committed: impl Iterator<Item = (Position, &'w Write)> + Clone) {
        for (_, write) in committed.clone() {
            for settlement in &write.event.settled {
                self.waiters.settle(settlement);
            }
        }
        if let Some(earliest) = committed.filter_map(|(_, write)| write.record.wake_at()).min() {
            self.wakeups.expect(earliest);
        }
    }
}

fn answer(result: Result<Position, WriteError>) -> Answer {
    result.map_err(failure)
}

fn failure(error: WriteError) -> CommitFailure {
    match error {
        WriteError::RevisionMismatch { actual, .. } => CommitFailure::Stale { actual },
        WriteError::Invalid(message) => CommitFailure::Refused(message),
    }
}

/// Ends a turn, once all that waits for it is committed.
fn pass_on(mut turn: Turn) {
    match turn.next() {
        Next::Nothing => {}
        next @ (Next::Writes(..) | Next::Other(_)) => {
            tokio::spawn(commit_rest(turn, next));
        }
    }
}

async fn commit_rest(mut turn: Turn, mut next: Next) {
    loop {
        match next {
            Next::Writes(batch) => commit_batches(&mut turn, batch).await,
            Next::Other(other) => match other.send(turn) {
                Ok(()) => return,
                Err(returned) => turn = returned,
            },
            Next::Nothing => return,
        }
        next = turn.next();
    }
}

/// One batch after the other. The store works on the next batch while the last one is published and its writers are
/// answered: thousands of them start work then, and the store would sit idle meanwhile. Events are still published in
/// the order of their positions.
async fn commit_batches(turn: &mut Turn, mut batch: Batch) {
    let committer = Arc::clone(&turn.committer);
    let mut asked = committer.ask(&batch.writes).await;
    loop {
        let made = match asked {
            Ok(made) => made,
            Err(failure) => return tell(batch.replies, std::iter::repeat(Err(failure))),
        };
        let conclude = async |batch: Batch| {
            tell(batch.replies, committer.conclude(&batch.writes, made).await.into_iter());
        };
        match turn.batch() {
            Some(next) => {
                // `join` polls in this order, so the store has the next batch before the last one is published.
                (asked, ()) = join(committer.ask(&next.writes), conclude(batch)).await;
                batch = next;
            }
            None => return conclude(batch).await,
        }
    }
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
