//! One trial: engines at work, what befalls them, and the verdict.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use super::asks::Lacks;
use super::cloud::Cloud;
use super::database::Database;
use super::figures::Figures;
use super::fleet::Fleet;
use super::judge::{Befell, judge};
use super::mishaps::deck;
use super::{history, now};

/// How long the engines may take until nothing is on its way any more.
const RESTS: Duration = Duration::from_secs(120);

/// What a run is to do, by the environment.
struct Wanted {
    /// How often an engine is killed, stopped, cut off, or told to leave, and the primary is lost.
    kills: usize,
    promotions: usize,
    seed: u64,
    /// Whether what was measured is judged too.
    judges_times: bool,
}

impl Wanted {
    fn read() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let number = |name: &str, default: u64| {
            set(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
        };
        let kills = usize::try_from(number("LANDLORD_CLUSTER_KILLS", 20)).expect("a small number");
        Self {
            kills,
            promotions: (kills / 20).max(1),
            seed: number("LANDLORD_SEED", 20_261_123),
            judges_times: set("LANDLORD_CLUSTER_TIMES").is_some(),
        }
    }

    /// How many of them are kills while nothing else is wrong: a quarter.
    fn calm(&self) -> usize {
        self.kills / 4
    }
}

/// A trial that goes on.
pub(crate) struct Trial {
    pub(crate) database: Database,
    pub(crate) cloud: Cloud,
    pub(crate) fleet: Fleet,
    pub(crate) figures: Arc<Mutex<Figures>>,
    /// What will wake engines that are stopped.
    pub(crate) wakes: JoinSet<()>,
    /// What was wrong while it happened.
    pub(crate) wrong: Vec<String>,
    begun: Duration,
}

impl Trial {
    async fn begin() -> Self {
        let (database, cloud) = (Database::start().await, Cloud::start().await);
        let fleet = Fleet::new(Arc::default(), Arc::clone(&database.port), cloud.port);
        let (figures, wakes, wrong) = (Arc::default(), JoinSet::new(), Vec::new());
        Self { database, cloud, fleet, figures, wakes, wrong, begun: now() }
    }

    pub(crate) fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what happens.
    pub(crate) fn tell(&self, what: std::fmt::Arguments<'_>) {
        println!("{:7.3}: {what}", (now() - self.begun).as_secs_f64());
    }

    /// The last engines command nobody any more, and finish what is on its way. How far the log goes then.
    async fn come_to_rest(&mut self, client: &Client) -> u64 {
        self.fleet.be_over().await;
        let rests = async {
            let open = "SELECT (SELECT count(*) FROM landlord.operations WHERE settled_at IS NULL)";
            while client.query_one(open, &[]).await.expect("reads").get::<_, i64>(0) > 0 {
                self.fleet.fill_up().await;
                sleep(Duration::from_millis(500)).await;
            }
        };
        if timeout(RESTS, rests).await.is_err() {
            println!("not everything comes to an end:");
            let stuck = "SELECT concat_ws(' ', id, 'revision', revision, state, direction, run, 'call', call, 'attempt', attempt, 'wakes',
                    wake_at, 'engine', owner, engines.state)
                FROM landlord.tenants JOIN landlord.shards USING (shard) LEFT JOIN landlord.engines ON epoch = shards.owner
                WHERE operation IS NOT NULL";
            for row in client.query(stuck, &[]).await.expect("reads") {
                println!("  {}", row.get::<_, &str>(0));
            }
        }
        let head = client.query_one("SELECT position FROM landlord.head", &[]).await;
        let head = head.expect("reads").get::<_, i64>(0).unsigned_abs();
        let heard = async {
            while self.fleet.said().events.keys().last().copied() < Some(head) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        if timeout(RESTS, heard).await.is_err() {
            println!("not every event is heard of");
        }
        head
    }

    /// Prints what was measured, and says what is wrong.
    async fn end(mut self, client: &Client, judges_times: bool) -> Vec<String> {
        let head = self.come_to_rest(client).await;
        self.fleet.awake.clear();
        self.fleet.asleep.clear();
        let rows = client.query("SELECT epoch FROM landlord.engines WHERE state = 'fenced'", &[]).await;
        let fenced: HashSet<u64> =
            rows.expect("reads").iter().map(|row| row.get::<_, i64>(0).unsigned_abs()).collect();
        let (asked, torn) = {
            let seen = self.cloud.seen();
            (seen.asked.clone(), seen.torn)
        };
        let said = std::mem::take(&mut *self.fleet.said());
        let mut wrong = std::mem::take(&mut self.wrong);
        let mut figures = std::mem::take(&mut *self.figures());
        let late = figures.woken(&asked).into_iter();
        wrong.extend(late.map(|asked| format!("an engine asks that was ended and woke: {asked:?}")));
        self.tell(format_args!(
            "{} engines, {head} events, {} operations, {} things told, {} requests, {torn} torn, {} commands failed for the store: {}",
            self.fleet.started,
            said.accepted.len(),
            said.history.len(),
            asked.len(),
            said.failed.len(),
            said.last_failure
        ));
        let beyond = figures.tell(&said, &asked, &fenced);
        let befell = Befell { touched: figures.touched, fenced };
        wrong.extend(judge(&said, &asked, &befell, client).await);
        match judges_times {
            true => wrong.extend(beyond),
            false => beyond.iter().for_each(|beyond| println!("not judged: {beyond}")),
        }
        wrong
    }
}

pub(crate) async fn run() {
    history::prove();
    let wanted = Wanted::read();
    fastrand::seed(wanted.seed);
    let (lacks, seed) = (Lacks::read(), wanted.seed);
    println!("{} kills, {} promotions, seed {seed}; engines lack {lacks:?}", wanted.kills, wanted.promotions);
    let mut trial = Trial::begin().await;
    trial.make_resting().await;
    for number in 1..=wanted.calm() {
        trial.kill_in_calm(number).await;
    }
    for mishap in deck(wanted.kills - wanted.calm(), wanted.promotions) {
        sleep(Duration::from_millis(fastrand::u64(1_500..5_000))).await;
        trial.befall(mishap).await;
    }
    // Whoever is stopped wakes while the others still work.
    while trial.wakes.join_next().await.is_some() {}
    sleep(Duration::from_secs(8)).await;
    let client = trial.database.client().await;
    let wrong = trial.end(&client, wanted.judges_times).await;
    for wrong in wrong.iter().take(30) {
        println!("wrong: {wrong}");
    }
    assert!(wrong.is_empty(), "{} things are wrong", wrong.len());
    println!("nothing is wrong");
}
