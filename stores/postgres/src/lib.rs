#![doc = include_str!("../README.md")]

// One connection commits, and a few more do all else. A pool of another library would hide the server's notices, one of which
// says that a commit did not reach the standby.

mod attendance;
mod batch;
mod commit;
mod condition;
mod direct;
mod documents;
mod error;
mod link;
mod members;
mod migrate;
mod named;
mod options;
mod read;
mod reader;
mod retain;
mod session;
mod statement;
mod tls;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_state_machines::id::{OperationId, ProviderName, SpecVersion, TenantId};
use landlord_state_machines::spec::Spec;
use landlord_state_machines::tenant::{Record, Tenant};

pub use attendance::Attendance;
pub use condition::Condition;
use landlord_compute::store::{
    Document, DocumentKind, DocumentMismatch, DocumentRevision, DocumentWrite, Epoch, Events, NotedRequest,
    Opened, OperationRecord, Page, Position, Reads, Requested, Scope, Seen, Store, StoreError, Survey,
    TenantFilter, Write, WriteError,
};
use link::Server;
pub use migrate::{MigrationPlan, MigrationStep};
pub use options::{PostgresOptions, Standby};
pub use reader::PostgresReader;
use session::Session;

/// Beyond this, a larger batch makes a commit slower but not cheaper.
const BATCH: NonZeroU64 = NonZeroU64::MIN.saturating_add(1023);

/// Keeps everything in a PostgreSQL database. The [crate's page](crate) says what it guarantees.
#[derive(Debug)]
pub struct PostgresStore {
    server: Arc<Server>,
    session: Mutex<Option<Arc<Session>>>,
}

impl PostgresStore {
    /// A store, not open yet: no connection is made. Its tables have to be there: [`PostgresStore::migrate`].
    pub fn new(options: PostgresOptions) -> Self {
        Self { server: Server::new(options), session: Mutex::default() }
    }

    /// The same of a URL: [`PostgresOptions::new`] says what it may be.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong with the URL.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        PostgresOptions::new(url).map(Self::new)
    }

    /// What [`PostgresStore::migrate`] would do.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read, or its tables are of a newer version.
    pub async fn plan(options: &PostgresOptions) -> Result<MigrationPlan, StoreError> {
        migrate::plan(options.clone()).await
    }

    /// Makes the tables, or makes those of an older version those of this one. Nothing else does, so that whoever runs the
    /// database chooses when. May be called by many at the same time.
    ///
    /// # Errors
    /// As [`PostgresStore::plan`]; the steps before the one that failed are made then.
    pub async fn migrate(options: &PostgresOptions) -> Result<MigrationPlan, StoreError> {
        migrate::migrate(options.clone()).await
    }

    fn session(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_session(&self) -> Result<Arc<Session>, StoreError> {
        self.session().clone().ok_or_else(StoreError::not_open)
    }

    /// What reads, once it is sure what every commit did.
    async fn reader(&self) -> Result<PostgresReader, StoreError> {
        let session = self.open_session()?;
        session.sure().await?;
        Ok(session.reader.clone())
    }
}

#[async_trait]
impl Reads for PostgresStore {
    async fn load(&self, tenant: &TenantId) -> Result<Record, StoreError> {
        self.reader().await?.load(tenant).await
    }

    async fn load_with_operation(
        &self,
        tenant: &TenantId,
    ) -> Result<(Record, Option<OperationRecord>), StoreError> {
        self.reader().await?.load_with_operation(tenant).await
    }

    async fn due(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        self.reader().await?.due(before, after, limit).await
    }

    async fn in_flight(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>, StoreError> {
        self.reader().await?.in_flight(after, limit).await
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        self.reader().await?.list(filter, after, limit).await
    }

    async fn survey(&self, seen: Seen, first: usize) -> Result<Survey, StoreError> {
        self.reader().await?.survey(seen, first).await
    }

    async fn oldest_operations(&self) -> Result<BTreeMap<ProviderName, OperationId>, StoreError> {
        self.reader().await?.oldest_operations().await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, StoreError> {
        self.reader().await?.operation(id).await
    }

    async fn spec(&self, tenant: &TenantId, version: SpecVersion) -> Result<Option<Spec>, StoreError> {
        self.reader().await?.spec(tenant, version).await
    }

    async fn request(&self, tenant: &TenantId, request_id: &str) -> Result<Option<Requested>, StoreError> {
        self.reader().await?.request(tenant, request_id).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.reader().await?.head().await
    }

    async fn documents(
        &self,
        kind: DocumentKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        self.reader().await?.documents(kind, after, limit).await
    }

    async fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        self.reader().await?.document(kind, name).await
    }

    async fn events(&self, after: Position, scope: &Scope, limit: usize) -> Result<Events, StoreError> {
        self.reader().await?.events(after, scope, limit).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn open(&self) -> Result<Opened, StoreError> {
        let (session, opened) = Session::open(Arc::clone(&self.server)).await?;
        *self.session() = Some(session);
        Ok(opened)
    }

    async fn commit(
        &self,
        epoch: Epoch,
        batch: &[Write],
    ) -> Result<Vec<Result<Position, WriteError>>, StoreError> {
        self.open_session()?.commit(epoch, batch).await
    }

    /// A statement of its own, beside the commits.
    async fn note_request(
        &self,
        epoch: Epoch,
        request: &NotedRequest,
    ) -> Result<Result<(), WriteError>, StoreError> {
        self.open_session()?.note_request(epoch, request).await
    }

    /// A statement of its own, beside the commits.
    async fn put_document(
        &self,
        epoch: Epoch,
        write: &DocumentWrite,
    ) -> Result<Result<DocumentRevision, DocumentMismatch>, StoreError> {
        self.open_session()?.put_document(epoch, write).await
    }

    fn batch_limit(&self) -> NonZeroU64 {
        BATCH
    }

    async fn looked(&self, at: Timestamp) {
        if let Ok(session) = self.open_session() {
            session.looked(at).await;
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        let session = self.session().take();
        match session {
            Some(session) => session.close().await,
            None => Ok(()),
        }
    }
}
