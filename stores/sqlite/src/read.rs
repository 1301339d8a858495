//! Reading: a few connections, each used by one thread at a time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use landlord_state_machines::id::{Incarnation, OperationId, ProviderName, Revision, SpecVersion, TenantId};
use landlord_state_machines::spec::Spec;
use landlord_state_machines::tenant::{LifecycleEvent, Record, Tenant};
use landlord_state_machines::trace::TraceContext;
use rusqlite::types::FromSql;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use tokio::sync::Semaphore;

use super::{error, file};
use landlord_compute::store::{
    Events, NotedRequest, OperationRecord, Page, Position, Requested, Scope, Seen, Sort, StoreError, Survey,
    Surveyed, Surveyor, TenantFilter,
};
use landlord_store_rows::{self as codec, BadColumn, TenantRow};

/// How many reads run at the same time; more wait for their turn.
const CONNECTIONS: usize = 4;

/// How many tenants a list looks at before it answers with what it found so far.
const SCAN: usize = 10_000;

/// Why something could not be read.
pub(super) enum Unreadable {
    Sqlite(rusqlite::Error),
    Column(BadColumn),
}

impl From<rusqlite::Error> for Unreadable {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Sqlite(cause)
    }
}

impl From<BadColumn> for Unreadable {
    fn from(cause: BadColumn) -> Self {
        Self::Column(cause)
    }
}

/// The connections that read.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<file::Reader>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self { path, idle: Mutex::default(), turns: Arc::new(Semaphore::new(CONNECTIONS)) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a read on a thread that may block, against one state of the store.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T, Unreadable> + Send + 'static,
    ) -> Result<T, StoreError> {
        let stopped = |source| StoreError::Unavailable {
            message: "a read was stopped; the runtime is shutting down".to_owned(),
            source: Some(source),
        };
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|cause| stopped(cause.into()))?;
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let answer = readers.read_now(read);
            drop(turn);
            answer
        });
        reading.await.map_err(|cause| stopped(cause.into()))?
    }

    fn read_now<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Unreadable>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match idle.filter(|reader| reader.holds(&self.path)) {
            Some(reader) => reader,
            None => file::reader(&self.path)?,
        };
        // One transaction, so that a tenant and its specs are of one moment. It ends with the block.
        let answer = {
            let _moment = reader
                .connection
                .unchecked_transaction()
                .map_err(|cause| error::sqlite(&self.path, "read", cause))?;
            read(&reader.connection)
        };
        if !reader.holds(&self.path) {
            return Err(error::written_meanwhile(&self.path));
        }
        match answer {
            Ok(answer) => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
                Ok(answer)
            }
            Err(Unreadable::Sqlite(cause)) => Err(error::sqlite(&self.path, "read", cause)),
            Err(Unreadable::Column(cause)) => Err(error::row(&self.path, "a row", cause)),
        }
    }

    /// Closes the connections that are not in use.
    pub(super) fn close_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What the store is called in ownership tags.
pub(super) fn engine(connection: &Connection) -> Result<Arc<str>, Unreadable> {
    let engine: String = connection.query_row("SELECT engine FROM meta", [], |row| row.get(0))?;
    Ok(engine.into())
}

/// What is wrong with the file.
pub(super) fn damage(connection: &Connection) -> Result<Vec<String>, Unreadable> {
    let mut statement = connection.prepare("PRAGMA quick_check(10)")?;
    let lines = statement.query_map([], |row| row.get(0))?;
    let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// SQLite counts with a sign.
pub(super) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

const TENANT_COLUMNS: &str = "id, incarnation, revision, state, provider, health, applied_spec, target_spec,
    latest_spec, operation, attempt, direction, deadline, undo_error_json, run, call, method, stop_reason,
    stop_operation, until, wake_at, next_operation, next_spec, next_deadline, paused_at, settled_at,
    repair_count, repair_last, repair_due, last_failure_json, ledger_json, applied_rollout, target_rollout,
    retained_json";

/// The columns of [`TENANT_COLUMNS`], in their order.
fn tenant_row<'a>(row: &'a Row<'_>) -> Result<TenantRow<'a>, rusqlite::Error> {
    let text =
        |column| -> Result<Option<&'a str>, rusqlite::Error> { Ok(row.get_ref(column)?.as_str_or_null()?) };
    let long_text = |column| text(column).map(|text| text.map(std::borrow::Cow::Borrowed));
    Ok(TenantRow {
        id: row.get_ref(0)?.as_str()?,
        incarnation: row.get(1)?,
        revision: row.get(2)?,
        state: text(3)?,
        provider: text(4)?,
        health: text(5)?,
        applied_spec: row.get(6)?,
        target_spec: row.get(7)?,
        latest_spec: row.get(8)?,
        operation: long_text(9)?,
        attempt: row.get(10)?,
        direction: text(11)?,
        deadline: row.get(12)?,
        undo_error_json: long_text(13)?,
        run: text(14)?,
        call: row.get(15)?,
        method: text(16)?,
        stop_reason: text(17)?,
        stop_operation: long_text(18)?,
        until: row.get(19)?,
        wake_at: row.get(20)?,
        next_operation: long_text(21)?,
        next_spec: row.get(22)?,
        next_deadline: row.get(23)?,
        paused_at: row.get(24)?,
        settled_at: row.get(25)?,
        repair_count: row.get(26)?,
        repair_last: row.get(27)?,
        repair_due: row.get(28)?,
        last_failure_json: long_text(29)?,
        ledger_json: long_text(30)?,
        applied_rollout: row.get(31)?,
        target_rollout: row.get(32)?,
        retained_json: long_text(33)?,
    })
}

/// The body of one of a tenant's specs.
fn spec(connection: &Connection, tenant: &str, version: SpecVersion) -> Result<Spec, Unreadable> {
    known_spec(connection, tenant, version)?.ok_or_else(|| {
        BadColumn::bad("body_json", format!("spec {version} of tenant {tenant} is missing")).into()
    })
}

/// The same where there may be none.
pub(super) fn known_spec(
    connection: &Connection,
    tenant: &str,
    version: SpecVersion,
) -> Result<Option<Spec>, Unreadable> {
    let body: Option<String> = connection
        .prepare_cached("SELECT body_json FROM specs WHERE tenant = ?1 AND version = ?2")?
        .query_row(params![tenant, version.0], |row| row.get(0))
        .optional()?;
    Ok(body.map(|body| codec::spec_from_json(&body)).transpose()?)
}

/// A row with its specs.
fn record(connection: &Connection, row: &TenantRow<'_>) -> Result<Record, Unreadable> {
    let mut known: Vec<(SpecVersion, Spec)> = Vec::new();
    codec::decode(row, |version| {
        if let Some((_, spec)) = known.iter().find(|(known, _)| *known == version) {
            return Ok(spec.clone());
        }
        let spec = spec(connection, row.id, version)?;
        known.push((version, spec.clone()));
        Ok(spec)
    })
}

/// What is kept under these ids, in their order.
pub(super) fn load_all(connection: &Connection, tenants: Vec<TenantId>) -> Result<Vec<Record>, Unreadable> {
    let mut statement = load_statement(connection)?;
    tenants.into_iter().map(|tenant| load_with(&mut statement, connection, tenant)).collect()
}

fn load_statement(connection: &Connection) -> Result<CachedStatement<'_>, rusqlite::Error> {
    connection.prepare_cached(&format!("SELECT {TENANT_COLUMNS} FROM tenants WHERE id = ?1"))
}

fn load_with(
    statement: &mut CachedStatement<'_>,
    connection: &Connection,
    tenant: TenantId,
) -> Result<Record, Unreadable> {
    let mut rows = statement.query([tenant.as_str()])?;
    match rows.next()? {
        Some(row) => record(connection, &tenant_row(row)?),
        None => Ok(Record::Absent(tenant)),
    }
}

pub(super) fn due(
    connection: &Connection,
    before: Timestamp,
    after: Option<&(Timestamp, TenantId)>,
    limit: usize,
) -> Result<Vec<(Timestamp, TenantId)>, Unreadable> {
    let (time, id) = match after {
        Some((time, id)) => (time.as_microsecond(), id.as_str()),
        None => (i64::MIN, ""),
    };
    let mut statement = connection.prepare_cached(
        "SELECT wake_at, id FROM tenants WHERE wake_at IS NOT NULL AND wake_at <= ?1 AND (wake_at, id) > (?2, ?3)
         ORDER BY wake_at, id LIMIT ?4",
    )?;
    let mut rows = statement.query(params![before.as_microsecond(), time, id, signed(limit)])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        due.push((codec::time("wake_at", row.get(0)?)?, tenant_id(row, 1)?));
    }
    Ok(due)
}

pub(super) fn in_flight(
    connection: &Connection,
    after: Option<&TenantId>,
    limit: usize,
) -> Result<Vec<TenantId>, Unreadable> {
    let mut statement = connection
        .prepare_cached("SELECT id FROM tenants WHERE call IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = statement.query(params![after.map_or("", TenantId::as_str), signed(limit)])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(tenant_id(row, 0)?);
    }
    Ok(ids)
}

fn tenant_id(row: &Row<'_>, column: usize) -> Result<TenantId, Unreadable> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(TenantId::from_stored(text))
}

pub(super) fn list(
    connection: &Connection,
    filter: &TenantFilter,
    after: Option<&TenantId>,
    limit: usize,
) -> Result<Page<Arc<Tenant>>, Unreadable> {
    let sql = format!("SELECT {TENANT_COLUMNS} FROM tenants WHERE id >= ?1 ORDER BY id LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    // One bound, as two would not both be looked up.
    let first = match filter.begins(after.cloned()) {
        Bound::Included(id) => id.to_string(),
        // The least text that comes after it.
        Bound::Excluded(id) => format!("{id}\0"),
        Bound::Unbounded => String::new(),
    };
    let mut rows = statement.query(params![first, signed(SCAN + 1)])?;
    let (mut items, mut seen, mut last) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        let id = tenant_id(row, 0)?;
        if filter.ends_before(&id) {
            break;
        }
        if seen == SCAN || items.len() == limit.max(1) {
            return Ok(Page { items, next: last });
        }
        seen += 1;
        last = Some(id);
        let row = tenant_row(row)?;
        let wanted = filter.state.is_none_or(|state| row.state == Some(state.as_str()))
            && filter.provider.as_ref().is_none_or(|provider| row.provider == Some(provider.as_str()))
            && filter.health.is_none_or(|health| row.health == Some(codec::health_name(health)));
        if !wanted {
            continue;
        }
        match record(connection, &row)? {
            Record::Live(tenant) => items.push(tenant),
            Record::Absent(_) | Record::Gone(_) => {}
        }
    }
    Ok(Page { items, next: None })
}

/// One pass over what is short in each row. What is long, such as ledgers, is not read.
pub(super) fn survey(connection: &Connection, seen: &Seen, first: usize) -> Result<Survey, Unreadable> {
    let mut statement = connection.prepare_cached(
        "SELECT id, provider, state, health, operation, attempt > 1 OR run = 'waiting' OR direction = 'undo',
            repair_due IS NOT NULL, last_failure_json IS NOT NULL, settled_at
         FROM tenants WHERE state IS NOT NULL",
    )?;
    let mut rows = statement.query([])?;
    let mut surveyor = Surveyor::new(first);
    while let Some(row) = rows.next()? {
        let id = tenant_id(row, 0)?;
        if !seen(&id) {
            continue;
        }
        let text =
            |column| -> Result<Option<&str>, rusqlite::Error> { Ok(row.get_ref(column)?.as_str_or_null()?) };
        let operation = text(4)?.map(|text| codec::operation_id("operation", Some(text))).transpose()?;
        let tenant = Surveyed {
            sort: Sort {
                provider: ProviderName::from_stored(text(1)?.unwrap_or_default()),
                state: codec::name("state", text(2)?)?,
                health: codec::name("health", text(3)?)?,
            },
            operation,
            troubled: row.get::<_, Option<bool>>(5)?.unwrap_or(false),
            repair_due: row.get(6)?,
            failed: row.get(7)?,
            settled_at: row.get::<_, Option<i64>>(8)?.unwrap_or(0),
        };
        surveyor.add(&id, tenant);
    }
    Ok(surveyor.survey())
}

/// What is on its way has a call, or is to be woken: no other tenant is read.
pub(super) fn oldest_operations(
    connection: &Connection,
) -> Result<BTreeMap<ProviderName, OperationId>, Unreadable> {
    let mut statement = connection.prepare_cached(
        "SELECT provider, operation FROM tenants
         WHERE call IS NOT NULL AND operation IS NOT NULL AND paused_at IS NULL
         UNION ALL SELECT provider, operation FROM tenants
         WHERE wake_at IS NOT NULL AND call IS NULL AND operation IS NOT NULL AND paused_at IS NULL",
    )?;
    let mut rows = statement.query([])?;
    let mut oldest = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let text = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        let operation = codec::operation_id("operation", Some(text(1)?))?;
        let first = oldest.entry(ProviderName::from_stored(text(0)?)).or_insert(operation);
        *first = operation.min(*first);
    }
    Ok(oldest)
}

const OPERATION_COLUMNS: &str = "id, tenant, incarnation, kind, target_spec, accepted_at, request_id, reason,
    traceparent, tracestate, settled_json, asked";

pub(super) fn operation(
    connection: &Connection,
    id: OperationId,
) -> Result<Option<OperationRecord>, Unreadable> {
    let sql = format!("SELECT {OPERATION_COLUMNS} FROM operations WHERE id = ?1");
    one_operation(connection.prepare_cached(&sql)?, [codec::operation_text(id)])
}

pub(super) fn request(
    connection: &Connection,
    tenant: &TenantId,
    request_id: &str,
) -> Result<Option<Requested>, Unreadable> {
    let sql = format!("SELECT {OPERATION_COLUMNS} FROM operations WHERE tenant = ?1 AND request_id = ?2");
    let began = one_operation(connection.prepare_cached(&sql)?, [tenant.as_str(), request_id])?;
    match began {
        Some(operation) => Ok(Some(Requested::Began(operation))),
        None => Ok(noted(connection, tenant, request_id)?.map(Requested::Noted)),
    }
}

/// A request that began no operation.
fn noted(
    connection: &Connection,
    tenant: &TenantId,
    request_id: &str,
) -> Result<Option<NotedRequest>, Unreadable> {
    let mut statement = connection.prepare_cached(
        "SELECT asked, operation, revision FROM requests WHERE tenant = ?1 AND request_id = ?2",
    )?;
    let mut rows = statement.query([tenant.as_str(), request_id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let asked = text(row, 0)?.ok_or_else(|| BadColumn::bad("asked", "it is empty"))?;
    let operation = match text(row, 1)? {
        None => None,
        operation => Some(codec::operation_id("operation", operation)?),
    };
    Ok(Some(NotedRequest {
        tenant: tenant.clone(),
        request_id: request_id.to_owned(),
        asked: codec::fingerprint("asked", asked)?,
        operation,
        revision: Revision(row.get(2)?),
    }))
}

fn one_operation(
    mut statement: CachedStatement<'_>,
    parameters: impl rusqlite::Params,
) -> Result<Option<OperationRecord>, Unreadable> {
    let mut rows = statement.query(parameters)?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let traceparent: Option<String> = row.get(8)?;
    let tracestate = row.get(9)?;
    Ok(Some(OperationRecord {
        id: codec::operation_id("id", text(row, 0)?)?,
        tenant: tenant_id(row, 1)?,
        incarnation: Incarnation(row.get(2)?),
        kind: codec::name("kind", text(row, 3)?)?,
        target: number(row, 4)?.map(SpecVersion),
        accepted_at: codec::time("accepted_at", row.get(5)?)?,
        request_id: row.get(6)?,
        reason: row.get(7)?,
        trace: traceparent.map(|traceparent| TraceContext { traceparent, tracestate }),
        settled: codec::from_json("settled_json", text(row, 10)?)?,
        asked: text(row, 11)?.map(|asked| codec::fingerprint("asked", asked)).transpose()?,
    }))
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<Option<&'a str>, rusqlite::Error> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

fn number<T: FromSql>(row: &Row<'_>, column: usize) -> Result<Option<T>, rusqlite::Error> {
    row.get(column)
}

/// The position of the last event.
pub(super) fn head(connection: &Connection) -> Result<Position, rusqlite::Error> {
    let sql = "SELECT coalesce((SELECT max(position) FROM events), (SELECT trimmed FROM meta))";
    Ok(Position(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
}

const EVENT_COLUMNS: &str = "position, tenant, incarnation, revision, at, from_state, to_state, operation,
    attempt, what_json, settled_json";

pub(super) fn events(
    connection: &Connection,
    after: Position,
    scope: &Scope,
    limit: usize,
) -> Result<Events, Unreadable> {
    let trimmed: u64 =
        connection.prepare_cached("SELECT trimmed FROM meta")?.query_row([], |row| row.get(0))?;
    if after.0 < trimmed {
        return Ok(Events::Gap { resume: Position(trimmed) });
    }
    let sql = match scope {
        Scope::All => {
            format!("SELECT {EVENT_COLUMNS} FROM events WHERE position > ?1 ORDER BY position LIMIT ?2")
        }
        Scope::Tenant(_) => format!(
            "WITH RECURSIVE back (position) AS (
                SELECT last_event FROM tenants WHERE id = ?3 AND last_event > ?1
                UNION ALL
                SELECT events.previous FROM back JOIN events USING (position) WHERE events.previous > ?1)
             SELECT {EVENT_COLUMNS} FROM back JOIN events USING (position) ORDER BY position LIMIT ?2"
        ),
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let (after, limit) = (signed(after.0), signed(limit));
    let mut rows = match scope {
        Scope::All => statement.query(params![after, limit])?,
        Scope::Tenant(id) => statement.query(params![after, limit, id.as_str()])?,
    };
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push((Position(row.get(0)?), Arc::new(event(row)?)));
    }
    Ok(Events::Page(page))
}

fn event(row: &Row<'_>) -> Result<LifecycleEvent, Unreadable> {
    let what = text(row, 9)?;
    let to = match text(row, 6)? {
        None => None,
        to => Some(codec::name("to_state", to)?),
    };
    let operation = match text(row, 7)? {
        None => None,
        operation => Some(codec::operation_id("operation", operation)?),
    };
    Ok(LifecycleEvent {
        tenant_id: tenant_id(row, 1)?,
        incarnation: Incarnation(row.get(2)?),
        revision: Revision(row.get(3)?),
        at: codec::time("at", row.get(4)?)?,
        from: codec::name("from_state", text(row, 5)?)?,
        to,
        operation,
        attempt: row.get(8)?,
        what: codec::from_json("what_json", what)?
            .ok_or_else(|| BadColumn::bad("what_json", "it is empty"))?,
        settled: codec::from_json("settled_json", text(row, 10)?)?.unwrap_or_default(),
    })
}
