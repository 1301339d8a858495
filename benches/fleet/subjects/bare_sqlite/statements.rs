//! The store's statements (stores/sqlite/src/write.rs and file.rs), prepared once.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Statement, ToSql, params};

use super::life::{Cell, Row, Step, Whose};

pub(super) const SETTINGS: &str = "PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 8000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -32768;
    PRAGMA temp_store = MEMORY;";

const EPOCH: &str = "SELECT epoch FROM meta";
const HEAD: &str = "SELECT coalesce((SELECT max(position) FROM events), (SELECT trimmed FROM meta))";
pub(super) const EVENT: &str =
    "INSERT INTO events (position, tenant, incarnation, revision, previous, at, from_state, to_state,
        operation, attempt, what_json, settled_json)
    SELECT ?1, ?2, ?3, ?4, coalesce(tenants.last_event, 0), ?5, ?6, ?7, ?8, ?9, ?10, ?11
    FROM (SELECT 1) LEFT JOIN tenants ON tenants.id = ?2
    WHERE coalesce(tenants.revision, 0) = ?12";
pub(super) const TENANT: &str = "INSERT OR REPLACE INTO tenants (
        id, incarnation, revision, last_event, state, provider, health, applied_spec, target_spec,
        latest_spec, operation, attempt, direction, deadline, undo_error_json, run, call, method,
        stop_reason, stop_operation, until, wake_at, next_operation, next_spec, next_deadline,
        paused_at, settled_at, repair_count, repair_last, repair_due, last_failure_json, ledger_json,
        applied_rollout, target_rollout)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
        ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34)";
pub(super) const SPEC: &str = "INSERT INTO specs (tenant, version, body_json) VALUES (?1, ?2, ?3)";
pub(super) const OPERATION: &str =
    "INSERT INTO operations (id, tenant, incarnation, kind, target_spec, accepted_at, request_id,
        reason, traceparent, tracestate)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const SETTLE: &str = "UPDATE operations SET settled_at = ?2, settled_json = ?3 WHERE id = ?1";
const DROP_SPECS: &str = "DELETE FROM specs WHERE tenant = ?1";
const TRIMMED: &str = "SELECT trimmed FROM meta";
const TRIM_OPERATIONS: &str = "DELETE FROM operations WHERE id IN (
        SELECT settlement.value ->> 'operation'
        FROM events, json_each(events.settled_json) AS settlement
        WHERE events.position > ?1 AND events.position <= ?2 AND events.settled_json IS NOT NULL)";
const TRIM_EVENTS: &str = "DELETE FROM events WHERE position <= ?1";
const SET_TRIMMED: &str = "UPDATE meta SET trimmed = ?1";

/// What the store says of its own.
const STORE: [&str; 2] = [
    include_str!("../../../../stores/sqlite/src/write.rs"),
    include_str!("../../../../stores/sqlite/src/file.rs"),
];

/// # Panics
/// When the store no longer has one of these statements: then it is the store's new one that belongs here.
fn check() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let store = words(&STORE.concat());
    let all = [
        EPOCH,
        HEAD,
        EVENT,
        TENANT,
        SPEC,
        OPERATION,
        SETTLE,
        DROP_SPECS,
        TRIMMED,
        TRIM_OPERATIONS,
        TRIM_EVENTS,
        SET_TRIMMED,
    ];
    let settings = SETTINGS.split_inclusive(';');
    for statement in all.into_iter().chain(settings) {
        assert!(store.contains(&words(statement)), "stores/sqlite/src no longer has: {statement}");
    }
}

pub(super) struct Statements<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    epoch: Statement<'c>,
    head: Statement<'c>,
    event: Statement<'c>,
    tenant: Statement<'c>,
    spec: Statement<'c>,
    operation: Statement<'c>,
    settle: Statement<'c>,
    drop_specs: Statement<'c>,
    trimmed: Statement<'c>,
    trim_operations: Statement<'c>,
    trim_events: Statement<'c>,
    set_trimmed: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Self {
        check();
        let prepare = |text| connection.prepare(text).expect("it is prepared");
        Self {
            begin: prepare("BEGIN IMMEDIATE"),
            commit: prepare("COMMIT"),
            epoch: prepare(EPOCH),
            head: prepare(HEAD),
            event: prepare(EVENT),
            tenant: prepare(TENANT),
            spec: prepare(SPEC),
            operation: prepare(OPERATION),
            settle: prepare(SETTLE),
            drop_specs: prepare(DROP_SPECS),
            trimmed: prepare(TRIMMED),
            trim_operations: prepare(TRIM_OPERATIONS),
            trim_events: prepare(TRIM_EVENTS),
            set_trimmed: prepare(SET_TRIMMED),
        }
    }

    /// The beginning of a batch.
    pub(super) fn begin(&mut self) {
        self.begin.execute([]).expect("it begins");
        let _epoch: u64 = self.epoch.query_row([], |row| row.get(0)).expect("it is read");
        let _head: u64 = self.head.query_row([], |row| row.get(0)).expect("it is read");
    }

    /// The end of a batch, which drops a few of the events up to a position.
    pub(super) fn commit(&mut self, up_to: u64, written: u64) {
        let trimmed: u64 = self.trimmed.query_row([], |row| row.get(0)).expect("it is read");
        let up_to = up_to.min(trimmed + 2 * written + 10);
        if up_to > trimmed {
            self.trim_operations.execute(params![trimmed, up_to]).expect("they are dropped");
            self.trim_events.execute([up_to]).expect("they are dropped");
            self.set_trimmed.execute([up_to]).expect("it is written");
        }
        self.commit.execute([]).expect("it is on the disk");
    }

    /// One transition.
    pub(super) fn make(&mut self, step: &Step, whose: &Whose<'_>) {
        let changed = execute(&mut self.event, &step.event, whose);
        assert_eq!(changed, 1, "the tenant is at the revision that was expected");
        execute(&mut self.tenant, &step.tenant, whose);
        if let Some(spec) = &step.spec {
            execute(&mut self.spec, spec, whose);
        }
        if let Some(operation) = &step.operation {
            execute(&mut self.operation, operation, whose);
        }
        if let Some(settled) = &step.settled {
            let changed = execute(&mut self.settle, settled, whose);
            assert_eq!(changed, 1, "its operation is there");
        }
        if step.gone {
            self.drop_specs.execute([whose.name]).expect("they are dropped");
        }
    }
}

fn execute(statement: &mut Statement<'_>, row: &Row, whose: &Whose<'_>) -> usize {
    let bound = row.0.iter().map(|cell| Bound(cell, whose));
    statement.execute(rusqlite::params_from_iter(bound)).expect("it is written")
}

/// A cell with a tenant's own names in it.
struct Bound<'a>(&'a Cell, &'a Whose<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let Self(cell, whose) = self;
        let text = |text: &'_ str| ToSqlOutput::Owned(Value::Text(text.to_owned()));
        let number = |number: u64| ToSqlOutput::Owned(Value::Integer(number.cast_signed()));
        Ok(match cell {
            Cell::Fixed(value) => ToSqlOutput::Borrowed(ValueRef::from(value)),
            Cell::Name => ToSqlOutput::Borrowed(ValueRef::Text(whose.name.as_bytes())),
            Cell::Operation => ToSqlOutput::Borrowed(ValueRef::Text(whose.operation.as_bytes())),
            Cell::OperationWithin { before, after } => text(&[before, whose.operation, after].concat()),
            Cell::Incarnation => number(whose.incarnation),
            Cell::Expected => number(whose.revision),
            Cell::Revision => number(whose.revision + 1),
            Cell::Position => number(whose.position),
        })
    }
}
