//! Engines that share the store: what ends one of them, and when.

use std::sync::Arc;

use landlord_compute::machines::tenant::Record;
use landlord_compute::store::{Members, Opened, Position, Reads, Store, StoreError};
use landlord_store_postgres::{PostgresOptions, PostgresStore};
use landlord_testing::store::contract::commit_one;
use landlord_testing::store::samples::{StoredLife, id};

use super::cluster::{Cluster, database, until};

/// Somebody's lock is waited for by whoever ends an engine.
const ENDS_WAITING: &str =
    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%''fenced''%'";

async fn join(options: &PostgresOptions) -> (PostgresStore, Opened, Arc<dyn Members>) {
    let store = PostgresStore::new(options.clone());
    let opened = store.open().await.expect("opens");
    let members = opened.members.clone().expect("it is shared");
    (store, opened, members)
}

/// A commit that has begun is over before its engine is ended, and one that begins later is not made.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn ending_an_engine_waits_for_the_commit_that_has_begun() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let ((first, ours, _), (second, _, members)) = (join(&options).await, join(&options).await);
    let client = cluster.client(database(&options)).await;
    let beat = members.view().await.expect("reads").engines[&ours.epoch].beat;
    // Its commit waits for somebody with psql.
    client.batch_execute("BEGIN; SELECT FROM landlord.head FOR UPDATE").await.expect("locks");
    let batch = [StoredLife::new("acme").begin()];
    let ends = async {
        let watch = cluster.client("postgres").await;
        let commits =
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'WITH me AS%'";
        until("the commit waits", async || !watch.query(commits, &[]).await.expect("reads").is_empty()).await;
        let unlocks = async {
            until("who ends the engine waits", async || {
                !watch.query(ENDS_WAITING, &[]).await.expect("reads").is_empty()
            })
            .await;
            client.batch_execute("COMMIT").await.expect("unlocks");
        };
        tokio::join!(members.fence(ours.epoch, beat), unlocks).0
    };
    let (committed, ended) = tokio::join!(first.commit(ours.epoch, &batch), ends);
    assert_eq!(committed.expect("it had begun"), [Ok(Position(1))]);
    assert!(ended.expect("asks"));
    assert_eq!(second.head().await.expect("reads"), Position(1), "and the other one knows of it");
    let late = first.commit(ours.epoch, &[StoredLife::new("late").begin()]).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
    assert_eq!(second.load(&id("late")).await.expect("loads"), Record::Absent(id("late")));
}

/// An engine that beats at the last moment lives: only the very beat that stood still is deleted.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn an_engine_that_beats_at_the_last_moment_lives() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let ((first, ours, _), (_, _, members)) = (join(&options).await, join(&options).await);
    let client = cluster.client(database(&options)).await;
    let beat = members.view().await.expect("reads").engines[&ours.epoch].beat;
    let wakes = async {
        let watch = cluster.client("postgres").await;
        until("it is to be ended", async || !watch.query(ENDS_WAITING, &[]).await.expect("reads").is_empty())
            .await;
        client.batch_execute("UPDATE landlord.beats SET beat = beat + 1; COMMIT").await.expect("beats");
    };
    client.batch_execute("BEGIN; SELECT FROM landlord.beats FOR UPDATE").await.expect("locks");
    let (ended, ()) = tokio::join!(members.fence(ours.epoch, beat), wakes);
    assert!(!ended.expect("asks"));
    assert_eq!(commit_one(&first, ours.epoch, StoredLife::new("acme").begin()).await, Position(1));
}

/// Two that both hold the same engine for dead end it once.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn an_engine_is_ended_once() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let (_first, ours, _) = join(&options).await;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(join(&options).await);
    }
    let beat = others[0].2.view().await.expect("reads").engines[&ours.epoch].beat;
    let ends = others.iter().map(|(_, _, members)| members.fence(ours.epoch, beat));
    let ended = futures_util::future::join_all(ends).await;
    assert_eq!(ended.iter().filter(|ended| *ended.as_ref().expect("asks")).count(), 1, "{ended:?}");
}

/// An engine without a beat was stopped while it opened, and can be ended too.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn an_engine_that_never_beat_is_ended() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let ((_first, ours, _), (_, _, members)) = (join(&options).await, join(&options).await);
    let delete = format!("DELETE FROM landlord.beats WHERE epoch = {}", ours.epoch.0);
    cluster.run(database(&options), &delete).await;
    assert_eq!(members.view().await.expect("reads").engines[&ours.epoch].beat, None);
    assert!(members.fence(ours.epoch, None).await.expect("asks"));
}
