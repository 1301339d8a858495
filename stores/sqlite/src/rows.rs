//! Writes as rows of values. Everything that takes time is done before the writer gets them, so that within a
//! transaction it only binds values.

use std::ops::Range;

use landlord_state_machines::id::{OperationId, Revision, SpecVersion};
use landlord_state_machines::spec::Spec;
use landlord_state_machines::tenant::{LifecycleEvent, Record, Settlement};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use serde::Serialize;

use landlord_compute::store::{NotedRequest, OperationRecord, Write, WriteError};
use landlord_store_rows::{self as codec, BadColumn, TenantRow};

/// Which statement a row is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Event,
    Tenant,
    Spec,
    Operation,
    Settlement,
    Request,
    /// All specs of a tenant go.
    NoSpecs,
}

/// A value. Text is in the buffer that all rows share.
#[derive(Clone, Copy)]
enum Cell {
    Null,
    Integer(i64),
    Text {
        start: usize,
        end: usize,
    },
    /// The event's, which only the writer knows.
    Position,
}

struct Row {
    put: Put,
    cells: Range<usize>,
}

/// What one write puts into the tables, the event first.
pub(super) struct Prepared {
    pub(super) expected: Revision,
    tenant: Cell,
    rows: Range<usize>,
}

/// Some writes of a batch, in their order.
#[derive(Default)]
pub(super) struct Rows {
    text: Vec<u8>,
    cells: Vec<Cell>,
    rows: Vec<Row>,
    pub(super) writes: Vec<Result<Prepared, WriteError>>,
}

impl Rows {
    /// The rows of some writes. One that can never be stored is refused here, and the others are not affected.
    pub(super) fn of(writes: &[Write]) -> Self {
        let mut rows = Self::default();
        for write in writes {
            let prepared = rows.prepare(write);
            rows.writes.push(prepared);
        }
        rows
    }

    /// The rows of a write: which statement each is for, and its values.
    pub(super) fn of_write(
        &self,
        write: &Prepared,
        position: u64,
    ) -> impl Iterator<Item = (Put, impl Iterator<Item = Bound<'_>>)> {
        self.rows[write.rows.clone()].iter().map(move |row| {
            let cells = self.cells[row.cells.clone()].iter();
            (row.put, cells.map(move |cell| Bound { cell: *cell, text: &self.text, position }))
        })
    }

    /// The id of a write's tenant.
    pub(super) fn tenant(&self, write: &Prepared) -> impl ToSql {
        Bound { cell: write.tenant, text: &self.text, position: 0 }
    }

    fn prepare(&mut self, write: &Write) -> Result<Prepared, WriteError> {
        write.check()?;
        let first = self.rows.len();
        let id = self.text(write.record.id().as_str());
        match self.put_all(id, write) {
            Ok(()) => Ok(Prepared { expected: write.expected, tenant: id, rows: first..self.rows.len() }),
            Err(bad) => Err(WriteError::Invalid(bad.to_string())),
        }
    }

    fn put_all(&mut self, id: Cell, write: &Write) -> Result<(), BadColumn> {
        self.put_event(id, &write.event, write.expected)?;
        self.put_tenant(id, &codec::encode(&write.record)?)?;
        if let Some((version, spec)) = &write.spec {
            self.put_spec(id, *version, spec)?;
        }
        if let Some(opened) = &write.opened {
            self.put_operation(id, opened)?;
        }
        if let Some(noted) = &write.noted {
            self.put_request(id, noted)?;
        }
        for settlement in &write.event.settled {
            self.put_settlement(settlement, &write.event)?;
        }
        match &write.record {
            Record::Live(_) | Record::Absent(_) => {}
            Record::Gone(_) => self.put(Put::NoSpecs, &[id]),
        }
        Ok(())
    }

    fn put(&mut self, put: Put, cells: &[Cell]) {
        let first = self.cells.len();
        self.cells.extend_from_slice(cells);
        self.rows.push(Row { put, cells: first..self.cells.len() });
    }

    fn put_event(&mut self, id: Cell, event: &LifecycleEvent, expected: Revision) -> Result<(), BadColumn> {
        let settled = if event.settled.is_empty() { None } else { Some(&event.settled) };
        let cells = [
            Cell::Position,
            id,
            number("incarnation", event.incarnation.0)?,
            number("revision", event.revision.0)?,
            Cell::Integer(event.at.as_microsecond()),
            self.text(event.from.as_str()),
            self.optional_text(event.to.map(|to| to.as_str())),
            event.operation.map_or(Cell::Null, |operation| self.operation(operation)),
            optional_number("attempt", event.attempt)?,
            self.json("what_json", &event.what)?,
            settled.map_or(Ok(Cell::Null), |settled| self.json("settled_json", settled))?,
            number("revision", expected.0)?,
        ];
        self.put(Put::Event, &cells);
        Ok(())
    }

    fn put_tenant(&mut self, id: Cell, row: &TenantRow<'_>) -> Result<(), BadColumn> {
        let cells = [
            id,
            number("incarnation", row.incarnation)?,
            number("revision", row.revision)?,
            Cell::Position,
            self.optional_text(row.state),
            self.optional_text(row.provider),
            self.optional_text(row.health),
            optional_number("applied_spec", row.applied_spec)?,
            optional_number("target_spec", row.target_spec)?,
            optional_number("latest_spec", row.latest_spec)?,
            self.optional_text(row.operation.as_deref()),
            optional_number("attempt", row.attempt)?,
            self.optional_text(row.direction),
            optional_time(row.deadline),
            self.optional_text(row.undo_error_json.as_deref()),
            self.optional_text(row.run),
            optional_number("call", row.call)?,
            self.optional_text(row.method),
            self.optional_text(row.stop_reason),
            self.optional_text(row.stop_operation.as_deref()),
            optional_time(row.until),
            optional_time(row.wake_at),
            self.optional_text(row.next_operation.as_deref()),
            optional_number("next_spec", row.next_spec)?,
            optional_time(row.next_deadline),
            optional_time(row.paused_at),
            optional_time(row.settled_at),
            optional_number("repair_count", row.repair_count)?,
            optional_time(row.repair_last),
            optional_time(row.repair_due),
            self.optional_text(row.last_failure_json.as_deref()),
            self.optional_text(row.ledger_json.as_deref()),
            optional_number("applied_rollout", row.applied_rollout)?,
            optional_number("target_rollout", row.target_rollout)?,
            self.optional_text(row.retained_json.as_deref()),
        ];
        self.put(Put::Tenant, &cells);
        Ok(())
    }

    fn put_spec(&mut self, id: Cell, version: SpecVersion, spec: &Spec) -> Result<(), BadColumn> {
        let cells = [id, number("version", version.0)?, self.json("body_json", spec)?];
        self.put(Put::Spec, &cells);
        Ok(())
    }

    fn put_operation(&mut self, id: Cell, operation: &OperationRecord) -> Result<(), BadColumn> {
        let trace = operation.trace.as_ref();
        let cells = [
            self.operation(operation.id),
            id,
            number("incarnation", operation.incarnation.0)?,
            self.text(codec::kind_name(operation.kind)),
            optional_number("target_spec", operation.target.map(|target| target.0))?,
            Cell::Integer(operation.accepted_at.as_microsecond()),
            self.optional_text(operation.request_id.as_deref()),
            self.optional_text(operation.reason.as_deref()),
            self.optional_text(trace.map(|trace| trace.traceparent.as_str())),
            self.optional_text(trace.and_then(|trace| trace.tracestate.as_deref())),
            self.optional_text(operation.asked.map(|asked| asked.to_string()).as_deref()),
        ];
        self.put(Put::Operation, &cells);
        Ok(())
    }

    fn put_request(&mut self, id: Cell, noted: &NotedRequest) -> Result<(), BadColumn> {
        let cells = [
            id,
            self.text(&noted.request_id),
            self.text(&noted.asked.to_string()),
            noted.operation.map_or(Cell::Null, |operation| self.operation(operation)),
            number("revision", noted.revision.0)?,
            Cell::Position,
        ];
        self.put(Put::Request, &cells);
        Ok(())
    }

    fn put_settlement(&mut self, settlement: &Settlement, event: &LifecycleEvent) -> Result<(), BadColumn> {
        let cells = [
            self.operation(settlement.operation),
            Cell::Integer(event.at.as_microsecond()),
            self.json("settled_json", &settlement.settled)?,
        ];
        self.put(Put::Settlement, &cells);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Cell {
        let start = self.text.len();
        self.text.extend_from_slice(text.as_bytes());
        Cell::Text { start, end: self.text.len() }
    }

    fn optional_text(&mut self, text: Option<&str>) -> Cell {
        text.map_or(Cell::Null, |text| self.text(text))
    }

    fn operation(&mut self, id: OperationId) -> Cell {
        self.text(&codec::operation_text(id))
    }

    fn json<T: Serialize>(&mut self, column: &'static str, value: &T) -> Result<Cell, BadColumn> {
        let start = self.text.len();
        serde_json::to_writer(&mut self.text, value).map_err(|cause| BadColumn::bad(column, cause))?;
        Ok(Cell::Text { start, end: self.text.len() })
    }
}

/// SQLite counts with a sign.
fn number(column: &'static str, number: u64) -> Result<Cell, BadColumn> {
    i64::try_from(number).map(Cell::Integer).map_err(|cause| BadColumn::bad(column, cause))
}

fn optional_number(column: &'static str, found: Option<impl Into<u64>>) -> Result<Cell, BadColumn> {
    found.map_or(Ok(Cell::Null), |found| number(column, found.into()))
}

fn optional_time(microseconds: Option<i64>) -> Cell {
    microseconds.map_or(Cell::Null, Cell::Integer)
}

/// A value as it is bound.
pub(super) struct Bound<'a> {
    cell: Cell,
    text: &'a [u8],
    position: u64,
}

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.cell {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Integer(number) => ToSqlOutput::Owned(Value::Integer(number)),
            Cell::Text { start, end } => ToSqlOutput::Borrowed(ValueRef::Text(&self.text[start..end])),
            Cell::Position => self.position.to_sql()?,
        })
    }
}
