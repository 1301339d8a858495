//! One engine at a time: another one is refused while the first lives, and fences it once that is silent.

use landlord_compute::machines::tenant::Record;
use landlord_compute::store::{Epoch, Position, Reads, Store, StoreError};
use landlord_store_postgres::{PostgresOptions, PostgresReader, PostgresStore};
use landlord_testing::store::contract::commit_one;
use landlord_testing::store::samples::{StoredLife, id};

use super::cluster::{Cluster, database, until};

fn named(options: &PostgresOptions, owner: &str) -> PostgresStore {
    PostgresStore::new(PostgresOptions { owner: Some(owner.to_owned()), ..options.clone() })
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_second_engine_is_refused_while_the_first_lives() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let (first, second) = (named(&options, "the first"), named(&options, "the second"));
    let epoch = first.open().await.expect("opens").epoch;
    let error = second.open().await.expect_err("must not open");
    let StoreError::InUse { store, owner } = &error else { panic!("not in use: {error:?}") };
    assert!(store.contains(database(&options)), "{store}");
    assert!(owner.contains("(the first) on host") && owner.contains(" since "), "{owner}");
    let refused = second.commit(epoch, &[StoredLife::new("acme").begin()]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    assert_eq!(commit_one(&first, epoch, StoredLife::new("acme").begin()).await, Position(1));

    // Whoever only looks is not refused.
    let reader = PostgresReader::open(options).await.expect("opens");
    assert!(matches!(reader.load(&id("acme")).await.expect("loads"), Record::Live(_)));
    first.close().await.expect("closes");
    assert_eq!(second.open().await.expect("opens at once").epoch, Epoch(2));
}

/// An engine that stopped without a word, and comes back: what it commits then is refused.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn an_engine_that_is_silent_is_fenced_and_commits_nothing_more() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let (first, second) = (named(&options, "the first"), named(&options, "the second"));
    // Its runtime stops, and its beat with it.
    let (first, epoch) = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("builds");
        let epoch = runtime.block_on(async {
            let epoch = first.open().await.expect("opens").epoch;
            commit_one(&first, epoch, StoredLife::new("acme").begin()).await;
            epoch
        });
        (first, epoch)
    })
    .await
    .expect("no panic");
    let opened = second.open().await.expect("takes over");
    assert_eq!((opened.epoch, opened.head), (Epoch(2), Position(1)));

    let other = StoredLife::new("other").begin();
    let error = first.commit(epoch, std::slice::from_ref(&other)).await.expect_err("it is fenced");
    assert!(matches!(error, StoreError::Fenced { ours: 1, current: 2 }), "{error:?}");
    assert_eq!(second.load(&id("other")).await.expect("loads"), Record::Absent(id("other")));
    assert_eq!(commit_one(&second, opened.epoch, other).await, Position(2), "and no position is lost");
}

/// A commit that has begun is over before the next engine has the store, and one that begins later is not made.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_take_over_waits_for_the_commit_that_has_begun() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let (first, second) = (named(&options, "the first"), named(&options, "the second"));
    let epoch = first.open().await.expect("opens").epoch;
    let client = cluster.client(database(&options)).await;
    // Its beat stands still, and its commit waits for somebody with psql.
    let still = "CREATE RULE still AS ON UPDATE TO landlord.beats DO INSTEAD NOTHING";
    client.batch_execute(still).await.expect("is made");
    client.batch_execute("BEGIN; SELECT FROM landlord.head FOR UPDATE").await.expect("locks");
    let batch = [StoredLife::new("acme").begin()];
    let take_over = async {
        let waits =
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%''fenced''%'";
        let watch = cluster.client("postgres").await;
        let opens = second.open();
        let unlocks = async {
            until("the take-over waits", async || !watch.query(waits, &[]).await.expect("reads").is_empty())
                .await;
            client.batch_execute("COMMIT").await.expect("unlocks");
        };
        tokio::join!(opens, unlocks).0
    };
    let (committed, opened) = tokio::join!(first.commit(epoch, &batch), take_over);
    assert_eq!(committed.expect("it had begun"), [Ok(Position(1))]);
    let opened = opened.expect("takes over");
    assert_eq!(opened.head, Position(1), "the next engine knows of it");
    let late = first.commit(epoch, &[StoredLife::new("late").begin()]).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
}

/// An engine that wakes at the last moment keeps the store: only the very beat that stood still is deleted.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn an_engine_whose_beat_goes_on_at_the_last_moment_is_not_fenced() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let (first, second) = (named(&options, "the first"), named(&options, "the second"));
    let epoch = first.open().await.expect("opens").epoch;
    let client = cluster.client(database(&options)).await;
    // The engine's beat fails for as long as there is a row.
    let still = "CREATE TABLE still (); INSERT INTO still DEFAULT VALUES;
        CREATE FUNCTION stands() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('application_name') = 'landlord-compute' AND EXISTS (SELECT FROM still) THEN
                RAISE 'it stands still';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER stands BEFORE UPDATE ON landlord.beats FOR EACH ROW EXECUTE FUNCTION stands();";
    client.batch_execute(still).await.expect("is made");
    let wakes = async {
        let watch = cluster.client("postgres").await;
        let looks = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT meta.epoch, CASE%'";
        until("somebody watches it", async || !watch.query(looks, &[]).await.expect("reads").is_empty())
            .await;
        client.batch_execute("BEGIN; SELECT FROM landlord.beats FOR UPDATE").await.expect("locks");
        let waits =
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%''fenced''%'";
        until("it is to be fenced", async || !watch.query(waits, &[]).await.expect("reads").is_empty()).await;
        client
            .batch_execute("UPDATE landlord.beats SET beat = beat + 1; DELETE FROM still; COMMIT")
            .await
            .expect("wakes");
    };
    let (opened, ()) = tokio::join!(second.open(), wakes);
    assert!(matches!(opened, Err(StoreError::InUse { .. })), "{opened:?}");
    assert_eq!(commit_one(&first, epoch, StoredLife::new("acme").begin()).await, Position(1));
}

/// Of several that want the store at the same time, one has it.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn of_several_that_open_at_the_same_time_one_does() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let stores: Vec<_> = (0..5).map(|number| named(&options, &format!("number {number}"))).collect();
    let opened = futures_util::future::join_all(stores.iter().map(|store| store.open())).await;
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1, "{opened:?}");
    for refused in opened.iter().filter_map(|opened| opened.as_ref().err()) {
        assert!(matches!(refused, StoreError::InUse { .. }), "{refused:?}");
    }
}
