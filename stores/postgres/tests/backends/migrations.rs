//! Tables are made when somebody asks for it, and at no other time.

use landlord_compute::store::{Store, StoreError};
use landlord_store_postgres::{PostgresReader, PostgresStore};

use super::cluster::{Cluster, database};

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_database_without_tables_says_what_to_run_and_stays_as_it_is() {
    let cluster = Cluster::start().await;
    let options = cluster.options(&cluster.empty().await);
    let told = [
        PostgresStore::new(options.clone()).open().await.expect_err("must not open"),
        PostgresReader::open(options.clone()).await.expect_err("must not open"),
    ];
    for error in told {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains("landlord-compute migrate --store"), "{error}");
    }
    let plan = PostgresStore::plan(&options).await.expect("plans");
    assert_eq!((plan.found, plan.steps.len()), (0, 2));
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'landlord'";
    let client = cluster.client(database(&options)).await;
    let count: i64 = client.query_one(schemas, &[]).await.expect("reads").get(0);
    assert_eq!(count, 0, "a plan changes nothing, and neither does a start");

    let done = PostgresStore::migrate(&options).await.expect("migrates");
    assert_eq!(done.steps.iter().map(|step| step.version).collect::<Vec<_>>(), [1, 2]);
    let again = PostgresStore::migrate(&options).await.expect("has nothing to do");
    assert_eq!((again.found, again.steps.len()), (2, 0));
    PostgresStore::new(options).open().await.expect("opens");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn who_migrates_at_the_same_time_waits_for_the_other() {
    let cluster = Cluster::start().await;
    let options = cluster.options(&cluster.empty().await);
    let migrate = || PostgresStore::migrate(&options);
    let (a, b, c) = tokio::join!(migrate(), migrate(), migrate());
    for done in [a, b, c] {
        done.expect("the tables are there");
    }
    PostgresStore::new(options.clone()).open().await.expect("opens");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn tables_of_a_newer_program_are_left_alone() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let newer = "INSERT INTO landlord.migrations (version, name) VALUES (4, 'from the future')";
    cluster.run(database(&options), newer).await;
    for error in [
        PostgresStore::new(options.clone()).open().await.expect_err("must not open"),
        PostgresStore::migrate(&options).await.expect_err("must not migrate"),
    ] {
        assert!(error.to_string().contains("a newer program"), "{error}");
    }
}

/// Engines are upgraded one after the other, and the tables before them: an engine of the version before works on.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn tables_may_be_one_version_ahead() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let next = "INSERT INTO landlord.migrations (version, name) VALUES (3, 'of the next version')";
    cluster.run(database(&options), next).await;
    PostgresStore::new(options.clone()).open().await.expect("opens");
    PostgresReader::open(options).await.expect("opens");
}

/// For people with psql: every table says what it is for.
#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn every_table_has_a_comment() {
    let cluster = Cluster::start().await;
    let options = cluster.migrated().await;
    let bare = "SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'landlord' AND relkind IN ('r', 'p') AND obj_description(pg_class.oid, 'pg_class') IS NULL";
    let rows = cluster.client(database(&options)).await.query(bare, &[]).await.expect("reads");
    let bare: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(bare, Vec::<String>::new());
}
