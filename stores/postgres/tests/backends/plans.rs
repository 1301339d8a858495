//! How the server makes a commit, and finds what is asked for, while nobody has counted the rows of the tables.

use futures_util::future::join_all;
use landlord_compute::store::{Reads, Store, Write};
use landlord_testing::store::samples::StoredLife;

use super::cluster::Cluster;

/// The server writes down how it makes each statement, and counts no rows.
const EXPLAINS: &str =
    "session_preload_libraries = 'auto_explain'\nauto_explain.log_min_duration = 0\nautovacuum = off";

/// A planner that takes one row for hundreds has each commit compiled, which takes seconds.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_commit_to_new_tables_is_not_compiled() {
    let cluster = Cluster::start_with(EXPLAINS).await;
    let store = cluster.store().await;
    let epoch = store.open().await.expect("opens").epoch;
    let mut lives: Vec<StoredLife> = (0..1_000).map(|n| StoredLife::new(&format!("t{n}"))).collect();
    for round in 0..4 {
        // Of every kind in each batch, but for the first.
        let step = |(number, life): (usize, &mut StoredLife)| -> Option<Write> {
            Some(match usize::checked_sub(round, number % 3)? {
                0 => life.begin(),
                1 => life.done(),
                2 => life.again(),
                _ => life.end(),
            })
        };
        let batch: Vec<Write> = lives.iter_mut().enumerate().filter_map(step).collect();
        for answer in store.commit(epoch, &batch).await.expect("commits") {
            answer.expect("is made");
        }
    }
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
        for answer in store.commit(epoch, batch).await.expect("commits") {
            answer.expect("is made");
        }
    }
    let begun: Vec<_> = writes.iter().take(200).filter_map(|write| write.opened.clone()).collect();
    let tenants = join_all(begun.iter().map(|operation| store.load(&operation.tenant)));
    let operations = join_all(begun.iter().map(|operation| store.operation(operation.id)));
    let (tenants, operations) = (tenants.await, operations.await);
    for ((begun, tenant), operation) in begun.iter().zip(tenants).zip(operations) {
        assert_eq!(*tenant.expect("reads").id(), begun.tenant);
        assert_eq!(operation.expect("reads").as_ref(), Some(&**begun), "each is answered with its own");
    }
    let log = cluster.log();
    for table in ["tenants", "operations", "specs"] {
        assert!(log.contains(&format!("using {table}_pkey")), "{table} are looked up: {log}");
        assert!(!log.contains(&format!("Seq Scan on {table}")), "all {table} are read: {log}");
    }
}
