//! A server of a test's own, in a directory of its own: it ends with the test.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use landlord_store_postgres::{PostgresOptions, PostgresStore};
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::{Client, NoTls};

/// How long a server may take to start, also after it was killed.
const STARTS: Duration = Duration::from_secs(60);

/// A running server. Its databases are reached over TCP, as user `postgres` without a password.
pub(crate) struct Cluster {
    directory: tempfile::TempDir,
    pub(crate) port: u16,
    server: Option<Child>,
    databases: AtomicUsize,
}

/// The directory of the newest PostgreSQL on this machine.
fn programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            let programs = version.path().join("bin");
            programs.join("initdb").exists().then_some((number, programs))
        })
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is installed: ./test.sh backends installs it").1
}

/// A command as the user postgres, which ends with this thread: servers refuse to run as root.
pub(crate) fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg("--pdeathsig=KILL").arg(program);
    command
}

/// Makes a directory the user's who runs servers.
pub(crate) fn give(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).expect("it is ours");
    if rustix::process::geteuid().is_root() {
        let output = Command::new("id").args(["-u", "postgres"]).output().expect("id runs");
        let user = String::from_utf8(output.stdout).expect("a number");
        let user = user.trim().parse().expect("there is a user postgres: ./test.sh backends makes it");
        chown(directory, Some(user), None).expect("root may");
    }
}

/// A port that nobody listens at.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Cluster {
    /// A new one, with these settings beside what a server has by default.
    pub(crate) async fn start_with(settings: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a directory");
        give(directory.path());
        let data = directory.path().join("data");
        let made = as_postgres(&programs().join("initdb"))
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres"])
            .args(["--no-sync", "--pgdata"])
            .arg(&data)
            .current_dir("/")
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let socket = directory.path().display();
        let own = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{socket}'\n\
             shared_buffers = '64MB'\nmax_connections = 100\nautovacuum = on\n{settings}\n"
        );
        let file = data.join("postgresql.auto.conf");
        fs::write(file, own).expect("root may, and so may the owner");
        let mut cluster = Self { directory, port, server: None, databases: AtomicUsize::new(0) };
        cluster.start_again().await;
        cluster
    }

    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// A standby of this one, which follows it.
    pub(crate) async fn standby(&self) -> Self {
        let directory = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a directory");
        give(directory.path());
        let data = directory.path().join("data");
        let copied = as_postgres(&programs().join("pg_basebackup"))
            .args([
                "--host=127.0.0.1",
                "--username=postgres",
                "--checkpoint=fast",
                "--no-sync",
                "--write-recovery-conf",
            ])
            .arg(format!("--port={}", self.port))
            .arg("--pgdata")
            .arg(&data)
            .current_dir("/")
            .output()
            .expect("pg_basebackup runs");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let port = free_port();
        let socket = directory.path().display();
        let file = data.join("postgresql.auto.conf");
        let copied = fs::read_to_string(&file).expect("it was copied");
        let own = format!("{copied}\nport = {port}\nunix_socket_directories = '{socket}'\n");
        fs::write(file, own).expect("root may, and so may the owner");
        let mut standby = Self { directory, port, server: None, databases: AtomicUsize::new(0) };
        standby.start_again().await;
        standby
    }

    /// Makes a standby a primary.
    pub(crate) async fn promote(&mut self) {
        self.client("postgres").await.query("SELECT pg_promote()", &[]).await.expect("is promoted");
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Starts the server, which does not run.
    pub(crate) async fn start_again(&mut self) {
        let log = self.directory.path().join("log");
        let log = fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let server = as_postgres(&programs().join("postgres"))
            .arg("-D")
            .arg(self.data())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("postgres starts");
        self.server = Some(server);
        let ready = async {
            while self.try_client("postgres").await.is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(STARTS, ready).await.is_err() {
            panic!("the server does not start: {}", self.log());
        }
    }

    /// What the server says.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Kills the server and everything that it started, at once.
    pub(crate) fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let pid = server.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        // The postmaster first, which would tell the others that one of them died.
        for pid in std::iter::once(i32::try_from(pid).expect("a pid")).chain(children) {
            let _gone = kill_process(Pid::from_raw(pid).expect("a pid"), Signal::KILL);
        }
        server.wait().expect("it is ours");
    }

    /// Ends the server in good order.
    pub(crate) fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let pid = Pid::from_child(&server);
        // A fast shutdown.
        kill_process(pid, Signal::INT).expect("it runs");
        server.wait().expect("it is ours");
    }

    async fn try_client(&self, database: &str) -> Option<Client> {
        let url = format!("host=127.0.0.1 port={} user=postgres dbname={database}", self.port);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.ok()?;
        tokio::spawn(connection);
        Some(client)
    }

    /// Somebody with psql.
    pub(crate) async fn client(&self, database: &str) -> Client {
        self.try_client(database).await.expect("the server lets us in")
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
        self.options_at(self.port, database)
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

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
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
