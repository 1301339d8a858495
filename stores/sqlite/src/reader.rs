//! A look at a store, which can change nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_compute::store::{
    Document, DocumentKind, Events, OperationRecord, Page, Position, Reads, Requested, Scope, Seen,
    StoreError, Survey, TenantFilter,
};
use landlord_state_machines::id::{OperationId, ProviderName, SpecVersion, TenantId};
use landlord_state_machines::spec::Spec;
use landlord_state_machines::tenant::{Record, Tenant};
use landlord_store_rows::Loader;

use super::documents;
use super::file;
use super::ownership::{self, Attendance};
use super::read::{self, Readers};

/// A look at a SQLite store, also at one that an engine owns. Clones share their connections.
///
/// It has nothing that writes:
///
/// ```compile_fail
/// # async fn write(store: landlord_store_sqlite::SqliteReader) {
/// use landlord_compute::store::Store;
/// store.open().await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqliteReader {
    readers: Arc<Readers>,
    loader: Arc<Loader<TenantId, Record>>,
}

impl SqliteReader {
    /// Looks at the store in this file.
    ///
    /// # Errors
    /// [`StoreError`] when there is none, or it cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = file::resolve(path.as_ref())?;
        file::check_readable(&path)?;
        Ok(Self::over(Readers::new(path)))
    }

    pub(super) fn over(readers: Arc<Readers>) -> Self {
        // To hand one read to a thread and back costs more than the read itself. The answer arrives from outside the runtime,
        // which takes such wake-ups one by one between its own tasks. With thousands of reads waiting, commits would be
        // answered behind all of them.
        let reads = Arc::clone(&readers);
        let loader = Loader::new(move |tenants| {
            let reads = Arc::clone(&reads);
            Box::pin(async move { reads.read(move |connection| read::load_all(connection, tenants)).await })
        });
        Self { readers, loader }
    }

    /// What the store is called in the ownership tags of resources:
    /// [`Opened::engine`](landlord_compute::store::Opened::engine), for those who only look.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn engine(&self) -> Result<Arc<str>, StoreError> {
        self.readers.read(read::engine).await
    }

    /// Whether an engine has the store now, and when one last looked after its tenants. Reads the lock file beside the
    /// store; what cannot be read is not known, which is no error.
    pub fn attendance(&self) -> Attendance {
        ownership::attendance(self.readers.path())
    }

    /// What SQLite finds wrong with the file, a line each and ten at most; empty where it is sound. Reads all of it, which takes
    /// a second for some hundred megabytes, and keeps the log from being emptied meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read at all.
    pub async fn damage(&self) -> Result<Vec<String>, StoreError> {
        self.readers.read(read::damage).await
    }

    /// Closes the connections that nobody uses.
    pub(super) fn close_idle(&self) {
        self.readers.close_idle();
    }
}

#[async_trait]
impl Reads for SqliteReader {
    async fn load(&self, tenant: &TenantId) -> Result<Record, StoreError> {
        Ok(self.loader.load(tenant).await?.unwrap_or_else(|| Record::Absent(tenant.clone())))
    }

    async fn due(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        self.readers.read(move |connection| read::due(connection, before, after.as_ref(), limit)).await
    }

    async fn in_flight(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>, StoreError> {
        self.readers.read(move |connection| read::in_flight(connection, after.as_ref(), limit)).await
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        let filter = filter.clone();
        self.readers.read(move |connection| read::list(connection, &filter, after.as_ref(), limit)).await
    }

    async fn survey(&self, seen: Seen, first: usize) -> Result<Survey, StoreError> {
        self.readers.read(move |connection| read::survey(connection, &seen, first)).await
    }

    async fn oldest_operations(&self) -> Result<BTreeMap<ProviderName, OperationId>, StoreError> {
        self.readers.read(read::oldest_operations).await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, StoreError> {
        self.readers.read(move |connection| read::operation(connection, id)).await
    }

    async fn spec(&self, tenant: &TenantId, version: SpecVersion) -> Result<Option<Spec>, StoreError> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| read::known_spec(connection, tenant.as_str(), version)).await
    }

    async fn request(&self, tenant: &TenantId, request_id: &str) -> Result<Option<Requested>, StoreError> {
        let (tenant, request_id) = (tenant.clone(), request_id.to_owned());
        self.readers.read(move |connection| read::request(connection, &tenant, &request_id)).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.readers.read(|connection| Ok(read::head(connection)?)).await
    }

    async fn documents(
        &self,
        kind: DocumentKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        self.readers.read(move |connection| documents::list(connection, kind, after, limit)).await
    }

    async fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        let name = name.to_owned();
        self.readers.read(move |connection| documents::one(connection, kind, name)).await
    }

    async fn events(&self, after: Position, scope: &Scope, limit: usize) -> Result<Events, StoreError> {
        let scope = scope.clone();
        self.readers.read(move |connection| read::events(connection, after, &scope, limit)).await
    }
}
