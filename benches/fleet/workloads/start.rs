//! A start over a million running tenants, ten thousand of which were being provisioned or updated when the engine
//! was killed: how long until a new command is durable, until the calls that were lost have been begun again, and until
//! their operations are over.
//!
//! The store is made by an engine, which is killed (SIGKILL), once in a run; each round gets a copy of what that left.
//! Everything counts from the start of the process. The files are in the kernel's cache.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use landlord_compute::Delivery;
use landlord_compute::store::{Position, Scope};
use rusqlite::{Connection, OpenFlags};
use tokio_util::task::TaskTracker;

use crate::parameters::Parameters;
use crate::subjects::fleet::{Call, Fleet};
use crate::subjects::landlord::{self, Tenants};
use crate::subjects::toy::Command;
use crate::subjects::{Subject, filled};
use landlord_benchmark_page::{Figure, Unit};

use super::{Round, Workload};

pub(crate) const SUBJECTS: &[Subject] = &[Subject::LandlordSqlite, Subject::BareSqlite];

/// Whose number no filled store has.
const NEWCOMER: usize = 9_999_999;

pub(crate) fn children(subject: Subject, round: &Round<'_>) -> Result<Vec<Parameters>, String> {
    let (tenants, in_flight) = (round.size.of(1_000_000, 50_000), round.size.of(10_000, 1_000));
    let left = round.folder.join("start");
    if !left.exists() {
        let made = make(&left, &filled::store(round.folder, tenants), tenants, in_flight);
        made.map_err(|cause| format!("the store with {tenants} tenants cannot be made: {cause}"))?;
    }
    let folder = round.folder.join(format!("start-{subject}"));
    let copied = copy(&left, &folder);
    copied.map_err(|cause| format!("{} cannot be copied: {cause}", left.display()))?;
    // An event of each tenant that runs, and one of each that is in flight.
    let parameters = Parameters::default().with("head", tenants + in_flight).with("in_flight", in_flight);
    Ok(vec![parameters.with("folder", folder.display())])
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir(to)?;
    filled::copy(from, to);
    Ok(())
}

/// Has an engine begin calls that never end, and kills it.
fn make(left: &Path, running: &Path, tenants: usize, in_flight: usize) -> std::io::Result<()> {
    copy(running, left)?;
    let parameters = Parameters::default().with("running", tenants).with("in_flight", in_flight);
    let mut engine = Process::new(std::env::current_exe()?)
        .args(["--child", &Workload::Start.to_string(), &Subject::LandlordSqlite.to_string()])
        .args(parameters.with("folder", left.display()).words())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut ready = String::new();
    if let Some(said) = engine.stdout.take() {
        std::io::BufReader::new(said).read_line(&mut ready)?;
    }
    engine.kill()?;
    engine.wait()?;
    match ready.trim() {
        READY => Ok(()),
        _ => Err(std::io::Error::other("the engine that makes it failed; see above")),
    }
}

/// What the engine that makes the store says when it can be killed.
const READY: &str = "ready";

pub(crate) fn run(subject: Subject, parameters: &Parameters) -> Vec<Figure> {
    let folder: PathBuf = parameters.get("folder");
    let in_flight = parameters.get("in_flight");
    match subject {
        Subject::LandlordSqlite => crate::runtime().block_on(async {
            match parameters.find("running") {
                Some(running) => be_killed(&folder, running, in_flight).await,
                None => {
                    start(
                        &folder,
                        in_flight,
                        Position(parameters.get("head")),
                        &Since(parameters.get("spawned_at")),
                    )
                    .await
                }
            }
        }),
        Subject::BareSqlite => read(&folder, in_flight, &Since(parameters.get("spawned_at"))),
        Subject::LandlordMemory
        | Subject::BareTokio
        | Subject::BareRactor
        | Subject::Erlang
        | Subject::LandlordPostgres
        | Subject::BarePostgres
        | Subject::TaskTable
        | Subject::ErlangHibernated
        | Subject::Restate => panic!("{subject} keeps nothing to start from"),
    }
}

/// When this process was started, in nanoseconds since 1970.
struct Since(u128);

impl Since {
    fn figure(&self, measure: &str) -> Figure {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock that is set").as_nanos();
        Figure::new(measure, Unit::Seconds, now.saturating_sub(self.0) as f64 / 1e9)
    }
}

/// Begins calls that never end, over a store with running tenants: a half are provisions of new ones, the other updates.
#[allow(clippy::print_stdout, reason = "it tells that it can be killed")]
async fn be_killed(folder: &Path, running: usize, in_flight: usize) -> Vec<Figure> {
    let stays = Call::Stays(Arc::new(AtomicUsize::new(0)));
    let engine = Tenants::of(landlord::builder(landlord::sqlite(folder), stays)).await;
    let tasks = TaskTracker::new();
    for number in running - in_flight / 2..running + in_flight.div_ceil(2) {
        let engine = engine.clone();
        tasks.spawn(async move {
            let tenant = engine.create(number).await;
            let command = if number < running { Command::Update } else { Command::Provision };
            // Accepted: from now on its record says that a call is in flight.
            let _never_over = engine.begin(&tenant, command).await;
        });
    }
    tasks.close();
    tasks.wait().await;
    println!("{READY}");
    std::future::pending().await
}

/// An engine over what the killed one left, whose last event is at `head`.
async fn start(folder: &Path, in_flight: usize, head: Position, since: &Since) -> Vec<Figure> {
    let calls = Arc::new(AtomicUsize::new(0));
    let builder = landlord::builder(landlord::sqlite(folder), Call::Counts(Arc::clone(&calls)));
    let engine = Tenants::of(builder).await;
    let newcomer = {
        let engine = engine.clone();
        async move {
            let tenant = engine.create(NEWCOMER).await;
            let end = engine.begin(&tenant, Command::Provision).await;
            let durable = since.figure("new_command_durable");
            end.await;
            durable
        }
    };
    // Those that were in flight, and the newcomer's.
    let expected = in_flight + 1;
    let begun = async {
        while calls.load(Ordering::Relaxed) < expected {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        since.figure("calls_begun_again")
    };
    let settled = async {
        let mut events = pin!(engine.0.subscribe(head, Scope::All));
        let mut settled = 0;
        while settled < expected {
            match events.next().await.expect("the engine lives").expect("the store can be read") {
                Delivery::Event { event, .. } => settled += event.settled.len(),
                Delivery::Gap { .. } => panic!("an event is missing"),
            }
        }
        since.figure("in_flight_settled")
    };
    let (durable, begun, settled) = tokio::join!(newcomer, begun, settled);
    vec![durable, begun, settled]
}

/// What any engine has to do at least: open the file, and read what is in flight, with the specs.
fn read(folder: &Path, in_flight: usize, since: &Since) -> Vec<Figure> {
    let connection = Connection::open_with_flags(folder.join("fleet.db"), OpenFlags::SQLITE_OPEN_READ_WRITE)
        .expect("it opens");
    let mut rows = connection
        .prepare(
            "SELECT tenants.*, specs.body_json FROM tenants
             JOIN specs ON specs.tenant = tenants.id AND specs.version = tenants.target_spec
             WHERE tenants.call IS NOT NULL",
        )
        .expect("the statement of this schema");
    let columns = rows.column_count();
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
    let rows: Vec<Vec<rusqlite::types::Value>> =
        rows.query_map([], row).and_then(Iterator::collect).expect("they can be read");
    assert_eq!(rows.len(), in_flight, "all that is in flight");
    vec![since.figure("in_flight_read")]
}
