//! Where a store is, and what it keeps.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use landlord_compute::store::StoreError;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long what was sent may go without an acknowledgement of the server's machine, before the connection counts as lost.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// When a silent connection is probed first, how often then, and how often in vain.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(3), 3);

/// Whether commits have to reach a synchronous standby: the server's `synchronous_standby_names` says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standby {
    /// Where the server has one when the store is opened, it must have one for as long as the store is open: a standby that was
    /// promoted, and has none of its own, is refused.
    AsFound,
    /// A server without one is refused.
    Required,
}

/// Where a [`PostgresStore`](crate::PostgresStore) is, and how many past events it keeps. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresOptions {
    /// The server, the database and who asks. [`PostgresOptions::new`] makes it of a URL, with bounds for what a lost
    /// server may take.
    pub server: Config,
    /// A file with certificates of authorities that are trusted too, beside those of the machine.
    pub ca: Option<PathBuf>,
    /// How many events are kept; older ones are answered with [`Events::Gap`](landlord_compute::store::Events::Gap). An
    /// operation is kept as long as the event that settled it. None keeps all.
    pub history: Option<u64>,
    /// For how long events beyond those wait for a reader whose document says that it has not read them: so much older than
    /// the newest event are they at most.
    pub waits: Duration,
    /// How many events a partition of their table has. The oldest partition is dropped once none of its events is kept.
    pub partition: u64,
    /// How many statements beside commits run at the same time; more wait for their turn.
    pub connections: usize,
    /// How long one statement may take. A commit that takes longer may have been made, and that is found out before
    /// anything else is done.
    pub patience: Duration,
    /// Whether commits have to reach a synchronous standby.
    pub standby: Standby,
    /// What this engine is called where another one is told who has the store. None: the name of the program.
    pub owner: Option<String>,
}

impl PostgresOptions {
    /// A database that keeps the last million events, and those of seven days that a reader has not read.
    ///
    /// The URL is one of libpq's: `postgres://user@host:5432/database?sslmode=require`. A certificate is always checked, with
    /// its name, where there is one: `verify-ca` and `verify-full` mean the same as `require`.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong with the URL, without showing it.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let checked = url.replace("sslmode=verify-full", "sslmode=require");
        let checked = checked.replace("sslmode=verify-ca", "sslmode=require");
        let mut server: Config = checked.parse().map_err(|cause| StoreError::Unavailable {
            message: "its URL cannot be understood; postgres://user@host:5432/database is one".to_owned(),
            source: Some(Box::new(cause)),
        })?;
        if server.get_connect_timeout().is_none() {
            server.connect_timeout(CONNECT);
        }
        if server.get_tcp_user_timeout().is_none() {
            server.tcp_user_timeout(UNACKNOWLEDGED);
        }
        if server.get_application_name().is_none() {
            server.application_name("landlord-compute");
        }
        let (idle, interval, retries) = KEEPALIVE;
        if server.get_keepalives_idle() == Config::new().get_keepalives_idle() {
            server.keepalives_idle(idle);
        }
        if server.get_keepalives_interval().is_none() {
            server.keepalives_interval(interval);
        }
        if server.get_keepalives_retries().is_none() {
            server.keepalives_retries(retries);
        }
        Ok(Self {
            server,
            ca: None,
            history: Some(1_000_000),
            waits: Duration::from_secs(7 * 24 * 60 * 60),
            partition: 250_000,
            connections: 8,
            patience: Duration::from_secs(30),
            standby: Standby::AsFound,
            owner: None,
        })
    }

    /// The store in words for people: where it is, and nothing that is secret.
    pub(crate) fn place(&self) -> String {
        let ports = self.server.get_ports();
        let hosts = self.server.get_hosts().iter().enumerate().map(|(number, host)| {
            let port = ports.get(number).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(host) => format!("{host}:{port}"),
                Host::Unix(directory) => format!("{}:{port}", directory.display()),
            }
        });
        let hosts: Vec<String> = hosts.collect();
        let database = self.server.get_dbname().or(self.server.get_user()).unwrap_or_default();
        format!("postgres://{}/{database}", hosts.join(","))
    }

    /// Whether no connection goes over TLS: it is switched off, or there are only sockets of this machine.
    pub(crate) fn is_plain(&self) -> bool {
        let is_local = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(_) => false,
        };
        self.server.get_ssl_mode() == SslMode::Disable || self.server.get_hosts().iter().all(is_local)
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("server", &self.place())
            .field("ca", &self.ca)
            .field("history", &self.history)
            .field("waits", &self.waits)
            .field("partition", &self.partition)
            .field("connections", &self.connections)
            .field("patience", &self.patience)
            .field("standby", &self.standby)
            .field("owner", &self.owner)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_nothing_that_prints() {
        let options = PostgresOptions::new("postgres://me:hunter2@db.example:6432/tenants").unwrap();
        assert_eq!(options.place(), "postgres://db.example:6432/tenants");
        assert!(!format!("{options:?}").contains("hunter2"));
        let error = PostgresOptions::new("postgres://me:hunter2@db.example:port/tenants").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn a_lost_server_is_noticed_unless_the_url_says_otherwise() {
        let options = PostgresOptions::new("postgres://db.example/tenants").unwrap();
        assert_eq!(options.server.get_tcp_user_timeout(), Some(&UNACKNOWLEDGED));
        assert_eq!(options.server.get_connect_timeout(), Some(&CONNECT));
        assert_eq!(options.server.get_keepalives_idle(), KEEPALIVE.0);
        let own =
            PostgresOptions::new("postgres://db.example/t?connect_timeout=1&tcp_user_timeout=2").unwrap();
        assert_eq!(own.server.get_connect_timeout(), Some(&Duration::from_secs(1)));
        assert_eq!(own.server.get_tcp_user_timeout(), Some(&Duration::from_secs(2)));
    }

    #[test]
    fn a_certificate_is_checked_as_libpq_names_it_too() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let url = format!("postgres://db.example/tenants?sslmode={mode}");
            assert_eq!(PostgresOptions::new(&url).unwrap().server.get_ssl_mode(), SslMode::Require);
        }
        let plain = |url: &str| PostgresOptions::new(url).unwrap().is_plain();
        assert!(plain("postgres://db.example/tenants?sslmode=disable"));
        assert!(plain("postgres:///tenants?host=/run/postgresql"));
        assert!(!plain("postgres://db.example/tenants"), "TLS where the server has it");
    }
}
