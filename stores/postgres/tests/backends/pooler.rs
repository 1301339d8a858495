//! Through pgbouncer in transaction mode, where every statement may run in another session of the server.

use std::time::Duration;

use futures_util::future::join_all;
use landlord_compute::store::{Position, Reads, Store};
use landlord_store_postgres::{PostgresOptions, PostgresStore};
use landlord_testing::fixtures::{engine, run, scripted};
use landlord_testing::postgres::Pooler;
use landlord_testing::store::contract;
use landlord_testing::store::samples::{StoredLife, id};

use super::cluster::{Cluster, database, until};

async fn before(cluster: &Cluster) -> Pooler {
    Pooler::before(cluster).await.expect("pgbouncer starts")
}

fn through(pooler: &Pooler, cluster: &Cluster, options: &PostgresOptions) -> PostgresOptions {
    cluster.options_at(pooler.port(), database(options))
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn the_whole_contract_is_kept_through_a_pooler() {
    let cluster = Cluster::start().await;
    let pooler = before(&cluster).await;
    contract::run(async || {
        let options = through(&pooler, &cluster, &cluster.options(&cluster.empty().await));
        PostgresStore::migrate(&options).await.expect("migrates through it too");
        PostgresStore::new(options)
    })
    .await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn many_statements_at_a_time_share_its_sessions() {
    let cluster = Cluster::start().await;
    let pooler = before(&cluster).await;
    let options = through(&pooler, &cluster, &cluster.migrated().await);
    let store = PostgresStore::new(PostgresOptions { connections: 16, ..options.clone() });
    let epoch = store.open().await.expect("opens").epoch;
    let mut lives: Vec<_> = (0..500).map(|number| StoredLife::new(&format!("t{number}"))).collect();
    let begin: Vec<_> = lives.iter_mut().map(StoredLife::begin).collect();
    store.commit(epoch, &begin).await.expect("commits");
    let again: Vec<_> = lives.iter_mut().map(StoredLife::done).collect();
    let ids: Vec<_> = (0..500).map(|number| id(&format!("t{number}"))).collect();
    let reads = join_all(ids.iter().map(|id| store.request(id, "none")));
    let (answers, reads) = tokio::join!(store.commit(epoch, &again), reads);
    let positions: Vec<Position> = answers.expect("commits").into_iter().flatten().collect();
    assert_eq!(positions, (501..=1_000).map(Position).collect::<Vec<_>>());
    assert!(reads.into_iter().all(|read| read.expect("reads").is_none()));

    let client = cluster.client(database(&options)).await;
    let named = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'landlord-compute'";
    let sessions: i64 = client.query_one(named, &[]).await.expect("reads").get(0);
    assert!(sessions <= 3, "{sessions} sessions");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn an_engine_works_through_a_pooler_and_outlives_the_server() {
    let mut cluster = Cluster::start().await;
    let pooler = before(&cluster).await;
    let options = through(&pooler, &cluster, &cluster.migrated().await);
    let provider = scripted();
    let engine = engine(PostgresStore::new(options.clone()), &provider).start().await.expect("starts");
    run(&engine, "acme", "nginx:1").await;
    cluster.kill();
    cluster.start_again().await;
    // The pooler waits a while before it asks the server again.
    until("the pooler lets us in", async || engine.tenant(id("acme")).snapshot().await.is_ok()).await;
    run(&engine, "other", "nginx:1").await;
    engine.shutdown(Duration::from_secs(10)).await.expect("ends");
}
