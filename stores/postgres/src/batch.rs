//! Writes as columns: one array for each column of each table, which the server unfolds into rows again.

use std::borrow::Cow;
use std::collections::HashSet;

use jiff::Timestamp;
use landlord_state_machines::id::OperationId;
use landlord_state_machines::members::Shard;
use landlord_state_machines::tenant::Record;
use landlord_store_rows::{self as rows, BadColumn, TenantRow};
use tokio_postgres::types::{ToSql, Type};

use landlord_compute::store::{NotedRequest, OperationRecord, Write, WriteError};

use super::link::Value;

/// The longest text that an index takes, with room for what is beside it.
const LONGEST_KEY: usize = 1_900;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Time,
}

impl Kind {
    /// What an array of it is called in SQL.
    pub(crate) const fn array(self) -> &'static str {
        match self {
            Self::Text => "text[]",
            Self::Number => "bigint[]",
            Self::Time => "timestamptz[]",
        }
    }
}

use Kind::{Number, Text, Time};

/// The columns of the table `tenants`, in the order in which they are written and read.
pub(crate) const TENANT: [(&str, Kind); 35] = [
    ("id", Text),
    ("shard", Number),
    ("incarnation", Number),
    ("revision", Number),
    ("state", Text),
    ("provider", Text),
    ("health", Text),
    ("applied_spec", Number),
    ("applied_rollout", Number),
    ("target_spec", Number),
    ("target_rollout", Number),
    ("latest_spec", Number),
    ("operation", Text),
    ("attempt", Number),
    ("direction", Text),
    ("deadline", Time),
    ("undo_error_json", Text),
    ("run", Text),
    ("call", Number),
    ("method", Text),
    ("stop_reason", Text),
    ("stop_operation", Text),
    ("until", Time),
    ("wake_at", Time),
    ("next_operation", Text),
    ("next_spec", Number),
    ("next_deadline", Time),
    ("paused_at", Time),
    ("settled_at", Time),
    ("repair_count", Number),
    ("repair_last", Time),
    ("repair_due", Time),
    ("last_failure_json", Text),
    ("ledger_json", Text),
    ("retained_json", Text),
];

/// A write's event, beside its position and tenant. Its revision is the tenant's.
const EVENT: [(&str, Kind); 9] = [
    ("event_incarnation", Number),
    ("event_at", Time),
    ("event_from_state", Text),
    ("event_to_state", Text),
    ("event_operation", Text),
    ("event_attempt", Number),
    ("event_what_json", Text),
    ("event_settled_json", Text),
    ("event_settles", Text),
];

/// A spec body that was not known before.
const SPEC: [(&str, Kind); 2] = [("spec_version", Number), ("spec_body_json", Text)];

/// An operation that begins.
const OPENED: [(&str, Kind); 10] = [
    ("opened", Text),
    ("opened_incarnation", Number),
    ("opened_kind", Text),
    ("opened_target_spec", Number),
    ("opened_accepted_at", Time),
    ("opened_reason", Text),
    ("opened_traceparent", Text),
    ("opened_tracestate", Text),
    ("opened_settled_at", Time),
    ("opened_settled_json", Text),
];

/// A caller's name for a request, whatever it led to.
const REQUEST: [(&str, Kind); 4] =
    [("request_id", Text), ("request_began", Number), ("request_operation", Text), ("request_asked", Text)];

/// How an operation ended that began with an earlier write.
const SETTLEMENT: [(&str, Kind); 4] =
    [("n", Number), ("operation", Text), ("settled_at", Time), ("settled_json", Text)];

/// A value.
#[derive(Clone, Debug)]
enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Number(i64),
    Time(Timestamp),
}

/// The values of a column.
#[derive(Debug)]
enum Column<'a> {
    Text(Vec<Option<Cow<'a, str>>>),
    Number(Vec<Option<i64>>),
    Time(Vec<Option<Timestamp>>),
}

impl<'a> Column<'a> {
    fn new(kind: Kind) -> Self {
        match kind {
            Text => Self::Text(Vec::new()),
            Number => Self::Number(Vec::new()),
            Time => Self::Time(Vec::new()),
        }
    }

    /// Whether it takes this value.
    fn fits(&self, cell: &Cell<'_>) -> bool {
        matches!(
            (self, cell),
            (_, Cell::Null)
                | (Self::Text(_), Cell::Text(_))
                | (Self::Number(_), Cell::Number(_))
                | (Self::Time(_), Cell::Time(_))
        )
    }

    fn push(&mut self, cell: Cell<'a>) {
        match (self, cell) {
            (Self::Text(values), Cell::Text(value)) => values.push(Some(value)),
            (Self::Text(values), Cell::Null | Cell::Number(_) | Cell::Time(_)) => values.push(None),
            (Self::Number(values), Cell::Number(value)) => values.push(Some(value)),
            (Self::Number(values), Cell::Null | Cell::Text(_) | Cell::Time(_)) => values.push(None),
            (Self::Time(values), Cell::Time(value)) => values.push(Some(value)),
            (Self::Time(values), Cell::Null | Cell::Text(_) | Cell::Number(_)) => values.push(None),
        }
    }

    /// Whether a row has a value of it.
    fn is_filled(&self) -> bool {
        match self {
            Self::Text(values) => values.iter().any(Option::is_some),
            Self::Number(values) => values.iter().any(Option::is_some),
            Self::Time(values) => values.iter().any(Option::is_some),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Text(values) => (values as &(dyn ToSql + Sync), Type::TEXT_ARRAY),
            Self::Number(values) => (values as &(dyn ToSql + Sync), Type::INT8_ARRAY),
            Self::Time(values) => (values as &(dyn ToSql + Sync), Type::TIMESTAMPTZ_ARRAY),
        }
    }
}

/// Rows as columns. A column that is not there is empty in all of them.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    columns: Vec<(&'static str, Kind, Column<'a>)>,
}

impl<'a> Table<'a> {
    fn new(columns: impl IntoIterator<Item = (&'static str, Kind)>) -> Self {
        let columns = columns.into_iter().map(|(name, kind)| (name, kind, Column::new(kind)));
        Self { columns: columns.collect() }
    }

    /// Adds a row, or nothing at all.
    fn push(&mut self, row: Vec<Cell<'a>>) -> Result<(), BadColumn> {
        for ((name, _, column), cell) in self.columns.iter().zip(&row) {
            if !column.fits(cell) {
                return Err(BadColumn::bad(name, "it has another type"));
            }
        }
        for ((_, _, column), cell) in self.columns.iter_mut().zip(row) {
            column.push(cell);
        }
        Ok(())
    }

    /// Leaves out the columns that no row has a value of: the server would understand and carry along each of them.
    fn leave_out_empty(&mut self) {
        self.columns.retain(|(_, _, column)| column.is_filled());
    }

    /// Whether a row has a value of this column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|(name, _, _)| *name == column)
    }

    /// What its columns are called.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|(name, _, _)| *name)
    }

    /// The arrays as SQL, beginning with the parameter of this number: `$4::text[], $5::bigint[]`.
    pub(crate) fn arrays(&self, first: usize) -> String {
        let arrays = self.columns.iter().zip(first..);
        let arrays = arrays.map(|((_, kind, _), number)| format!("${number}::{}", kind.array()));
        arrays.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = Value<'_>> {
        self.columns.iter().map(|(_, _, column)| column.value())
    }
}

/// What the writes of a batch have, beside tenants and events. What none has is not in the statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Tenants that were never written.
    pub(crate) begins: bool,
    /// Tenants that were.
    pub(crate) goes_on: bool,
    /// Tenants that are gone, and their specs with them.
    pub(crate) gone: bool,
    pub(crate) specs: bool,
    pub(crate) opened: bool,
    pub(crate) requests: bool,
    pub(crate) settled: bool,
}

/// Writes that one statement makes.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) parts: Parts,
    pub(crate) writes: Table<'a>,
    pub(crate) settlements: Table<'a>,
    /// Which writes it has, by their places among those that it was made of, ascending.
    pub(crate) numbers: Vec<usize>,
}

impl<'a> Batch<'a> {
    /// The writes at these places, in the order of their tenants, so that batches that meet lock in one order. What can
    /// never be stored is refused here, and the others are not affected.
    pub(crate) fn of(
        writes: &'a [Write],
        numbers: &[usize],
        mut refuse: impl FnMut(usize, WriteError),
    ) -> Self {
        let fixed = [("n", Number), ("expected", Number)];
        let columns = fixed.into_iter().chain(TENANT).chain(EVENT).chain(SPEC).chain(OPENED).chain(REQUEST);
        let mut batch = Self {
            parts: Parts::default(),
            writes: Table::new(columns),
            settlements: Table::new(SETTLEMENT),
            numbers: Vec::with_capacity(numbers.len()),
        };
        let mut sorted: Vec<(usize, &Write)> =
            numbers.iter().filter_map(|number| Some((*number, writes.get(*number)?))).collect();
        sorted.sort_by(|(_, a), (_, b)| a.record.id().cmp(b.record.id()));
        for (number, write) in sorted {
            match batch.add(number, write) {
                Ok(()) => batch.numbers.push(number),
                Err(error) => refuse(number, error),
            }
        }
        batch.numbers.sort_unstable();
        batch.writes.leave_out_empty();
        batch
    }

    fn add(&mut self, number: usize, write: &'a Write) -> Result<(), WriteError> {
        write.check()?;
        let invalid = |bad: BadColumn| WriteError::Invalid(bad.to_string());
        let n = signed("n", number as u64).map_err(invalid)?;
        let (row, settlements) = row(n, write).map_err(invalid)?;
        self.writes.push(row).map_err(invalid)?;
        for settlement in settlements {
            self.settlements.push(settlement).map_err(invalid)?;
            self.parts.settled = true;
        }
        let gone = match &write.record {
            Record::Gone(_) => true,
            Record::Live(_) | Record::Absent(_) => false,
        };
        let parts = &mut self.parts;
        parts.begins |= write.expected.0 == 0;
        parts.goes_on |= write.expected.0 != 0;
        parts.gone |= gone;
        parts.specs |= write.spec.is_some() && !gone;
        parts.opened |= write.opened.is_some();
        parts.requests |=
            write.noted.is_some() || write.opened.as_ref().is_some_and(|opened| opened.request_id.is_some());
        Ok(())
    }
}

/// The places of these writes in runs, each of which one statement can make: in no run is a tenant or an operation twice.
pub(crate) fn runs(writes: &[Write]) -> Vec<Vec<usize>> {
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let (mut tenants, mut operations) = (HashSet::new(), HashSet::<OperationId>::new());
    for (number, write) in writes.iter().enumerate() {
        let opened = write.opened.as_ref().map(|opened| opened.id);
        let again =
            tenants.contains(write.record.id()) || opened.is_some_and(|opened| operations.contains(&opened));
        if again || runs.is_empty() {
            runs.push(Vec::new());
            tenants.clear();
            operations.clear();
        }
        tenants.insert(write.record.id());
        operations.extend(opened);
        if let Some(run) = runs.last_mut() {
            run.push(number);
        }
    }
    runs
}

/// A write as a row of `writes`, and rows of `settlements`.
fn row<'a>(n: i64, write: &'a Write) -> Result<(Vec<Cell<'a>>, Vec<Vec<Cell<'a>>>), BadColumn> {
    let event = &write.event;
    let tenant = rows::encode(&write.record)?;
    let gone = tenant.state.is_none();
    let mut cells = vec![Cell::Number(n), number("revision", Some(write.expected.0))?];
    push_tenant(&mut cells, write, tenant)?;

    let settles = event.settled.iter().map(|settlement| settlement.operation.to_string());
    let settles = settles.collect::<Vec<_>>().join(",");
    let settled = if event.settled.is_empty() { None } else { Some(&event.settled) };
    cells.extend([
        number("incarnation", Some(event.incarnation.0))?,
        time("at", Some(event.at.as_microsecond()))?,
        text("from_state", Some(event.from.as_str()))?,
        text("to_state", event.to.map(|to| to.as_str()))?,
        text("operation", event.operation.map(rows::operation_text))?,
        number("attempt", event.attempt.map(u64::from))?,
        json("what_json", Some(&event.what))?,
        json("settled_json", settled)?,
        text("settles", settled.map(|_| settles))?,
    ]);

    match write.spec.as_ref().filter(|_| !gone) {
        Some((version, spec)) => {
            cells.extend([number("version", Some(version.0))?, json("body_json", Some(spec))?]);
        }
        None => cells.extend([Cell::Null, Cell::Null]),
    }

    let mut at_once = None;
    let mut settlements = Vec::new();
    for settlement in &event.settled {
        let how = json("settled_json", Some(&settlement.settled))?;
        let at = time("at", Some(event.at.as_microsecond()))?;
        if write.opened.as_ref().is_some_and(|opened| opened.id == settlement.operation) {
            at_once = Some((at, how));
        } else {
            let operation = text("operation", Some(rows::operation_text(settlement.operation)))?;
            settlements.push(vec![Cell::Number(n), operation, at, how]);
        }
    }
    push_opened(&mut cells, write.opened.as_deref(), at_once)?;
    push_request(&mut cells, write.opened.as_deref(), write.noted.as_deref())?;
    Ok((cells, settlements))
}

fn push_tenant<'a>(cells: &mut Vec<Cell<'a>>, write: &Write, row: TenantRow<'a>) -> Result<(), BadColumn> {
    cells.extend([
        key("id", Some(row.id))?,
        Cell::Number(Shard::of(write.record.id()).number().into()),
        number("incarnation", Some(row.incarnation))?,
        number("revision", Some(row.revision))?,
        text("state", row.state)?,
        text("provider", row.provider)?,
        text("health", row.health)?,
        number("applied_spec", row.applied_spec)?,
        number("applied_rollout", row.applied_rollout)?,
        number("target_spec", row.target_spec)?,
        number("target_rollout", row.target_rollout)?,
        number("latest_spec", row.latest_spec)?,
        text("operation", row.operation)?,
        number("attempt", row.attempt.map(u64::from))?,
        text("direction", row.direction)?,
        time("deadline", row.deadline)?,
        text("undo_error_json", row.undo_error_json)?,
        text("run", row.run)?,
        number("call", row.call)?,
        text("method", row.method)?,
        text("stop_reason", row.stop_reason)?,
        text("stop_operation", row.stop_operation)?,
        time("until", row.until)?,
        time("wake_at", row.wake_at)?,
        text("next_operation", row.next_operation)?,
        number("next_spec", row.next_spec)?,
        time("next_deadline", row.next_deadline)?,
        time("paused_at", row.paused_at)?,
        time("settled_at", row.settled_at)?,
        number("repair_count", row.repair_count.map(u64::from))?,
        time("repair_last", row.repair_last)?,
        time("repair_due", row.repair_due)?,
        text("last_failure_json", row.last_failure_json)?,
        text("ledger_json", row.ledger_json)?,
        text("retained_json", row.retained_json)?,
    ]);
    Ok(())
}

fn push_opened<'a>(
    cells: &mut Vec<Cell<'a>>,
    opened: Option<&'a OperationRecord>,
    at_once: Option<(Cell<'a>, Cell<'a>)>,
) -> Result<(), BadColumn> {
    let Some(opened) = opened else {
        cells.extend(std::iter::repeat_n(Cell::Null, OPENED.len()));
        return Ok(());
    };
    let trace = opened.trace.as_ref();
    let (settled_at, settled) = at_once.unwrap_or((Cell::Null, Cell::Null));
    cells.extend([
        text("id", Some(rows::operation_text(opened.id)))?,
        number("incarnation", Some(opened.incarnation.0))?,
        text("kind", Some(rows::kind_name(opened.kind)))?,
        number("target_spec", opened.target.map(|target| target.0))?,
        time("accepted_at", Some(opened.accepted_at.as_microsecond()))?,
        text("reason", opened.reason.as_deref())?,
        text("traceparent", trace.map(|trace| trace.traceparent.as_str()))?,
        text("tracestate", trace.and_then(|trace| trace.tracestate.as_deref()))?,
        settled_at,
        settled,
    ]);
    Ok(())
}

fn push_request<'a>(
    cells: &mut Vec<Cell<'a>>,
    opened: Option<&'a OperationRecord>,
    noted: Option<&'a NotedRequest>,
) -> Result<(), BadColumn> {
    let began =
        opened.and_then(|opened| Some((opened.request_id.as_deref()?, 1, Some(opened.id), opened.asked)));
    let noted = noted.map(|noted| (noted.request_id.as_str(), 0, noted.operation, Some(noted.asked)));
    match began.or(noted) {
        Some((name, began, operation, asked)) => cells.extend([
            key("request_id", Some(name))?,
            Cell::Number(began),
            text("operation", operation.map(rows::operation_text))?,
            text("asked", asked.map(|asked| asked.to_string()))?,
        ]),
        None => cells.extend(std::iter::repeat_n(Cell::Null, REQUEST.len())),
    }
    Ok(())
}

/// Text as PostgreSQL can keep it.
fn text<'a>(column: &'static str, text: Option<impl Into<Cow<'a, str>>>) -> Result<Cell<'a>, BadColumn> {
    let Some(text) = text else { return Ok(Cell::Null) };
    let text = text.into();
    if !is_storable(&text) {
        return Err(BadColumn::bad(column, "it has a NUL character, which PostgreSQL cannot keep"));
    }
    Ok(Cell::Text(text))
}

/// Text that is looked up.
fn key<'a>(column: &'static str, name: Option<&'a str>) -> Result<Cell<'a>, BadColumn> {
    if name.is_some_and(|name| !is_key(name)) {
        return Err(BadColumn::bad(column, format!("it is longer than {LONGEST_KEY} bytes")));
    }
    text(column, name)
}

/// Whether PostgreSQL can keep a text.
pub(crate) fn is_storable(text: &str) -> bool {
    !text.as_bytes().contains(&0)
}

/// Whether an index of PostgreSQL takes a text.
pub(crate) fn is_key(text: &str) -> bool {
    text.len() <= LONGEST_KEY
}

/// JSON has no NUL character: there it is written as an escape.
fn json<'a, T: serde::Serialize>(column: &'static str, value: Option<&T>) -> Result<Cell<'a>, BadColumn> {
    let Some(value) = value else { return Ok(Cell::Null) };
    let json = serde_json::to_string(value).map_err(|cause| BadColumn::bad(column, cause))?;
    Ok(Cell::Text(json.into()))
}

/// PostgreSQL counts with a sign.
pub(crate) fn signed(column: &'static str, number: u64) -> Result<i64, BadColumn> {
    i64::try_from(number).map_err(|cause| BadColumn::bad(column, cause))
}

fn number<'a>(column: &'static str, number: Option<u64>) -> Result<Cell<'a>, BadColumn> {
    number.map_or(Ok(Cell::Null), |number| signed(column, number).map(Cell::Number))
}

/// A time, cut to the microsecond.
fn time<'a>(column: &'static str, microseconds: Option<i64>) -> Result<Cell<'a>, BadColumn> {
    let Some(microseconds) = microseconds else { return Ok(Cell::Null) };
    let time = Timestamp::from_microsecond(microseconds).map_err(|cause| BadColumn::bad(column, cause))?;
    if time < EARLIEST {
        return Err(BadColumn::bad(column, "it is before the year 4713 BC, which PostgreSQL cannot keep"));
    }
    Ok(Cell::Time(time))
}

/// The first time that PostgreSQL can keep, and a little later.
pub(crate) const EARLIEST: Timestamp = Timestamp::constant(-210_000_000_000, 0);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landlord_testing::store::samples::StoredLife;

    use super::*;

    fn life(name: &str) -> Write {
        StoredLife::new(name).begin()
    }

    #[test]
    fn writes_are_sorted_by_tenant_and_keep_their_places() {
        let writes = ["c", "a", "b"].map(life);
        let batch = Batch::of(&writes, &[0, 1, 2], |number, error| panic!("{number}: {error}"));
        let column = |name: &str| batch.writes.columns.iter().find(|(known, _, _)| *known == name);
        let Some((_, _, Column::Number(places))) = column("n") else { panic!("numbers") };
        assert_eq!(*places, [Some(1), Some(2), Some(0)]);
        let Some((_, _, Column::Text(ids))) = column("id") else { panic!("texts") };
        assert_eq!(ids.iter().flatten().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(batch.numbers, [0, 1, 2]);
        let parts = Parts { begins: true, specs: true, opened: true, ..Parts::default() };
        assert_eq!(batch.parts, parts);
        for (name, _, column) in &batch.writes.columns {
            let rows = match column {
                Column::Text(values) => values.len(),
                Column::Number(values) => values.len(),
                Column::Time(values) => values.len(),
            };
            assert_eq!(rows, 3, "{name}");
        }
    }

    #[test]
    fn what_can_never_be_stored_is_refused_alone() {
        let mut writes = ["a", "b", "c", "d"].map(life);
        Arc::make_mut(writes[1].opened.as_mut().unwrap()).reason = Some("a\0b".to_owned());
        writes[2] = StoredLife::new("c").begin_with(None, Some(&"x".repeat(2_000)));
        writes[3] = StoredLife::new("d").begin_with(Some(Timestamp::MIN), None);
        let mut refused = Vec::new();
        let batch = Batch::of(&writes, &[0, 1, 2, 3], |number, error| refused.push((number, error)));
        assert_eq!(batch.numbers, [0]);
        assert!(refused.iter().all(|(_, error)| matches!(error, WriteError::Invalid(_))), "{refused:?}");
        assert_eq!(refused.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn an_operation_that_ends_at_once_needs_no_second_row() {
        let mut life = StoredLife::new("a");
        let mut begin = life.begin();
        Arc::make_mut(&mut begin.event).settled = life.done().event.settled.clone();
        let (row, settlements) = row(0, &begin).unwrap();
        assert!(settlements.is_empty());
        let settled = row.len() - REQUEST.len() - 1;
        assert!(matches!(&row[settled], Cell::Text(json) if json.contains("done")), "{:?}", row[settled]);
    }

    #[test]
    fn a_statement_has_no_tenant_and_no_operation_twice() {
        let mut writes = vec![life("a"), life("b"), life("a"), life("c"), life("d")];
        writes[4].opened = writes[3].opened.clone();
        assert_eq!(runs(&writes), [vec![0, 1], vec![2, 3], vec![4]]);
        assert!(runs(&[]).is_empty());
    }
}
