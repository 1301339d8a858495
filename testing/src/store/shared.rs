//! A store in memory that several engines share, each of which can be cut off from it.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::members::{Member, Shard, ShardSet, Standing, View};
use landlord_compute::machines::tenant::{Record, Tenant};
use landlord_compute::provider::{Draw, Drawn};
use landlord_compute::store::{
    Claimed, Document, DocumentKind, DocumentMismatch, DocumentRevision, DocumentWrite, Epoch, Events,
    Members, MemoryOptions, MemoryStore, NotedRequest, Opened, OperationRecord, Page, Position, Reads,
    Requested, Scope, Sort, Store, StoreError, TenantFilter, Write, WriteError,
};

use crate::quotas::Buckets;

/// What the engines share. Clones are of the same.
#[derive(Clone, Debug)]
pub struct SharedMemory {
    kept: MemoryStore,
    /// The epoch under which everything is kept, once somebody has opened it.
    engines: Arc<Mutex<Engines>>,
}

#[derive(Debug, Default)]
struct Engines {
    kept_under: Option<Opened>,
    last: u64,
    members: BTreeMap<Epoch, Member>,
    /// Of the shards that were given up.
    quiet_since: BTreeMap<Shard, Position>,
    quotas: Buckets,
}

impl SharedMemory {
    /// An empty one.
    pub fn new(options: MemoryOptions) -> Self {
        // Nobody has begun anything.
        let quiet_since = Shard::all().map(|shard| (shard, Position(0))).collect();
        let engines = Engines { quiet_since, ..Engines::default() };
        Self { kept: MemoryStore::new(options), engines: Arc::new(Mutex::new(engines)) }
    }

    /// The store of one more engine.
    pub fn seat(&self) -> Seat {
        Seat {
            shared: self.clone(),
            epoch: Arc::default(),
            cut: Arc::default(),
            operations_read: Arc::default(),
            looks_lost: Arc::default(),
        }
    }

    /// The engines that have not ended, and what each has.
    pub fn view(&self) -> View {
        View { engines: self.engines().members.clone() }
    }

    fn engines(&self) -> MutexGuard<'_, Engines> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One engine's store. Clones are of the same engine.
#[derive(Clone, Debug)]
pub struct Seat {
    shared: SharedMemory,
    epoch: Arc<Mutex<Option<Epoch>>>,
    cut: Arc<AtomicBool>,
    operations_read: Arc<AtomicUsize>,
    looks_lost: Arc<AtomicUsize>,
}

impl Seat {
    /// From now on nothing gets through, or everything does again.
    pub fn cut(&self, is_cut: bool) {
        self.cut.store(is_cut, Ordering::SeqCst);
    }

    /// The next so many times it cannot be read which calls are in flight.
    pub fn lose_looks(&self, times: usize) {
        self.looks_lost.store(times, Ordering::SeqCst);
    }

    /// How many looks at the calls in flight are still to be lost.
    pub fn looks_to_lose(&self) -> usize {
        self.looks_lost.load(Ordering::SeqCst)
    }

    /// How many operations were read here.
    pub fn operations_read(&self) -> usize {
        self.operations_read.load(Ordering::SeqCst)
    }

    fn reach(&self) -> Result<&SharedMemory, StoreError> {
        match self.cut.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable { message: "it is cut off".to_owned(), source: None }),
            false => Ok(&self.shared),
        }
    }

    fn epoch(&self) -> Result<Epoch, StoreError> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner).ok_or_else(StoreError::not_open)
    }

    /// Under which epoch what this engine writes is kept.
    fn kept_under(&self, epoch: Epoch) -> Result<Epoch, StoreError> {
        self.change(|engines, current| match epoch == current {
            true => Ok(engines.kept_under.as_ref().map_or(epoch, |opened| opened.epoch)),
            false => Err(StoreError::Fenced { ours: epoch.0, current: current.0 }),
        })?
    }

    /// What an engine that has not ended does to the others' table.
    fn change<T>(&self, change: impl FnOnce(&mut Engines, Epoch) -> T) -> Result<T, StoreError> {
        let epoch = self.epoch()?;
        let mut engines = self.reach()?.engines();
        if !engines.members.contains_key(&epoch) {
            return Err(StoreError::Fenced { ours: epoch.0, current: engines.last });
        }
        Ok(change(&mut engines, epoch))
    }
}

#[async_trait]
impl Reads for Seat {
    async fn load(&self, tenant: &TenantId) -> Result<Record, StoreError> {
        self.reach()?.kept.load(tenant).await
    }

    async fn due(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        self.reach()?.kept.due(before, after, limit).await
    }

    async fn in_flight(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>, StoreError> {
        self.reach()?.kept.in_flight(after, limit).await
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        self.reach()?.kept.list(filter, after, limit).await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, StoreError> {
        self.operations_read.fetch_add(1, Ordering::SeqCst);
        self.reach()?.kept.operation(id).await
    }

    async fn request(&self, tenant: &TenantId, request_id: &str) -> Result<Option<Requested>, StoreError> {
        self.reach()?.kept.request(tenant, request_id).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.reach()?.kept.head().await
    }

    async fn documents(
        &self,
        kind: DocumentKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        self.reach()?.kept.documents(kind, after, limit).await
    }

    async fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        self.reach()?.kept.document(kind, name).await
    }

    async fn events(&self, after: Position, scope: &Scope, limit: usize) -> Result<Events, StoreError> {
        self.reach()?.kept.events(after, scope, limit).await
    }
}

#[async_trait]
impl Store for Seat {
    async fn open(&self) -> Result<Opened, StoreError> {
        let shared = self.reach()?;
        let opened = shared.engines().kept_under.clone();
        let opened = match opened {
            Some(opened) => opened,
            None => shared.kept.open().await?,
        };
        let head = shared.kept.head().await?;
        let epoch = {
            let mut engines = shared.engines();
            engines.kept_under = Some(opened.clone());
            engines.last += 1;
            let epoch = Epoch(engines.last);
            let member = Member {
                owner: format!("engine {}", epoch.0).into(),
                beat: Some(0),
                standing: Standing::Open,
                shards: ShardSet::NONE,
            };
            engines.members.insert(epoch, member);
            epoch
        };
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = Some(epoch);
        Ok(Opened { epoch, head, members: Some(Arc::new(self.clone())), ..opened })
    }

    async fn commit(
        &self,
        epoch: Epoch,
        batch: &[Write],
    ) -> Result<Vec<Result<Position, WriteError>>, StoreError> {
        // Others have a turn, as with any store that has to be waited for.
        tokio::task::yield_now().await;
        self.change(|engines, current| {
            if epoch != current {
                return Err(StoreError::Fenced { ours: epoch.0, current: current.0 });
            }
            let under = engines.kept_under.as_ref().map(|opened| opened.epoch).unwrap_or(epoch);
            let made = batch.iter().map(|write| self.shared.kept.commit_now(under, write));
            made.map(|made| made.unwrap_or_else(|| Err(StoreError::not_open()))).collect()
        })?
    }

    async fn note_request(
        &self,
        epoch: Epoch,
        request: &NotedRequest,
    ) -> Result<Result<(), WriteError>, StoreError> {
        let under = self.kept_under(epoch)?;
        self.reach()?.kept.note_request(under, request).await
    }

    async fn put_document(
        &self,
        epoch: Epoch,
        write: &DocumentWrite,
    ) -> Result<Result<DocumentRevision, DocumentMismatch>, StoreError> {
        let under = self.kept_under(epoch)?;
        self.reach()?.kept.put_document(under, write).await
    }

    fn batch_limit(&self) -> NonZeroU64 {
        self.shared.kept.batch_limit()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.change(|engines, epoch| engines.members.remove(&epoch))?;
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}

#[async_trait]
impl Members for Seat {
    async fn renew(&self) -> Result<Position, StoreError> {
        self.change(|engines, epoch| {
            if let Some(member) = engines.members.get_mut(&epoch) {
                member.beat = member.beat.map(|beat| beat + 1);
            }
        })?;
        self.head().await
    }

    async fn view(&self) -> Result<View, StoreError> {
        Ok(self.reach()?.view())
    }

    async fn fence(&self, engine: Epoch, beat: Option<u64>) -> Result<bool, StoreError> {
        self.change(|engines, _| {
            let found = engines.members.get(&engine).is_some_and(|member| member.beat == beat);
            if found {
                engines.members.remove(&engine);
            }
            found
        })
    }

    async fn claim(&self, shards: &ShardSet) -> Result<Vec<Claimed>, StoreError> {
        self.change(|engines, epoch| {
            let taken = engines.members.values().fold(ShardSet::NONE, |all, member| all.and(&member.shards));
            let free = shards.without(&taken);
            if let Some(member) = engines.members.get_mut(&epoch) {
                member.shards = member.shards.and(&free);
            }
            let claimed = free.iter().map(|shard| {
                let quiet_since = engines.quiet_since.remove(&shard);
                Claimed { shard, quiet_since }
            });
            claimed.collect()
        })
    }

    async fn release(&self, shards: &ShardSet, quiet_since: Position) -> Result<(), StoreError> {
        self.change(|engines, epoch| {
            if let Some(member) = engines.members.get_mut(&epoch) {
                let given = shards.iter().filter(|shard| member.shards.has(*shard));
                engines.quiet_since.extend(given.map(|shard| (shard, quiet_since)));
                member.shards = member.shards.without(shards);
            }
        })
    }

    fn store(&self) -> String {
        "in memory".to_owned()
    }

    async fn stand_alone(&self) -> Result<(), StoreError> {
        self.change(|engines, epoch| {
            if let Some(member) = engines.members.get_mut(&epoch) {
                member.standing = Standing::Alone;
            }
        })
    }

    async fn counts(&self) -> Result<BTreeMap<Sort, u64>, StoreError> {
        Ok(self.reach()?.kept.survey(Box::new(|_| true), 0).await?.counts)
    }

    async fn draw(&self, draw: &Draw<'_>) -> Result<Drawn, StoreError> {
        self.change(|engines, _| engines.quotas.draw(draw))
    }

    async fn leave(&self) -> Result<(), StoreError> {
        self.change(|engines, epoch| {
            if let Some(member) = engines.members.get_mut(&epoch) {
                member.standing = Standing::Leaving;
            }
        })
    }

    async fn due(
        &self,
        of: &ShardSet,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        let all = self.reach()?.kept.due(before, after, usize::MAX).await?;
        Ok(all.into_iter().filter(|(_, tenant)| of.has(Shard::of(tenant))).take(limit).collect())
    }

    async fn in_flight(
        &self,
        of: &ShardSet,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>, StoreError> {
        let lost =
            self.looks_lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |times| times.checked_sub(1));
        if lost.is_ok() {
            return Err(StoreError::Unavailable { message: "this look is lost".to_owned(), source: None });
        }
        let all = self.reach()?.kept.in_flight(after, usize::MAX).await?;
        Ok(all.into_iter().filter(|tenant| of.has(Shard::of(tenant))).take(limit).collect())
    }
}
