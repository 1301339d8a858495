//! What the store in SQLite takes for a row, with its codec: records and events written and read. On a file system in
//! memory where there is one, so that the disk is not what is measured.

use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use landlord_compute::machines::tenant::{Policy, Record};
use landlord_compute::store::{Epoch, Events, Position, Reads, Scope, Store, Write};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use tokio::runtime::Runtime;

use super::lives::{checked, decide, provision, succeeded, tenant, update, write};

/// How many transitions one commit has, as under a load that keeps the disk busy.
const BATCH: usize = 1000;
/// How many events a subscriber reads at a time.
const PAGE: usize = 512;

pub(crate) fn measure(criterion: &mut Criterion) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("a folder");
    let mut options = SqliteOptions::new(folder.path().join("micro.db"));
    options.history = Some(20_000);
    let runtime = super::engine::runtime();
    let mut fleet = Fleet::new(runtime, SqliteStore::new(options));

    let mut group = criterion.benchmark_group("sqlite");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("commit 1000 transitions", |bencher| {
        let fleet = std::cell::RefCell::new(&mut fleet);
        bencher.iter_batched(
            || fleet.borrow_mut().next(),
            |batch| fleet.borrow().commit(&batch),
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("load a record", |bencher| {
        let mut ids = (0..BATCH).map(tenant).collect::<Vec<_>>().into_iter().cycle();
        bencher.iter(|| {
            let id = ids.next().expect("it begins anew");
            fleet.runtime.block_on(fleet.store.load(&id)).expect("it is there")
        });
    });
    group.throughput(Throughput::Elements(PAGE as u64));
    group.bench_function("read 512 events", |bencher| {
        let after = Position(fleet.head() - PAGE as u64);
        bencher.iter(|| {
            let events = fleet.runtime.block_on(fleet.store.events(after, &Scope::All, PAGE));
            match events.expect("they are there") {
                Events::Page(page) => assert_eq!(page.len(), PAGE),
                Events::Gap { .. } => panic!("they are no longer kept"),
            }
        });
    });
    group.finish();
}

/// Tenants that are updated again and again.
struct Fleet {
    runtime: Runtime,
    store: Arc<SqliteStore>,
    epoch: Epoch,
    records: Vec<Record>,
    operations: u64,
}

impl Fleet {
    /// Running tenants.
    fn new(runtime: Runtime, store: SqliteStore) -> Self {
        let epoch = runtime.block_on(store.open()).expect("it opens").epoch;
        let records = (0..BATCH).map(|n| Record::Absent(tenant(n))).collect();
        let mut fleet = Self { runtime, store: Arc::new(store), epoch, records, operations: 0 };
        for _ in 0..2 {
            let batch = fleet.next();
            fleet.commit(&batch);
        }
        fleet
    }

    /// The next transition of each tenant.
    fn next(&mut self) -> Vec<Write> {
        let policy = Policy::default();
        let mut batch = Vec::with_capacity(self.records.len());
        for record in &mut self.records {
            self.operations += 1;
            let input = match record {
                Record::Absent(id) => provision(checked(id, "v0")),
                Record::Live(tenant) if tenant.call().is_some() => succeeded(record),
                Record::Live(tenant) => update(checked(&tenant.id, &format!("v{}", self.operations))),
                Record::Gone(_) => panic!("nobody destroyed it"),
            };
            let transition = decide(&policy, record, self.operations, input);
            let write = write(record, transition);
            *record = write.record.clone();
            batch.push(write);
        }
        batch
    }

    fn commit(&self, batch: &[Write]) {
        for written in self.runtime.block_on(self.store.commit(self.epoch, batch)).expect("committed") {
            written.expect("written");
        }
    }

    fn head(&self) -> u64 {
        self.records.iter().map(|record| record.revision().0).sum()
    }
}
