//! What a million running, idle tenants cost an engine over SQLite: process memory over an engine with an empty
//! store, and the time from its start until a command is durable.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use landlord_compute::Options;
use landlord_compute::machines::id::{Incarnation, ProviderName, Revision, SpecVersion, TenantId};
use landlord_compute::machines::result::Health;
use landlord_compute::machines::tenant::{
    LifecycleEvent, Record, Repair, State, StateName, Tenant, Versioned, What,
};
use landlord_compute::store::{SqliteOptions, SqliteStore, Store, Write};

use super::ours::{engine, spec};

pub(crate) fn sqlite(folder: &Path) -> SqliteStore {
    SqliteStore::new(SqliteOptions::new(folder.join("fleet.db")))
}

/// Fills a store and prints what engines over it and over an empty one take, each in a process of its own.
pub(crate) fn report(tenants: usize) {
    let (empty, full) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    super::runtime().block_on(fill(&sqlite(full.path()), tenants));
    let (_, base) = measure(empty.path());
    let (ready, memory) = measure(full.path());
    let each = memory.saturating_sub(base) as f64 / tenants as f64;
    println!("\n| {tenants} running, idle tenants in SQLite | |\n| --- | ---: |");
    println!("| ready for a command after a start | {ready:.3} s |");
    println!("| process memory, each, over an empty engine | {each:.0} B |");
    println!("| process memory, all | {:.1} MB |", memory as f64 / 1e6);
}

/// Runs [`child`] over the store in `folder`: seconds until ready, and bytes of memory then.
fn measure(folder: &Path) -> (f64, usize) {
    let this = std::env::current_exe().expect("a path");
    let output = Command::new(this).arg("--child").arg(folder).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut words = text.split_whitespace();
    let mut next = || words.next().expect("two numbers");
    (next().parse().expect("seconds"), next().parse().expect("bytes"))
}

/// An engine over the store in `folder`, and one command.
pub(crate) fn child(folder: &Path) {
    super::runtime().block_on(async {
        let began = Instant::now();
        let engine = engine(sqlite(folder)).await;
        let tenant = engine.tenant(TenantId::new("newcomer").expect("valid"));
        tenant.provision(spec("newcomer", "v1"), Options::default()).await.expect("accepted");
        let ready = began.elapsed();
        let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
        let resident: usize = pages.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
        println!("{} {}", ready.as_secs_f64(), resident * 4096);
    });
}

async fn fill(store: &SqliteStore, tenants: usize) {
    let epoch = store.open().await.expect("it opens").epoch;
    let numbers: Vec<usize> = (0..tenants).collect();
    for chunk in numbers.chunks(2000) {
        let batch: Vec<Write> = chunk.iter().map(|n| running(*n)).collect();
        for result in store.commit(epoch, &batch).await.expect("committed") {
            result.expect("written");
        }
    }
    store.close().await.expect("closed");
}

/// The write after which a tenant runs.
fn running(n: usize) -> Write {
    let id = format!("tenant-{n:07}");
    let spec = spec(&id, "v1").check().expect("valid");
    let (id, version) = (TenantId::new(&id).expect("valid"), SpecVersion(1));
    let event = LifecycleEvent {
        tenant_id: id.clone(),
        incarnation: Incarnation(1),
        revision: Revision(1),
        at: Timestamp::UNIX_EPOCH,
        from: StateName::Pending,
        to: Some(StateName::Running),
        operation: None,
        attempt: None,
        what: What::Succeeded { changes: Vec::new() },
        settled: Vec::new(),
    };
    let tenant = Tenant {
        id,
        incarnation: Incarnation(1),
        revision: Revision(1),
        provider: ProviderName::new("noop").expect("valid"),
        state: State::Running { applied: Versioned { version, spec: spec.clone() } },
        next: None,
        paused: None,
        health: Health::Healthy,
        repair: Repair::default(),
        last_failure: None,
        ledger: None,
        latest_spec: version,
        settled_at: None,
    };
    Write {
        expected: Revision(0),
        record: Record::Live(Arc::new(tenant)),
        event: Arc::new(event),
        opened: None,
        spec: Some((version, spec)),
    }
}
