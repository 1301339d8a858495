//! A store for tests, trials and measurements: everything is in memory, and gone with the process.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::num::NonZeroU64;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use foldhash::fast::RandomState;
use jiff::Timestamp;
use landlord_state_machines::id::{OperationId, Revision, TenantId};
use landlord_state_machines::tenant::{LifecycleEvent, Record, Settlement, Tenant};

use super::{
    Epoch, Events, Opened, OperationRecord, Page, Position, Scope, Store, StoreError, TenantFilter, Write,
    WriteError, new_engine_name,
};

/// A batch of this size is applied in a fraction of a millisecond, for which the store is locked.
const BATCH: NonZeroU64 = NonZeroU64::MIN.saturating_add(999);

/// How many tenants a list looks at before it answers with what it found so far.
const SCAN: usize = 10_000;

/// How much a [`MemoryStore`] keeps of what is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryOptions {
    /// How many events; older ones are answered with [`Events::Gap`].
    pub history: usize,
    /// How many settled operations. Those that have not settled are always kept.
    pub settled: usize,
}

impl Default for MemoryOptions {
    /// As much as fits the cache of a core: with sixteen times as much, a busy engine spends a third of its time on what
    /// it forgets. Subscribers that listen all the time do not need it: the engine keeps more for them.
    fn default() -> Self {
        Self { history: 1024, settled: 1024 }
    }
}

/// Keeps everything in memory.
///
/// It cannot know whether the engine that opened it is still there, so opening it again always succeeds, and
/// the older engine is fenced. Clones share what is kept: a second engine can take up what a first one left.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    engine: Arc<str>,
    kept: Arc<Mutex<Kept>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new(options: MemoryOptions) -> Self {
        Self { engine: new_engine_name(), kept: Arc::new(Mutex::new(Kept { options, ..Kept::default() })) }
    }

    /// What is kept, also after a panic of another thread: a write is checked before anything is changed.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that is kept.
#[derive(Debug, Default)]
struct Kept {
    options: MemoryOptions,
    epoch: u64,
    open: bool,
    tenants: Tenants,
    indexes: Indexes,
    operations: Operations,
    history: History,
}

/// A tenant, and where its last event is.
#[derive(Debug)]
struct Known {
    record: Record,
    last: Position,
}

/// Into how many tables tenants are divided. A table is written anew when it grows, and nothing is committed meanwhile: for
/// a million tenants in one that is a third of a second.
const TABLES: usize = 1024;

/// Tenants by id.
#[derive(Debug)]
struct Tenants {
    tables: Box<[HashMap<TenantId, Known, RandomState>]>,
    hasher: RandomState,
}

impl Default for Tenants {
    fn default() -> Self {
        Self { tables: (0..TABLES).map(|_| HashMap::default()).collect(), hasher: RandomState::default() }
    }
}

impl Tenants {
    fn table(&self, id: &TenantId) -> usize {
        self.hasher.hash_one(id) as usize % TABLES
    }

    fn get(&self, id: &TenantId) -> Option<&Known> {
        self.tables[self.table(id)].get(id)
    }

    fn get_mut(&mut self, id: &TenantId) -> Option<&mut Known> {
        self.tables[self.table(id)].get_mut(id)
    }

    fn insert(&mut self, known: Known) {
        let id = known.record.id().clone();
        self.tables[self.table(&id)].insert(id, known);
    }
}

impl Kept {
    /// Whether an engine may still write.
    fn may_write(&self, epoch: Epoch) -> Result<(), StoreError> {
        if epoch.0 != self.epoch {
            return Err(StoreError::Fenced { ours: epoch.0, current: self.epoch });
        }
        if !self.open {
            return Err(StoreError::not_open());
        }
        Ok(())
    }

    /// Makes one write, or says why not.
    fn apply(&mut self, write: &Write) -> Result<Position, WriteError> {
        write.check()?;
        let id = write.record.id();
        let known = self.tenants.get_mut(id);
        let actual = known.as_ref().map_or(Revision(0), |known| known.record.revision());
        if actual != write.expected {
            return Err(WriteError::RevisionMismatch { expected: write.expected, actual });
        }
        if let Some(opened) = &write.opened {
            self.operations.open(opened)?;
        }
        self.operations.settle(&write.event.settled, self.options.settled);
        let previous = known.as_ref().map_or(Position::default(), |known| known.last);
        let last = self.history.push(&write.event, previous, self.options.history);
        self.indexes.follow(id, known.as_ref().map(|known| &known.record), &write.record);
        match known {
            Some(known) => *known = Known { record: write.record.clone(), last },
            None => {
                self.tenants.insert(Known { record: write.record.clone(), last });
            }
        }
        Ok(last)
    }
}

/// The orders in which tenants are looked for.
#[derive(Debug, Default)]
struct Indexes {
    /// All that ever lived, for lists; but those that came since the last one.
    ids: BTreeSet<TenantId>,
    new_ids: Chunks,
    due: BTreeSet<(Timestamp, TenantId)>,
}

impl Indexes {
    /// A tenant's record changes.
    fn follow(&mut self, id: &TenantId, before: Option<&Record>, after: &Record) {
        if before.is_none() {
            self.new_ids.push(id.clone());
        }
        let (woke, wakes) = (before.and_then(Record::wake_at), after.wake_at());
        if woke != wakes {
            if let Some(at) = woke {
                self.due.remove(&(at, id.clone()));
            }
            if let Some(at) = wakes {
                self.due.insert((at, id.clone()));
            }
        }
    }

    /// All that ever lived, in order. Lists are few and writes are many, so those bring it in order.
    fn ids(&mut self) -> &BTreeSet<TenantId> {
        self.ids.extend(std::mem::take(&mut self.new_ids).0.into_iter().flatten());
        &self.ids
    }
}

/// Ids in the order of their coming. In pieces: one that grows as a whole is copied while nothing is committed.
#[derive(Debug, Default)]
struct Chunks(Vec<Vec<TenantId>>);

impl Chunks {
    fn push(&mut self, id: TenantId) {
        const CHUNK: usize = 1024;
        match self.0.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(id),
            Some(_) | None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(id);
                self.0.push(chunk);
            }
        }
    }
}

/// Operations, and how to find them.
#[derive(Debug, Default)]
struct Operations {
    by_id: HashMap<OperationId, Arc<OperationRecord>, RandomState>,
    by_request: HashMap<(TenantId, String), OperationId>,
    /// The settled ones, the oldest first.
    settled: VecDeque<OperationId>,
}

impl Operations {
    /// An operation begins.
    fn open(&mut self, opened: &Arc<OperationRecord>) -> Result<(), WriteError> {
        if self.by_id.contains_key(&opened.id) {
            return Err(WriteError::Invalid(format!("operation {} exists already", opened.id)));
        }
        if let Some(request) = &opened.request_id {
            let key = (opened.tenant.clone(), request.clone());
            if let Some(other) = self.by_request.get(&key) {
                return Err(WriteError::Invalid(format!("request {request:?} is operation {other} already")));
            }
            self.by_request.insert(key, opened.id);
        }
        self.by_id.insert(opened.id, Arc::clone(opened));
        Ok(())
    }

    /// Operations end. Of those that have, `bound` are kept.
    fn settle(&mut self, settlements: &[Settlement], bound: usize) {
        for Settlement { operation, settled } in settlements {
            if let Some(record) = self.by_id.get_mut(operation)
                && Arc::make_mut(record).settled.replace(settled.clone()).is_none()
            {
                self.settled.push_back(*operation);
            }
        }
        while self.settled.len() > bound
            && let Some(oldest) = self.settled.pop_front()
        {
            if let Some(record) = self.by_id.remove(&oldest)
                && let OperationRecord { tenant, request_id: Some(request), .. } = &*record
            {
                self.by_request.remove(&(tenant.clone(), request.clone()));
            }
        }
    }
}

/// The last events.
#[derive(Debug, Default)]
struct History {
    events: VecDeque<Happened>,
    /// How many are no longer kept: the position before the first that is.
    trimmed: u64,
}

/// An event, and where the same tenant's event before it is: so one tenant's events are found without an index
/// that every commit has to keep.
#[derive(Debug)]
struct Happened {
    event: Arc<LifecycleEvent>,
    previous: Position,
}

impl History {
    fn head(&self) -> Position {
        Position(self.trimmed + self.events.len() as u64)
    }

    /// Keeps an event, and of all events the last `bound`.
    fn push(&mut self, event: &Arc<LifecycleEvent>, previous: Position, bound: usize) -> Position {
        self.events.push_back(Happened { event: Arc::clone(event), previous });
        let head = self.head();
        while self.events.len() > bound {
            self.events.pop_front();
            self.trimmed += 1;
        }
        head
    }

    /// The event at a position, if it is still kept.
    fn at(&self, position: Position) -> Option<&Happened> {
        let index = position.0.checked_sub(self.trimmed + 1)?;
        self.events.get(usize::try_from(index).ok()?)
    }

    /// All events after a position that is not before the first kept one.
    fn all(&self, after: Position, limit: usize) -> Vec<(Position, Arc<LifecycleEvent>)> {
        (after.0 + 1..=self.head().0)
            .take(limit)
            .filter_map(|at| Some((Position(at), Arc::clone(&self.at(Position(at))?.event))))
            .collect()
    }

    /// One tenant's events after a position, whose last one is at `last`.
    fn of_one(&self, last: Position, after: Position, limit: usize) -> Vec<(Position, Arc<LifecycleEvent>)> {
        let mut found = Vec::new();
        let mut at = last;
        while at > after
            && let Some(happened) = self.at(at)
        {
            found.push((at, Arc::clone(&happened.event)));
            at = happened.previous;
        }
        found.reverse();
        found.truncate(limit);
        found
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn open(&self) -> Result<Opened, StoreError> {
        let mut kept = self.kept();
        kept.epoch += 1;
        kept.open = true;
        Ok(Opened { engine: Arc::clone(&self.engine), epoch: Epoch(kept.epoch), head: kept.history.head() })
    }

    async fn load(&self, tenant: &TenantId) -> Result<Record, StoreError> {
        let kept = self.kept();
        Ok(kept
            .tenants
            .get(tenant)
            .map_or_else(|| Record::Absent(tenant.clone()), |known| known.record.clone()))
    }

    async fn commit(
        &self,
        epoch: Epoch,
        batch: &[Write],
    ) -> Result<Vec<Result<Position, WriteError>>, StoreError> {
        let mut kept = self.kept();
        kept.may_write(epoch)?;
        Ok(batch.iter().map(|write| kept.apply(write)).collect())
    }

    fn commit_now(
        &self,
        epoch: Epoch,
        write: &Write,
    ) -> Option<Result<Result<Position, WriteError>, StoreError>> {
        let mut kept = self.kept();
        Some(kept.may_write(epoch).map(|()| kept.apply(write)))
    }

    async fn due(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let kept = self.kept();
        Ok(kept
            .indexes
            .due
            .range((start, Bound::Unbounded))
            .take_while(|(at, _)| *at <= before)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn in_flight(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut kept = self.kept();
        let Kept { tenants, indexes, .. } = &mut *kept;
        // An index would cost every call; this is asked once, when an engine starts.
        let called = |id: &&TenantId| tenants.get(id).is_some_and(|known| known.record.call().is_some());
        Ok(indexes.ids().range((start, Bound::Unbounded)).filter(called).take(limit).cloned().collect())
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut kept = self.kept();
        let Kept { tenants, indexes, .. } = &mut *kept;
        let (mut items, mut last): (Vec<_>, Option<&TenantId>) = (Vec::new(), None);
        for (seen, id) in indexes.ids().range((start, Bound::Unbounded)).enumerate() {
            if seen == SCAN || items.len() == limit.max(1) {
                return Ok(Page { items, next: last.cloned() });
            }
            last = Some(id);
            if let Some(Known { record: Record::Live(tenant), .. }) = tenants.get(id)
                && filter.wants(tenant)
            {
                items.push(Arc::clone(tenant));
            }
        }
        Ok(Page { items, next: None })
    }

    async fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, StoreError> {
        Ok(self.kept().operations.by_id.get(&id).map(|record| OperationRecord::clone(record)))
    }

    async fn request(
        &self,
        tenant: &TenantId,
        request_id: &str,
    ) -> Result<Option<OperationRecord>, StoreError> {
        let kept = self.kept();
        let key = (tenant.clone(), request_id.to_owned());
        let found = kept.operations.by_request.get(&key).and_then(|id| kept.operations.by_id.get(id));
        Ok(found.map(|record| OperationRecord::clone(record)))
    }

    async fn events(&self, after: Position, scope: &Scope, limit: usize) -> Result<Events, StoreError> {
        let kept = self.kept();
        let resume = Position(kept.history.trimmed);
        if after < resume {
            return Ok(Events::Gap { resume });
        }
        Ok(Events::Page(match scope {
            Scope::All => kept.history.all(after, limit),
            Scope::Tenant(id) => match kept.tenants.get(id) {
                Some(known) => kept.history.of_one(known.last, after, limit),
                None => Vec::new(),
            },
        }))
    }

    fn batch_limit(&self) -> NonZeroU64 {
        BATCH
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.kept().open = false;
        Ok(())
    }
}
