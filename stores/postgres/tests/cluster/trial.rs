//! One trial: engines at work, what befalls them, and the verdict.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use landlord_store_postgres::{PostgresOptions, PostgresStore};
use landlord_testing::postgres::Server;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_postgres::{Client, NoTls};

use super::cloud::Cloud;
use super::judge::{Said, judge};
use super::words;

/// How many engines there are.
const ENGINES: usize = 3;
/// The database.
const DATABASE: &str = "tenants";
/// How long the engines may take until nothing is on its way any more.
const RESTS: Duration = Duration::from_secs(120);

/// What a run is to do, by the environment.
struct Wanted {
    kills: usize,
    promotions: usize,
    seed: u64,
    /// Whether connections look at the lease; otherwise the judge has to find something.
    unguarded: bool,
}

impl Wanted {
    fn read() -> Self {
        let number = |name: &str, default: u64| {
            let text = std::env::var(name).ok().filter(|text| !text.is_empty());
            text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
        };
        let kills = usize::try_from(number("LANDLORD_CLUSTER_KILLS", 20)).expect("a small number");
        Self {
            kills,
            promotions: (kills / 20).max(1),
            seed: number("LANDLORD_SEED", 20_261_123),
            unguarded: std::env::var_os("LANDLORD_CLUSTER_UNGUARDED").is_some(),
        }
    }
}

/// A primary and the standby that waits to take its place.
struct Database {
    primary: Server,
    standby: Server,
}

impl Database {
    async fn start() -> Self {
        let primary = Server::start("").await.expect("the server starts");
        primary.psql("postgres", &format!("CREATE DATABASE {DATABASE}")).expect("is made");
        let options = PostgresOptions::new(&primary.url(DATABASE)).expect("a good URL");
        PostgresStore::migrate(&options).await.expect("migrates");
        let standby = primary.standby().await.expect("the standby starts");
        let database = Self { primary, standby };
        database.follow().await;
        database
    }

    /// Commits reach the standby from now on.
    async fn follow(&self) {
        self.primary.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'").expect("sets");
        self.primary.psql("postgres", "SELECT pg_reload_conf()").expect("reloads");
        let sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let follows = async {
            while self.primary.psql("postgres", sync).is_ok_and(|count| count.trim() != "1") {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(RESTS, follows).await.expect("the standby follows");
    }

    /// The primary is lost, and the standby takes its place, with a new standby.
    async fn promote(&mut self) {
        self.primary.kill();
        self.standby.psql("postgres", "SELECT pg_promote()").expect("is promoted");
        let standby = self.standby.standby().await.expect("the standby starts");
        self.primary = std::mem::replace(&mut self.standby, standby);
        self.follow().await;
    }

    async fn client(&self) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.primary.url(DATABASE), NoTls).await.expect("it lets us in");
        tokio::spawn(connection);
        client
    }
}

/// The port that engines ask, whichever server is the primary.
struct Way {
    to: Arc<Mutex<u16>>,
    port: u16,
}

impl Way {
    async fn to(port: u16) -> Self {
        let to = Arc::new(Mutex::new(port));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let leads = Arc::clone(&to);
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let to = *leads.lock().unwrap_or_else(PoisonError::into_inner);
                tokio::spawn(async move {
                    if let Ok(mut to) = tokio::net::TcpStream::connect(("127.0.0.1", to)).await {
                        let _ended = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        });
        Self { to, port }
    }

    fn lead_to(&self, port: u16) {
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = port;
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{DATABASE}?sslmode=disable", self.port)
    }
}

/// The engines that run.
struct Fleet {
    engines: Vec<Child>,
    said: Arc<Mutex<Said>>,
    url: String,
    cloud: u16,
    unguarded: bool,
    started: u64,
    /// From now on engines command nobody.
    over: bool,
}

impl Fleet {
    fn start(&mut self) {
        self.started += 1;
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .env("LANDLORD_CLUSTER_STORE", &self.url)
            .env("LANDLORD_CLUSTER_CLOUD", self.cloud.to_string())
            .env("LANDLORD_CLUSTER_SEED", self.started.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if self.over {
            command.env("LANDLORD_CLUSTER_OVER", "1");
        }
        if !self.unguarded {
            command.env_remove("LANDLORD_CLUSTER_UNGUARDED");
        }
        let mut engine = command.spawn().expect("it starts");
        let mut lines = BufReader::new(engine.stdout.take().expect("a pipe")).lines();
        let said = Arc::clone(&self.said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                hear(&mut said.lock().unwrap_or_else(PoisonError::into_inner), &line);
            }
        });
        self.engines.push(engine);
    }

    /// As many as there should be: some have ended, because others ended them.
    fn fill_up(&mut self) {
        self.engines.retain_mut(|engine| engine.try_wait().expect("it is ours").is_none());
        while self.engines.len() < ENGINES {
            self.start();
        }
    }

    fn signal(&self, engine: usize, signal: Signal) {
        let pid = self.engines.get(engine).and_then(Child::id).and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may have ended a moment ago.
            let _gone = kill_process(pid, signal);
        }
    }
}

fn hear(said: &mut Said, line: &str) {
    let mut parts = line.split(' ');
    let (word, mut next) = (parts.next().unwrap_or_default(), || parts.next().unwrap_or_default().to_owned());
    match word {
        words::ACCEPTED => {
            let (tenant, operation) = (next(), next());
            said.accepted.insert(operation, tenant);
        }
        words::SETTLED => drop(said.settled.insert(next())),
        words::FAILED => said.failed = (said.failed.0 + 1, line.to_owned()),
        words::EVENT => {
            let (position, tenant, revision) = (next(), next(), next());
            let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("a number: {line}"));
            said.event(number(&position), &tenant, number(&revision));
        }
        _ => panic!("an engine says {line}"),
    }
}

pub(crate) async fn run() {
    let wanted = Wanted::read();
    fastrand::seed(wanted.seed);
    println!("{} kills, {} promotions, seed {}", wanted.kills, wanted.promotions, wanted.seed);
    let mut database = Database::start().await;
    let way = Way::to(database.primary.port()).await;
    let cloud = Cloud::start().await;
    let said: Arc<Mutex<Said>> = Arc::default();
    let mut fleet = Fleet {
        engines: Vec::new(),
        said: Arc::clone(&said),
        url: way.url(),
        cloud: cloud.port,
        unguarded: wanted.unguarded,
        started: 0,
        over: false,
    };
    fleet.fill_up();
    let begun = Instant::now();
    let mut stopped: Vec<(usize, Instant)> = Vec::new();
    let every = wanted.kills / wanted.promotions;
    for number in 1..=wanted.kills {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1_500..6_000))).await;
        let engine = fastrand::usize(0..ENGINES);
        if number % every == 0 {
            println!("{:?}: the primary is lost", begun.elapsed());
            database.promote().await;
            way.lead_to(database.primary.port());
        } else if fastrand::u8(0..10) < 4 {
            let pause = Duration::from_secs(fastrand::u64(8..30));
            println!("{:?}: engine {engine} is stopped for {pause:?}", begun.elapsed());
            fleet.signal(engine, Signal::STOP);
            stopped.push((engine, Instant::now() + pause));
        } else {
            println!("{:?}: engine {engine} is killed", begun.elapsed());
            fleet.signal(engine, Signal::KILL);
        }
        stopped.retain(|(engine, until)| {
            let goes_on = *until <= Instant::now();
            if goes_on {
                fleet.signal(*engine, Signal::CONT);
            }
            !goes_on
        });
        fleet.fill_up();
    }
    for engine in 0..fleet.engines.len() {
        fleet.signal(engine, Signal::CONT);
    }
    tokio::time::sleep(Duration::from_secs(8)).await;

    // The last engines command nobody any more, and finish what is on its way.
    fleet.over = true;
    for engine in 0..fleet.engines.len() {
        fleet.signal(engine, Signal::USR1);
    }
    let client = database.client().await;
    let rests = async {
        let open = "SELECT (SELECT count(*) FROM landlord.operations WHERE settled_at IS NULL)";
        while client.query_one(open, &[]).await.expect("reads").get::<_, i64>(0) > 0 {
            fleet.fill_up();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    if tokio::time::timeout(RESTS, rests).await.is_err() {
        println!("not everything comes to an end:");
        let stuck = "SELECT concat_ws(' ', id, 'revision', revision, state, direction, run, 'call', call, 'attempt', attempt, 'wakes',
                wake_at, 'engine', owner, engines.state)
            FROM landlord.tenants JOIN landlord.shards USING (shard) LEFT JOIN landlord.engines ON epoch = shards.owner
            WHERE operation IS NOT NULL";
        for row in client.query(stuck, &[]).await.expect("reads") {
            println!("  {}", row.get::<_, &str>(0));
        }
    }
    let head: i64 = client.query_one("SELECT position FROM landlord.head", &[]).await.expect("reads").get(0);
    let heard = async {
        let last = || said.lock().unwrap_or_else(PoisonError::into_inner).events.keys().last().copied();
        while last() < Some(head.unsigned_abs()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout(RESTS, heard).await.is_err() {
        println!("not every event is heard of");
    }
    fleet.engines.clear();
    let asked = cloud.seen.lock().unwrap_or_else(PoisonError::into_inner).asked.clone();
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let wrong = judge(&said, &asked, &client).await;
    println!(
        "{:?}: {} engines, {head} events, {} operations, {} requests, {} commands failed for the store: {}",
        begun.elapsed(),
        fleet.started,
        said.accepted.len(),
        asked.len(),
        said.failed.0,
        said.failed.1
    );
    for wrong in wrong.iter().take(30) {
        println!("wrong: {wrong}");
    }
    assert!(wrong.is_empty(), "{} things are wrong", wrong.len());
    println!("nothing is wrong");
}
