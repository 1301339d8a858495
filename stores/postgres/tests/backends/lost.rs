//! Commits whose answer is lost, or that come late: what they did is found out before anything else is done.

use std::time::Duration;

use landlord_compute::machines::id::Revision;
use landlord_compute::machines::tenant::Record;
use landlord_compute::store::{Events, Position, Reads, Scope, Store, StoreError, WriteError};
use landlord_store_postgres::{PostgresOptions, PostgresStore};
use landlord_testing::store::contract::commit_one;
use landlord_testing::store::samples::{StoredLife, id};

use super::cluster::{Cluster, database, until};
use super::proxy::{Fate, Proxy};

/// How many events there are, which have to be without holes.
async fn events(store: &PostgresStore) -> u64 {
    match store.events(Position(0), &Scope::All, 10_000).await.expect("reads") {
        Events::Page(page) => {
            let positions: Vec<u64> = page.iter().map(|(position, _)| position.0).collect();
            assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>());
            positions.len() as u64
        }
        Events::Gap { resume } => panic!("a gap up to {resume:?}"),
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_commit_whose_answer_is_lost_is_told_as_in_doubt_and_is_there() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let proxy = Proxy::before(cluster.port()).await;
    let store = PostgresStore::new(cluster.options_at(proxy.port, database(&options)));
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    commit_one(&store, epoch, life.begin()).await;

    proxy.next(Fate::Unanswered);
    let done = life.done();
    let lost = store.commit(epoch, std::slice::from_ref(&done)).await;
    assert!(matches!(lost, Err(StoreError::Unavailable { .. })), "{lost:?}");
    assert_eq!(store.load(&id("acme")).await.expect("loads"), done.record, "it was made");
    assert_eq!(events(&store).await, 2);
    let again = store.commit(epoch, &[done]).await.expect("the batch commits");
    assert_eq!(again, [Err(WriteError::RevisionMismatch { expected: Revision(1), actual: Revision(2) })]);
    assert_eq!(commit_one(&store, epoch, life.again()).await, Position(3), "and the next one follows it");
}

/// The worst of networks: the engine has been told that the connection was lost, has looked, has gone on, and then the
/// statement arrives.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_commit_that_arrives_after_somebody_looked_is_not_made() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let proxy = Proxy::before(cluster.port()).await;
    let store = PostgresStore::new(cluster.options_at(proxy.port, database(&options)));
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    let begin = life.begin();
    commit_one(&store, epoch, begin.clone()).await;

    let mut held = proxy.hold_next();
    let (done, other) = (life.done(), StoredLife::new("other").begin());
    let lost = store.commit(epoch, &[done, other]).await;
    assert!(matches!(lost, Err(StoreError::Unavailable { .. })), "{lost:?}");
    let held = held.recv().await.expect("it was on its way");
    assert_eq!(events(&store).await, 1, "it was not made");
    held.arrive().await;
    assert_eq!(events(&store).await, 1, "and never will be");
    assert_eq!(store.load(&id("acme")).await.expect("loads"), begin.record);
    assert_eq!(store.load(&id("other")).await.expect("loads"), Record::Absent(id("other")));
    let mut next = StoredLife::new("next");
    assert_eq!(commit_one(&store, epoch, next.begin()).await, Position(2));
}

/// A statement that nobody looked after is made when it arrives, as it should: that is what being in doubt means.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_commit_that_arrives_before_somebody_looks_is_made_and_seen() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let proxy = Proxy::before(cluster.port()).await;
    let store = PostgresStore::new(cluster.options_at(proxy.port, database(&options)));
    let epoch = store.open().await.expect("opens").epoch;
    let mut held = proxy.hold_next();
    let begin = StoredLife::new("acme").begin();
    let lost = store.commit(epoch, std::slice::from_ref(&begin)).await;
    assert!(matches!(lost, Err(StoreError::Unavailable { .. })), "{lost:?}");
    held.recv().await.expect("it was on its way").arrive().await;
    assert_eq!(store.load(&id("acme")).await.expect("loads"), begin.record);
    assert_eq!(events(&store).await, 1);
}

/// A commit that nobody waits for any more is in doubt too.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_commit_that_was_dropped_is_found_out() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let store = PostgresStore::new(options.clone());
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    commit_one(&store, epoch, life.begin()).await;
    // Somebody holds what it needs, so that it is on its way for as long as that.
    let client = cluster.client(database(&options)).await;
    client.batch_execute("BEGIN; LOCK TABLE landlord.events IN ACCESS EXCLUSIVE MODE").await.expect("locks");
    let done = life.done();
    let batch = [done.clone()];
    let commit = store.commit(epoch, &batch);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), commit).await.is_err(),
        "it waits, and is dropped"
    );
    client.batch_execute("COMMIT").await.expect("unlocks");
    let loaded = store.load(&id("acme")).await.expect("loads");
    let count = events(&store).await;
    if loaded == done.record {
        assert_eq!(count, 2);
    } else {
        assert_eq!(count, 1);
    }
    // Whatever it was, it stays so.
    assert_eq!(store.load(&id("acme")).await.expect("loads"), loaded);
}

/// The wait for the synchronous standby is cut short: the server answers, and warns. Until it is on the standby, it is in doubt.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn what_did_not_reach_the_standby_is_in_doubt_until_it_has() {
    let cluster = Cluster::start().await;
    let options = PostgresOptions { patience: Duration::from_secs(3), ..cluster.migrated().await };
    let store = PostgresStore::new(options.clone());
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    commit_one(&store, epoch, life.begin()).await;

    let reload = "SELECT pg_reload_conf()";
    let client = cluster.client(database(&options)).await;
    client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await.expect("sets");
    client.query(reload, &[]).await.expect("reloads");
    // The server takes that up in its own time. A write that waits shows that it has.
    let writes = cluster.client(database(&options)).await;
    let cancel = |waits: &str| format!("SELECT pg_cancel_backend(pid) FROM ({waits}) AS waits");
    let waits = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    until("writes wait for the standby", async || {
        let write = writes.batch_execute("UPDATE landlord.meta SET looked_at = looked_at");
        let waits =
            until("it waits", async || !client.query(&cancel(waits), &[]).await.expect("cancels").is_empty());
        tokio::select! {
            written = write => {
                written.expect("is made here");
                false
            }
            () = waits => true,
        }
    })
    .await;
    let waits = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'WITH me %'";
    let done = life.done();
    let batch = [done.clone()];
    let cut = async {
        until("it waits for the standby", async || {
            !client.query(waits, &[]).await.expect("reads").is_empty()
        })
        .await;
        client.query(&cancel(waits), &[]).await.expect("cancels");
    };
    let (answer, ()) = tokio::join!(store.commit(epoch, &batch), cut);
    let error = answer.expect_err("it is in doubt");
    assert!(error.to_string().contains("synchronous standby"), "{error}");
    let unsure = store.load(&id("acme")).await.expect_err("it may be lost with the primary");
    assert!(matches!(unsure, StoreError::Unavailable { .. }), "{unsure:?}");

    client.batch_execute("ALTER SYSTEM RESET synchronous_standby_names").await.expect("sets");
    client.query(reload, &[]).await.expect("reloads");
    until("the standby has it", async || store.load(&id("acme")).await.is_ok()).await;
    assert_eq!(store.load(&id("acme")).await.expect("loads"), done.record);
    assert_eq!(commit_one(&store, epoch, life.again()).await, Position(3));
}

/// A tenant that was written after the statement began, and before it was locked, is not overwritten.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_revision_that_changes_while_a_commit_waits_is_seen() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let store = PostgresStore::new(options.clone());
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    commit_one(&store, epoch, life.begin()).await;
    let client = cluster.client(database(&options)).await;
    client.batch_execute("BEGIN; UPDATE landlord.tenants SET revision = 7").await.expect("writes");
    let batch = [life.again()];
    let others = async {
        let waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        let watch = cluster.client("postgres").await;
        until("the commit waits", async || !watch.query(waits, &[]).await.expect("reads").is_empty()).await;
        client.batch_execute("COMMIT").await.expect("ends");
    };
    let (answer, ()) = tokio::join!(store.commit(epoch, &batch), others);
    // How much was written meanwhile, the statement did not see.
    let at_least = WriteError::RevisionMismatch { expected: Revision(1), actual: Revision(2) };
    assert_eq!(answer.expect("the batch commits"), [Err(at_least)]);
    let again = store.commit(epoch, &batch).await.expect("the batch commits");
    assert_eq!(again, [Err(WriteError::RevisionMismatch { expected: Revision(1), actual: Revision(7) })]);
    assert_eq!(events(&store).await, 1, "nothing of it was made");
}

/// What meets another statement is tried again: nobody is told of a deadlock.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_deadlock_is_tried_again() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let store = PostgresStore::new(options.clone());
    let epoch = store.open().await.expect("opens").epoch;
    let mut lives = ["a", "b"].map(StoredLife::new);
    let begin = lives.each_mut().map(StoredLife::begin);
    for answer in store.commit(epoch, &begin).await.expect("commits") {
        answer.expect("is made");
    }
    // Somebody with psql locks the same tenants in the other order.
    let client = cluster.client(database(&options)).await;
    client.batch_execute("SET deadlock_timeout = '1h'; BEGIN").await.expect("begins");
    client.query("SELECT 1 FROM landlord.tenants WHERE id = 'b' FOR UPDATE", &[]).await.expect("locks");
    let batch = lives.each_mut().map(StoredLife::again);
    let others = async {
        let waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        let watch = cluster.client("postgres").await;
        until("the commit waits", async || !watch.query(waits, &[]).await.expect("reads").is_empty()).await;
        client.query("SELECT 1 FROM landlord.tenants WHERE id = 'a' FOR UPDATE", &[]).await.expect("locks");
        client.batch_execute("COMMIT").await.expect("ends");
    };
    let (answers, ()) = tokio::join!(store.commit(epoch, &batch), others);
    let answers: Vec<Position> = answers.expect("commits").into_iter().map(|a| a.expect("is made")).collect();
    assert_eq!(answers, [Position(3), Position(4)]);
    assert!(cluster.log().contains("deadlock detected"), "there was one");
}
