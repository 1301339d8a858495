//! A command that changes nothing, to tenants that have an actor and to tenants that have to get one first. The
//! difference is the activation: an actor takes the tenant over, and reads it from the store.

use std::time::Duration;

use criterion::Criterion;
use landlord_compute::store::{MemoryStore, Store};
use landlord_compute::{Engine, Limits, Options};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};

use super::lives::tenant;
use crate::spec::spec;

/// Taken in turn, so that one that is to be passivated has been when its turn comes again.
const TENANTS: usize = 1000;

pub(crate) fn measure(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| SqliteStore::new(SqliteOptions::new(folder.path().join(name)));
    let resident = Limits::default().idle(Duration::from_secs(3600));
    let passivated = resident.clone().live_tenants(0);
    one(criterion, "memory, resident", MemoryStore::default(), resident.clone());
    one(criterion, "memory, passivated", MemoryStore::default(), passivated.clone());
    one(criterion, "sqlite, resident", file("resident.db"), resident);
    one(criterion, "sqlite, passivated", file("passivated.db"), passivated);
}

fn one(criterion: &mut Criterion, name: &str, store: impl Store, limits: Limits) {
    let runtime = super::engine::runtime();
    let engine = runtime.block_on(async {
        let engine = super::engine::builder(store, limits).start().await.expect("it starts");
        for n in 0..TENANTS {
            let id = tenant(n);
            let spec = spec(id.as_str(), "v1");
            let begun = engine.tenant(id).provision(spec, Options::default()).await.expect("accepted");
            begun.await.expect("settles");
        }
        engine
    });
    let mut turn = (0..TENANTS).cycle();
    let head = engine.head();
    criterion.benchmark_group("activation").bench_function(name, |bencher| {
        bencher.iter(|| runtime.block_on(command(&engine, turn.next().expect("it begins anew"))));
    });
    assert_eq!(engine.head(), head, "nothing was committed");
    runtime.block_on(engine.shutdown(Duration::from_secs(10))).expect("it ends in order");
}

/// Asks for what is so already.
async fn command(engine: &Engine, n: usize) {
    engine.tenant(tenant(n)).resume(Options::default()).await.expect("accepted");
}
