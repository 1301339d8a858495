//! A server of a test's own, with databases for stores.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use landlord_store_postgres::{PostgresOptions, PostgresStore};
use landlord_testing::postgres::Server;
use tokio_postgres::{Client, NoTls};

/// A running server. Its databases are reached over TCP, as user `postgres` without a password.
pub(crate) struct Cluster {
    server: Server,
    databases: AtomicUsize,
}

impl Deref for Cluster {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Cluster {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

/// A port that nobody listens at.
pub(crate) fn free_port() -> u16 {
    landlord_testing::postgres::free_port().expect("a port")
}

impl Cluster {
    /// A new one, with these settings beside what a server has by default.
    pub(crate) async fn start_with(settings: &str) -> Self {
        let server = Server::start(settings).await.expect("the server starts");
        Self { server, databases: AtomicUsize::new(0) }
    }

    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// A standby of this one, which follows it.
    pub(crate) async fn standby(&self) -> Self {
        let server = self.server.standby().await.expect("the standby starts");
        Self { server, databases: AtomicUsize::new(0) }
    }

    /// Makes a standby a primary.
    pub(crate) async fn promote(&mut self) {
        self.client("postgres").await.query("SELECT pg_promote()", &[]).await.expect("is promoted");
    }

    /// Starts the server, which does not run.
    pub(crate) async fn start_again(&mut self) {
        self.server.start_again().await.expect("the server starts");
    }

    /// Somebody with psql.
    pub(crate) async fn client(&self, database: &str) -> Client {
        let url = self.url(database);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the server lets us in");
        tokio::spawn(connection);
        client
    }

    /// Runs statements as somebody with psql.
    pub(crate) async fn run(&self, database: &str, sql: &str) {
        self.client(database).await.batch_execute(sql).await.expect(sql);
    }

    /// A new database, without tables; its name.
    pub(crate) async fn empty(&self) -> String {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run("postgres", &format!("CREATE DATABASE {name}")).await;
        name
    }

    /// What leads to a database, over this port.
    pub(crate) fn options_at(&self, port: u16, database: &str) -> PostgresOptions {
        let url = format!("postgres://postgres@127.0.0.1:{port}/{database}?sslmode=disable");
        let mut options = PostgresOptions::new(&url).expect("a good URL");
        options.patience = Duration::from_secs(20);
        options
    }

    pub(crate) fn options(&self, database: &str) -> PostgresOptions {
        self.options_at(self.port(), database)
    }

    /// What leads to a new database with tables.
    pub(crate) async fn migrated(&self) -> PostgresOptions {
        let options = self.options(&self.empty().await);
        PostgresStore::migrate(&options).await.expect("migrates");
        options
    }

    /// A new store, not open yet.
    pub(crate) async fn store(&self) -> PostgresStore {
        PostgresStore::new(self.migrated().await)
    }
}

/// The database of options.
pub(crate) fn database(options: &PostgresOptions) -> &str {
    options.server.get_dbname().expect("it names one")
}

/// Waits for something that is bound to happen.
pub(crate) async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let waits = async {
        while !happened().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waits).await.unwrap_or_else(|_| panic!("{what}"));
}
