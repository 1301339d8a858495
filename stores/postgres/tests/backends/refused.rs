//! Servers and databases that are no place for a store, and what their operators are told.

use std::process::Command;
use std::time::Duration;

use landlord_compute::store::{Reads, Store, StoreError};
use landlord_store_postgres::{PostgresOptions, PostgresStore};
use landlord_testing::store::contract::commit_one;
use landlord_testing::store::samples::{StoredLife, id};

use super::cluster::{Cluster, database, free_port, until};

async fn refusal(options: &PostgresOptions) -> String {
    let error = PostgresStore::new(options.clone()).open().await.expect_err("must not open");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_server_that_does_not_keep_its_word_is_refused() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let role = |set: &'static str| cluster.run("postgres", set);
    for kept in ["off", "local"] {
        let set = format!("ALTER ROLE postgres SET synchronous_commit = {kept}");
        cluster.run("postgres", &set).await;
        let told = refusal(&options).await;
        assert!(told.contains(&format!("synchronous_commit is {kept}")), "{told}");
    }
    role("ALTER ROLE postgres RESET synchronous_commit").await;
    role("ALTER SYSTEM SET fsync = off").await;
    role("SELECT pg_reload_conf()").await;
    until("it is told", async || match PostgresStore::new(options.clone()).open().await {
        Err(error) => error.to_string().contains("fsync is off"),
        Ok(_) => false,
    })
    .await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn each_way_not_to_get_in_says_what_to_do() {
    let cluster = Cluster::start().await;
    let told = refusal(&cluster.options("nowhere")).await;
    assert!(told.contains("create it first") && told.contains("3D000"), "{told}");
    let told = refusal(&cluster.options_at(free_port(), "postgres")).await;
    assert!(told.contains("whether the server runs"), "{told}");
    let options = cluster.migrated().await;
    cluster.run("postgres", "CREATE ROLE guest LOGIN").await;
    let mut guest = options.clone();
    guest.server.user("guest");
    let error = PostgresStore::new(guest).open().await.expect_err("must not open");
    assert!(error.to_string().contains("lacks a right"), "{error}");
}

/// Commits were answered, and then an older copy of the database is there.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_database_that_went_back_is_refused_by_the_engine_that_saw_it() {
    let mut cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let store = PostgresStore::new(options.clone());
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    commit_one(&store, epoch, life.begin()).await;
    cluster.stop();
    let (data, copy) = (cluster.data(), cluster.data().with_extension("copy"));
    let copied = Command::new("cp").arg("-a").args([&data, &copy]).status().expect("cp runs");
    assert!(copied.success());
    cluster.start_again().await;
    commit_one(&store, epoch, life.done()).await;
    cluster.stop();
    std::fs::remove_dir_all(&data).expect("removes");
    std::fs::rename(&copy, &data).expect("moves");
    cluster.start_again().await;

    let refused = store.commit(epoch, &[life.again()]).await;
    assert!(matches!(&refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert!(refused.expect_err("refused").to_string().contains("went back"));
    let count = "SELECT count(*) FROM landlord.events";
    let client = cluster.client(database(&options)).await;
    let count: i64 = client.query_one(count, &[]).await.expect("reads").get(0);
    assert_eq!(count, 1, "nothing was written");
    // Whoever accepts the loss starts the engine again.
    store.close().await.expect("closes");
    let epoch = store.open().await.expect("opens").epoch;
    let mut next = StoredLife::new("next");
    commit_one(&store, epoch, next.begin()).await;
}

/// A server that does not answer is waited for no longer than the options say.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_server_that_does_not_answer_is_not_waited_for_without_end() {
    let cluster = Cluster::start().await;
    let options = PostgresOptions { patience: Duration::from_secs(1), ..cluster.migrated().await };
    let store = PostgresStore::new(options.clone());
    let epoch = store.open().await.expect("opens").epoch;
    let client = cluster.client(database(&options)).await;
    client.batch_execute("BEGIN; LOCK TABLE landlord.tenants").await.expect("locks");
    let begin = StoredLife::new("acme").begin();
    let late = store.commit(epoch, std::slice::from_ref(&begin)).await.expect_err("it takes too long");
    assert!(late.to_string().contains("took longer than"), "{late}");
    client.batch_execute("COMMIT").await.expect("unlocks");
    until("it is found out", async || store.load(&id("acme")).await.is_ok()).await;
}
