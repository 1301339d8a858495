//! The store of an engine that may crash: its content survives, and an engine that crashed commits nothing more.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_state_machines::id::{OperationId, TenantId};
use landlord_state_machines::tenant::{Record, Tenant};

use super::world::{Shared, lock};
use super::{Commits, Model};
use landlord_compute::store::{
    Document, DocumentKind, DocumentMismatch, DocumentRevision, DocumentWrite, Epoch, Events, MemoryStore,
    NotedRequest, Opened, OperationRecord, Page, Position, Reads, Requested, Scope, Store, StoreError,
    TenantFilter, Write, WriteError,
};

/// The memory store as one life of an engine sees it.
pub(super) struct Watched<M: Model> {
    pub(super) store: MemoryStore,
    pub(super) world: Shared<M>,
    pub(super) commits: Commits,
    /// Whether the engine of this life is dead.
    pub(super) dead: Arc<AtomicBool>,
}

impl<M: Model> Watched<M> {
    fn saw(&self, write: &Write) {
        let mut world = lock(&self.world);
        world.story.tell(|| format!("committed: {:?}", write.event.what));
        world.opened.extend(write.opened.as_ref().map(|opened| opened.id));
        world.store(match &write.record {
            Record::Live(tenant) => tenant.ledger.clone(),
            Record::Absent(_) | Record::Gone(_) => None,
        });
    }
}

#[async_trait]
impl<M: Model> Reads for Watched<M> {
    async fn load(&self, tenant: &TenantId) -> Result<Record, StoreError> {
        self.store.load(tenant).await
    }

    async fn due(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        self.store.due(before, after, limit).await
    }

    async fn in_flight(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>, StoreError> {
        self.store.in_flight(after, limit).await
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        self.store.list(filter, after, limit).await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, StoreError> {
        self.store.operation(id).await
    }

    async fn request(&self, tenant: &TenantId, request_id: &str) -> Result<Option<Requested>, StoreError> {
        self.store.request(tenant, request_id).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.store.head().await
    }

    async fn documents(
        &self,
        kind: DocumentKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        self.store.documents(kind, after, limit).await
    }

    async fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        self.store.document(kind, name).await
    }

    async fn events(&self, after: Position, scope: &Scope, limit: usize) -> Result<Events, StoreError> {
        self.store.events(after, scope, limit).await
    }
}

#[async_trait]
impl<M: Model> Store for Watched<M> {
    async fn open(&self) -> Result<Opened, StoreError> {
        self.store.open().await
    }

    async fn commit(
        &self,
        epoch: Epoch,
        batch: &[Write],
    ) -> Result<Vec<Result<Position, WriteError>>, StoreError> {
        if self.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let answers = self.store.commit(epoch, batch).await?;
        batch.iter().for_each(|write| self.saw(write));
        Ok(answers)
    }

    fn commit_now(
        &self,
        epoch: Epoch,
        write: &Write,
    ) -> Option<Result<Result<Position, WriteError>, StoreError>> {
        match self.commits {
            // An engine that crashed waits in `commit` for ever.
            Commits::AtOnce if !self.dead.load(Ordering::Relaxed) => {}
            Commits::AtOnce | Commits::Awaited => return None,
        }
        let answer = self.store.commit_now(epoch, write);
        if let Some(Ok(_)) = answer {
            self.saw(write);
        }
        answer
    }

    async fn note_request(
        &self,
        epoch: Epoch,
        request: &NotedRequest,
    ) -> Result<Result<(), WriteError>, StoreError> {
        if self.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.store.note_request(epoch, request).await
    }

    async fn put_document(
        &self,
        epoch: Epoch,
        write: &DocumentWrite,
    ) -> Result<Result<DocumentRevision, DocumentMismatch>, StoreError> {
        if self.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.store.put_document(epoch, write).await
    }

    fn batch_limit(&self) -> NonZeroU64 {
        self.store.batch_limit()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}
