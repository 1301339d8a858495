//! The store's file: making it, checking it, connecting to it, bringing it to this version.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error;
use super::ownership::beside;
use landlord_compute::store::{StoreError, new_engine_name};

/// What leads from each version to the next; the version is kept in `user_version`. Never edit one that was
/// released: add another.
const MIGRATIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("rollouts.sql")];

/// Version 1 had another form in its first hours, under the same number.
const FIRST_FORM: &str = include_str!("first_form.sql");

/// Marks our files, in `application_id`.
const APPLICATION: i32 = 0x4C4C_4344;

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

/// A connection that reads; of a store of exactly this version.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;")
        .map_err(|cause| error::sqlite(path, "open", cause))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
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
    let version = version(&reader(path)?, path)?;
    if version == MIGRATIONS.len() {
        return Ok(());
    }
    Err(StoreError::Unavailable {
        message: format!(
            "{} has version {version}, and this program reads version {}; let its engine bring it up to date",
            path.display(),
            MIGRATIONS.len()
        ),
        source: None,
    })
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
    let failed = |cause| error::sqlite(path, "create", cause);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
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
    let failed = |cause| error::sqlite(path, "open", cause);
    let connection =
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
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
        return Err(StoreError::Corrupt {
            message: format!(
                "{} has version {found}, and this program knows versions up to {}; use a newer program",
                path.display(),
                migrations.len()
            ),
            source: None,
        });
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

    #[test]
    fn a_newer_version_is_refused() {
        let mut connection = Connection::open_in_memory().expect("opens");
        connection.pragma_update(None, "user_version", 7).expect("sets");
        let error = migrate(&mut connection, Path::new("test"), &MIGRATIONS).expect_err("refused");
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains("version 7"), "{error}");
    }
}
