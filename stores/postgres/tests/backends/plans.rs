//! How the server makes a commit while nobody has counted the rows of the tables.

use landlord_compute::store::{Store, Write};
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
