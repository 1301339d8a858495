//! How the server plans commits and reads: whether anew each time, and what it makes of tables whose rows nobody has counted.

use futures_util::future::join_all;
use landlord_compute::store::{Epoch, Reads, Store, Write};
use landlord_store_postgres::PostgresStore;
use landlord_testing::postgres::Pooler;
use landlord_testing::store::samples::{StoredLife, batches_of_every_kind};

use super::cluster::Cluster;
use super::secrets::over_tls;

/// The server writes down how it makes each statement, and counts no rows.
const EXPLAINS: &str =
    "session_preload_libraries = 'auto_explain'\nauto_explain.log_min_duration = 0\nautovacuum = off";

/// The server writes each statement down.
const WRITES_DOWN: &str = "log_min_duration_statement = 0";

/// How a commit begins in the log of such a server.
const COMMIT: &str = ": WITH me AS";

/// Makes them all.
async fn commit(store: &PostgresStore, epoch: Epoch, batch: &[Write]) {
    for answer in store.commit(epoch, batch).await.expect("commits") {
        answer.expect("is made");
    }
}

/// Commits of so many tenants: all begin, and go on from then.
async fn commit_often(store: &PostgresStore, tenants: usize, times: usize) {
    let epoch = store.open().await.expect("opens").epoch;
    let mut lives: Vec<StoredLife> = (0..tenants).map(|n| StoredLife::new(&format!("t{n}"))).collect();
    for time in 0..times {
        let step = |life: &mut StoredLife| match time {
            0 => life.begin(),
            1 => life.done(),
            _ => life.again(),
        };
        let batch: Vec<Write> = lives.iter_mut().map(step).collect();
        commit(store, epoch, &batch).await;
    }
}

/// Commits of so many tenants, some of which begin, go on, are written again and are gone in each but the first.
async fn commit_of_all_kinds(store: &PostgresStore, tenants: usize, times: usize) {
    let epoch = store.open().await.expect("opens").epoch;
    for batch in batches_of_every_kind(tenants, (0..).map(|n| format!("t{n}"))).take(times) {
        commit(store, epoch, &batch).await;
    }
}

/// How many commits had no name, and how many had one.
fn commits(log: &str) -> (usize, usize) {
    let executed = log.lines().filter(|line| line.contains(COMMIT) && line.contains(" execute "));
    let (unnamed, named): (Vec<_>, Vec<_>) = executed.partition(|line| line.contains(" execute <unnamed>:"));
    (unnamed.len(), named.len())
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_commit_is_planned_once_where_the_session_is_ours() {
    let cluster = Cluster::start_with(WRITES_DOWN).await;
    commit_often(&cluster.store().await, 3, 42).await;
    // Begin, done, and the first of 40 that go on: each has no name when it is asked for the first time.
    assert_eq!(commits(&cluster.log()), (3, 39));

    let (cluster, options, _certificates) = over_tls(WRITES_DOWN).await;
    commit_often(&PostgresStore::new(options), 3, 5).await;
    assert_eq!(commits(&cluster.log()), (3, 2), "over TLS");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn behind_a_pooler_no_statement_has_a_name() {
    let cluster = Cluster::start_with(WRITES_DOWN).await;
    let pooler = Pooler::before(&cluster).await.expect("pgbouncer starts");
    let database = cluster.migrated().await.server.get_dbname().expect("it names one").to_owned();
    commit_often(&PostgresStore::new(cluster.options_at(pooler.port(), &database)), 3, 42).await;
    assert_eq!(commits(&cluster.log()), (42, 0));
}

/// A plan that is kept was made before it is known how many rows a commit has.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_plan_that_is_kept_compares_no_row_with_each_other_one() {
    let cluster = Cluster::start_with(&format!("{EXPLAINS}\nauto_explain.log_analyze = on")).await;
    commit_of_all_kinds(&cluster.store().await, 400, 16).await;
    let log = cluster.log();
    assert_eq!(log.matches("CTE happened").count(), 16, "each commit is written down: {log}");
    let compared = log.lines().filter_map(|line| line.trim().strip_prefix("Rows Removed by Join Filter: "));
    let compared: Vec<u64> = compared.map(|rows| rows.parse().expect("a number")).collect();
    assert!(compared.iter().all(|rows| *rows <= 1_000), "{compared:?} rows were compared in vain: {log}");
}

/// A planner that takes one row for hundreds has each commit compiled, which takes seconds.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_commit_to_new_tables_is_not_compiled() {
    let cluster = Cluster::start_with(EXPLAINS).await;
    commit_of_all_kinds(&cluster.store().await, 1_000, 4).await;
    let log = cluster.log();
    assert_eq!(log.matches("CTE happened").count(), 4, "each commit is written down: {log}");
    assert!(!log.contains("JIT:"), "{log}");
}

/// What has a key is looked up by it, in tables that are small too. With several engines, an owner reads each tenant that another
/// engine was told to change, and a server that read whole tables for a few of them would do little else.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn what_has_a_key_is_looked_up() {
    let cluster = Cluster::start_with(EXPLAINS).await;
    let store = cluster.store().await;
    let epoch = store.open().await.expect("opens").epoch;
    let lives = (0..3_000).map(|n| StoredLife::new(&format!("t{n}")).begin());
    let writes: Vec<Write> = lives.collect();
    for batch in writes.chunks(1_000) {
        commit(&store, epoch, batch).await;
    }
    let begun: Vec<_> = writes.iter().take(200).filter_map(|write| write.opened.clone()).collect();
    // So often that plans are kept.
    for _ in 0..20 {
        let loaded = join_all(begun.iter().map(|operation| store.load_with_operation(&operation.tenant)));
        for (begun, loaded) in begun.iter().zip(loaded.await) {
            let (tenant, operation) = loaded.expect("reads");
            assert_eq!(*tenant.id(), begun.tenant);
            assert_eq!(operation.as_ref(), Some(&**begun), "each is answered with its own");
        }
    }
    let log = cluster.log();
    for table in ["tenants", "operations", "specs"] {
        assert!(log.contains(&format!("using {table}_pkey")), "{table} are looked up: {log}");
        assert!(!log.contains(&format!("Seq Scan on {table}")), "all {table} are read: {log}");
    }
}
