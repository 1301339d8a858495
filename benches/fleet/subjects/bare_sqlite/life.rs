//! What the store writes in one tenant's life, learned from the store itself: the rows that it holds after each step.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::super::fleet::{Call, Fleet};
use super::super::landlord::{self, Tenants, tenant_name};
use super::super::toy::LIFE;
use super::statements::{EVENT, OPERATION, SPEC, TENANT};

/// Step by step, from nothing to nothing.
pub(super) struct Life {
    pub(super) steps: Vec<Step>,
}

/// What one transition writes.
pub(super) struct Step {
    pub(super) event: Row,
    pub(super) tenant: Row,
    pub(super) spec: Option<Row>,
    pub(super) operation: Option<Row>,
    pub(super) settled: Option<Row>,
    /// Its life is over, and its specs go.
    pub(super) gone: bool,
}

impl Step {
    /// Whether an operation begins with it.
    pub(super) fn opens(&self) -> bool {
        self.operation.is_some()
    }
}

/// What a statement is given.
pub(super) struct Row(pub(super) Vec<Cell>);

/// One value: the same for all tenants, or a tenant's own.
pub(super) enum Cell {
    Fixed(Value),
    Name,
    Operation,
    OperationWithin {
        before: String,
        after: String,
    },
    Incarnation,
    /// The revision that the tenant is at before.
    Expected,
    Revision,
    Position,
}

/// The values that are a tenant's own.
pub(super) struct Whose<'a> {
    pub(super) name: &'a str,
    pub(super) operation: &'a str,
    pub(super) incarnation: u64,
    pub(super) revision: u64,
    pub(super) position: u64,
}

/// Has an engine lead a tenant through its life over a store, and reads what the store holds after each step.
pub(super) async fn learn() -> Life {
    let folder = tempfile::tempdir().expect("a folder");
    let permits = Arc::new(Semaphore::new(0));
    let call = Call::Waits(Arc::clone(&permits));
    let tenants = Tenants::of(landlord::builder(landlord::sqlite(folder.path()), call)).await;
    let tenant = tenants.create(0).await;
    let mut steps = Vec::new();
    let mut reader = Reader::new(&folder.path().join("fleet.db"));
    for command in LIFE {
        let end = tenants.begin(&tenant, command).await;
        steps.push(reader.step());
        permits.add_permits(1);
        end.await;
        steps.push(reader.step());
    }
    assert_eq!(steps.len(), super::STEPS, "each command begins and ends");
    Life { steps }
}

/// The rows of the only tenant.
struct Reader {
    connection: Connection,
    /// How many there were at the last look.
    events: usize,
    operations: usize,
    specs: usize,
    operation: String,
}

type Named = HashMap<String, Value>;

impl Reader {
    fn new(path: &Path) -> Self {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let connection = connection.expect("it opens");
        Self { connection, events: 0, operations: 0, specs: 0, operation: String::new() }
    }

    /// What was written since the last look.
    fn step(&mut self) -> Step {
        let events = self.rows("SELECT * FROM events ORDER BY position");
        assert_eq!(events.len(), self.events + 1, "one transition");
        self.events = events.len();
        let operations = self.rows("SELECT * FROM operations ORDER BY accepted_at, id");
        let specs = self.rows("SELECT * FROM specs ORDER BY version");
        let opened = operations.len() > self.operations;
        self.operations = operations.len();
        let described = specs.len() > self.specs;
        self.specs = specs.len();
        let (event, operation) = (events.last().expect("one"), operations.last().expect("one"));
        if opened {
            self.operation = text(operation, "id");
        }
        let settled = event.get("settled_json").is_some_and(|settled| *settled != Value::Null);
        let tenants = self.rows("SELECT * FROM tenants");
        let tenant = tenants.first().expect("one");
        let gone = tenant.get("state").is_some_and(|state| *state == Value::Null);
        let row = |columns: Vec<&str>, named: &Named| {
            Row(columns.into_iter().map(|column| self.cell(column, named)).collect())
        };
        let event_columns = columns(EVENT).into_iter().filter(|column| *column != "previous").collect();
        let mut event = row(event_columns, event);
        event.0.push(Cell::Expected);
        Step {
            event,
            tenant: row(columns(TENANT), tenant),
            spec: described.then(|| row(columns(SPEC), specs.last().expect("one"))),
            operation: opened.then(|| row(columns(OPERATION), operation)),
            settled: settled.then(|| row(vec!["id", "settled_at", "settled_json"], operation)),
            gone,
        }
    }

    fn rows(&self, query: &str) -> Vec<Named> {
        let mut statement = self.connection.prepare(query).expect("it is prepared");
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let rows = statement.query_map([], |row| {
            let cells = names.iter().map(|name| Ok((name.clone(), row.get(name.as_str())?)));
            cells.collect::<Result<Named, rusqlite::Error>>()
        });
        rows.expect("they are read").collect::<Result<_, _>>().expect("they are read")
    }

    /// A value as it is for any tenant.
    fn cell(&self, column: &str, named: &Named) -> Cell {
        let value = named.get(column).expect("the column is there").clone();
        let quoted = format!("\"{}\"", self.operation);
        match (column, value) {
            ("incarnation", _) => Cell::Incarnation,
            ("revision", _) => Cell::Revision,
            ("position" | "last_event", _) => Cell::Position,
            (_, Value::Text(text)) if text == tenant_name(0) => Cell::Name,
            (_, Value::Text(text)) if text == self.operation => Cell::Operation,
            (_, Value::Text(text)) if text.contains(&quoted) => {
                let (before, after) = text.split_once(&self.operation).expect("it is there");
                Cell::OperationWithin { before: before.to_owned(), after: after.to_owned() }
            }
            (_, value) => Cell::Fixed(value),
        }
    }
}

fn text(named: &Named, column: &str) -> String {
    match named.get(column) {
        Some(Value::Text(text)) => text.clone(),
        other => panic!("{column} is no text, but {other:?}"),
    }
}

/// The columns that a statement names, which its table has too.
fn columns(statement: &str) -> Vec<&str> {
    let list = statement.split_once('(').and_then(|(_, rest)| rest.split_once(')')).expect("it has a list").0;
    list.split(',').map(str::trim).collect()
}
