#![doc = include_str!("../README.md")]
//!
//! # Guarantees
//! - What was answered is on disk (write-ahead log, `synchronous = FULL`).
//! - A write and its event are made together or not at all.
//! - One engine at a time: a lock of the kernel, and the epoch in every transaction.
//!
//! # Assumptions
//! - The file is on a local disk that keeps its word about fsync. Locks of network file systems do not hold.
//! - Nobody else writes the file. A `sqlite3` shell may read it at any time.
//!
//! # Caveats
//! - Times are kept to the microsecond.
//! - A start does not check the whole file: `PRAGMA integrity_check` does.

// One thread writes, through rusqlite. The same batches through sqlx, which hands each statement to another thread and
// back, made a fifth as many writes a second.

mod documents;
mod error;
mod file;
mod ownership;
mod read;
mod reader;
mod rows;
mod write;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::mpsc as channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_state_machines::id::{OperationId, ProviderName, SpecVersion, TenantId};
use landlord_state_machines::spec::Spec;
use landlord_state_machines::tenant::{Record, Tenant};
use tokio::sync::{mpsc, oneshot};

use landlord_compute::store::{
    Document, DocumentKind, DocumentMismatch, DocumentRevision, DocumentWrite, Epoch, Events, NotedRequest,
    Opened, OperationRecord, Page, Position, Reads, Requested, Scope, Seen, Store, StoreError, Survey,
    TenantFilter, Write, WriteError,
};
pub use ownership::{Attendance, Owner};
use read::Readers;
pub use reader::SqliteReader;
use rows::Rows;
use write::{Batch, Job};

/// Beyond this, a larger batch makes a commit slower but not cheaper.
const BATCH: NonZeroU64 = NonZeroU64::MIN.saturating_add(1999);

/// How many writes are turned into rows before the writer gets them.
const PART: usize = 64;

/// How many batches wait while one is written.
const WAITING: usize = 1;

/// Where a [`SqliteStore`] is, and how many past events it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The file. It is created when it does not exist; its directory is not.
    pub path: PathBuf,
    /// How many events are kept; older ones are answered with [`Events::Gap`]. An operation is kept as long as
    /// the event that settled it. None keeps all.
    pub history: Option<u64>,
    /// For how long events beyond those wait for a reader whose document says that it has not read them: so much older than
    /// the newest event are they at most. The file grows meanwhile: remove readers that nobody uses any more.
    pub waits: Duration,
    /// What this engine is called where another one is told who has the store. None: the name of the program.
    pub owner: Option<String>,
}

impl SqliteOptions {
    /// A file that keeps the last million events, about 250 MB, and those of seven days that a reader has not read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let waits = Duration::from_secs(7 * 24 * 60 * 60);
        Self { path: path.into(), history: Some(1_000_000), waits, owner: None }
    }
}

/// Keeps everything in a SQLite file. The [crate's page](crate) says what it guarantees.
#[derive(Debug)]
pub struct SqliteStore {
    options: SqliteOptions,
    session: Mutex<Option<Session>>,
}

/// What there is while a store is open.
#[derive(Clone, Debug)]
struct Session {
    reader: SqliteReader,
    writer: mpsc::Sender<Job>,
}

impl SqliteStore {
    /// A store, not open yet: no file is touched.
    pub fn new(options: SqliteOptions) -> Self {
        Self { options, session: Mutex::default() }
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the writer something to do, as soon as it has room for it.
    async fn ask(&self, job: Job) -> Result<(), StoreError> {
        let writer = self.session().as_ref().map(|session| session.writer.clone());
        writer.ok_or_else(StoreError::not_open)?.send(job).await.map_err(writer_is_gone)
    }

    fn reader(&self) -> Result<SqliteReader, StoreError> {
        let reader = self.session().as_ref().map(|session| session.reader.clone());
        reader.ok_or_else(StoreError::not_open)
    }
}

/// The writer's thread ended without an answer: it panicked.
fn writer_is_gone<T>(_: T) -> StoreError {
    StoreError::Unavailable {
        message: "its writer has stopped; close and open it again".to_owned(),
        source: None,
    }
}

#[async_trait]
impl Reads for SqliteStore {
    async fn load(&self, tenant: &TenantId) -> Result<Record, StoreError> {
        self.reader()?.load(tenant).await
    }

    async fn due(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        self.reader()?.due(before, after, limit).await
    }

    async fn in_flight(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>, StoreError> {
        self.reader()?.in_flight(after, limit).await
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        self.reader()?.list(filter, after, limit).await
    }

    async fn survey(&self, seen: Seen, first: usize) -> Result<Survey, StoreError> {
        self.reader()?.survey(seen, first).await
    }

    async fn oldest_operations(&self) -> Result<BTreeMap<ProviderName, OperationId>, StoreError> {
        self.reader()?.oldest_operations().await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, StoreError> {
        self.reader()?.operation(id).await
    }

    async fn spec(&self, tenant: &TenantId, version: SpecVersion) -> Result<Option<Spec>, StoreError> {
        self.reader()?.spec(tenant, version).await
    }

    async fn request(&self, tenant: &TenantId, request_id: &str) -> Result<Option<Requested>, StoreError> {
        self.reader()?.request(tenant, request_id).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.reader()?.head().await
    }

    async fn documents(
        &self,
        kind: DocumentKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        self.reader()?.documents(kind, after, limit).await
    }

    async fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        self.reader()?.document(kind, name).await
    }

    async fn events(&self, after: Position, scope: &Scope, limit: usize) -> Result<Events, StoreError> {
        self.reader()?.events(after, scope, limit).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn open(&self) -> Result<Opened, StoreError> {
        let (writer, jobs) = mpsc::channel(WAITING);
        let (ready, opened) = oneshot::channel();
        let path = file::resolve(&self.options.path)?;
        let readers = Readers::new(path.clone());
        let options = SqliteOptions { path, ..self.options.clone() };
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write::run(options, ready, jobs))
            .map_err(|cause| error::io(&self.options.path, "start a thread for", cause))?;
        let opened = opened.await.map_err(writer_is_gone)??;
        *self.session() = Some(Session { reader: SqliteReader::over(readers), writer });
        Ok(opened)
    }

    async fn commit(
        &self,
        epoch: Epoch,
        batch: &[Write],
    ) -> Result<Vec<Result<Position, WriteError>>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let parts = batch.chunks(PART);
        let (sender, coming) = channel::sync_channel(parts.len());
        let job = Job::Commit { epoch, batch: Batch::new(batch.len(), coming), answer };
        self.ask(job).await?;
        for part in parts {
            // There is room for all. If the writer is gone, its answer says so.
            let _ = sender.try_send(Rows::of(part));
        }
        drop(sender);
        answered.await.map_err(writer_is_gone)?
    }

    /// A transaction of its own, at the writer's next turn.
    async fn note_request(
        &self,
        epoch: Epoch,
        request: &NotedRequest,
    ) -> Result<Result<(), WriteError>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Job::Note { epoch, request: request.clone(), answer }).await?;
        answered.await.map_err(writer_is_gone)?
    }

    /// A transaction of its own, at the writer's next turn.
    async fn put_document(
        &self,
        epoch: Epoch,
        write: &DocumentWrite,
    ) -> Result<Result<DocumentRevision, DocumentMismatch>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Job::Document { epoch, write: write.clone(), answer }).await?;
        answered.await.map_err(writer_is_gone)?
    }

    fn batch_limit(&self) -> NonZeroU64 {
        BATCH
    }

    /// Writes it into the lock file, where [`SqliteReader::attendance`] finds it.
    async fn looked(&self, at: Timestamp) {
        let writer = self.session().as_ref().map(|session| session.writer.clone());
        if let Some(writer) = writer {
            // A writer that has stopped says so where something is written.
            let _ = writer.send(Job::Looked { at }).await;
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        let Some(session) = self.session().take() else { return Ok(()) };
        // The last connection to close puts the log into the file: let it be the writer's.
        session.reader.close_idle();
        let (answer, closed) = oneshot::channel();
        session.writer.send(Job::Close { answer }).await.map_err(writer_is_gone)?;
        closed.await.map_err(writer_is_gone)?
    }
}
