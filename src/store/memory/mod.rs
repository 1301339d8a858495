//! A store for tests, trials and measurements: everything is in memory, and gone with the process.

mod documents;
mod history;
mod indexes;
mod operations;
mod tenants;

use std::num::NonZeroU64;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hashbrown::hash_table::Entry;
use jiff::Timestamp;
use landlord_state_machines::id::{OperationId, Revision, TenantId};
use landlord_state_machines::tenant::{Record, Tenant};

use self::documents::Documents;
use self::history::History;
use self::indexes::Indexes;
use self::operations::Operations;
use self::tenants::{Known, Tenants};
use super::{
    Document, DocumentKind, DocumentMismatch, DocumentRevision, DocumentWrite, Epoch, Events, NotedRequest,
    Opened, OperationRecord, Page, Position, Reads, Requested, Scope, Store, StoreError, TenantFilter, Write,
    WriteError, new_engine_name,
};

/// A batch of this size is applied in a fraction of a millisecond, for which the store is locked.
const BATCH: NonZeroU64 = NonZeroU64::MIN.saturating_add(999);

/// How many tenants a list looks at before it answers with what it found so far.
const SCAN: usize = 10_000;

/// How many events and settled operations a [`MemoryStore`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryOptions {
    /// How many events; older ones are answered with [`Events::Gap`].
    pub history: usize,
    /// For how long events beyond those wait for a reader whose document says that it has not read them.
    pub waits: Duration,
    /// How many settled operations. Those that have not settled are always kept.
    pub settled: usize,
}

impl Default for MemoryOptions {
    /// 1,024 of each, which fit the cache of a core: with sixteen times as many, a busy engine spends a third of its
    /// time on dropping old ones. Subscribers that keep up do not need more: the engine keeps a ring of its own for
    /// them. Nothing waits longer: it would fill the memory.
    fn default() -> Self {
        Self { history: 1024, waits: Duration::ZERO, settled: 1024 }
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
    documents: Documents,
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
        let Write { expected, record, event, opened, spec: _, noted } = write;
        let found = self.tenants.entry(record.id());
        let known = match &found {
            Entry::Occupied(known) => Some(known.get()),
            Entry::Vacant(_) => None,
        };
        let actual = known.map_or(Revision(0), |known| known.record.revision());
        if actual != *expected {
            return Err(WriteError::RevisionMismatch { expected: *expected, actual });
        }
        if let Some(opened) = opened {
            self.operations.open(opened)?;
        }
        if let Some(noted) = noted {
            self.operations.note(noted, self.options.settled)?;
        }
        self.operations.settle(&event.settled, self.options.settled);
        let previous = known.map_or(Position::default(), |known| known.last);
        let last = {
            let MemoryOptions { history, waits, settled: _ } = self.options;
            let read = if waits.is_zero() { None } else { self.documents.slowest() };
            self.history.push(event, previous, history, read, waits)
        };
        self.indexes.follow(record.id(), known.map(|known| &known.record), record);
        let now = Known { record: record.clone(), last };
        match found {
            Entry::Occupied(mut known) => *known.get_mut() = now,
            Entry::Vacant(place) => {
                place.insert(now);
            }
        }
        Ok(last)
    }
}

#[async_trait]
impl Reads for MemoryStore {
    async fn load(&self, tenant: &TenantId) -> Result<Record, StoreError> {
        let found = self.kept().tenants.get(tenant).map(|known| known.record.clone());
        Ok(found.unwrap_or_else(|| Record::Absent(tenant.clone())))
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
        // Without an index, which each call would have to update: this is asked once, when an engine starts.
        let called = |id: &&TenantId| tenants.get(id).is_some_and(|known| known.record.call().is_some());
        Ok(indexes.ids().range((start, Bound::Unbounded)).filter(called).take(limit).cloned().collect())
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        let start = filter.begins(after);
        let mut kept = self.kept();
        let Kept { tenants, indexes, .. } = &mut *kept;
        let (mut items, mut last): (Vec<_>, Option<&TenantId>) = (Vec::new(), None);
        for (seen, id) in indexes.ids().range((start, Bound::Unbounded)).enumerate() {
            if filter.ends_before(id) {
                break;
            }
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
        Ok(self.kept().operations.get(id))
    }

    async fn request(&self, tenant: &TenantId, request_id: &str) -> Result<Option<Requested>, StoreError> {
        Ok(self.kept().operations.requested(tenant, request_id))
    }

    async fn head(&self) -> Result<Position, StoreError> {
        Ok(self.kept().history.head())
    }

    async fn documents(
        &self,
        kind: DocumentKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        Ok(self.kept().documents.list(kind, after, limit))
    }

    async fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        Ok(self.kept().documents.get(kind, name))
    }

    async fn events(&self, after: Position, scope: &Scope, limit: usize) -> Result<Events, StoreError> {
        let kept = self.kept();
        let resume = kept.history.trimmed();
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
}

#[async_trait]
impl Store for MemoryStore {
    async fn open(&self) -> Result<Opened, StoreError> {
        let mut kept = self.kept();
        kept.epoch += 1;
        kept.open = true;
        Ok(Opened {
            engine: Arc::clone(&self.engine),
            epoch: Epoch(kept.epoch),
            head: kept.history.head(),
            members: None,
        })
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

    async fn note_request(
        &self,
        epoch: Epoch,
        request: &NotedRequest,
    ) -> Result<Result<(), WriteError>, StoreError> {
        let mut kept = self.kept();
        kept.may_write(epoch)?;
        let bound = kept.options.settled;
        Ok(kept.operations.note(request, bound))
    }

    async fn put_document(
        &self,
        epoch: Epoch,
        write: &DocumentWrite,
    ) -> Result<Result<DocumentRevision, DocumentMismatch>, StoreError> {
        let mut kept = self.kept();
        kept.may_write(epoch)?;
        Ok(kept.documents.put(write))
    }

    fn batch_limit(&self) -> NonZeroU64 {
        BATCH
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.kept().open = false;
        Ok(())
    }
}
