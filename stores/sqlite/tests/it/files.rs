//! What the SQLite store does beyond the contract: its file, its owner, crashes, and bad input of every kind.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use landlord_compute::machines::tenant::Record;
use landlord_compute::store::{
    Events, Opened, Position, Reads, Requested, Scope, Store, StoreError, TenantFilter,
};
use landlord_compute::{Closed, CommandError, Options};
use landlord_store_sqlite::{SqliteOptions, SqliteReader, SqliteStore};
use rusqlite::Connection;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use landlord_testing::fixtures::{engine, run, scripted, spec, tenant};
use landlord_testing::store::contract::commit_one;
use landlord_testing::store::samples::{StoredLife, id, time};

/// A directory of its own, which goes with the test, and the path of a store in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    (directory, path)
}

fn store(path: &Path) -> SqliteStore {
    SqliteStore::new(SqliteOptions::new(path))
}

/// Opens a store whose last owner is only just going.
async fn open_soon(store: &SqliteStore) -> Opened {
    let began = Instant::now();
    loop {
        match store.open().await {
            Ok(opened) => return opened,
            Err(StoreError::InUse { .. }) if began.elapsed() < Duration::from_secs(10) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("does not open: {error}"),
        }
    }
}

/// A store with one tenant, closed.
async fn written(path: &Path) -> Record {
    let store = store(path);
    let epoch = store.open().await.expect("opens").epoch;
    let write = StoredLife::new("acme").begin();
    commit_one(&store, epoch, write.clone()).await;
    store.close().await.expect("closes");
    write.record
}

async fn open_error(path: &Path) -> StoreError {
    store(path).open().await.expect_err("must not open")
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_drop_without_close() {
    let (_directory, path) = place();
    let first = store(&path);
    let opened = first.open().await.expect("opens");
    let write = StoredLife::new("acme").begin_with(Some(time(5)), Some("r-1"));
    commit_one(&first, opened.epoch, write.clone()).await;
    drop(first);

    let second = store(&path);
    let reopened = open_soon(&second).await;
    assert_eq!(reopened.engine, opened.engine);
    assert!(reopened.epoch > opened.epoch);
    assert_eq!(reopened.head, Position(1));
    assert_eq!(second.load(&id("acme")).await.expect("loads"), write.record);
    let began = write.opened.as_deref().cloned().map(Requested::Began);
    assert_eq!(second.request(&id("acme"), "r-1").await.expect("reads"), began);
}

/// The rights of the store's files, of those that are there.
fn modes(path: &Path) -> Vec<(&'static str, u32)> {
    let mode = |suffix| {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        std::fs::metadata(file).map(|found| found.permissions().mode() & 0o777)
    };
    ["", "-wal", "-shm", ".lock"]
        .into_iter()
        .filter_map(|suffix| Some((suffix, mode(suffix).ok()?)))
        .collect()
}

#[tokio::test]
async fn only_its_owner_reads_a_store_unless_the_operator_wants_it_otherwise() {
    let (_directory, path) = place();
    let of_owner = [("", 0o600), ("-wal", 0o600), ("-shm", 0o600), (".lock", 0o600)];
    let new = store(&path);
    let epoch = new.open().await.expect("opens").epoch;
    commit_one(&new, epoch, StoredLife::new("acme").begin()).await;
    assert_eq!(modes(&path), of_owner);
    new.close().await.expect("closes");

    for (suffix, _) in modes(&path) {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o640)).expect("sets");
    }
    let widened = store(&path);
    let epoch = open_soon(&widened).await.epoch;
    commit_one(&widened, epoch, StoredLife::new("other").begin()).await;
    assert_eq!(modes(&path), of_owner.map(|(suffix, _)| (suffix, 0o640)), "what is there stays as it is");
}

#[tokio::test]
async fn a_second_engine_is_told_who_the_owner_is() {
    let (_directory, path) = place();
    let first = store(&path);
    first.open().await.expect("opens");
    let error = open_error(&path).await;
    let StoreError::InUse { store: which, owner } = error else { panic!("not in use: {error}") };
    assert!(which.ends_with("store.db"), "{which}");
    assert!(owner.starts_with(&format!("process {} (", std::process::id())), "{owner}");
    let again = first.open().await.expect_err("not twice either");
    assert!(matches!(again, StoreError::InUse { .. }), "{again}");
    first.close().await.expect("closes");
    store(&path).open().await.expect("opens once the owner is gone, whatever the lock file says");
}

/// Somebody removes the lock file, and starts another engine: the first one is told at its next write, and makes none.
#[tokio::test]
async fn an_engine_whose_lock_was_taken_away_writes_nothing_more() {
    let (directory, path) = place();
    let provider = scripted();
    let first = engine(store(&path), &provider).start().await.expect("starts");
    run(&first, "acme", "v1").await;
    std::fs::remove_file(directory.path().join("store.db.lock")).expect("removes");
    let second = engine(store(&path), &provider).start().await.expect("nobody holds the new lock");
    let head = second.head();

    let told = first.tenant(tenant("acme")).destroy(Options::default()).await.expect_err("fenced");
    assert!(matches!(told, CommandError::Closed(Closed::Fenced(_))), "{told:?}");
    assert!(told.to_string().contains("another engine has ended this one (epoch 1)"), "{told}");
    assert!(matches!(first.closed().await, Closed::Fenced(_)));
    let again = first.tenant(tenant("other")).provision(spec("other", "v1"), Options::default()).await;
    assert!(matches!(again, Err(CommandError::Closed(_))), "{again:?}");
    assert_eq!(second.head(), head, "nothing was written");
    assert!(provider.running(&tenant("acme")).is_some(), "nor called");
    run(&second, "other", "v1").await;
}

#[cfg(unix)]
#[tokio::test]
async fn two_paths_to_one_file_are_one_store() {
    let (directory, path) = place();
    written(&path).await;
    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).expect("links");
    let first = store(&path);
    first.open().await.expect("opens");
    assert!(matches!(open_error(&link).await, StoreError::InUse { .. }));
}

#[tokio::test]
async fn a_look_does_not_disturb_the_owner_and_cannot_write() {
    let (_directory, path) = place();
    let missing = SqliteReader::open(&path).expect_err("there is nothing to look at");
    assert!(matches!(missing, StoreError::Unavailable { .. }), "{missing}");
    assert!(!path.exists(), "looking creates nothing");

    let owner = store(&path);
    let epoch = owner.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    commit_one(&owner, epoch, life.begin()).await;
    let look = SqliteReader::open(&path).expect("can be looked at");
    let done = life.done();
    commit_one(&owner, epoch, done.clone()).await;
    assert_eq!(look.load(&id("acme")).await.expect("loads"), done.record);
    assert_eq!(look.list(&TenantFilter::default(), None, 10).await.expect("lists").items.len(), 1);
}

#[tokio::test]
async fn people_can_read_the_views() {
    let (_directory, path) = place();
    let store = store(&path);
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    commit_one(&store, epoch, life.begin_with(Some(time(5)), None)).await;
    commit_one(&store, epoch, life.done()).await;
    let shell = Connection::open(&path).expect("opens beside the owner");
    let line = |sql: &str| -> String {
        let mut statement = shell.prepare(sql).expect("prepares");
        let mut lines = statement.query_map([], |row| row.get::<_, String>(0)).expect("reads");
        lines.next().expect("a row").expect("a text")
    };
    assert_eq!(
        line("SELECT state || ' ' || health || ' v' || applied_spec FROM tenants_view"),
        "running unknown v1"
    );
    assert_eq!(
        line("SELECT time || ' ' || kind || ' ' || to_state FROM events_view ORDER BY position DESC"),
        "2027-01-15 08:00:00.123 succeeded running"
    );
    assert_eq!(line("SELECT kind || ' ' || settled_as FROM operations_view"), "provision done");
}

#[tokio::test]
async fn an_operation_is_kept_as_long_as_the_event_that_settled_it() {
    let (_directory, path) = place();
    let store = SqliteStore::new(SqliteOptions { history: Some(3), ..SqliteOptions::new(path) });
    let epoch = store.open().await.expect("opens").epoch;
    let mut open = StoredLife::new("open");
    let begun = open.begin();
    commit_one(&store, epoch, begun.clone()).await;
    let mut settled = StoredLife::new("settled");
    let begin = settled.begin();
    commit_one(&store, epoch, begin.clone()).await;
    commit_one(&store, epoch, settled.done()).await;
    let operation = begin.opened.expect("it opens an operation").id;
    assert!(store.operation(operation).await.expect("reads").is_some());
    for _ in 0..3 {
        commit_one(&store, epoch, settled.again()).await;
    }
    assert_eq!(store.operation(operation).await.expect("reads"), None);
    let unsettled = begun.opened.expect("it opens an operation").id;
    assert!(store.operation(unsettled).await.expect("reads").is_some());
    assert_eq!(
        store.events(Position(0), &Scope::All, 10).await.expect("reads"),
        Events::Gap { resume: Position(3) }
    );
}

#[tokio::test]
async fn a_path_that_cannot_be_a_store_is_named() {
    let (directory, path) = place();
    let is_directory = open_error(directory.path()).await;
    assert!(is_directory.to_string().contains("is a directory"), "{is_directory}");
    let no_parent = open_error(&directory.path().join("missing").join("store.db")).await;
    assert!(no_parent.to_string().contains("create its directory first"), "{no_parent}");
    written(&path).await;
    let below_a_file = open_error(&path.join("store.db")).await;
    assert!(matches!(below_a_file, StoreError::Unavailable { .. }), "{below_a_file}");
}

#[tokio::test]
async fn files_that_are_no_store_are_refused_and_left_alone() {
    let garbage: Vec<u8> = (0..20_000_u32).map(|number| (number % 251) as u8).collect();
    for bytes in [Vec::new(), b"SQLite".to_vec(), garbage, b"not a database at all, but some text".repeat(9)]
    {
        let (_directory, path) = place();
        std::fs::write(&path, &bytes).expect("writes");
        let error = open_error(&path).await;
        assert!(matches!(error, StoreError::Corrupt { .. }), "{} bytes: {error}", bytes.len());
        assert!(SqliteReader::open(&path).is_err());
        assert_eq!(std::fs::read(&path).expect("reads"), bytes, "the file is as it was");
    }
    let (_directory, path) = place();
    let other = Connection::open(&path).expect("creates");
    other.execute_batch("CREATE TABLE recipes (name TEXT); PRAGMA user_version = 1;").expect("writes");
    let error = open_error(&path).await;
    assert!(error.to_string().contains("of another program"), "{error}");
}

#[tokio::test]
async fn a_store_that_was_cut_off_or_overwritten_is_refused() {
    let (_directory, path) = place();
    written(&path).await;
    let whole = std::fs::read(&path).expect("reads");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("writes");
    let error = open_error(&path).await;
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("cut off"), "{error}");

    let mut overwritten = whole.clone();
    overwritten[100..].fill(0x5a);
    std::fs::write(&path, &overwritten).expect("writes");
    let error = open_error(&path).await;
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_log_without_its_store_is_not_begun_anew() {
    let (_directory, path) = place();
    std::fs::write(path.with_file_name("store.db-wal"), b"a log").expect("writes");
    let error = open_error(&path).await;
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let (_directory, path) = place();
    written(&path).await;
    let newer = Connection::open(&path).expect("opens");
    newer.pragma_update(None, "user_version", 99).expect("sets");
    drop(newer);
    for error in [open_error(&path).await, SqliteReader::open(&path).expect_err("cannot be read")] {
        assert!(error.to_string().contains("version 99"), "{error}");
    }
}

/// Without capabilities root may write no more than others.
#[test]
fn a_read_only_store_is_refused() {
    std::thread::scope(|threads| {
        let unprivileged = threads.spawn(|| {
            let none = CapabilitySet::empty();
            set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
                .expect("a thread may give up what it has");
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(read_only_is_refused());
        });
        unprivileged.join().expect("no panic");
    });
}

async fn read_only_is_refused() {
    let (directory, path) = place();
    written(&path).await;
    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("sets");
    };
    allow(&path, 0o444);
    let error = std::fs::OpenOptions::new().write(true).open(&path).expect_err("it is read-only");
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    let file = open_error(&path).await;
    assert!(matches!(file, StoreError::Unavailable { .. }), "{file:?}");
    assert!(file.to_string().contains("right to read and write"), "{file}");
    allow(&path, 0o000);
    let unreadable = open_error(&path).await;
    assert!(matches!(unreadable, StoreError::Unavailable { .. }), "{unreadable:?}");
    assert!(unreadable.to_string().contains("right to read"), "{unreadable}");
    allow(directory.path(), 0o555);
    let elsewhere = open_error(&directory.path().join("new.db")).await;
    assert!(matches!(elsewhere, StoreError::Unavailable { .. }), "{elsewhere:?}");
    assert!(elsewhere.to_string().contains("right to"), "{elsewhere}");
    allow(directory.path(), 0o755);
    allow(&path, 0o644);
    store(&path).open().await.expect("opens once it may be written, and holds what it held");
}

#[tokio::test]
async fn another_programs_lock_is_named_and_nothing_is_lost() {
    let (_directory, path) = place();
    let store = store(&path);
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    let begin = life.begin();
    commit_one(&store, epoch, begin.clone()).await;
    let shell = Connection::open(&path).expect("opens beside the owner");
    shell.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let done = life.done();
    let locked = store.commit(epoch, std::slice::from_ref(&done)).await.expect_err("locked");
    assert!(locked.to_string().contains("another program has locked it"), "{locked}");
    assert_eq!(store.load(&id("acme")).await.expect("reads go on"), begin.record);
    shell.execute_batch("ROLLBACK").expect("unlocks");
    commit_one(&store, epoch, done.clone()).await;
    assert_eq!(store.load(&id("acme")).await.expect("loads"), done.record);
}

/// Names the store for the process that [`kill_minus_nine_loses_nothing_acknowledged`] starts and kills.
const CHILD: &str = "LANDLORD_TEST_STORE";

/// Not a test of its own: the process to be killed. It says which write is acknowledged, a line each.
#[tokio::test]
async fn child_that_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = store(Path::new(&path));
    let epoch = open_soon(&store).await.epoch;
    let mut life = StoredLife::new(&format!("child-{}", epoch.0));
    commit_one(&store, epoch, life.begin()).await;
    loop {
        commit_one(&store, epoch, life.again()).await;
        println!("acknowledged {} {}", epoch.0, life.revision);
    }
}

#[tokio::test]
async fn kill_minus_nine_loses_nothing_acknowledged() {
    let (directory, path) = place();
    for round in 1..=5_u64 {
        let output = directory.path().join(format!("output-{round}"));
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "files::child_that_commits_until_it_is_killed", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::from(std::fs::File::create(&output).expect("creates")))
            .spawn()
            .expect("starts");
        let acknowledged = |text: &str| -> Option<u64> {
            let complete = &text[..=text.rfind('\n')?];
            complete
                .lines()
                .rev()
                .find_map(|line| line.strip_prefix("acknowledged ")?.split_once(' ')?.1.parse().ok())
        };
        let began = Instant::now();
        while acknowledged(&std::fs::read_to_string(&output).expect("reads"))
            .is_none_or(|last| last < 10 * round)
        {
            assert!(began.elapsed() < Duration::from_secs(60), "the child commits nothing");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let in_use = store(&path).open().await;
        match in_use {
            Err(StoreError::InUse { owner, .. }) => {
                assert!(owner.starts_with(&format!("process {} ", child.id())), "{owner}");
            }
            other => panic!("the child owns it: {other:?}"),
        }
        child.kill().expect("kills");
        child.wait().expect("ends");

        let last = acknowledged(&std::fs::read_to_string(&output).expect("reads")).expect("some were");
        let store = store(&path);
        let opened = store.open().await.expect("opens at once: the kernel has let go");
        let child = id(&format!("child-{}", opened.epoch.0 - 1));
        let found = store.load(&child).await.expect("loads").revision().0;
        assert!(found == last || found == last + 1, "acknowledged {last}, found {found}");
        match store.events(Position(0), &Scope::Tenant(child), 1_000_000).await.expect("reads") {
            Events::Page(events) => assert_eq!(events.len() as u64, found, "an event for each revision"),
            Events::Gap { resume } => panic!("a gap up to {resume:?}"),
        }
        store.close().await.expect("closes");
    }
}
