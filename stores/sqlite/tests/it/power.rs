//! What is left when the power goes, also after an fsync that failed: only what an fsync made durable.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use landlord_compute::machines::tenant::{Record, Settled, StateName};
use landlord_compute::store::{Events, Position, Reads, Scope, Store, StoreError};
use landlord_compute::{CommandError, Engine, Options, StartError};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use landlord_testing::scripted::Scripted;
use rusqlite::Connection;

use super::disk::{DISK, Disk, Fault};
use landlord_testing::fixtures::{scripted, spec, tenant};
use landlord_testing::store::contract::commit_one;
use landlord_testing::store::samples::StoredLife;

const CHILD: &str = "power::child_that_provisions_until_the_power_goes";
/// Tells the child what happens to it.
const TROUBLE: &str = "LANDLORD_TEST_TROUBLE";

/// I2: `kill -9` keeps what the kernel has; this is about what the disk has.
#[test]
fn i2_a_power_cut_loses_nothing_acknowledged() {
    nothing_acknowledged_is_lost("none");
}

/// I2: after an fsync that failed, pages in memory may look clean and never get to the disk.
#[test]
fn i2_a_failed_fsync_and_a_power_cut_lose_nothing_acknowledged() {
    nothing_acknowledged_is_lost("fsync fails, and works again");
}

/// I2: the next engine finds such pages in the log, and must not build upon them.
#[test]
fn i2_a_failed_fsync_a_restart_and_a_power_cut_lose_nothing_acknowledged() {
    nothing_acknowledged_is_lost("fsync fails until the next engine starts");
}

/// I2: and neither must the store itself, when nobody but its writer has the file open.
#[test]
fn i2_a_failed_fsync_of_a_store_that_nobody_reads_and_a_power_cut_lose_nothing_acknowledged() {
    nothing_acknowledged_is_lost("fsync fails while nobody reads");
}

/// I2: while somebody reads the log it cannot be begun anew, and that is said.
#[test]
fn i2_a_failed_fsync_of_a_store_that_a_shell_reads_and_a_power_cut_lose_nothing_acknowledged() {
    nothing_acknowledged_is_lost("fsync fails while a shell reads");
}

fn nothing_acknowledged_is_lost(trouble: &str) {
    let disk = Disk::new();
    let output = tempfile::NamedTempFile::new().expect("creates");
    let log = File::options().write(true).open(output.path()).expect("opens");
    let mut child =
        disk.command(CHILD).env(TROUBLE, trouble).stdout(Stdio::from(log)).spawn().expect("starts");
    let began = Instant::now();
    let acknowledged = |said: &str| said.lines().filter(|line| line.starts_with("acknowledged ")).count();
    while acknowledged(&std::fs::read_to_string(output.path()).expect("reads")) < 40 {
        let ended = child.try_wait().expect("waits");
        assert!(ended.is_none() && began.elapsed() < Duration::from_secs(120), "it stopped: {ended:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("kills");
    child.wait().expect("ends");
    disk.lose_power();

    let said = std::fs::read_to_string(output.path()).expect("reads");
    let complete = &said[..said.rfind('\n').expect("a line") + 1];
    let ids: Vec<&str> = complete.lines().filter_map(|line| line.strip_prefix("acknowledged ")).collect();
    assert!(trouble == "none" || complete.contains("\nrefused: "), "there was no trouble: {complete}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(all_are_there(&disk.files().join("store.db"), &ids));
}

async fn all_are_there(path: &Path, ids: &[&str]) {
    let store = SqliteStore::new(SqliteOptions::new(path));
    store.open().await.expect("opens");
    for id in ids {
        match store.load(&tenant(id)).await.expect("loads") {
            Record::Live(found) if found.state.name() == StateName::Running => {}
            other @ (Record::Live(_) | Record::Gone(_) | Record::Absent(_)) => {
                panic!("{id} of {} is lost: {other:?}", ids.len())
            }
        }
    }
    let Events::Page(events) = store.events(Position(0), &Scope::All, 10_000).await.expect("reads") else {
        panic!("a gap")
    };
    let positions: Vec<u64> = events.iter().map(|(position, _)| position.0).collect();
    assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>(), "events without a hole");
    store.close().await.expect("closes");
    let check = Connection::open(path).expect("opens");
    let check: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
    assert_eq!(check, "ok");
}

/// Not a test of its own: the process whose power goes. It says which tenant runs, a line each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_provisions_until_the_power_goes() {
    let (Some(disk), Ok(trouble)) = (std::env::var_os(DISK).map(PathBuf::from), std::env::var(TROUBLE))
    else {
        return;
    };
    let path = disk.join("store.db");
    match trouble.as_str() {
        "fsync fails while nobody reads" => return commit_only(&disk, &path, false).await,
        "fsync fails while a shell reads" => return commit_only(&disk, &path, true).await,
        _ => {}
    }
    let provider = scripted();
    let mut engine = start(&path, &provider).await;
    for number in 0.. {
        if number == 10 && trouble != "none" {
            let failing = Fault::failing(&disk);
            for number in 0..3 {
                let refused =
                    provision(&engine, &format!("refused-{number}")).await.expect_err("not durable");
                let CommandError::Store(error) = &refused else { panic!("of another kind: {refused:?}") };
                assert!(matches!(**error, StoreError::Unavailable { .. }), "{error:?}");
                assert!(error.to_string().contains("the disk failed"), "{error}");
                println!("\nrefused: {error}");
            }
            if trouble == "fsync fails until the next engine starts" {
                drop(engine);
                lock_is_free(&path).await;
                drop(failing);
                engine = start(&path, &provider).await;
            }
        }
        let id = format!("t{number}");
        assert_eq!(provision(&engine, &id).await.expect("accepted"), Settled::Done);
        println!("\nacknowledged {id}");
    }
}

/// A store without an engine, and so without readers but a shell.
#[expect(clippy::print_stdout, reason = "its parent reads it")]
async fn commit_only(disk: &Path, path: &Path, shell_reads: bool) {
    let store = SqliteStore::new(SqliteOptions::new(path));
    let epoch = store.open().await.expect("opens").epoch;
    for number in 0.. {
        if number == 10 {
            let refused = [StoredLife::new("refused").begin()];
            let shell = shell_reads.then(|| {
                let shell = Connection::open(path).expect("opens beside the owner");
                shell.execute_batch("BEGIN; SELECT * FROM tenants").expect("reads");
                shell
            });
            let failing = Fault::failing(disk);
            let error = store.commit(epoch, &refused).await.expect_err("not durable");
            println!("\nrefused: {error}");
            drop(failing);
            if shell.is_some() {
                let error = store.commit(epoch, &refused).await.expect_err("the log is in use");
                assert!(error.to_string().contains("another program reads"), "{error}");
            }
        }
        let mut life = StoredLife::new(&format!("t{number}"));
        commit_one(&store, epoch, life.begin()).await;
        commit_one(&store, epoch, life.done()).await;
        println!("\nacknowledged t{number}");
    }
}

async fn provision(engine: &Engine, id: &str) -> Result<Settled, CommandError> {
    let accepted = engine.tenant(tenant(id)).provision(spec(id, "v1"), Options::default()).await?;
    Ok(accepted.await.expect("settles"))
}

/// The engine that was dropped has let go of the store.
async fn lock_is_free(path: &Path) {
    let lock = File::open(path.with_file_name("store.db.lock")).expect("opens");
    while lock.try_lock().is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn start(path: &Path, provider: &Scripted) -> Engine {
    loop {
        let store = SqliteStore::new(SqliteOptions::new(path));
        match landlord_testing::fixtures::engine(store, provider).start().await {
            Ok(engine) => return engine,
            Err(StartError::Store(StoreError::InUse { .. })) => {}
            Err(error) => panic!("does not start: {error}"),
        }
    }
}
