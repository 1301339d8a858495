//! PostgreSQL with its own settings, and what is compared with the store on it: the same bytes without the store, and tasks
//! in a table as one would write them.

mod replay;
pub(crate) mod tasks;

use std::time::Duration;

use landlord_compute::store::Store;
use landlord_store_postgres::{PostgresOptions, PostgresStore};
use landlord_testing::postgres::Server;
use landlord_testing::store::samples::StoredLife;
use tokio_postgres::{Client, NoTls};

pub(crate) use replay::{Recorder, replay};

/// A server that has what PostgreSQL has by default: every commit is on the disk.
const SETTINGS: &str = "shared_buffers = '128MB'";

/// What the name of a process begins with that answers a client.
const BACKEND: &str = "postgres: postgres ";

/// A server of this process, which ends with it.
pub(crate) struct Databases {
    server: Server,
}

/// Processor time that a server has used.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    /// What answers clients.
    pub(crate) backends: Duration,
    /// That, and what writes the log and the tables.
    pub(crate) all: Duration,
}

impl Databases {
    pub(crate) async fn start() -> Self {
        let server = Server::start(SETTINGS).await;
        Self {
            server: server.expect("PostgreSQL is installed (./test.sh backends), or left out with --without"),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    /// A new database without tables.
    pub(crate) fn empty(&self, name: &str) -> String {
        self.server.psql("postgres", &format!("CREATE DATABASE {name}")).expect("it is made");
        self.server.url(name)
    }

    /// A store in a new database, with the options' defaults.
    pub(crate) async fn store(&self, name: &str) -> PostgresStore {
        PostgresStore::new(self.migrated(name).await)
    }

    /// The same behind a recorder.
    pub(crate) async fn recorded(&self, name: &str, recorder: &Recorder) -> PostgresStore {
        let mut options = self.migrated(name).await;
        options.server = PostgresOptions::new(&recorder.url(name)).expect("a good URL").server;
        PostgresStore::new(options)
    }

    /// A new database with the tables of a store.
    pub(crate) async fn migrated(&self, name: &str) -> PostgresOptions {
        let options = PostgresOptions::new(&self.empty(name)).expect("a good URL");
        PostgresStore::migrate(&options).await.expect("the tables are made");
        options
    }

    /// A database in which what was recorded can be made again: an engine has its store, and events have a partition.
    pub(crate) async fn to_replay(&self, name: &str) -> PostgresStore {
        let store = self.store(name).await;
        let epoch = store.open().await.expect("it opens").epoch;
        let first = store.commit(epoch, &[StoredLife::new("first").begin()]).await;
        first.expect("it is written").pop().expect("an answer").expect("it is made");
        store
    }

    /// What leads to a database.
    pub(crate) fn url(&self, name: &str) -> String {
        self.server.url(name)
    }

    /// Asks a database, beside what is measured.
    pub(crate) async fn client(&self, name: &str) -> Client {
        connect(&self.url(name)).await
    }

    /// How many events a database has.
    pub(crate) fn events(&self, name: &str) -> usize {
        let count = self.server.psql(name, "SELECT count(*) FROM landlord.events").expect("it is read");
        count.parse().expect("a number")
    }

    /// What it has used until now. Processes that have ended do not count.
    pub(crate) fn used(&self) -> Used {
        let mut used = Used { backends: Duration::ZERO, all: Duration::ZERO };
        for pid in self.server.processes() {
            let name = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let took = processor_time(pid);
            used.all += took;
            if name.starts_with(BACKEND) {
                used.backends += took;
            }
        }
        used
    }
}

/// A connection that has no settings of its own.
async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("it lets us in");
    tokio::spawn(connection);
    client
}

/// Of the user and of the kernel.
fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which is in brackets: the 12th and 13th field.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

impl std::ops::Sub for Used {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            backends: self.backends.saturating_sub(before.backends),
            all: self.all.saturating_sub(before.all),
        }
    }
}
