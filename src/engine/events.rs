//! Lossless subscriptions: everybody reads by position, from memory while it is there, else from the store.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, Stream};
use landlord_state_machines::tenant::LifecycleEvent;
use tokio::sync::watch;

use crate::engine::closing::Closing;
use crate::store::{Events, Position, Reads, Scope, StoreError};

/// How many of the latest events are kept in memory.
const RING: usize = 8192;
/// How many events a subscriber reads at a time.
const PAGE: usize = 512;

/// What a subscriber gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// An event.
    Event {
        /// Where it stands. Subscribe again from here to go on after it.
        cursor: Position,
        /// The event.
        event: Arc<LifecycleEvent>,
    },
    /// Events are missing here, because the store no longer keeps them.
    Gap {
        /// The last position that is missing. The next event comes after it.
        resume: Position,
    },
}

/// The latest events, and where the last one stands.
pub(crate) struct EventLog {
    ring: Mutex<VecDeque<(Position, Arc<LifecycleEvent>)>>,
    head: AtomicU64,
    /// Tells subscribers that there is more.
    grown: watch::Sender<()>,
}

impl EventLog {
    pub(crate) fn new(head: Position) -> Self {
        Self {
            ring: Mutex::new(VecDeque::with_capacity(RING)),
            head: AtomicU64::new(head.0),
            grown: watch::Sender::new(()),
        }
    }

    /// Takes in committed events, in the order of their positions, and lets subscribers see them. While there are
    /// none, nothing is kept for them: whoever comes reads from the store first.
    pub(crate) fn append<'e>(&self, events: impl Iterator<Item = (Position, &'e Arc<LifecycleEvent>)>) {
        let mut head = None;
        if self.grown.receiver_count() == 0 {
            head = events.last().map(|(position, _)| position);
        } else {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            for (position, event) in events {
                // After a time without subscribers, or a commit that failed and was durable all the same, only the
                // store has everything.
                if ring.back().is_some_and(|(last, _)| last.0 + 1 != position.0) {
                    ring.clear();
                }
                if ring.len() == RING {
                    ring.pop_front();
                }
                ring.push_back((position, Arc::clone(event)));
                head = Some(position);
            }
        }
        if let Some(head) = head {
            self.grow(head);
        }
    }

    fn grow(&self, head: Position) {
        self.head.store(head.0, Ordering::Release);
        // Either this sees a new subscriber, or the subscriber sees the new head.
        fence(Ordering::SeqCst);
        if self.grown.receiver_count() > 0 {
            self.grown.send_replace(());
        }
    }

    fn listen(&self) -> watch::Receiver<()> {
        let grown = self.grown.subscribe();
        fence(Ordering::SeqCst);
        grown
    }

    /// Events up to `position` are no longer kept anywhere.
    pub(crate) fn skip_to(&self, position: Position) {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.grow(position);
    }

    /// The position of the last published event.
    pub(crate) fn head(&self) -> Position {
        Position(self.head.load(Ordering::Acquire))
    }

    /// The events that follow `after` in memory; none when the next one is not there.
    fn recent(&self, after: Position) -> Option<Vec<(Position, Arc<LifecycleEvent>)>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, _) = ring.front()?;
        let skip = usize::try_from((after.0 + 1).checked_sub(first.0)?).ok()?;
        (skip < ring.len()).then(|| ring.range(skip..).take(PAGE).cloned().collect())
    }
}

struct Subscriber {
    log: Arc<EventLog>,
    store: Arc<dyn Reads>,
    closing: Arc<Closing>,
    scope: Scope,
    cursor: Position,
    grown: watch::Receiver<()>,
    ready: VecDeque<Delivery>,
}

/// Everything in `scope` after `since`, and then whatever follows, until the engine ends. A store that cannot be
/// read now ends the stream with its error; subscribe again from the last cursor.
pub(crate) fn subscribe(
    log: Arc<EventLog>,
    store: Arc<dyn Reads>,
    closing: Arc<Closing>,
    since: Position,
    scope: Scope,
) -> impl Stream<Item = Result<Delivery, StoreError>> + Send {
    let grown = log.listen();
    let subscriber = Subscriber { log, store, closing, scope, cursor: since, grown, ready: VecDeque::new() };
    stream::unfold(Some(subscriber), |subscriber| async {
        let mut subscriber = subscriber?;
        match subscriber.next().await {
            Ok(Some(delivery)) => Some((Ok(delivery), Some(subscriber))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
}

impl Subscriber {
    async fn next(&mut self) -> Result<Option<Delivery>, StoreError> {
        loop {
            if let Some(delivery) = self.ready.pop_front() {
                return Ok(Some(delivery));
            }
            self.grown.mark_unchanged();
            let head = self.log.head();
            if self.cursor < head {
                self.read(head).await?;
            } else {
                tokio::select! {
                    biased;
                    changed = self.grown.changed() => if changed.is_err() { return Ok(None) },
                    _ = self.closing.closed() => return Ok(None),
                }
            }
        }
    }

    /// Reads on up to `head`, and nothing that was not published yet.
    async fn read(&mut self, head: Position) -> Result<(), StoreError> {
        if let Some(recent) = self.log.recent(self.cursor) {
            for (position, event) in recent {
                self.cursor = position;
                let wanted = match &self.scope {
                    Scope::All => true,
                    Scope::Tenant(tenant) => event.tenant_id == *tenant,
                };
                if wanted {
                    self.ready.push_back(Delivery::Event { cursor: position, event });
                }
            }
            return Ok(());
        }
        match self.store.events(self.cursor, &self.scope, PAGE).await? {
            Events::Gap { resume } => {
                self.cursor = resume;
                self.ready.push_back(Delivery::Gap { resume });
            }
            Events::Page(page) => {
                let full = page.len() == PAGE;
                for (position, event) in page.into_iter().filter(|(position, _)| *position <= head) {
                    self.cursor = position;
                    self.ready.push_back(Delivery::Event { cursor: position, event });
                }
                if !full {
                    self.cursor = self.cursor.max(head);
                }
            }
        }
        Ok(())
    }
}
