//! One of three engines that share a database with a million running tenants is lost, with ten thousand calls of provisions and
//! updates: how long until its shards have owners, until the calls that were lost have been begun again, and until their operations
//! are over.
//!
//! The engine that is lost is a process of its own, which is killed (SIGKILL); the other two are here. They end it once they have
//! seen its beat stand still for long enough. Everything counts from the moment at which they have: its shards are nobody's then.

use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use landlord_compute::machines::members::Shard;
use landlord_compute::store::{Epoch, Position, Scope};
use landlord_compute::{Delivery, TenantId};
use landlord_store_postgres::{PostgresOptions, PostgresStore};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command as Process};
use tokio_postgres::Client;
use tokio_util::task::TaskTracker;

use super::{Round, Workload};
use crate::parameters::Parameters;
use crate::subjects::fleet::{Call, Fleet};
use crate::subjects::landlord::{Tenants, tenant_name};
use crate::subjects::postgres::Databases;
use crate::subjects::shared::Engines;
use crate::subjects::toy::Command;
use crate::subjects::{Subject, filled};
use landlord_benchmark_page::{Figure, Unit};

pub(crate) const SUBJECTS: &[Subject] = &[Subject::LandlordPostgres];

/// How many engines there are before one is lost.
const ENGINES: usize = 3;

/// How often it is looked whether something has happened.
const LOOKS: Duration = Duration::from_millis(1);
/// The same where each look costs the server something.
const LOOKS_AT_SERVER: Duration = Duration::from_millis(10);

const DATABASE: &str = "tenants";

pub(crate) fn children(round: &Round<'_>) -> Vec<Parameters> {
    let load = Parameters::default().with("running", round.size.of(1_000_000, 20_000));
    vec![load.with("in_flight", round.size.of(10_000, 1_000))]
}

pub(crate) fn run(parameters: &Parameters) -> Vec<Figure> {
    let load = Load { running: parameters.get("running"), in_flight: parameters.get("in_flight") };
    crate::runtime().block_on(async {
        match parameters.find::<String>("database") {
            Some(database) => be_killed(&database, load).await,
            None => claim(load).await,
        }
    })
}

/// How many tenants run, and how many calls are in flight.
#[derive(Clone, Copy)]
struct Load {
    running: usize,
    in_flight: usize,
}

impl Load {
    /// The last event before the engine is lost: one of each that runs, and one of each that is in flight.
    fn head(self) -> Position {
        Position((self.running + self.in_flight) as u64)
    }
}

/// Begins calls that never end, for tenants of its own, and says its epoch: a half are provisions of new ones, the other updates.
#[allow(clippy::print_stdout, reason = "it tells that it can be killed")]
async fn be_killed(database: &str, Load { running, in_flight }: Load) -> Vec<Figure> {
    let open = Arc::new(AtomicUsize::new(0));
    let options = PostgresOptions::new(database).expect("a good URL");
    let engines = Engines::start(1, &options, &Call::Stays(Arc::clone(&open))).await;
    let engine = engines.first();
    let epoch = engine.0.epoch();
    let mine = engines.divided(ENGINES).await.remove(&epoch).expect("it is one of them");
    let is_mine = |number: &usize| mine.has(Shard::of(&TenantId::new(&tenant_name(*number)).expect("valid")));
    let tasks = TaskTracker::new();
    let updated = (0..running).filter(is_mine).take(in_flight / 2).map(|number| (number, Command::Update));
    let provisioned = (running..).filter(is_mine).map(|number| (number, Command::Provision));
    for (number, command) in updated.chain(provisioned).take(in_flight) {
        let engine = engine.clone();
        tasks.spawn(async move {
            let tenant = engine.create(number).await;
            let _never_over = engine.begin(&tenant, command).await;
        });
    }
    tasks.close();
    tasks.wait().await;
    until(|| open.load(Ordering::Relaxed) == in_flight).await;
    println!("{}", epoch.0);
    std::future::pending().await
}

/// The engine that is to be lost. It ends with this.
fn start_other(database: &str, Load { running, in_flight }: Load) -> std::io::Result<Child> {
    let parameters = Parameters::default()
        .with("database", database)
        .with("running", running)
        .with("in_flight", in_flight);
    Process::new(std::env::current_exe()?)
        .args(["--child", &Workload::Claim.to_string(), &Subject::LandlordPostgres.to_string()])
        .args(parameters.words())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// What it says once its calls are in flight.
async fn epoch_of(other: &mut Child) -> Epoch {
    let mut line = String::new();
    let said = other.stdout.take().expect("it is piped");
    BufReader::new(said).read_line(&mut line).await.expect("it says something");
    Epoch(line.trim().parse().expect("its epoch; if it failed, see above"))
}

async fn claim(load: Load) -> Vec<Figure> {
    let databases = Databases::start().await;
    let options = databases.migrated(DATABASE).await;
    let client = databases.client(DATABASE).await;
    fill(&options, &client, load.running).await;
    let mut other = start_other(&databases.url(DATABASE), load).expect("this program starts");
    let calls = Arc::new(AtomicUsize::new(0));
    let engines = Engines::start(ENGINES - 1, &options, &Call::Counts(Arc::clone(&calls))).await;
    let lost = epoch_of(&mut other).await;
    let engine = engines.first();
    until(|| engine.0.head() == load.head()).await;
    assert_eq!(calls.load(Ordering::Relaxed), 0, "all calls are the other one's");

    let killed = SystemTime::now();
    other.kill().await.expect("it ends");
    let owned = async {
        let ended = ended(&client, lost).await;
        (ended, owned(&client, lost).await)
    };
    let begun = async {
        until(|| calls.load(Ordering::Relaxed) == load.in_flight).await;
        SystemTime::now()
    };
    let ((ended, owned), begun, settled) = tokio::join!(owned, begun, settled(engine, load));
    let figure = |measure: &str, from: SystemTime, to: SystemTime| {
        let took = to.duration_since(from).expect("the clock is not set meanwhile");
        Figure::new(measure, Unit::Seconds, took.as_secs_f64())
    };
    vec![
        figure("ended", killed, ended),
        figure("all_shards_owned", ended, owned),
        figure("calls_begun_again", ended, begun),
        figure("in_flight_settled", ended, settled),
    ]
}

/// When the others ended an engine, by the server's clock, which is this machine's.
async fn ended(client: &Client, engine: Epoch) -> SystemTime {
    let sql =
        format!("SELECT ended_at FROM landlord.engines WHERE epoch = {} AND state = 'fenced'", engine.0);
    loop {
        if let Some(row) = client.query_opt(&sql, &[]).await.expect("it is read") {
            return row.get(0);
        }
        tokio::time::sleep(LOOKS_AT_SERVER).await;
    }
}

/// When none of its shards is an engine's any more.
async fn owned(client: &Client, engine: Epoch) -> SystemTime {
    let sql = format!("SELECT FROM landlord.shards WHERE owner = {} LIMIT 1", engine.0);
    while client.query_opt(&sql, &[]).await.expect("it is read").is_some() {
        tokio::time::sleep(LOOKS_AT_SERVER).await;
    }
    SystemTime::now()
}

/// When all operations are over.
async fn settled(engine: &Tenants, load: Load) -> SystemTime {
    let mut events = pin!(engine.0.subscribe(load.head(), Scope::All));
    let mut settled = 0;
    while settled < load.in_flight {
        match events.next().await.expect("the engine lives").expect("the store can be read") {
            Delivery::Event { event, .. } => settled += event.settled.len(),
            Delivery::Gap { .. } => panic!("an event is missing"),
        }
    }
    SystemTime::now()
}

/// So many tenants run. The server is done with its own work on them too.
async fn fill(options: &PostgresOptions, client: &Client, running: usize) {
    filled::fill(&PostgresStore::new(options.clone()), running).await;
    client.batch_execute("VACUUM ANALYZE").await.expect("it is done");
    client.batch_execute("CHECKPOINT").await.expect("it is done");
}

async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        tokio::time::sleep(LOOKS).await;
    }
}
