//! Where a store is, and what it keeps.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use landlord_compute::store::StoreError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take then until the server lets somebody in.
const WELCOMED: Duration = Duration::from_secs(5);
/// How long what was sent may go without an acknowledgement of the server's machine, before the connection counts as lost.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// When a silent connection is probed first, how often then, and how often in vain.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(3), 3);

/// Where the server of this machine listens, for a URL that names no host.
const SOCKETS: &str = "/run/postgresql";
/// What a URL need not write in another way.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

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
    /// How long one statement may take, once there is a connection. A commit that takes longer may have been made, and that is found out before
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
    /// its name, where there is one: `verify-ca` and `verify-full` mean the same as `require`. Without a host it is the server
    /// of this machine, by its socket in `/run/postgresql`.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong with the URL, without showing it.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let checked = url.replace("sslmode=verify-full", "sslmode=require");
        let checked = checked.replace("sslmode=verify-ca", "sslmode=require");
        let refused = |cause: Option<Box<dyn std::error::Error + Send + Sync>>| {
            StoreError::Unavailable {
            message: "its URL cannot be understood; postgres://user@host:5432/database is one, and in a password %40 \
                      stands for @"
                .to_owned(),
            source: cause,
        }
        };
        let mut server: Config = checked.parse().map_err(|cause| refused(Some(Box::new(cause))))?;
        // The end of a password with an @, which is not to be shown as the name of a host.
        let is_cut = |host: &Host| match host {
            Host::Tcp(host) => host.contains('@'),
            Host::Unix(_) => false,
        };
        if server.get_hosts().iter().any(is_cut) {
            return Err(refused(None));
        }
        if server.get_hosts().is_empty() && server.get_hostaddrs().is_empty() {
            server.host_path(SOCKETS);
        }
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

    /// The store in words for people, which are a URL too: where it is and who asks, and nothing that is secret.
    pub fn place(&self) -> String {
        let written = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
        let ports = self.server.get_ports();
        let port = |number| ports.get(number).or(ports.first()).copied().unwrap_or(5432);
        let user = self.server.get_user().map(|user| format!("{}@", written(user))).unwrap_or_default();
        let database = self.server.get_dbname().or(self.server.get_user()).map(written).unwrap_or_default();
        let mut settings = Vec::new();
        let hosts = match self.server.get_hosts() {
            [Host::Unix(directory)] => {
                settings.push(format!("host={}", directory.display()));
                if port(0) != 5432 {
                    settings.push(format!("port={}", port(0)));
                }
                String::new()
            }
            hosts => {
                let hosts = hosts.iter().enumerate().map(|(number, host)| {
                    let host = match host {
                        Host::Tcp(host) if host.contains(':') => format!("[{host}]"),
                        Host::Tcp(host) => host.clone(),
                        Host::Unix(directory) => written(&directory.to_string_lossy()),
                    };
                    format!("{host}:{}", port(number))
                });
                hosts.collect::<Vec<_>>().join(",")
            }
        };
        match self.server.get_ssl_mode() {
            SslMode::Require => settings.push("sslmode=require".to_owned()),
            SslMode::Disable => settings.push("sslmode=disable".to_owned()),
            // The default, and what may come.
            SslMode::Prefer | _ => {}
        }
        if self.server.get_target_session_attrs() == TargetSessionAttrs::ReadWrite {
            settings.push("target_session_attrs=read-write".to_owned());
        }
        let settings = if settings.is_empty() { String::new() } else { format!("?{}", settings.join("&")) };
        format!("postgres://{user}{hosts}/{database}{settings}")
    }

    /// Which database it is, whoever asks and however: its hosts and its name, such as `db.example:5432/landlord`.
    pub fn address(&self) -> String {
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
        format!("{}/{database}", hosts.join(","))
    }

    /// How long it may take until a connection can be used, whichever of the hosts it is to.
    pub(crate) fn connects_within(&self) -> Duration {
        let hosts = self.server.get_hosts().len().max(self.server.get_hostaddrs().len()).max(1);
        let hosts = u32::try_from(hosts).unwrap_or(u32::MAX);
        let each = self.server.get_connect_timeout().copied().unwrap_or(CONNECT);
        each.saturating_mul(hosts).saturating_add(WELCOMED)
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
        assert_eq!(options.place(), "postgres://me@db.example:6432/tenants");
        let apart = PostgresOptions::new("postgres://me@db.example:6432/tenants?password=hunter2").unwrap();
        assert_eq!(apart.server.get_password(), Some(&b"hunter2"[..]));
        for options in [options, apart] {
            assert!(!format!("{} {options:?}", options.place()).contains("hunter2"));
        }
        for unsound in [
            "postgres://me:hunter2@db.example:port/tenants",
            "postgres://me:p@hunter2@db.example/tenants",
            "postgres://me:hunter2@db.example/tenants?no_such_setting=hunter2",
        ] {
            let error = PostgresOptions::new(unsound).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn what_is_said_of_a_store_leads_there_again() {
        for (url, place) in [
            ("postgres://me@db.example/tenants", "postgres://me@db.example:5432/tenants"),
            ("postgresql://me@db.example", "postgres://me@db.example:5432/me"),
            ("postgres://me@[::1]/tenants", "postgres://me@[::1]:5432/tenants"),
            ("postgres://me@a,b:6/t?sslmode=verify-full", "postgres://me@a:5432,b:6/t?sslmode=require"),
            (
                "postgres://me@a/t?target_session_attrs=read-write",
                "postgres://me@a:5432/t?target_session_attrs=read-write",
            ),
            ("postgres://m%40e@a/t%2F", "postgres://m%40e@a:5432/t%2F"),
            ("postgres://me@/t?host=/run/postgresql", "postgres://me@/t?host=/run/postgresql"),
            ("postgres:///t", "postgres:///t?host=/run/postgresql"),
            ("postgres://me@%2Frun%2Fpostgresql:6/t", "postgres://me@/t?host=/run/postgresql&port=6"),
        ] {
            let told = PostgresOptions::new(url).unwrap();
            assert_eq!(told.place(), place, "{url}");
            let again = PostgresOptions::new(place).unwrap();
            assert_eq!((again.place(), again.server.get_hosts()), (told.place(), told.server.get_hosts()));
        }
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
