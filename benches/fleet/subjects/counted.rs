//! A store that counts the commits that an engine makes of it.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::tenant::{Record, Tenant};
use landlord_compute::store::{
    Document, DocumentKind, DocumentMismatch, DocumentRevision, DocumentWrite, Epoch, Events, NotedRequest,
    Opened, OperationRecord, Page, Position, Reads, Requested, Scope, Store, StoreError, TenantFilter, Write,
    WriteError,
};

pub(crate) struct Counted<S> {
    store: S,
    commits: Arc<AtomicUsize>,
}

impl<S> Counted<S> {
    /// The store, and where its commits are counted.
    pub(crate) fn new(store: S) -> (Self, Arc<AtomicUsize>) {
        let commits = Arc::new(AtomicUsize::new(0));
        (Self { store, commits: Arc::clone(&commits) }, commits)
    }
}

#[async_trait]
impl<S: Store> Reads for Counted<S> {
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
impl<S: Store> Store for Counted<S> {
    async fn open(&self) -> Result<Opened, StoreError> {
        self.store.open().await
    }

    async fn commit(
        &self,
        epoch: Epoch,
        batch: &[Write],
    ) -> Result<Vec<Result<Position, WriteError>>, StoreError> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.store.commit(epoch, batch).await
    }

    fn commit_now(
        &self,
        epoch: Epoch,
        write: &Write,
    ) -> Option<Result<Result<Position, WriteError>, StoreError>> {
        self.store.commit_now(epoch, write)
    }

    async fn note_request(
        &self,
        epoch: Epoch,
        request: &NotedRequest,
    ) -> Result<Result<(), WriteError>, StoreError> {
        self.store.note_request(epoch, request).await
    }

    async fn put_document(
        &self,
        epoch: Epoch,
        write: &DocumentWrite,
    ) -> Result<Result<DocumentRevision, DocumentMismatch>, StoreError> {
        self.store.put_document(epoch, write).await
    }

    fn batch_limit(&self) -> NonZeroU64 {
        self.store.batch_limit()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}
