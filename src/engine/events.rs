//! Lossless subscriptions: everybody reads by position, from memory while it is there, else from the store.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, Stream};
use landlord_state_machines::id::TenantId;
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

impl Delivery {
    /// Whoever has got this has got everything up to here.
    fn position(&self) -> Position {
        match self {
            Self::Event { cursor: position, .. } | Self::Gap { resume: position } => *position,
        }
    }
}

/// The latest events, where the last one stands, and who waits for the next.
///
/// A subscriber of one tenant is woken by that tenant's events alone: a thousand of them cost nothing while others are busy.
pub(crate) struct EventLog {
    ring: Mutex<VecDeque<(Position, Arc<LifecycleEvent>)>>,
    head: AtomicU64,
    /// How many subscribers there are.
    subscribers: AtomicUsize,
    /// Tells those of all tenants that there is more.
    grown: watch::Sender<()>,
    /// How far those of all tenants have got.
    readers: Mutex<Vec<Arc<AtomicU64>>>,
    /// Tells those of one tenant.
    tenants: Mutex<HashMap<TenantId, watch::Sender<Latest>>>,
    /// Of a store that is shared: this engine's events that others' come before, which are not read yet.
    ahead: Mutex<Ahead>,
}

type Ahead = BTreeMap<Position, Arc<LifecycleEvent>>;

/// The last two events of a tenant that has subscribers.
#[derive(Clone, Copy, Debug)]
struct Latest {
    /// The one before the last: whoever has seen it has missed none but the last.
    before: Position,
    last: Position,
}

impl Latest {
    /// Nobody knows what came before it.
    const UNKNOWN: Self = Self { before: Position(u64::MAX), last: Position(u64::MAX) };
}

impl EventLog {
    pub(crate) fn new(head: Position) -> Self {
        Self {
            ring: Mutex::new(VecDeque::with_capacity(RING)),
            head: AtomicU64::new(head.0),
            subscribers: AtomicUsize::new(0),
            grown: watch::Sender::new(()),
            readers: Mutex::default(),
            tenants: Mutex::default(),
            ahead: Mutex::default(),
        }
    }

    /// The same of a store that is shared: events of this engine, in order. Those before which others have events wait until these
    /// are read; says whether some do.
    pub(crate) fn offer<'e>(
        &self,
        events: impl Iterator<Item = (Position, &'e Arc<LifecycleEvent>)> + Clone,
    ) -> bool {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.head();
        let new = events.filter(|(position, _)| *position > head);
        let next = new.clone().zip(head.0 + 1..).take_while(|((position, _), next)| position.0 == *next);
        let next = next.map(|(event, _)| event);
        let count = next.clone().count();
        self.append(next);
        // What is not remembered is read, like others' events.
        let room = RING.saturating_sub(ahead.len());
        ahead.extend(new.skip(count).take(room).map(|(position, event)| (position, Arc::clone(event))));
        !ahead.is_empty()
    }

    /// How many events to read after the head: those before the next one that is known to be this engine's, but no more than
    /// so many.
    pub(crate) fn unread(&self, most: usize) -> usize {
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((own, _)) = ahead.first_key_value() else { return most };
        let unread = own.0.saturating_sub(self.head().0 + 1);
        usize::try_from(unread).map_or(most, |unread| unread.clamp(1, most))
    }

    /// Takes in what follows the head, as it was read from a store that is shared, and this engine's events after it.
    pub(crate) fn take_in<'e>(
        &self,
        page: impl Iterator<Item = (Position, &'e Arc<LifecycleEvent>)> + Clone,
    ) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.head();
        self.append(page.filter(|(position, _)| *position > head));
        self.follow_on(&mut ahead);
    }

    /// Takes in this engine's events that nothing unread comes before any more.
    fn follow_on(&self, ahead: &mut Ahead) {
        let next = self.head().0 + 1;
        // Some were read before this engine was told that they are its own.
        *ahead = ahead.split_off(&Position(next));
        let follow = ahead.iter().zip(next..).take_while(|((position, _), next)| position.0 == *next);
        let own: Vec<_> = follow.map(|((position, event), _)| (*position, Arc::clone(event))).collect();
        own.iter().for_each(|(position, _)| drop(ahead.remove(position)));
        self.append(own.iter().map(|(position, event)| (*position, event)));
    }

    /// Takes in committed events, in the order of their positions, and lets subscribers see them. While there are
    /// none, nothing is kept for them: whoever comes reads from the store first.
    pub(crate) fn append<'e>(
        &self,
        events: impl Iterator<Item = (Position, &'e Arc<LifecycleEvent>)> + Clone,
    ) {
        let Some((head, _)) = events.clone().last() else { return };
        if self.subscribers.load(Ordering::Relaxed) > 0 {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            for (position, event) in events.clone() {
                // After a time without subscribers, or a commit that failed and was durable all the same, only the
                // store has everything.
                if ring.back().is_some_and(|(last, _)| last.0 + 1 != position.0) {
                    ring.clear();
                }
                if ring.len() == RING {
                    ring.pop_front();
                }
                ring.push_back((position, Arc::clone(event)));
            }
        }
        if self.grow(head) {
            let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            if !tenants.is_empty() {
                for (position, event) in events {
                    if let Some(waiting) = tenants.get(&event.tenant_id) {
                        waiting
                            .send_modify(|latest| *latest = Latest { before: latest.last, last: position });
                    }
                }
            }
        }
    }

    /// Whether there are subscribers, of which those of all tenants are told.
    fn grow(&self, head: Position) -> bool {
        self.head.store(head.0, Ordering::Release);
        // Either this sees a new subscriber, or the subscriber sees the new head.
        fence(Ordering::SeqCst);
        if self.grown.receiver_count() > 0 {
            self.grown.send_replace(());
        }
        self.subscribers.load(Ordering::Relaxed) > 0
    }

    /// How many subscribers to all events there are, and how many events the slowest of them has still to get.
    pub(crate) fn readers(&self) -> (usize, u64) {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let slowest = readers.iter().map(|reader| reader.load(Ordering::Relaxed)).min();
        (readers.len(), slowest.map_or(0, |slowest| self.head().0.saturating_sub(slowest)))
    }

    fn listen(self: &Arc<Self>, scope: &Scope, since: Position) -> Listening {
        self.subscribers.fetch_add(1, Ordering::Relaxed);
        let grown = match scope {
            Scope::All => {
                let reader = Arc::new(AtomicU64::new(since.0));
                let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
                readers.push(Arc::clone(&reader));
                Grown::All(self.grown.subscribe(), reader)
            }
            Scope::Tenant(tenant) => {
                let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
                let waiting =
                    tenants.entry(tenant.clone()).or_insert_with(|| watch::Sender::new(Latest::UNKNOWN));
                Grown::One(tenant.clone(), waiting.subscribe())
            }
        };
        fence(Ordering::SeqCst);
        Listening { log: Arc::clone(self), grown }
    }

    /// Events up to `position` are no longer kept anywhere.
    pub(crate) fn skip_to(&self, position: Position) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if position <= self.head() {
            return;
        }
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.grow(position);
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        for waiting in tenants.values() {
            waiting.send_replace(Latest::UNKNOWN);
        }
        drop(tenants);
        self.follow_on(&mut ahead);
    }

    /// The position of the last published event.
    pub(crate) fn head(&self) -> Position {
        Position(self.head.load(Ordering::Acquire))
    }

    /// The events of a scope that follow `after` in memory, and how far that is; none when the next one is not there.
    fn recent(&self, after: Position, scope: &Scope) -> Option<Recent> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, _) = ring.front()?;
        let skip = usize::try_from((after.0 + 1).checked_sub(first.0)?).ok()?;
        let events = ring.range(skip.min(ring.len())..).take(PAGE);
        let (end, _) = events.clone().next_back()?;
        let wanted = |event: &LifecycleEvent| match scope {
            Scope::All => true,
            Scope::Tenant(tenant) => event.tenant_id == *tenant,
        };
        Some(Recent { events: events.filter(|(_, event)| wanted(event)).cloned().collect(), end: *end })
    }
}

/// What was in memory.
struct Recent {
    events: Vec<(Position, Arc<LifecycleEvent>)>,
    /// The last position that was looked at.
    end: Position,
}

/// A subscriber's place among those who are told.
struct Listening {
    log: Arc<EventLog>,
    grown: Grown,
}

/// How a subscriber hears that there is more.
enum Grown {
    /// And how far it has got.
    All(watch::Receiver<()>, Arc<AtomicU64>),
    One(TenantId, watch::Receiver<Latest>),
}

impl Listening {
    /// From now on only what comes counts as new.
    fn mark_unchanged(&mut self) {
        match &mut self.grown {
            Grown::All(grown, _) => grown.mark_unchanged(),
            Grown::One(_, grown) => grown.mark_unchanged(),
        }
    }

    /// It has got everything up to here.
    fn reached(&self, cursor: Position) {
        match &self.grown {
            Grown::All(_, reader) => reader.store(cursor.0, Ordering::Relaxed),
            Grown::One(..) => {}
        }
    }

    async fn changed(&mut self) {
        // The log lives as long as this: nobody closes what is told.
        let _ = match &mut self.grown {
            Grown::All(grown, _) => grown.changed().await,
            Grown::One(_, grown) => grown.changed().await,
        };
    }

    /// From where on to read, for one who has read up to `cursor`: what is known to concern others is passed over.
    fn next_after(&self, cursor: Position) -> Position {
        match &self.grown {
            Grown::All(..) => cursor,
            Grown::One(_, grown) => {
                let Latest { before, last } = *grown.borrow();
                if before <= cursor && cursor < last { Position(last.0 - 1) } else { cursor }
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.log.subscribers.fetch_sub(1, Ordering::Relaxed);
        match &self.grown {
            Grown::All(_, reader) => {
                let mut readers = self.log.readers.lock().unwrap_or_else(PoisonError::into_inner);
                readers.retain(|other| !Arc::ptr_eq(other, reader));
            }
            Grown::One(tenant, _) => {
                let mut tenants = self.log.tenants.lock().unwrap_or_else(PoisonError::into_inner);
                // This one is still counted.
                if tenants.get(tenant).is_some_and(|waiting| waiting.receiver_count() <= 1) {
                    tenants.remove(tenant);
                }
            }
        }
    }
}

struct Subscriber {
    listening: Listening,
    store: Arc<dyn Reads>,
    closing: Arc<Closing>,
    scope: Scope,
    cursor: Position,
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
    let listening = log.listen(&scope, since);
    let subscriber = Subscriber { listening, store, closing, scope, cursor: since, ready: VecDeque::new() };
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
                self.listening.reached(delivery.position());
                return Ok(Some(delivery));
            }
            self.listening.reached(self.cursor);
            self.listening.mark_unchanged();
            let head = self.listening.log.head();
            if self.cursor < head {
                self.read(head).await?;
            } else {
                tokio::select! {
                    biased;
                    () = self.listening.changed() => {}
                    _ = self.closing.closed() => return Ok(None),
                }
            }
        }
    }

    /// Reads on up to `head`, and nothing that was not published yet.
    async fn read(&mut self, head: Position) -> Result<(), StoreError> {
        self.cursor = self.listening.next_after(self.cursor);
        if let Some(Recent { events, end }) = self.listening.log.recent(self.cursor, &self.scope) {
            self.cursor = end;
            let delivered = events.into_iter().map(|(cursor, event)| Delivery::Event { cursor, event });
            self.ready.extend(delivered);
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

#[cfg(test)]
mod tests {
    use landlord_testing::store::samples::StoredLife;

    use super::*;

    fn event(tenant: u64) -> Arc<LifecycleEvent> {
        StoredLife::new(&format!("t{tenant}")).begin().event
    }

    fn offer(log: &EventLog, positions: std::ops::RangeInclusive<u64>) -> bool {
        let events: Vec<_> = positions.map(|n| (Position(n), event(n))).collect();
        log.offer(events.iter().map(|(position, event)| (*position, event)))
    }

    fn take_in(log: &EventLog, positions: std::ops::RangeInclusive<u64>) {
        let events: Vec<_> = positions.map(|n| (Position(n), event(n))).collect();
        log.take_in(events.iter().map(|(position, event)| (*position, event)));
    }

    #[test]
    fn of_a_shared_store_only_what_others_committed_is_read() {
        let log = Arc::new(EventLog::new(Position(0)));
        let _reader = log.listen(&Scope::All, Position(0));
        assert!(!offer(&log, 1..=2), "nothing comes before these");
        assert_eq!((log.head(), log.unread(10)), (Position(2), 10));
        assert!(offer(&log, 5..=6) && offer(&log, 8..=9));
        assert_eq!((log.head(), log.unread(10)), (Position(2), 2), "what is between is to be read");
        take_in(&log, 3..=4);
        assert_eq!((log.head(), log.unread(10)), (Position(6), 1), "what is known follows of itself");
        // A read may show what this engine is told later that it made.
        take_in(&log, 7..=11);
        assert!(!offer(&log, 10..=11));
        assert_eq!((log.head(), log.unread(10)), (Position(11), 10));
        let kept = log.recent(Position(0), &Scope::All).expect("it is in memory").events;
        let kept: Vec<u64> = kept.iter().map(|(position, _)| position.0).collect();
        assert_eq!(kept, (1..=11).collect::<Vec<_>>(), "each once, in order");
    }

    #[test]
    fn what_is_no_longer_kept_is_passed_over() {
        let log = EventLog::new(Position(0));
        assert!(offer(&log, 4..=5) && offer(&log, 8..=8));
        log.skip_to(Position(7));
        assert_eq!((log.head(), log.unread(10)), (Position(8), 10));
    }
}
