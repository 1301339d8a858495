//! The store's file: making it, checking it, connecting to it, bringing it to this version.

use std::cmp::Ordering;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error;
use super::ownership::beside;
use landlord_compute::store::{StoreError, new_engine_name};

/// What leads from each version to the next; the version is kept in `user_version`. Never edit one that was
/// released: add another.
const MIGRATIONS: [&str; 7] = [
    include_str!("schema.sql"),
    include_str!("rollouts.sql"),
    include_str!("retained.sql"),
    include_str!("asked.sql"),
    include_str!("documents.sql"),
    include_str!("requests.sql"),
    include_str!("waits.sql"),
];

/// Version 1 had another form in its first hours, under the same number.
const FIRST_FORM: &str = include_str!("first_form.sql");

/// Marks our files, in `application_id`.
const APPLICATION: i32 = 0x4C4C_4344;

/// Who may read and write the files that are made here: their owner alone, whatever the umask. Specs may hold what is not
/// for everybody. SQLite gives its files beside the store the rights that the store has, so an operator who widens
/// those has widened all.
pub(super) const MODE: u32 = 0o600;

/// How long to wait for a lock that another program holds.
const BUSY: Duration = Duration::from_secs(5);

/// The path without links, so that one file has one lock. The file need not exist, its directory must.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    match fs::canonicalize(path) {
        Ok(resolved) => Ok(resolved),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let parent = match path.parent() {
                Some(parent) if parent != Path::new("") => parent,
                Some(_) | None => Path::new("."),
            };
            let name = path.file_name().ok_or_else(|| error::io(path, "use the path", cause))?;
            let parent = fs::canonicalize(parent).map_err(|cause| error::io(path, "create", cause))?;
            Ok(parent.join(name))
        }
        Err(cause) => Err(error::io(path, "find", cause)),
    }
}

/// Makes sure that there is a store of this version. Only for its owner.
pub(super) fn prepare(path: &Path) -> Result<(), StoreError> {
    if !exists(path)? {
        create(path)?;
    }
    // SQLite would make its files beside a read-only one read-only too, and they would stay so.
    check(path, File::options().read(true).write(true))?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    migrate(&mut connection, path, &MIGRATIONS)
}

/// The connection that writes.
pub(super) fn writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .execute_batch(
            // A commit is durable when it is answered. The log is copied into the file after about 32 MiB: less
            // often than by default, since pages that change in many commits are then copied once.
            "PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 8000;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA cache_size = -32768;
             PRAGMA temp_store = MEMORY;",
        )
        .map_err(|cause| error::sqlite(path, "open", cause))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// What became of the log.
pub(super) enum Log {
    /// It is in the file, and begins anew.
    Emptied,
    /// Somebody reads in a transaction, and needs it.
    InUse,
}

/// Copies the log into the file, and has both on the disk. What a failed fsync should have kept may be in the kernel's
/// memory only, and look as if it were on the disk: whatever is appended to such a log is lost with it.
pub(super) fn empty_log(connection: &Connection, path: &Path) -> Result<Log, StoreError> {
    let busy: bool = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(|cause| error::sqlite(path, "write", cause))?;
    Ok(if busy { Log::InUse } else { Log::Emptied })
}

/// A connection that reads.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Connection,
    /// Where nothing can be written beside the file: how the file was.
    still: Option<Still>,
}

impl Reader {
    /// Whether what was read since it was opened is of one moment, and what is read next is of now.
    pub(super) fn holds(&self, path: &Path) -> bool {
        self.still.as_ref().is_none_or(|still| Still::of(path).as_ref() == Some(still))
    }
}

/// A file that has no log, and that nobody has written since.
#[derive(Debug, PartialEq, Eq)]
struct Still {
    file: u64,
    size: u64,
    changed: SystemTime,
}

impl Still {
    /// None where there is a log: somebody writes, or wrote it to the end of a process.
    fn of(path: &Path) -> Option<Self> {
        let log = fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
        let found = fs::metadata(path).ok()?;
        let still = Self { file: found.ino(), size: found.len(), changed: found.modified().ok()? };
        (log == 0).then_some(still)
    }
}

/// A connection that reads; of a store of exactly this version.
///
/// A reader keeps its place in memory that it shares with writers, in a file beside the store, which it makes where
/// there is none. Who may not do that can still read a file without a log, as something that does not change: whether
/// that was so is known after each read.
pub(super) fn reader(path: &Path) -> Result<Reader, StoreError> {
    let still = Still::of(path);
    let reader = match (connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY), still) {
        (Ok(connection), _) => Reader { connection, still: None },
        (Err(refused), Some(still)) if error::is_refused(&refused) => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let connection = connect_to(path, &unchanging(path), flags)?;
            Reader { connection, still: Some(still) }
        }
        (Err(other), _) => return Err(other),
    };
    let connection = &reader.connection;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;")
        .map_err(|cause| error::sqlite(path, "open", cause))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(reader)
}

/// The name of a file that does not change, for SQLite.
fn unchanging(path: &Path) -> PathBuf {
    let mut name = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => name.push((*byte).into()),
            other => name += &format!("%{other:02X}"),
        }
    }
    (name + "?immutable=1").into()
}

/// Checks that a file can be read as a store of this version, without owning it.
pub(super) fn check_readable(path: &Path) -> Result<(), StoreError> {
    if !exists(path)? {
        let cause = io::Error::from(io::ErrorKind::NotFound);
        return Err(StoreError::Unavailable {
            message: format!("there is no store {}; an engine creates it when it starts", path.display()),
            source: Some(Box::new(cause)),
        });
    }
    check(path, File::options().read(true))?;
    let version = version(&reader(path)?.connection, path)?;
    match version.cmp(&MIGRATIONS.len()) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(newer(path, version, MIGRATIONS.len())),
        Ordering::Less => Err(StoreError::Unavailable {
            message: format!(
                "{} is of an older program: it has version {version}, and this program reads version {}; let an \
                 engine of this program bring it up to date",
                path.display(),
                MIGRATIONS.len()
            ),
            source: None,
        }),
    }
}

fn newer(path: &Path, version: usize, known: usize) -> StoreError {
    StoreError::Corrupt {
        message: format!(
            "{} is of a newer program: it has version {version}, and this program knows versions up to {known}; use \
             the newer one",
            path.display(),
        ),
        source: None,
    }
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|cause| error::io(path, "find", cause))
}

fn corrupt(path: &Path, problem: &str) -> StoreError {
    StoreError::Corrupt { message: format!("{} {problem}", path.display()), source: None }
}

/// Creates the file under another name and renames it when it is whole, so that a crash leaves a store or none.
fn create(path: &Path) -> Result<(), StoreError> {
    if exists(&beside(path, "-wal"))? {
        return Err(corrupt(
            path,
            "is missing, but its log (-wal) is there; restore the file, or move the log away to begin anew",
        ));
    }
    let new = beside(path, ".new");
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let stale = beside(&new, suffix);
        match fs::remove_file(&stale) {
            Ok(()) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(error::io(&stale, "remove", cause)),
        }
    }
    // SQLite begins a database in an empty file, and would make one that everybody may read.
    let mut made = File::options();
    made.write(true).create_new(true).mode(MODE);
    made.open(&new).map_err(|cause| error::io(path, "create", cause))?;
    let failed = |cause| error::sqlite(path, "create", cause);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&new, flags).map_err(failed)?;
    connection.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(failed)?;
    migrate(&mut connection, path, &MIGRATIONS)?;
    connection
        .execute(
            "INSERT INTO meta (one, engine, epoch, trimmed) VALUES (1, ?1, 0, 0)",
            [new_engine_name().as_ref()],
        )
        .map_err(failed)?;
    connection.close().map_err(|(_, cause)| failed(cause))?;
    fs::rename(&new, path).map_err(|cause| error::io(path, "create", cause))?;
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|cause| error::io(path, "create", cause))
}

/// What can be seen at once: no full check, which would read everything (`PRAGMA integrity_check` does). SQLite
/// itself says so when it comes upon a page that makes no sense.
fn check(path: &Path, access: &OpenOptions) -> Result<(), StoreError> {
    let failed = |cause| error::io(path, "open", cause);
    let found = fs::metadata(path).map_err(failed)?;
    if found.is_dir() {
        return Err(StoreError::Unavailable {
            message: format!("{} is a directory; give the path of a file", path.display()),
            source: None,
        });
    }
    let mut file = access.open(path).map_err(failed)?;
    let mut header = [0_u8; 32];
    match file.read_exact(&mut header) {
        Ok(()) => {}
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(corrupt(path, "was cut off; restore a backup, or move it away to begin anew"));
        }
        Err(cause) => return Err(failed(cause)),
    }
    // The file format: the page size at byte 16 (1 means 65536), the number of pages at byte 28.
    let page_size = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        size => size,
    };
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    let log = fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    if header.starts_with(b"SQLite format 3\0") && log == 0 && found.len() < pages * page_size {
        return Err(corrupt(path, "was cut off; restore a backup"));
    }
    Ok(())
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    connect_to(path, path, flags)
}

/// Connects to a path under a name of SQLite's.
fn connect_to(path: &Path, name: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let failed = |cause| error::sqlite(path, "open", cause);
    let connection =
        Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    // The plan of a statement must not depend on the bound values: SQLite would prepare it again each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    if application != APPLICATION {
        return Err(corrupt(path, "is a SQLite database of another program; use another path"));
    }
    Ok(connection)
}

fn version(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|cause| error::sqlite(path, "read", cause))
}

/// Whether a store of version 1 is as that version first was.
fn has_first_form(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let has = |column| connection.column_exists(None, "events", column);
    Ok(has("tenant")? && !has("previous")?)
}

/// Brings a store to the version that the migrations lead to, each step whole or not at all.
fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), StoreError> {
    let failed = |cause| error::sqlite(path, "bring up to date", cause);
    let found = version(connection, path)?;
    if found > migrations.len() {
        return Err(newer(path, found, migrations.len()));
    }
    let first_form = found == 1 && has_first_form(connection).map_err(failed)?;
    let steps = (1_usize..).zip(migrations.iter().copied()).skip(found);
    for (to, migration) in first_form.then_some((1, FIRST_FORM)).into_iter().chain(steps) {
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(migration).map_err(failed)?;
        transaction.pragma_update(None, "user_version", to).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use landlord_compute::store::{DocumentKind, DocumentRevision, DocumentWrite};

    use super::super::documents;
    use super::*;

    fn names(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT name FROM sqlite_schema ORDER BY name").expect("prepares");
        let names = statement.query_map([], |row| row.get(0)).expect("reads");
        names.collect::<Result<_, _>>().expect("reads")
    }

    #[test]
    fn an_older_version_is_brought_up_to_date_step_by_step() {
        let mut connection = Connection::open_in_memory().expect("opens");
        let path = Path::new("test");
        let steps = ["CREATE TABLE a (x);", "CREATE TABLE b (x);", "CREATE TABLE c (x);"];
        migrate(&mut connection, path, &steps[..1]).expect("version 1");
        assert_eq!(names(&connection), ["a"]);
        migrate(&mut connection, path, &steps).expect("version 3");
        assert_eq!(names(&connection), ["a", "b", "c"]);
        assert_eq!(version(&connection, path).expect("reads"), 3);
        migrate(&mut connection, path, &steps).expect("nothing to do");
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before_it() {
        let mut connection = Connection::open_in_memory().expect("opens");
        let path = Path::new("test");
        let steps = ["CREATE TABLE a (x);", "CREATE TABLE b (x); CREATE TABLE a (x);"];
        migrate(&mut connection, path, &steps).expect_err("the second step fails");
        assert_eq!(names(&connection), ["a"]);
        assert_eq!(version(&connection, path).expect("reads"), 1);
    }

    /// What was there stays, documents can be kept, and those of a kind that is not known here are left alone.
    #[test]
    fn version_4_is_led_to_documents() {
        let mut connection = Connection::open_in_memory().expect("opens");
        let path = Path::new("test");
        migrate(&mut connection, path, &MIGRATIONS[..4]).expect("version 4");
        let owner = "INSERT INTO meta (one, engine, epoch, trimmed) VALUES (1, 'aa', 7, 3)";
        connection.execute_batch(owner).expect("writes");
        migrate(&mut connection, path, &MIGRATIONS[..5]).expect("version 5");
        let kept: (String, u64, u64) = connection
            .query_row("SELECT engine, epoch, trimmed FROM meta", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .expect("reads");
        assert_eq!(kept, ("aa".to_owned(), 7, 3));
        migrate(&mut connection, path, &MIGRATIONS).expect("the newest");
        let later = "INSERT INTO documents (kind, name, revision, body_json) VALUES ('later', 'a', 0, 'x')";
        connection.execute_batch(later).expect("writes");
        let write = DocumentWrite {
            kind: DocumentKind::Token,
            name: "a".to_owned(),
            expected: DocumentRevision::ABSENT,
            json: Some("{}".to_owned()),
            reads_from: None,
        };
        let made = documents::put(&connection, &write).expect("writes");
        assert_eq!(made, Ok(DocumentRevision(1)));
        for kind in DocumentKind::ALL {
            let Ok(found) = documents::list(&connection, kind, None, 10) else { panic!("not readable") };
            let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
            assert_eq!(names, if kind == DocumentKind::Token { vec!["a"] } else { vec![] }, "{kind:?}");
        }
    }

    #[test]
    fn a_newer_version_is_refused() {
        let mut connection = Connection::open_in_memory().expect("opens");
        connection.pragma_update(None, "user_version", 99).expect("sets");
        let error = migrate(&mut connection, Path::new("test"), &MIGRATIONS).expect_err("refused");
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains("newer program: it has version 99"), "{error}");
    }
    #[test]
    fn a_file_that_is_read_as_unchanging_is_seen_to_change() {
        let directory = tempfile::tempdir().expect("a folder");
        // With characters that mean something in a URI.
        let path = directory.path().join("a store?x=1#2%.db");
        prepare(&path).expect("made");
        for beside in ["-wal", "-shm"] {
            let _ = fs::remove_file(super::beside(&path, beside));
        }
        let still = Still::of(&path);
        assert!(still.is_some());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = connect_to(&path, &unchanging(&path), flags).expect("read");
        let reader = Reader { connection, still };
        assert_eq!(version(&reader.connection, &path).expect("reads"), MIGRATIONS.len());
        assert!(reader.holds(&path));
        assert!(!super::beside(&path, "-shm").exists(), "it is read without anything beside it");
        let writer = writer(&path).expect("opens");
        writer.execute_batch("UPDATE meta SET epoch = epoch + 1").expect("written");
        assert!(!reader.holds(&path), "there is a log");
        writer.close().expect("closed");
        assert!(!reader.holds(&path), "the file is another one");
    }
}
