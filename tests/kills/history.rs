//! What the store says of a run, read from outside of every engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent, Record, Settled, Tenant};
use landlord_compute::store::{Events, OperationRecord, Position, Reads, Scope, TenantFilter};
use landlord_store_sqlite::SqliteReader;

/// How many rows are read at a time.
const PAGE: usize = 1_000;

pub(super) struct History {
    /// All events, in order.
    pub(super) events: Vec<(Position, Arc<LifecycleEvent>)>,
    /// All operations.
    pub(super) operations: BTreeMap<OperationId, OperationRecord>,
    /// What is kept under the tenants' ids.
    pub(super) records: BTreeMap<TenantId, Record>,
}

impl History {
    pub(super) async fn read(path: &Path, tenants: &[TenantId]) -> Self {
        let store = SqliteReader::open(path).expect("readable");
        let mut records = BTreeMap::new();
        for tenant in tenants {
            records.insert(tenant.clone(), store.load(tenant).await.expect("readable"));
        }
        let mut operations = BTreeMap::new();
        for id in operation_ids(path) {
            let operation = store.operation(id).await.expect("readable").expect("its row was listed");
            operations.insert(id, operation);
        }
        Self { events: events(&store).await, operations, records }
    }

    /// How the operations ended, for the report.
    pub(super) fn summary(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for operation in self.operations.values() {
            let settled = match &operation.settled {
                Some(Settled::Done) => "done",
                Some(Settled::Failed { undone: true, .. }) => "failed and undone",
                Some(Settled::Failed { undone: false, .. }) => "failed",
                Some(Settled::Cancelled { .. }) => "cancelled",
                Some(Settled::Superseded { .. }) => "superseded",
                Some(Settled::Abandoned { .. }) => "abandoned",
                None => "open",
            };
            *counts.entry(format!("{:?} {settled}", operation.kind)).or_default() += 1;
        }
        let recoveries = self.events.iter().filter(|(_, event)| event.what == EventKind::Recovered).count();
        format!("{recoveries} calls taken up again; operations: {counts:?}")
    }

    /// A tenant's events, in order.
    pub(super) fn of<'a>(&'a self, tenant: &'a TenantId) -> impl Iterator<Item = &'a LifecycleEvent> {
        self.events.iter().map(|(_, event)| &**event).filter(move |event| event.tenant_id == *tenant)
    }
}

async fn events(store: &SqliteReader) -> Vec<(Position, Arc<LifecycleEvent>)> {
    let mut events: Vec<(Position, Arc<LifecycleEvent>)> = Vec::new();
    loop {
        let after = events.last().map_or(Position(0), |(position, _)| *position);
        match store.events(after, &Scope::All, PAGE).await.expect("readable") {
            Events::Page(page) if page.is_empty() => return events,
            Events::Page(page) => events.extend(page),
            Events::Gap { resume } => panic!("events up to {resume:?} are gone, and all should be kept"),
        }
    }
}

/// The tenants that live now.
pub(super) async fn living(path: &Path) -> Vec<Arc<Tenant>> {
    let store = SqliteReader::open(path).expect("readable");
    let (mut living, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(&TenantFilter::default(), after, PAGE).await.expect("readable");
        living.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return living,
        }
    }
}

/// The engine's name, and how many rows there are of what ends with a tenant: specs, living tenants.
pub(super) fn leftovers(path: &Path) -> (String, u64, u64) {
    let rows = "SELECT (SELECT engine FROM meta), (SELECT count(*) FROM specs),
        (SELECT count(*) FROM tenants WHERE state IS NOT NULL OR call IS NOT NULL OR wake_at IS NOT NULL)";
    connect(path)
        .query_row(rows, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("the store has these tables")
}

/// No method of a store lists operations, so its file is asked.
fn operation_ids(path: &Path) -> Vec<OperationId> {
    let connection = connect(path);
    let mut statement = connection.prepare("SELECT id FROM operations").expect("the store has operations");
    let ids = statement.query_map([], |row| row.get::<_, String>(0)).expect("readable");
    ids.map(|id| id.expect("readable").parse().expect("an operation id")).collect()
}

fn connect(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("the store opens")
}
