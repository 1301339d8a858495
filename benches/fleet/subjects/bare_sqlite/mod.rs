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

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::filled;
use super::landlord::tenant_name;
use crate::usage;
use life::{Life, Whose};
use statements::Statements;

/// Steps of a life: provision, update and destroy each begin and end.
pub(crate) const STEPS: usize = 6;

/// How many events the store keeps by default.
const HISTORY: u64 = 1_000_000;

/// Whose lives the loop writes.
#[derive(Clone, Copy)]
pub(crate) enum Lives<'a> {
    /// They begin in an empty store, and each tenant goes through its life without waiting for others.
    Whole,
    /// They run already, in a copy of this store, so many. All are updated, then all are destroyed, then all are
    /// provisioned again.
    Running { store: &'a Path, alive: usize },
}

/// What the loop writes.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) lives: Lives<'a>,
    /// How many tenants take part. Of those that run already, they are spread evenly over all.
    pub(crate) tenants: usize,
    /// How often they do.
    pub(crate) times: usize,
    /// How many tenants are on their way at a time.
    pub(crate) clients: usize,
    /// How many transitions go into a commit.
    pub(crate) batch: usize,
}

impl Plan<'_> {
    pub(crate) fn transitions(&self) -> usize {
        self.tenants * self.times * STEPS
    }

    /// The steps that all tenants take before any goes on.
    fn phases(&self) -> &'static [Range<usize>] {
        const WHOLE: &[Range<usize>] = &[Range { start: 0, end: STEPS }];
        match self.lives {
            Lives::Whole => WHOLE,
            Lives::Running { .. } => &[2..4, 4..6, 0..2],
        }
    }

    /// The last event that was there before.
    fn head(&self) -> u64 {
        match self.lives {
            Lives::Whole => 0,
            Lives::Running { alive, .. } => alive as u64,
        }
    }

    fn name(&self, index: usize) -> String {
        match self.lives {
            Lives::Whole => tenant_name(index),
            Lives::Running { alive, .. } => tenant_name(index * (alive / self.tenants)),
        }
    }

    /// A tenant's revision before a step, and its incarnation after it.
    fn stands(&self, generation: usize, step: usize) -> (u64, u64) {
        let (revision, incarnation) = match self.lives {
            Lives::Whole => (generation * STEPS + step, generation + 1),
            // It was provisioned with one transition, and an update is the first of its steps.
            Lives::Running { .. } => {
                (1 + generation * STEPS + (step + 4) % STEPS, generation + if step < 2 { 2 } else { 1 })
            }
        };
        (revision as u64, incarnation as u64)
    }
}

/// Writes it all, and says how long that took and what of it was processor time.
pub(crate) async fn run(plan: &Plan<'_>) -> (Duration, Duration) {
    let life = life::learn().await;
    let folder = tempfile::tempdir().expect("a folder");
    let connection = match plan.lives {
        Lives::Whole => create(&folder.path().join("fleet.db")),
        Lives::Running { store, .. } => {
            filled::copy(store, folder.path());
            open(&folder.path().join("fleet.db"))
        }
    };
    let mut writer =
        Writer { statements: Statements::prepare(&connection), life, head: plan.head(), operations: 0 };
    let (began, used) = (Instant::now(), usage::cpu());
    for generation in 0..plan.times {
        for phase in plan.phases() {
            writer.write(plan, generation, phase);
        }
    }
    let took = (began.elapsed(), usage::cpu() - used);
    assert_eq!(writer.head, plan.head() + plan.transitions() as u64, "every transition was written");
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
    fn new(plan: &Plan<'_>, tenant: usize, phase: &Range<usize>) -> Self {
        Self { tenant, name: plan.name(tenant), step: phase.start, operation: String::new() }
    }
}

struct Writer<'c> {
    statements: Statements<'c>,
    life: Life,
    /// The position of the last event, and the number of the last operation.
    head: u64,
    operations: u64,
}

impl Writer<'_> {
    /// One phase: in each batch, the tenants that waited longest take one step each.
    fn write(&mut self, plan: &Plan<'_>, generation: usize, phase: &Range<usize>) {
        let first = 0..plan.clients.min(plan.tenants);
        let mut slots: VecDeque<Slot> = first.map(|tenant| Slot::new(plan, tenant, phase)).collect();
        while !slots.is_empty() {
            let batch = plan.batch.min(slots.len());
            self.statements.begin();
            for mut slot in slots.drain(..batch).collect::<Vec<_>>() {
                self.step(plan, generation, &mut slot);
                slot.step += 1;
                if slot.step == phase.end {
                    slot = Slot::new(plan, slot.tenant + plan.clients, phase);
                }
                if slot.tenant < plan.tenants {
                    slots.push_back(slot);
                }
            }
            self.statements.commit(self.head.saturating_sub(HISTORY), batch as u64);
        }
    }

    fn step(&mut self, plan: &Plan<'_>, generation: usize, slot: &mut Slot) {
        let step = &self.life.steps[slot.step];
        if step.opens() {
            self.operations += 1;
            slot.operation = format!("2-{}", self.operations);
        }
        self.head += 1;
        let (revision, incarnation) = plan.stands(generation, slot.step);
        let (name, operation, position) = (&slot.name, &slot.operation, self.head);
        self.statements.make(step, &Whose { name, operation, incarnation, revision, position });
    }
}

/// A file with the store's schema (stores/sqlite/src/file.rs).
fn create(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("it opens");
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).expect("it is a log");
    let schema = [
        include_str!("../../../../stores/sqlite/src/schema.sql"),
        include_str!("../../../../stores/sqlite/src/rollouts.sql"),
    ];
    connection.execute_batch(&schema.concat()).expect("the schema is made");
    let meta = "INSERT INTO meta (one, engine, epoch, trimmed) VALUES (1, '0123456789abcdef', 1, 0)";
    connection.execute_batch(meta).expect("it is written");
    drop(connection);
    open(path)
}

/// With the store's settings.
fn open(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).expect("it opens");
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).expect("it is set");
    connection.execute_batch(statements::SETTINGS).expect("they are set");
    connection
}
