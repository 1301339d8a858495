//! The contract, kept by the PostgreSQL store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use landlord_compute::machines::tenant::Record;
use landlord_compute::store::{Position, Reads, Store, StoreError, Write, WriteError};
use landlord_store_postgres::{PostgresOptions, PostgresReader, PostgresStore};
use landlord_testing::fixtures::{engine, run, scripted};
use landlord_testing::store::samples::{StoredLife, id};
use landlord_testing::store::{contract, members, requests, waiting};

use super::cluster::{Cluster, database};

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn the_whole_contract_is_kept() {
    let cluster = Cluster::start().await;
    contract::run(async || cluster.store().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn the_contract_of_shared_stores_is_kept() {
    let cluster = Cluster::start().await;
    members::run(async || {
        let options = cluster.migrated().await;
        (PostgresStore::new(options.clone()), PostgresStore::new(options))
    })
    .await;
}

/// A store that keeps 20 events, and for a minute those that are not read. A partition has 10.
async fn short(cluster: &Cluster) -> (PostgresStore, Duration) {
    let waits = Duration::from_secs(60);
    let options = PostgresOptions { history: Some(20), waits, partition: 10, ..cluster.migrated().await };
    (PostgresStore::new(options), waits)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn what_is_bounded_by_options_is_kept_as_long() {
    let cluster = Cluster::start().await;
    requests::noted_requests_are_bounded(&short(&cluster).await.0, 20).await;
    contract::events_beyond_the_history_are_a_gap(&short(&cluster).await.0, 20).await;
    let (store, waits) = short(&cluster).await;
    waiting::events_beyond_the_history_wait_for_a_reader(&store, 20, waits).await;
    let (store, waits) = short(&cluster).await;
    waiting::events_wait_no_longer_than_they_are_to(&store, 20, waits).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_write_that_cannot_be_made_does_not_harm_a_large_batch() {
    let cluster = Cluster::start().await;
    let store = cluster.store().await;
    let epoch = store.open().await.expect("opens").epoch;
    let mut batch: Vec<Write> =
        (0..1_000).map(|number| StoredLife::new(&format!("t{number}")).begin()).collect();
    let first = batch[10].opened.clone().expect("it opens one");
    Arc::make_mut(batch[300].opened.as_mut().expect("it opens one")).id = first.id;
    Arc::make_mut(batch[700].opened.as_mut().expect("it opens one")).reason = Some("a\0b".to_owned());

    let answers = store.commit(epoch, &batch).await.expect("the batch commits");
    for refused in [300, 700] {
        assert!(matches!(answers[refused], Err(WriteError::Invalid(_))), "{:?}", answers[refused]);
    }
    let made: Vec<Position> = answers.into_iter().flatten().collect();
    assert_eq!(made, (1..=998).map(Position).collect::<Vec<_>>(), "all others, without holes");

    let ids: Vec<_> = (0..1_000).map(|number| id(&format!("t{number}"))).collect();
    let loaded = join_all(ids.iter().map(|id| store.load(id))).await;
    for (number, loaded) in loaded.into_iter().enumerate() {
        let expected = match number {
            300 | 700 => Record::Absent(ids[number].clone()),
            _ => batch[number].record.clone(),
        };
        assert_eq!(loaded.expect("loads"), expected);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_row_that_cannot_be_understood_fails_alone_among_those_read_with_it() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let store = PostgresStore::new(options.clone());
    let epoch = store.open().await.expect("opens").epoch;
    let batch = ["a", "b", "c"].map(|name| StoredLife::new(name).begin());
    store.commit(epoch, &batch).await.expect("commits");
    let damage = "UPDATE landlord.tenants SET state = 'lost' WHERE id = 'b'";
    cluster.run(database(&options), damage).await;

    let (a, b, c) = (id("a"), id("b"), id("c"));
    let (a, b, c) = tokio::join!(store.load(&a), store.load(&b), store.load(&c));
    assert_eq!(a.expect("loads"), batch[0].record);
    assert!(matches!(b, Err(StoreError::Corrupt { .. })), "{b:?}");
    assert_eq!(c.expect("loads"), batch[2].record);
}

/// An engine runs on it, and who only looks sees what it does.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn an_engine_works_on_it_and_the_next_one_goes_on() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let provider = scripted();
    for name in ["acme", "other"] {
        let engine = engine(PostgresStore::new(options.clone()), &provider).start().await.expect("starts");
        run(&engine, name, "nginx:1").await;
        engine.shutdown(Duration::from_secs(10)).await.expect("ends");
    }
    let reader = PostgresReader::open(options).await.expect("opens");
    for name in ["acme", "other"] {
        let record = reader.load(&id(name)).await.expect("loads");
        assert!(matches!(record, Record::Live(_)), "{record:?}");
    }
}
