//! The one writer: a thread that owns the store and makes each batch one transaction.

use std::path::PathBuf;
use std::sync::mpsc as channel;
use std::time::Duration;

use jiff::Timestamp;
use landlord_state_machines::id::Revision;
use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql, params, params_from_iter};
use tokio::sync::{mpsc, oneshot};

use super::SqliteOptions;
use super::ownership::Ownership;
use super::rows::{Prepared, Put, Rows};
use super::{documents, error, file, read};
use landlord_compute::store::{
    DocumentMismatch, DocumentRevision, DocumentWrite, Epoch, NotedRequest, Opened, Position, StoreError,
    WriteError,
};
use landlord_store_rows as codec;

/// What became of each write of a batch.
pub(super) type Answers = Vec<Result<Position, WriteError>>;

/// What the writer is asked.
pub(super) enum Job {
    /// To make a batch durable.
    Commit { epoch: Epoch, batch: Batch, answer: oneshot::Sender<Result<Answers, StoreError>> },
    /// To write or remove a document, in a transaction of its own.
    Document {
        epoch: Epoch,
        write: DocumentWrite,
        answer: oneshot::Sender<Result<Result<DocumentRevision, DocumentMismatch>, StoreError>>,
    },
    /// To keep a request that changes nothing, in a transaction of its own.
    Note {
        epoch: Epoch,
        request: NotedRequest,
        answer: oneshot::Sender<Result<Result<(), WriteError>, StoreError>>,
    },
    /// To write down when the tenants were looked after.
    Looked { at: Timestamp },
    /// To put everything in order and give the store up.
    Close { answer: oneshot::Sender<Result<(), StoreError>> },
}

/// The writes of one commit. They arrive part by part: the first are written while the rows of the last are made.
pub(super) struct Batch {
    /// How many writes there are in all parts.
    size: usize,
    arrived: Vec<Rows>,
    coming: channel::Receiver<Rows>,
}

impl Batch {
    pub(super) fn new(size: usize, coming: channel::Receiver<Rows>) -> Self {
        Self { size, arrived: Vec::new(), coming }
    }

    /// A part, as soon as it is there. None when there are no more.
    fn part(&mut self, index: usize) -> Option<&Rows> {
        if index == self.arrived.len() {
            self.arrived.extend(self.coming.recv().ok());
        }
        self.arrived.get(index)
    }
}

/// Takes the store, says so, and works until it is closed or nobody can ask any more.
pub(super) fn run(
    options: SqliteOptions,
    opened: oneshot::Sender<Result<Opened, StoreError>>,
    mut jobs: mpsc::Receiver<Job>,
) {
    let (mut writer, what) = match Writer::open(options) {
        Ok(taken) => taken,
        Err(error) => {
            // Whoever opened it may have given up waiting.
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(what));
    while let Some(job) = jobs.blocking_recv() {
        match job {
            Job::Commit { epoch, mut batch, answer } => {
                // A commit that nobody waits for any more is made all the same.
                let _ = answer.send(writer.commit(epoch, &mut batch));
            }
            Job::Document { epoch, write, answer } => {
                let _ = answer.send(writer.put_document(epoch, &write));
            }
            Job::Note { epoch, request, answer } => {
                let _ = answer.send(writer.note_request(epoch, &request));
            }
            Job::Looked { at } => writer.ownership.looked(at),
            Job::Close { answer } => {
                let _ = answer.send(writer.close());
                return;
            }
        }
    }
}

/// Which events stay.
#[derive(Clone, Copy)]
struct History {
    /// The last ones.
    events: u64,
    /// Older ones that a reader has not read, until they are so much older than the newest.
    waits: Duration,
}

struct Writer {
    path: PathBuf,
    history: Option<History>,
    database: Database,
    /// Last, so that the store is given up when the connection is closed.
    ownership: Ownership,
}

/// The writer's connection.
enum Database {
    Open(Connection),
    /// After a failure: what is on disk is the truth, so the next commit begins by opening it again.
    Closed,
    /// After a failure of the disk: nothing may be appended to its log.
    InDoubt,
}

impl Writer {
    fn open(options: SqliteOptions) -> Result<(Self, Opened), StoreError> {
        let SqliteOptions { path, history, waits, owner } = options;
        let history = history.map(|events| History { events, waits });
        let ownership = Ownership::take(&path, owner.as_deref())?;
        file::prepare(&path)?;
        let connection = file::writer(&path)?;
        // An engine that is gone may have left a log in doubt. Whoever only reads does not keep this one from starting.
        file::empty_log(&connection, &path)?;
        let opened = take_epoch(&connection).map_err(|cause| error::sqlite(&path, "open", cause))?;
        let writer = Self { path, history, database: Database::Open(connection), ownership };
        Ok((writer, opened))
    }

    fn commit(&mut self, epoch: Epoch, batch: &mut Batch) -> Result<Answers, StoreError> {
        let history = self.history;
        self.write(epoch, |connection| commit(connection, history, epoch, batch))
    }

    fn put_document(
        &mut self,
        epoch: Epoch,
        write: &DocumentWrite,
    ) -> Result<Result<DocumentRevision, DocumentMismatch>, StoreError> {
        self.write(epoch, |connection| {
            transaction(connection, || {
                check_epoch(connection, epoch)?;
                Ok(documents::put(connection, write)?)
            })
        })
    }

    fn note_request(
        &mut self,
        epoch: Epoch,
        request: &NotedRequest,
    ) -> Result<Result<(), WriteError>, StoreError> {
        self.write(epoch, |connection| {
            transaction(connection, || {
                check_epoch(connection, epoch)?;
                Ok(note(connection, request)?)
            })
        })
    }

    /// Writes on a connection whose log is not in doubt.
    fn write<T>(
        &mut self,
        epoch: Epoch,
        write: impl FnOnce(&Connection) -> Result<T, Failed>,
    ) -> Result<T, StoreError> {
        let connection = match std::mem::replace(&mut self.database, Database::InDoubt) {
            Database::Open(connection) => connection,
            Database::Closed => file::writer(&self.path)?,
            Database::InDoubt => {
                let connection = file::writer(&self.path)?;
                match file::empty_log(&connection, &self.path)? {
                    file::Log::Emptied => connection,
                    file::Log::InUse => return Err(error::read_after_failure(&self.path)),
                }
            }
        };
        match write(&connection) {
            Ok(answer) => {
                self.database = Database::Open(connection);
                Ok(answer)
            }
            Err(Failed::Fenced { current }) => {
                self.database = Database::Open(connection);
                Err(StoreError::Fenced { ours: epoch.0, current })
            }
            Err(Failed::Cut) => {
                self.database = Database::Open(connection);
                let message = "a batch was not handed over whole; nothing of it was written".to_owned();
                Err(StoreError::Unavailable { message, source: None })
            }
            // The connection is dropped, and its cache with it.
            Err(Failed::Store(cause)) => {
                if !error::is_the_disks_fault(&cause) {
                    self.database = Database::Closed;
                }
                Err(error::sqlite(&self.path, "write", cause))
            }
        }
    }

    fn close(self) -> Result<(), StoreError> {
        match self.database {
            Database::Closed | Database::InDoubt => Ok(()),
            Database::Open(connection) => {
                connection.close().map_err(|(_, cause)| error::sqlite(&self.path, "close", cause))
            }
        }
    }
}

/// Begins a new epoch. In a transaction of its own, since what a statement returns says nothing of its commit.
fn take_epoch(connection: &Connection) -> Result<Opened, rusqlite::Error> {
    let transaction = connection.unchecked_transaction()?;
    let taken = "UPDATE meta SET epoch = epoch + 1 RETURNING engine, epoch";
    let (engine, epoch): (String, u64) =
        transaction.query_row(taken, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let head = read::head(&transaction)?;
    transaction.commit()?;
    Ok(Opened { engine: engine.into(), epoch: Epoch(epoch), head, members: None })
}

/// Why a batch was not committed.
enum Failed {
    Fenced {
        current: u64,
    },
    /// A part of it never came.
    Cut,
    Store(rusqlite::Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Store(cause)
    }
}

/// Why one write was not made.
enum Refused {
    /// It was seen before anything was changed.
    Before(WriteError),
    /// It was seen when a part of the write was made already: the transaction has to begin again without it.
    Midway(WriteError),
    /// It is not the write's fault.
    Store(rusqlite::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(cause: rusqlite::Error) -> Self {
        if error::is_the_writes_fault(&cause) {
            Self::Midway(WriteError::Invalid(cause.to_string()))
        } else {
            Self::Store(cause)
        }
    }
}

/// Makes a batch in one transaction.
fn commit(
    connection: &Connection,
    history: Option<History>,
    epoch: Epoch,
    batch: &mut Batch,
) -> Result<Answers, Failed> {
    let mut refused: Vec<Option<WriteError>> = vec![None; batch.size];
    loop {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        match attempt(connection, history, epoch, batch, &mut refused) {
            Ok(Some(answers)) => {
                connection.prepare_cached("COMMIT")?.execute([])?;
                return Ok(answers);
            }
            Ok(None) => connection.prepare_cached("ROLLBACK")?.execute([])?,
            Err(failed) => {
                // Some failures have rolled it back already; the first failure is the one to tell.
                let _ = connection.execute_batch("ROLLBACK");
                return Err(failed);
            }
        };
    }
}

/// One transaction.
fn transaction<T>(connection: &Connection, work: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    match work() {
        Ok(answer) => {
            connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(answer)
        }
        Err(failed) => {
            // Some failures have rolled it back already; the first failure is the one to tell.
            let _ = connection.execute_batch("ROLLBACK");
            Err(failed)
        }
    }
}

/// Within a transaction: whether this engine still has the store.
fn check_epoch(connection: &Connection, epoch: Epoch) -> Result<(), Failed> {
    let current: u64 =
        connection.prepare_cached("SELECT epoch FROM meta")?.query_row([], |row| row.get(0))?;
    if current == epoch.0 { Ok(()) } else { Err(Failed::Fenced { current }) }
}

/// Makes all writes that were not refused. None when another one turned out to be refused, midway.
fn attempt(
    connection: &Connection,
    history: Option<History>,
    epoch: Epoch,
    batch: &mut Batch,
    refused: &mut [Option<WriteError>],
) -> Result<Option<Answers>, Failed> {
    check_epoch(connection, epoch)?;
    let mut head = read::head(connection)?.0;
    let mut statements = Statements::prepare(connection)?;
    let mut answers = Answers::with_capacity(batch.size);
    let mut parts = 0..;
    while let Some(rows) = parts.next().and_then(|part| batch.part(part)) {
        for write in &rows.writes {
            let refused = &mut refused[answers.len()];
            let write = match (&refused, write) {
                (Some(error), _) | (None, Err(error)) => {
                    answers.push(Err(error.clone()));
                    continue;
                }
                (None, Ok(write)) => write,
            };
            match statements.make(rows, write, head + 1) {
                Ok(()) => {
                    head += 1;
                    answers.push(Ok(Position(head)));
                }
                Err(Refused::Before(error)) => answers.push(Err(error)),
                Err(Refused::Midway(error)) => {
                    *refused = Some(error);
                    return Ok(None);
                }
                Err(Refused::Store(cause)) => return Err(Failed::Store(cause)),
            }
        }
    }
    if answers.len() < batch.size {
        return Err(Failed::Cut);
    }
    if let Some(history) = history {
        trim(connection, head, history, batch.size as u64)?;
    }
    Ok(Some(answers))
}

/// The statements of a batch, each prepared once for all its writes.
struct Statements<'c> {
    event: CachedStatement<'c>,
    tenant: CachedStatement<'c>,
    spec: CachedStatement<'c>,
    operation: CachedStatement<'c>,
    settle: CachedStatement<'c>,
    request: CachedStatement<'c>,
    drop_specs: CachedStatement<'c>,
    revision: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    fn prepare(connection: &'c Connection) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            event: connection.prepare_cached(
                "INSERT INTO events (position, tenant, incarnation, revision, previous, at, from_state, to_state,
                    operation, attempt, what_json, settled_json)
                 SELECT ?1, ?2, ?3, ?4, coalesce(tenants.last_event, 0), ?5, ?6, ?7, ?8, ?9, ?10, ?11
                 FROM (SELECT 1) LEFT JOIN tenants ON tenants.id = ?2
                 WHERE coalesce(tenants.revision, 0) = ?12",
            )?,
            tenant: connection.prepare_cached(
                "INSERT OR REPLACE INTO tenants (
                    id, incarnation, revision, last_event, state, provider, health, applied_spec, target_spec,
                    latest_spec, operation, attempt, direction, deadline, undo_error_json, run, call, method,
                    stop_reason, stop_operation, until, wake_at, next_operation, next_spec, next_deadline,
                    paused_at, settled_at, repair_count, repair_last, repair_due, last_failure_json, ledger_json,
                    applied_rollout, target_rollout, retained_json)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                    ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35)",
            )?,
            spec: connection
                .prepare_cached("INSERT INTO specs (tenant, version, body_json) VALUES (?1, ?2, ?3)")?,
            operation: connection.prepare_cached(
                "INSERT INTO operations (id, tenant, incarnation, kind, target_spec, accepted_at, request_id,
                    reason, traceparent, tracestate, asked)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
                 WHERE NOT EXISTS (SELECT 1 FROM requests WHERE tenant = ?2 AND request_id = ?7)",
            )?,
            settle: connection
                .prepare_cached("UPDATE operations SET settled_at = ?2, settled_json = ?3 WHERE id = ?1")?,
            request: connection.prepare_cached(REQUEST)?,
            drop_specs: connection.prepare_cached("DELETE FROM specs WHERE tenant = ?1")?,
            revision: connection.prepare_cached("SELECT revision FROM tenants WHERE id = ?1")?,
        })
    }

    /// Makes one write, whose event is the next one.
    fn make(&mut self, rows: &Rows, write: &Prepared, position: u64) -> Result<(), Refused> {
        for (put, values) in rows.of_write(write, position) {
            let values = params_from_iter(values);
            match put {
                // The row is written only if the tenant is at the revision that was expected.
                Put::Event => {
                    if self.event.execute(values)? == 0 {
                        let (expected, actual) = (write.expected, self.revision(rows.tenant(write))?);
                        return Err(Refused::Before(WriteError::RevisionMismatch { expected, actual }));
                    }
                }
                Put::Tenant => drop(self.tenant.execute(values)?),
                Put::Spec => drop(self.spec.execute(values)?),
                Put::Operation => {
                    if self.operation.execute(values)? == 0 {
                        return Err(Refused::Midway(known_already()));
                    }
                }
                Put::Request => {
                    if self.request.execute(values)? == 0 {
                        return Err(Refused::Midway(known_already()));
                    }
                }
                Put::Settlement => drop(self.settle.execute(values)?),
                Put::NoSpecs => drop(self.drop_specs.execute(values)?),
            }
        }
        Ok(())
    }

    /// The revision that a tenant is at.
    fn revision(&mut self, tenant: impl ToSql) -> Result<Revision, rusqlite::Error> {
        let found = self.revision.query_row([tenant], |row| row.get(0)).optional()?;
        Ok(Revision(found.unwrap_or(0)))
    }
}

/// How a request is kept that began no operation. No row: its name is an operation's.
const REQUEST: &str = "INSERT INTO requests (tenant, request_id, asked, operation, revision, position)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6
    WHERE NOT EXISTS (SELECT 1 FROM operations WHERE tenant = ?1 AND request_id = ?2)";

/// Why a request is not kept.
fn known_already() -> WriteError {
    WriteError::Invalid("there is a request of this name already".to_owned())
}

/// Keeps a request that changes nothing.
fn note(connection: &Connection, request: &NotedRequest) -> Result<Result<(), WriteError>, rusqlite::Error> {
    let head = read::head(connection)?;
    let NotedRequest { tenant, request_id, asked, operation, revision } = request;
    let made = connection.prepare_cached(REQUEST)?.execute(params![
        tenant.as_str(),
        request_id,
        asked.to_string(),
        operation.map(codec::operation_text),
        revision.0,
        head.0
    ]);
    match made {
        Ok(0) => Ok(Err(known_already())),
        Ok(_) => Ok(Ok(())),
        Err(cause) if error::is_the_writes_fault(&cause) => Ok(Err(known_already())),
        Err(cause) => Err(cause),
    }
}

/// Drops the oldest events that need not stay, with the operations that they settled and the requests that go with either; a few more
/// at a time than are written, so that no commit has to drop many.
fn trim(connection: &Connection, head: u64, history: History, written: u64) -> Result<(), rusqlite::Error> {
    let trimmed: u64 =
        connection.prepare_cached("SELECT trimmed FROM meta")?.query_row([], |row| row.get(0))?;
    let up_to = head.saturating_sub(history.events).min(trimmed + 2 * written + 10);
    if up_to <= trimmed {
        return Ok(());
    }
    let up_to = match documents::slowest(connection)? {
        Some(read) if read < up_to => read.max(waited(connection, trimmed, up_to, history.waits)?),
        Some(_) | None => up_to,
    };
    if up_to <= trimmed {
        return Ok(());
    }
    const SETTLED: &str = "SELECT settlement.value ->> 'operation'
        FROM events, json_each(events.settled_json) AS settlement
        WHERE events.position > ?1 AND events.position <= ?2 AND events.settled_json IS NOT NULL";
    let any_noted: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM requests)")?
        .query_row([], |row| row.get(0))?;
    if any_noted {
        connection
            .prepare_cached(&format!("DELETE FROM requests WHERE operation IN ({SETTLED})"))?
            .execute(params![trimmed, up_to])?;
        connection
            .prepare_cached("DELETE FROM requests WHERE operation IS NULL AND position <= ?1")?
            .execute([up_to])?;
    }
    connection
        .prepare_cached(&format!("DELETE FROM operations WHERE id IN ({SETTLED})"))?
        .execute(params![trimmed, up_to])?;
    connection.prepare_cached("DELETE FROM events WHERE position <= ?1")?.execute([up_to])?;
    connection.prepare_cached("UPDATE meta SET trimmed = ?1")?.execute([up_to])?;
    Ok(())
}

/// The last of these events that has waited long enough, or the one before them.
fn waited(connection: &Connection, after: u64, up_to: u64, waits: Duration) -> Result<u64, rusqlite::Error> {
    let waits = i64::try_from(waits.as_micros()).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT COALESCE(MAX(position), ?1) FROM events WHERE position > ?1 AND position <= ?2
             AND at < (SELECT at FROM events ORDER BY position DESC LIMIT 1) - ?3",
        )?
        .query_row(params![after, up_to, waits], |row| row.get(0))
}
