//! A disk that is full, under an engine: for real where a small file system can be mounted, and everywhere at a limit
//! of the size of files.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use landlord_compute::machines::tenant::{Method, Record, Settled, StateName};
use landlord_compute::store::{Reads, Store, StoreError};
use landlord_compute::{CommandError, Engine, OperationHandle, Options};
use landlord_store_sqlite::{SqliteOptions, SqliteReader, SqliteStore};
use landlord_testing::scripted::Step;
use rusqlite::Connection;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::disk::{DISK, Disk, Fault};
use landlord_testing::fixtures::{run, scripted, spec, tenant};

const CHILD: &str = "full_disk::child_on_a_disk_that_gets_full";
/// Tells the child how its disk gets full.
const WAY: &str = "LANDLORD_TEST_FULL";

/// I2: real ENOSPC: a small tmpfs, or, where nothing may be mounted, every write that grows a file is refused.
#[test]
fn i2_a_full_disk_is_named_loses_nothing_and_the_engine_goes_on() {
    let disk = Disk::new();
    let mounted = ["--user --map-root-user --mount", "--mount"].into_iter().find(|flags| {
        let flags = flags.split(' ');
        mount(flags, &disk.files(), "exec true").output().is_ok_and(|probe| probe.status.success())
    });
    match mounted {
        Some(flags) => {
            let mut child = mount(flags.split(' '), &disk.files(), r#"exec "$@""#);
            child.arg(std::env::current_exe().expect("this program")).args(["--exact", CHILD, "--nocapture"]);
            ends_well(child.env(WAY, "ballast").env(DISK, disk.files()));
        }
        None => {
            eprintln!("nothing can be mounted here: the disk's refusals are made by a preloaded library");
            ends_well(disk.command(CHILD).env(WAY, "refusals"));
        }
    }
}

/// I2: a quota or a limit refuses in the middle of a write, with another error than a full disk.
#[test]
fn i2_a_limit_of_the_size_of_files_is_named_loses_nothing_and_the_engine_goes_on() {
    let disk = Disk::new();
    // A process that ignores the signal gets EFBIG; whether it does is inherited.
    let mut child = Command::new("sh");
    child
        .args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh"])
        .arg(std::env::current_exe().expect("this program"));
    child.args(["--exact", CHILD, "--nocapture"]);
    ends_well(child.env(WAY, "limit").env(DISK, disk.files()));
}

/// A shell that has a file system of 3 MiB at `at`, which nobody else sees and which goes with it.
fn mount<'a>(flags: impl Iterator<Item = &'a str>, at: &Path, then: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = format!(r#"mount -t tmpfs -o size=3m none "$0" && {then}"#);
    command.args(flags).args(["sh", "-c", &script]).arg(at);
    command
}

fn ends_well(child: &mut Command) {
    let output = child.output().expect("starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("and went on"), "it did not run: {said}");
}

/// How the disk is full until this is dropped.
enum Full {
    /// A file that takes the space.
    Ballast(PathBuf),
    Refusals {
        _fault: Fault,
    },
    Limit(Rlimit),
}

impl Full {
    fn get(way: &str, disk: &Path) -> Self {
        match way {
            "ballast" => {
                let path = disk.join("ballast");
                let mut ballast = fs::File::create(&path).expect("creates");
                while ballast.write_all(&[0; 4096]).is_ok() {}
                let length = ballast.metadata().expect("reads").len();
                ballast.set_len(length - 400_000).expect("leaves some space");
                Self::Ballast(path)
            }
            "refusals" => Self::Refusals { _fault: Fault::full(disk) },
            "limit" => {
                let before = getrlimit(Resource::Fsize);
                setrlimit(Resource::Fsize, Rlimit { current: Some(400_000), ..before }).expect("sets");
                Self::Limit(before)
            }
            other => panic!("which way is {other}?"),
        }
    }

    /// No space comes back by itself: not even what the store does not need any more.
    fn for_good(&self) {
        if let Self::Limit(before) = self {
            setrlimit(Resource::Fsize, Rlimit { current: Some(1), ..*before }).expect("sets");
        }
    }

    fn says(&self) -> &'static str {
        match self {
            Self::Ballast(_) | Self::Refusals { .. } => "the disk is full; free some space",
            Self::Limit(_) => "look for a quota or a limit of file sizes",
        }
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        match self {
            Self::Ballast(path) => fs::remove_file(path).expect("removes"),
            Self::Refusals { .. } => {}
            Self::Limit(before) => setrlimit(Resource::Fsize, *before).expect("sets"),
        }
    }
}

/// Not a test of its own: the process that has the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_on_a_disk_that_gets_full() {
    let (Some(disk), Ok(way)) = (std::env::var_os(DISK).map(PathBuf::from), std::env::var(WAY)) else {
        return;
    };
    let path = disk.join("store.db");
    let provider = scripted();
    let engine = start(&path, &provider).await;
    run(&engine, "early", "v1").await;
    provider.script(&tenant("slow"), Method::Provision, [Step::Gate("go"), Step::Work]);
    let slow = engine.tenant(tenant("slow")).provision(spec("slow", "v1"), Options::default()).await;
    let mut accepted = vec![("slow".to_owned(), slow.expect("accepted"))];

    let full = Full::get(&way, &disk);
    let refused = loop {
        let id = format!("t{}", accepted.len());
        match provision(&engine, &id).await {
            Ok(operation) => accepted.push((id, operation)),
            Err(error) => break error,
        }
        assert!(accepted.len() < 10_000, "the disk is not small");
    };
    says_what_to_do(&refused, full.says());
    full.for_good();
    // An outcome that cannot be kept, and more commands; what is there can be read, here and from outside.
    provider.open("go");
    let refused = engine.tenant(tenant("early")).destroy(Options::default()).await;
    says_what_to_do(&refused.expect_err("refused"), full.says());
    let look = SqliteReader::open(&path).expect("can be looked at");
    for (id, _) in &accepted {
        assert!(matches!(look.load(&tenant(id)).await, Ok(Record::Live(_))), "{id} is there");
        let record = engine.tenant(tenant(id)).snapshot().await.expect("readable");
        assert!(matches!(record, Record::Live(_)), "{id}: {record:?}");
    }
    assert_eq!(landlord_testing::fixtures::live(&engine, "slow").await.state.name(), StateName::Provisioning);

    drop(full);
    let again = format!("t{}", accepted.len());
    accepted.push((again.clone(), provision(&engine, &again).await.expect("accepted: there is space again")));
    let ids: Vec<String> = accepted.iter().map(|(id, _)| id.clone()).collect();
    for (id, operation) in accepted {
        let settled = tokio::time::timeout(Duration::from_secs(60), operation).await.expect("goes on");
        assert_eq!(settled.expect("settles"), Settled::Done, "{id}");
    }
    engine.shutdown(Duration::from_secs(10)).await.expect("in order");

    let store = SqliteStore::new(SqliteOptions::new(&path));
    store.open().await.expect("opens");
    for id in ids.iter().map(String::as_str).chain(["early"]) {
        let Ok(Record::Live(found)) = store.load(&tenant(id)).await else { panic!("{id} is lost") };
        assert_eq!(found.state.name(), StateName::Running, "{id}");
    }
    store.close().await.expect("closes");
    let check = Connection::open(&path).expect("opens");
    let check: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
    assert_eq!(check, "ok");
    println!("{} tenants on a full disk ({way}), and went on", ids.len());
}

async fn start(path: &Path, provider: &landlord_testing::scripted::Scripted) -> Engine {
    let store = SqliteStore::new(SqliteOptions::new(path));
    landlord_testing::fixtures::engine(store, provider).start().await.expect("starts")
}

async fn provision(engine: &Engine, id: &str) -> Result<OperationHandle, CommandError> {
    let options = Options::default().request_id("order".to_owned());
    engine.tenant(tenant(id)).provision(spec(id, "v1"), options).await
}

fn says_what_to_do(error: &CommandError, what: &str) {
    let CommandError::Store(error) = error else { panic!("of another kind: {error:?}") };
    assert!(matches!(**error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains(what), "{error}");
}
