//! The database of a trial: a primary, and the standby that waits to take its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use landlord_store_postgres::{PostgresOptions, PostgresStore};
use landlord_testing::postgres::Server;
use tokio_postgres::{Client, NoTls, Row};

use super::now;

pub(crate) const DATABASE: &str = "tenants";
/// How long a standby may take until it follows.
const FOLLOWS: Duration = Duration::from_secs(120);

pub(crate) struct Database {
    primary: Server,
    standby: Server,
    /// Where the primary listens, whichever it is.
    pub(crate) port: Arc<AtomicU16>,
}

impl Database {
    pub(crate) async fn start() -> Self {
        let primary = Server::start("").await.expect("the server starts");
        primary.psql("postgres", &format!("CREATE DATABASE {DATABASE}")).expect("is made");
        let options = PostgresOptions::new(&primary.url(DATABASE)).expect("a good URL");
        PostgresStore::migrate(&options).await.expect("migrates");
        let standby = primary.standby().await.expect("the standby starts");
        let port = Arc::new(AtomicU16::new(primary.port()));
        let database = Self { primary, standby, port };
        database.follow().await;
        database
    }

    /// Commits reach the standby from now on.
    async fn follow(&self) {
        self.primary.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'").expect("sets");
        self.primary.psql("postgres", "SELECT pg_reload_conf()").expect("reloads");
        let sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let follows = async {
            while self.primary.psql("postgres", sync).is_ok_and(|count| count.trim() != "1") {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(FOLLOWS, follows).await.expect("the standby follows");
    }

    /// The primary is lost, and the standby takes its place, with a new standby; when it was lost, and when the other one was there.
    pub(crate) async fn promote(&mut self) -> (Duration, Duration) {
        let lost = now();
        self.primary.kill();
        self.standby.psql("postgres", "SELECT pg_promote()").expect("is promoted");
        let standby = self.standby.standby().await.expect("the standby starts");
        self.primary = std::mem::replace(&mut self.standby, standby);
        self.follow().await;
        self.port.store(self.primary.port(), Ordering::Release);
        (lost, now())
    }

    pub(crate) async fn client(&self) -> Client {
        connect(&self.port).await.expect("it lets us in")
    }
}

async fn connect(port: &AtomicU16) -> Result<Client, tokio_postgres::Error> {
    let port = port.load(Ordering::Acquire);
    let url = format!("postgres://postgres@127.0.0.1:{port}/{DATABASE}?sslmode=disable");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Asks the primary for rows, on a connection of its own. None while there is no primary.
pub(crate) async fn look(port: &AtomicU16, sql: &str) -> Option<Vec<Row>> {
    connect(port).await.ok()?.query(sql, &[]).await.ok()
}

/// Whether an engine was ended by others. None while there is no primary.
pub(crate) async fn is_fenced(port: &AtomicU16, epoch: u64) -> Option<bool> {
    let sql = format!("SELECT FROM landlord.engines WHERE epoch = {epoch} AND state = 'fenced'");
    look(port, &sql).await.map(|rows| !rows.is_empty())
}
