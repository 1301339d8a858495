#![doc = include_str!("recorded.md")]
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and stops")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use landlord_compute::machines::spec::TenantComputeSpec;
use rusqlite::{Connection, OpenFlags};

/// Set to the path of a program, the tests that record do so with that build.
const BUILD: &str = "TAKEOVER_BUILD";
/// Which build the recordings are of.
pub const RECORDED: &str = "1813ea4";

/// Waits until something is so.
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A spec as its caller wrote it.
pub fn spec(text: &str) -> TenantComputeSpec {
    TenantComputeSpec::from_yaml(text).expect("a spec")
}

/// A store's file, read and changed without the engine's code.
#[derive(Clone, Debug)]
pub struct File(PathBuf);

impl File {
    /// The file at this path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes the file of a recording.
    pub fn create(&self, sql: &str) {
        let connection = Connection::open(&self.0).expect("a file");
        connection.execute_batch(sql).expect("the recording is SQL");
    }

    /// The SQL that makes the file.
    pub fn dump(&self) -> String {
        let dumped =
            Command::new("sqlite3").arg(&self.0).arg(".dump").output().expect("sqlite3 is installed");
        assert!(dumped.status.success(), "{dumped:?}");
        let pragma = |name: &str| -> i64 {
            self.connection().pragma_query_value(None, name, |row| row.get(0)).expect("readable")
        };
        format!(
            "PRAGMA application_id = {};\nPRAGMA user_version = {};\nPRAGMA journal_mode = WAL;\n{}",
            pragma("application_id"),
            pragma("user_version"),
            String::from_utf8(dumped.stdout).expect("text"),
        )
    }

    fn connection(&self) -> Connection {
        Connection::open_with_flags(&self.0, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("a store")
    }

    /// The first column of every row.
    pub fn column(&self, sql: &str) -> Vec<String> {
        let connection = self.connection();
        let mut statement = connection.prepare(sql).expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("it runs");
        rows.collect::<Result<_, _>>().expect("texts")
    }

    /// The number that a query brings.
    pub fn number(&self, sql: &str) -> i64 {
        self.connection().query_row(sql, [], |row| row.get(0)).expect("a number")
    }

    /// Changes the file, which no engine has open.
    pub fn change(&self, sql: &str) {
        self.connection().execute_batch(sql).expect("it runs");
    }
}

/// The program of an earlier build, over a store of its own in a directory.
#[derive(Debug)]
pub struct Build {
    program: PathBuf,
    directory: tempfile::TempDir,
    /// What its engines have in their environment, besides a path and a home.
    variables: Vec<(&'static str, String)>,
    /// What it gets on every command line.
    arguments: Vec<String>,
}

impl Build {
    /// The build that is to be recorded; none where nothing is to be.
    pub fn asked_for() -> Option<Self> {
        let program = PathBuf::from(std::env::var_os(BUILD)?);
        let directory = tempfile::tempdir().expect("a directory");
        Some(Self { program, directory, variables: Vec::new(), arguments: Vec::new() })
    }

    /// Where its store is, `landlord.db`, and everything else of it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The path of the program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Sets a variable of its engines' environment.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.into()));
    }

    /// Puts something on every command line.
    pub fn always(&mut self, argument: impl Into<String>) {
        self.arguments.push(argument.into());
    }

    /// Its store.
    pub fn store(&self) -> File {
        File::at(self.directory.path().join("landlord.db"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .args(&self.arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", "/")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A command, to its end, which is good or bad.
    pub fn run(&self, arguments: &[&str], good: bool) {
        let Output { status, stdout, stderr } = self.command(arguments).output().expect("it runs");
        let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("");
        assert_eq!(status.success(), good, "{arguments:?}: {said}");
        eprintln!("{arguments:?}: {said}");
    }

    /// A command whose engine is killed (`kill -9`) once something is so.
    pub fn killed(&self, arguments: &[&str], once: &str, is: impl FnMut() -> bool) {
        let mut child: Child = self.command(arguments).spawn().expect("it runs");
        until(once, is);
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
        eprintln!("{arguments:?}: killed, {once}");
    }

    /// Whether the record of a tenant is so: a condition in SQL.
    pub fn is(&self, tenant: &str, condition: &str) -> bool {
        let sql = format!("SELECT count(*) FROM tenants WHERE id = '{tenant}' AND ({condition})");
        self.store().number(&sql) == 1
    }
}
