//! A look at a store, which can change nothing.

use std::collections::BTreeMap;
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

use super::attendance::{self, Attendance};
use super::condition::{self, Condition};
use super::link::{Links, Server};
use super::options::PostgresOptions;
use super::read::Loaded;
use super::{migrate, read};

/// A look at a store on PostgreSQL, also at one that an engine owns. Clones share their connections.
///
/// It has nothing that writes:
///
/// ```compile_fail
/// # async fn write(store: landlord_store_postgres::PostgresReader) {
/// use landlord_compute::store::Store;
/// store.open().await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PostgresReader {
    links: Arc<Links>,
    tenants: Arc<Loader<TenantId, Loaded>>,
}

impl PostgresReader {
    /// Looks at the store in this database.
    ///
    /// # Errors
    /// [`StoreError`] when there is none, or it cannot be read.
    pub async fn open(options: PostgresOptions) -> Result<Self, StoreError> {
        let connections = options.connections;
        let links = Links::new(Server::new(options), connections);
        migrate::check(&links).await?;
        Ok(Self::over(links))
    }

    pub(crate) fn over(links: Arc<Links>) -> Self {
        // A statement costs the server more to understand than to answer, and a way there and back. With thousands of tenants
        // that are wanted at the same time, commits would be answered behind all of those.
        let reads = Arc::clone(&links);
        let tenants = Loader::new(move |tenants| {
            let reads = Arc::clone(&reads);
            Box::pin(async move { read::load(&reads, &tenants).await })
        });
        Self { links, tenants }
    }

    /// What the store is called in the ownership tags of resources:
    /// [`Opened::engine`](landlord_compute::store::Opened::engine), for those who only look.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn engine(&self) -> Result<Arc<str>, StoreError> {
        read::engine(&self.links).await
    }

    /// Whether an engine has the store now, and when one last looked after its tenants.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn attendance(&self) -> Result<Attendance, StoreError> {
        attendance::attendance(&self.links).await
    }

    /// How the server is.
    ///
    /// # Errors
    /// [`StoreError`] also where the server is none for a store, such as one that loses what it answered.
    pub async fn condition(&self) -> Result<Condition, StoreError> {
        condition::condition(&self.links).await
    }
}

#[async_trait]
impl Reads for PostgresReader {
    async fn load(&self, tenant: &TenantId) -> Result<Record, StoreError> {
        let (record, _) = self.load_with_operation(tenant).await?;
        Ok(record)
    }

    async fn load_with_operation(&self, tenant: &TenantId) -> Result<Loaded, StoreError> {
        Ok(self.tenants.load(tenant).await?.unwrap_or_else(|| read::absent(tenant)))
    }

    async fn due(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        read::due(&self.links, None, before, after.as_ref(), limit).await
    }

    async fn in_flight(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>, StoreError> {
        read::in_flight(&self.links, None, after.as_ref(), limit).await
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        read::list(&self.links, filter, after, limit).await
    }

    async fn survey(&self, seen: Seen, first: usize) -> Result<Survey, StoreError> {
        read::survey(&self.links, &seen, first).await
    }

    async fn oldest_operations(&self) -> Result<BTreeMap<ProviderName, OperationId>, StoreError> {
        read::oldest_operations(&self.links).await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, StoreError> {
        read::operation(&self.links, id).await
    }

    async fn spec(&self, tenant: &TenantId, version: SpecVersion) -> Result<Option<Spec>, StoreError> {
        read::spec(&self.links, tenant, version).await
    }

    async fn request(&self, tenant: &TenantId, request_id: &str) -> Result<Option<Requested>, StoreError> {
        read::request(&self.links, tenant, request_id).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        read::head(&self.links).await
    }

    async fn documents(
        &self,
        kind: DocumentKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        read::documents(&self.links, kind, after.as_deref(), limit).await
    }

    async fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        read::document(&self.links, kind, name).await
    }

    async fn events(&self, after: Position, scope: &Scope, limit: usize) -> Result<Events, StoreError> {
        read::events(&self.links, after, scope, limit).await
    }
}
