//! Old events go, and their partitions with them.

use std::sync::Arc;

use landlord_compute::machines::tenant::Record;
use landlord_compute::store::{Events, Position, Reads, Scope, Store};
use landlord_store_postgres::{PostgresOptions, PostgresStore};
use landlord_testing::store::contract::commit_one;
use landlord_testing::store::samples::{StoredLife, id};

use super::cluster::{Cluster, database, until};

async fn partitions(client: &tokio_postgres::Client) -> Vec<i64> {
    let sql = "SELECT first FROM landlord.partitions
        JOIN pg_inherits ON inhrelid = ('landlord.' || name)::regclass ORDER BY first";
    client.query(sql, &[]).await.expect("reads").iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn partitions_are_made_ahead_and_dropped_once_nothing_in_them_is_kept() {
    let cluster = Cluster::start().await;
    let options = PostgresOptions { history: Some(100), partition: 50, ..cluster.migrated().await };
    let store = PostgresStore::new(options.clone());
    let client = cluster.client(database(&options)).await;
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    commit_one(&store, epoch, life.begin()).await;
    for _ in 0..999 {
        commit_one(&store, epoch, life.again()).await;
    }
    until("the oldest are dropped", async || {
        commit_one(&store, epoch, life.again()).await;
        partitions(&client).await.len() <= 5
    })
    .await;
    let head = store.head().await.expect("reads").0;
    let (oldest, newest) = (partitions(&client).await[0], *partitions(&client).await.last().expect("one"));
    assert!(u64::try_from(oldest).expect("a position") <= head - 100 + 1, "what is kept has its partition");
    assert!(u64::try_from(newest + 50).expect("a position") > head, "there is room for the next");
    let Events::Gap { resume } = store.events(Position(0), &Scope::All, 10).await.expect("reads") else {
        panic!("no gap")
    };
    let Events::Page(page) = store.events(resume, &Scope::Tenant(id("acme")), 1_000).await.expect("reads")
    else {
        panic!("a gap")
    };
    assert_eq!(page.len() as u64, head - resume.0);

    // A batch that is larger than a partition, and one engine after the other.
    store.close().await.expect("closes");
    let next = PostgresStore::new(options);
    let epoch = next.open().await.expect("opens").epoch;
    let batch: Vec<_> = (0..500).map(|number| StoredLife::new(&format!("t{number}")).begin()).collect();
    let answers = next.commit(epoch, &batch).await.expect("commits");
    assert!(answers.iter().all(Result::is_ok));
}

/// A reader that stays long keeps a partition; commits go on meanwhile.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_long_reader_holds_up_no_commit() {
    let cluster = Cluster::start().await;
    let options = PostgresOptions { history: Some(20), partition: 10, ..cluster.migrated().await };
    let store = Arc::new(PostgresStore::new(options.clone()));
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    commit_one(&*store, epoch, life.begin()).await;
    let reader = cluster.client(database(&options)).await;
    reader.batch_execute("BEGIN; SELECT count(*) FROM landlord.events").await.expect("reads");
    for _ in 0..200 {
        commit_one(&*store, epoch, life.again()).await;
    }
    reader.batch_execute("COMMIT").await.expect("ends");
    let client = cluster.client(database(&options)).await;
    until("they are dropped later", async || {
        commit_one(&*store, epoch, life.again()).await;
        partitions(&client).await.len() <= 6
    })
    .await;
    assert!(matches!(store.load(&id("acme")).await.expect("loads"), Record::Live(_)));
}
