//! The ceiling of the SQLite store: a loop on one thread that runs the store's own statements, on its schema, with its
//! settings and in batches as large as the engine's were, and does nothing else.
//!
//! The statements are copied from the store and compared with its source before each measurement; the values are
//! those that the store itself wrote for one tenant's life, with each tenant's own names put in their places. So the
//! two cannot drift apart unseen. Serialising records is not part of the loop: JSON is bound as it was found. That is
//! to the loop's favour, and the engine's goal is harder for it.

mod life;
pub(crate) mod rows;
mod statements;

use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::landlord::tenant_name;
use crate::usage;
use life::{Life, Whose};
use statements::Statements;

/// Steps of a life: provision, update and destroy each begin and end.
pub(crate) const STEPS: usize = 6;

/// How many events the store keeps by default.
const HISTORY: u64 = 1_000_000;

/// What the loop writes.
pub(crate) struct Plan<'a> {
    pub(crate) tenants: usize,
    /// How many tenants are on their way at a time.
    pub(crate) clients: usize,
    /// How many transitions go into a commit.
    pub(crate) batch: usize,
    /// All tenants take the steps of one phase before any begins the next.
    pub(crate) phases: &'a [Range<usize>],
    /// How often all that is done, with the same tenants.
    pub(crate) times: usize,
}

/// Writes it all, and says how long that took and what of it was processor time.
pub(crate) async fn run(folder: &Path, plan: &Plan<'_>) -> (Duration, Duration) {
    let life = life::learn().await;
    let path = folder.join("bare.db");
    let connection = open(&path);
    let mut statements = Statements::prepare(&connection);
    let (began, used) = (Instant::now(), usage::cpu());
    let mut head = 0;
    let mut operations = 0;
    for generation in 0..plan.times {
        for phase in plan.phases {
            write(&mut statements, &life, plan, generation, phase, &mut head, &mut operations);
        }
    }
    let took = (began.elapsed(), usage::cpu() - used);
    assert_eq!(head as usize, plan.tenants * STEPS * plan.times, "every transition was written");
    took
}

/// A tenant that is on its way.
struct Slot {
    tenant: usize,
    name: String,
    step: usize,
    operation: String,
}

impl Slot {
    fn new(tenant: usize, phase: &Range<usize>) -> Self {
        Self { tenant, name: tenant_name(tenant), step: phase.start, operation: String::new() }
    }
}

/// One phase: in each batch, the tenants that waited longest take one step each.
fn write(
    statements: &mut Statements<'_>,
    life: &Life,
    plan: &Plan<'_>,
    generation: usize,
    phase: &Range<usize>,
    head: &mut u64,
    operations: &mut u64,
) {
    let first = 0..plan.clients.min(plan.tenants);
    let mut slots: VecDeque<Slot> = first.map(|tenant| Slot::new(tenant, phase)).collect();
    while !slots.is_empty() {
        let batch = plan.batch.min(slots.len());
        statements.begin();
        for mut slot in slots.drain(..batch).collect::<Vec<_>>() {
            let step = &life.steps[slot.step];
            if step.opens() {
                *operations += 1;
                slot.operation = format!("1-{operations}");
            }
            *head += 1;
            let revision = (generation * STEPS + slot.step) as u64;
            let incarnation = generation as u64 + 1;
            let whose = Whose {
                name: &slot.name,
                operation: &slot.operation,
                revision,
                incarnation,
                position: *head,
            };
            statements.make(step, &whose);
            slot.step += 1;
            if slot.step == phase.end {
                slot = Slot::new(slot.tenant + plan.clients, phase);
            }
            if slot.tenant < plan.tenants {
                slots.push_back(slot);
            }
        }
        statements.commit(head.saturating_sub(HISTORY), batch as u64);
    }
}

/// A file with the store's schema and settings (src/store/sqlite/file.rs).
fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("it opens");
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).expect("it is a log");
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).expect("it is set");
    let schema = include_str!("../../../../src/store/sqlite/schema.sql");
    connection.execute_batch(schema).expect("the schema is made");
    let meta = "INSERT INTO meta (one, engine, epoch, trimmed) VALUES (1, '0123456789abcdef', 1, 0)";
    connection.execute_batch(meta).expect("it is written");
    connection.execute_batch(statements::SETTINGS).expect("they are set");
    connection
}
