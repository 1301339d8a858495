//! PostgreSQL and pgbouncer, as Debian installs them, for tests of a store: each in a directory of its own, which ends with it.

mod statements;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

pub use statements::{Does, Statements};

/// How long a server may take to start, also after it was killed.
const STARTS: Duration = Duration::from_secs(60);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// A server on 127.0.0.1, which lets everybody in as `postgres` without a password. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    directory: TempDir,
    port: u16,
    process: Option<Child>,
}

/// A pgbouncer in transaction mode before a server. It is killed when this is dropped.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    process: Child,
    _directory: TempDir,
}

/// The directory of the newest PostgreSQL on this machine.
///
/// # Panics
/// When there is none.
#[allow(clippy::expect_used, reason = "a test that cannot go on says why and stops")]
pub fn programs() -> PathBuf {
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

/// A port that nobody listens at.
///
/// # Errors
/// There is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A command as the user postgres, which ends with this thread: servers refuse to run as root.
fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if geteuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg("--pdeathsig=KILL").arg(program).current_dir("/").stdin(Stdio::null());
    command
}

/// Gives a file or a directory to the user who runs servers, and to nobody else.
///
/// # Errors
/// There is no such user, or no such file.
pub fn give(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    if geteuid().is_root() {
        let output = Command::new("id").args(["-u", "postgres"]).output()?;
        let user = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
        let missing = || io::Error::other("there is no user postgres: ./test.sh backends makes it");
        chown(path, Some(user.ok_or_else(missing)?), None)?;
    }
    Ok(())
}

/// A directory of that user's.
fn directory() -> io::Result<TempDir> {
    let directory = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp")?;
    give(directory.path())?;
    Ok(directory)
}

/// Runs a program that makes something, and says why it did not.
fn made(command: &mut Command) -> io::Result<()> {
    let Output { status, stderr, .. } = command.output()?;
    let said = String::from_utf8_lossy(&stderr).into_owned();
    if status.success() { Ok(()) } else { Err(io::Error::other(said)) }
}

/// Waits until somebody listens at a port.
async fn listens(port: u16) -> bool {
    let begun = tokio::time::Instant::now();
    while tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        if begun.elapsed() > STARTS {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

impl Server {
    /// A new one, with these settings beside what a server has by default.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn start(settings: &str) -> io::Result<Self> {
        let directory = directory()?;
        made(
            as_postgres(&programs().join("initdb"))
                .args(["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres"])
                .args(["--no-sync", "--pgdata"])
                .arg(directory.path().join("data")),
        )?;
        Self::over(
            directory,
            &format!(
                "listen_addresses = '127.0.0.1'\nshared_buffers = '64MB'\nmax_connections = 100\n\
                 autovacuum = on\n{settings}\n"
            ),
        )
        .await
    }

    /// A standby of this one, which follows it.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn standby(&self) -> io::Result<Self> {
        let directory = directory()?;
        made(
            as_postgres(&programs().join("pg_basebackup"))
                .args(["--host=127.0.0.1", "--username=postgres", "--checkpoint=fast", "--no-sync"])
                .arg("--write-recovery-conf")
                .arg(format!("--port={}", self.port))
                .arg("--pgdata")
                .arg(directory.path().join("data")),
        )?;
        let copied = fs::read_to_string(directory.path().join("data/postgresql.auto.conf"))?;
        Self::over(directory, &copied).await
    }

    async fn over(directory: TempDir, settings: &str) -> io::Result<Self> {
        let port = free_port()?;
        let sockets = directory.path().display();
        let own = format!("{settings}\nport = {port}\nunix_socket_directories = '{sockets}'\n");
        fs::write(directory.path().join("data/postgresql.auto.conf"), own)?;
        let mut server = Self { directory, port, process: None };
        server.start_again().await?;
        Ok(server)
    }

    /// Starts the server, which does not run.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn start_again(&mut self) -> io::Result<()> {
        let log = self.directory.path().join("log");
        let log = fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut postgres = as_postgres(&programs().join("postgres"));
        postgres.arg("-D").arg(self.data()).stdout(log.try_clone()?).stderr(log);
        self.process = Some(postgres.spawn()?);
        let begun = tokio::time::Instant::now();
        while !self.answers() {
            if begun.elapsed() > STARTS {
                return Err(io::Error::other(format!("the server does not start: {}", self.log())));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn answers(&self) -> bool {
        let mut asks = Command::new(programs().join("pg_isready"));
        asks.args(["--quiet", "--host=127.0.0.1", "--username=postgres", &format!("--port={}", self.port)]);
        asks.status().is_ok_and(|status| status.success())
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database of it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Where its data is.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// What it says.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Runs statements by psql; what it prints, without headings.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn psql(&self, database: &str, sql: &str) -> io::Result<String> {
        let mut psql = Command::new(programs().join("psql"));
        let url = self.url(database);
        let asked = psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", sql]);
        let Output { status, stdout, stderr } = asked.args(["--set=ON_ERROR_STOP=1", &url]).output()?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if status.success() { Ok(said(&stdout)) } else { Err(io::Error::other(said(&stderr))) }
    }

    /// The processes that answer its clients, and those that it needs for itself.
    pub fn processes(&self) -> Vec<u32> {
        let Some(process) = &self.process else { return Vec::new() };
        let pid = process.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|child| child.parse().ok()).collect()
    }

    /// Kills the server and everything that it started, at once.
    pub fn kill(&mut self) {
        let children = self.processes();
        let Some(mut process) = self.process.take() else { return };
        // The postmaster first, which would tell the others that one of them died.
        for pid in std::iter::once(process.id()).chain(children) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _gone = kill_process(pid, Signal::KILL);
            }
        }
        let _ended = process.wait();
    }

    /// Ends the server in good order, though clients are connected.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _gone = kill_process(Pid::from_child(&process), Signal::INT);
            let _ended = process.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Pooler {
    /// One before this server, with fewer sessions than there are clients, so that they share them.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn before(server: &Server) -> io::Result<Self> {
        let directory = directory()?;
        let port = free_port()?;
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n\
             max_client_conn = 200\nserver_login_retry = 0.1\nlogfile = {}\npidfile =\n",
            server.port,
            directory.path().join("log").display(),
        );
        let file = directory.path().join("pgbouncer.ini");
        fs::write(&file, settings)?;
        let mut pgbouncer = as_postgres(Path::new("/usr/sbin/pgbouncer"));
        let process = pgbouncer.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let pooler = Self { port, process, _directory: directory };
        match listens(port).await {
            true => Ok(pooler),
            false => Err(io::Error::other("pgbouncer does not listen: ./test.sh backends installs it")),
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database of the server behind it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _ended = self.process.wait();
    }
}
