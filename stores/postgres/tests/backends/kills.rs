//! The server is killed while commits are on their way: what was answered is there, and what was not is found out.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use landlord_compute::machines::id::{Revision, TenantId};
use landlord_compute::store::{Epoch, Events, Position, Reads, Scope, Store, Write};
use landlord_store_postgres::PostgresStore;
use landlord_testing::store::samples::{StoredLife, id};

use super::cluster::{Cluster, until};

/// How many tenants are written at a time.
const TENANTS: usize = 200;
/// How often the server is killed.
const KILLS: u64 = 8;

/// Commits until the first failure. Answers the revisions that were answered, and those that may have been reached.
async fn commit_until_failure(
    store: &PostgresStore,
    epoch: Epoch,
    known: &mut HashMap<TenantId, Revision>,
) -> HashMap<TenantId, Revision> {
    loop {
        let batch: Vec<Write> = known
            .iter()
            .map(|(tenant, revision)| {
                let mut life = StoredLife::new(tenant.as_str());
                life.revision = *revision;
                life.again()
            })
            .collect();
        match store.commit(epoch, &batch).await {
            Ok(answers) => {
                for (write, answer) in batch.iter().zip(answers) {
                    answer.expect("nobody else writes");
                    known.insert(write.record.id().clone(), write.record.revision());
                }
            }
            Err(_) => {
                return batch.iter().map(|w| (w.record.id().clone(), w.record.revision())).collect();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn what_was_answered_outlives_the_server() {
    let mut cluster = Cluster::start().await;
    let store = std::sync::Arc::new(cluster.store().await);
    let epoch = store.open().await.expect("opens").epoch;
    let begin: Vec<Write> =
        (0..TENANTS).map(|number| StoredLife::new(&format!("t{number}")).begin()).collect();
    let answers = store.commit(epoch, &begin).await.expect("commits");
    assert!(answers.iter().all(Result::is_ok));
    let mut known: HashMap<TenantId, Revision> =
        (0..TENANTS).map(|number| (id(&format!("t{number}")), Revision(1))).collect();
    for kill in 0..KILLS {
        let commits = tokio::spawn({
            let (store, mut known) = (std::sync::Arc::clone(&store), known.clone());
            async move {
                let maybe = commit_until_failure(&store, epoch, &mut known).await;
                (known, maybe)
            }
        });
        // At another moment of a commit each time.
        tokio::time::sleep(Duration::from_millis(100 + kill * 7)).await;
        cluster.kill();
        let (answered, maybe) = commits.await.expect("no panic");
        cluster.start_again().await;
        until("the store is read again", async || store.head().await.is_ok()).await;

        let tenants: Vec<TenantId> = answered.keys().cloned().collect();
        let loaded = join_all(tenants.iter().map(|tenant| store.load(tenant))).await;
        let mut reached = 0;
        for (tenant, loaded) in tenants.iter().zip(loaded) {
            let found = loaded.expect("loads").revision();
            assert!(found == answered[tenant] || found == maybe[tenant], "{tenant} is at {found}");
            reached += usize::from(found == maybe[tenant]);
            known.insert(tenant.clone(), found);
        }
        assert!([0, TENANTS].contains(&reached), "a batch is made whole or not at all: {reached}");
        let head = store.head().await.expect("reads");
        let transitions: u64 = known.values().map(|revision| revision.0).sum();
        assert_eq!(head, Position(transitions), "an event for each transition");
    }
    let (mut after, mut seen) = (Position(0), HashMap::new());
    loop {
        let Events::Page(page) = store.events(after, &Scope::All, 5_000).await.expect("reads") else {
            panic!("a gap")
        };
        if page.is_empty() {
            break;
        }
        for (position, event) in page {
            assert_eq!(position.0, after.0 + 1, "no holes");
            after = position;
            let last = seen.insert(event.tenant_id.clone(), event.revision).unwrap_or(Revision(0));
            assert_eq!(event.revision, last.next(), "{}'s events are in order", event.tenant_id);
        }
    }
    assert_eq!(seen, known);
}
