//! A primary with a synchronous standby: the primary is lost, and the standby is promoted.

use std::time::Duration;

use landlord_compute::store::{Position, Reads, Store, StoreError};
use landlord_store_postgres::{PostgresOptions, PostgresStore, Standby};
use landlord_testing::store::contract::commit_one;
use landlord_testing::store::samples::{StoredLife, id};

use super::cluster::{Cluster, database, until};

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn what_was_answered_is_on_the_standby_that_is_promoted() {
    let mut primary = Cluster::start().await;
    let options = primary.migrated().await;
    let mut standby = primary.standby().await;
    let client = primary.client("postgres").await;
    client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await.expect("sets");
    client.batch_execute("SELECT pg_reload_conf()").await.expect("reloads");
    let sync = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'";
    until("the standby follows", async || !client.query(sync, &[]).await.expect("reads").is_empty()).await;

    let both = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{}?sslmode=disable&target_session_attrs=read-write",
        primary.port(),
        standby.port(),
        database(&options)
    );
    let both = PostgresOptions {
        patience: Duration::from_secs(5),
        standby: Standby::Required,
        ..PostgresOptions::new(&both).expect("a good URL")
    };
    let alone = PostgresStore::new(standby.options(database(&options))).open().await;
    assert!(alone.expect_err("a standby is not opened").to_string().contains("is a standby"));
    let store = PostgresStore::new(both.clone());
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    commit_one(&store, epoch, life.begin()).await;
    let done = life.done();
    commit_one(&store, epoch, done.clone()).await;

    primary.kill();
    standby.promote().await;
    assert_eq!(store.load(&id("acme")).await.expect("loads"), done.record, "it was answered");
    // The new primary has no standby: what it answers could be lost with it.
    let next = life.again();
    let refused = async {
        loop {
            let error = store.commit(epoch, std::slice::from_ref(&next)).await.expect_err("is refused");
            let StoreError::Unavailable { message, .. } = error else { panic!("{error:?}") };
            if message.contains("no synchronous standby") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), refused).await.expect("it is refused");
    assert_eq!(store.head().await.expect("reads"), Position(2));
    store.close().await.expect("closes");
    let told = PostgresStore::new(both.clone()).open().await.expect_err("one is required");
    assert!(told.to_string().contains("no synchronous standby"), "{told}");
    // Whoever accepts that says so.
    let store = PostgresStore::new(PostgresOptions { standby: Standby::AsFound, ..both });
    let epoch = store.open().await.expect("opens").epoch;
    assert_eq!(commit_one(&store, epoch, next).await, Position(3));
}
