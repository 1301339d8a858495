//! The embedded store: one SQLite file, which people can read with the `sqlite3` shell.
//!
//! **Guarantees.** What was answered is on disk (write-ahead log, `synchronous = FULL`). A write and its event
//! are made together or not at all. One engine at a time: a lock of the kernel, and the epoch in every
//! transaction.
//!
//! **Assumptions.** The file is on a local disk that keeps its word about fsync; locks of network file systems
//! do not. Nobody else writes the file; a `sqlite3` shell may read it at any time.
//!
//! **Caveats.** Times are kept to the microsecond. A start does not check the whole file: `PRAGMA
//! integrity_check` does. Beside the file there are `-wal` and `-shm`, which belong to it (copy all three, or
//! use `.backup`), and `.lock`, which says who has it.
//!
//! It is written with rusqlite on a thread of its own: the same batches through sqlx, which hands each statement
//! to another thread and back, made a fifth as many writes a second.

mod codec;
mod error;
mod file;
mod load;
mod ownership;
mod read;
mod rows;
mod write;

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::mpsc as channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_state_machines::id::{OperationId, TenantId};
use landlord_state_machines::tenant::{Record, Tenant};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use landlord_compute::store::{
    Epoch, Events, Opened, OperationRecord, Page, Position, Scope, Store, StoreError, TenantFilter, Write,
    WriteError,
};
use load::Loader;
use read::{Readers, Unreadable};
use rows::Rows;
use write::{Batch, Job};

/// Beyond this, a larger batch makes a commit slower but not cheaper.
const BATCH: NonZeroU64 = NonZeroU64::MIN.saturating_add(1999);

/// Of how many writes the rows are made before the writer gets them.
const PART: usize = 64;

/// How many batches wait while one is written.
const WAITING: usize = 1;

/// Where a [`SqliteStore`] is, and how much it keeps of what is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The file. It is created when it does not exist; its directory is not.
    pub path: PathBuf,
    /// How many events are kept; older ones are answered with [`Events::Gap`]. An operation is kept as long as
    /// the event that settled it. None keeps all.
    pub history: Option<u64>,
}

impl SqliteOptions {
    /// A file that keeps the last million events, about 250 MB.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), history: Some(1_000_000) }
    }
}

/// Keeps everything in a SQLite file. See the module's page for what it guarantees.
#[derive(Debug)]
pub struct SqliteStore {
    options: SqliteOptions,
    access: Access,
    session: Mutex<Option<Session>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Own,
    Look,
}

/// What there is while a store is open.
#[derive(Clone, Debug)]
struct Session {
    readers: Arc<Readers>,
    loader: Arc<Loader>,
    /// None when it is only looked at.
    writer: Option<mpsc::Sender<Job>>,
}

impl Session {
    fn new(readers: Arc<Readers>, writer: Option<mpsc::Sender<Job>>) -> Self {
        let loader = Loader::new(Arc::clone(&readers));
        Self { readers, loader, writer }
    }
}

impl SqliteStore {
    /// A store, not open yet: no file is touched.
    pub fn new(options: SqliteOptions) -> Self {
        Self { options, access: Access::Own, session: Mutex::default() }
    }

    /// A look at a store, also at one that an engine owns. It cannot be opened or written.
    ///
    /// # Errors
    /// [`StoreError`] when there is none, or it cannot be read.
    pub fn read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = file::resolve(path.as_ref())?;
        file::check_readable(&path)?;
        let session = Session::new(Readers::new(path.clone()), None);
        Ok(Self {
            options: SqliteOptions::new(path),
            access: Access::Look,
            session: Mutex::new(Some(session)),
        })
    }

    /// What the store is called in the ownership tags of resources: [`Opened::engine`], for those who only look.
    ///
    /// # Errors
    /// [`StoreError`] when it is not open, or cannot be read.
    pub async fn engine(&self) -> Result<Arc<str>, StoreError> {
        self.read(read::engine).await
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Unreadable> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = self.session().as_ref().map(|session| Arc::clone(&session.readers));
        readers.ok_or_else(StoreError::not_open)?.read(read).await
    }

    fn refuse_if_read_only(&self) -> Result<(), StoreError> {
        match self.access {
            Access::Own => Ok(()),
            Access::Look => Err(StoreError::Unavailable {
                message: format!(
                    "{} is only looked at here: it cannot be changed",
                    self.options.path.display()
                ),
                source: None,
            }),
        }
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
impl Store for SqliteStore {
    async fn open(&self) -> Result<Opened, StoreError> {
        self.refuse_if_read_only()?;
        let (writer, jobs) = mpsc::channel(WAITING);
        let (ready, opened) = oneshot::channel();
        let path = file::resolve(&self.options.path)?;
        let history = self.options.history;
        let readers = Readers::new(path.clone());
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write::run(path, history, ready, jobs))
            .map_err(|cause| error::io(&self.options.path, "start a thread for", cause))?;
        let opened = opened.await.map_err(writer_is_gone)??;
        *self.session() = Some(Session::new(readers, Some(writer)));
        Ok(opened)
    }

    async fn load(&self, tenant: &TenantId) -> Result<Record, StoreError> {
        let loader = self.session().as_ref().map(|session| Arc::clone(&session.loader));
        loader.ok_or_else(StoreError::not_open)?.load(tenant).await
    }

    async fn commit(
        &self,
        epoch: Epoch,
        batch: &[Write],
    ) -> Result<Vec<Result<Position, WriteError>>, StoreError> {
        self.refuse_if_read_only()?;
        let writer = self.session().as_ref().and_then(|session| session.writer.clone());
        let writer = writer.ok_or_else(StoreError::not_open)?;
        let (answer, answered) = oneshot::channel();
        let parts = batch.chunks(PART);
        let (sender, coming) = channel::sync_channel(parts.len());
        let job = Job::Commit { epoch, batch: Batch::new(batch.len(), coming), answer };
        writer.send(job).await.map_err(writer_is_gone)?;
        for part in parts {
            // There is room for all. If the writer is gone, its answer says so.
            let _ = sender.try_send(Rows::of(part));
        }
        drop(sender);
        answered.await.map_err(writer_is_gone)?
    }

    async fn due(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        self.read(move |connection| read::due(connection, before, after.as_ref(), limit)).await
    }

    async fn in_flight(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>, StoreError> {
        self.read(move |connection| read::in_flight(connection, after.as_ref(), limit)).await
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| read::list(connection, &filter, after.as_ref(), limit)).await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, StoreError> {
        self.read(move |connection| read::operation(connection, id)).await
    }

    async fn request(
        &self,
        tenant: &TenantId,
        request_id: &str,
    ) -> Result<Option<OperationRecord>, StoreError> {
        let (tenant, request_id) = (tenant.clone(), request_id.to_owned());
        self.read(move |connection| read::request(connection, &tenant, &request_id)).await
    }

    async fn events(&self, after: Position, scope: &Scope, limit: usize) -> Result<Events, StoreError> {
        let scope = scope.clone();
        self.read(move |connection| read::events(connection, after, &scope, limit)).await
    }

    fn batch_limit(&self) -> NonZeroU64 {
        BATCH
    }

    async fn close(&self) -> Result<(), StoreError> {
        let Some(session) = self.session().take() else { return Ok(()) };
        // The last connection to close puts the log into the file: let it be the writer's.
        session.readers.close_idle();
        let Some(writer) = session.writer else { return Ok(()) };
        let (answer, closed) = oneshot::channel();
        writer.send(Job::Close { answer }).await.map_err(writer_is_gone)?;
        closed.await.map_err(writer_is_gone)?
    }
}
