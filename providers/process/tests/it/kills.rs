//! Kill -9 of engines and keepers at any moment of an update, under load: no launch is lost, and none is left over.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::status::Health;
use landlord_compute::machines::tenant::{Record, Settled, State};
use landlord_compute::{Engine, Options};
use landlord_provider_process::ProcessProvider;
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use rustix::process::{Pid, Signal, kill_process};

use crate::tenants::client::{self, Load};
use crate::tenants::program::Program;
use crate::tenants::{Site, engine, free_port, until};

/// Where an engine that was started apart finds its site, and the port that its tenant has.
const PLACE: &str = "KILLS_TEST_PLACE";
const PORT: &str = "KILLS_TEST_PORT";
/// The file that counts the updates.
const UPDATES: &str = "updates";
/// What such an engine says when it takes commands.
const STARTED: &str = "the engine has started";
/// So soon the address answers again.
const SOON: Duration = Duration::from_secs(1);

async fn engine_at(place: &Path) -> Engine {
    let store = SqliteStore::new(SqliteOptions::new(place.join("store.db")));
    engine(store, ProcessProvider::new(crate::options(place))).await
}

fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

/// Not a test: an engine that updates its tenant again and again until it is killed.
#[test]
fn updates_when_asked() {
    let (Some(place), Ok(port)) = (std::env::var_os(PLACE), std::env::var(PORT)) else { return };
    let place = Path::new(&place);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let engine = engine_at(place).await;
        println!("\n{STARTED}");
        let tenant = engine.tenant(acme());
        loop {
            let number = number_at(place) + 1;
            std::fs::write(place.join(UPDATES), number.to_string()).unwrap();
            let mut spec = std::fs::read_to_string(place.join("spec.json")).unwrap();
            spec = spec.replace("@VERSION@", &number.to_string()).replace("@PORT@", &port);
            let spec = landlord_compute::TenantComputeSpec::from_json(&spec).unwrap();
            let asked = match number {
                1 => tenant.provision(spec, Options::default()).await,
                _ => tenant.update(spec, Options::default()).await,
            };
            // What an engine before had begun may still be on its way.
            if let Ok(operation) = asked {
                operation.await.unwrap();
            }
        }
    });
}

/// Which update is the last that was begun.
fn number_at(place: &Path) -> u32 {
    std::fs::read_to_string(place.join(UPDATES)).map_or(0, |number| number.parse().unwrap_or(0))
}

/// An engine in a program of its own, which ends with this.
struct Apart(Child);

impl Drop for Apart {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Starts one; returns once it takes commands.
fn engine_apart(site: &Site, port: u16) -> Apart {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::updates_when_asked", "--nocapture"])
        .env(PLACE, site.dir.path())
        .env(PORT, port.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    assert!(said.lines().map_while(Result::ok).any(|line| line == STARTED), "the engine did not start");
    Apart(child)
}

/// Kills the victim. What serves outlives it. The engine is given back where it lives on.
async fn kill(site: &Site, engine: Apart, victim: Victim) -> Option<Apart> {
    // So that it does not end a launch meanwhile.
    let pid = Pid::from_child(&engine.0);
    kill_process(pid, Signal::STOP).unwrap();
    let keepers = match victim {
        Victim::Keeper | Victim::Both => site.keepers(),
        Victim::Engine => vec![],
    };
    let lived = site.processes();
    for keeper in &keepers {
        // It may have ended in this moment.
        let _ended = kill_process(*keeper, Signal::KILL);
    }
    let engine = match victim {
        Victim::Keeper => Some(engine),
        Victim::Engine | Victim::Both => {
            drop(engine);
            None
        }
    };
    until("the end of the keepers", || !keepers.iter().any(|keeper| crate::runs(*keeper))).await;
    let live = site.processes();
    // One that was just being started may have come, and one that was told to end just before may have ended.
    let outlives = lived.iter().any(|launch| live.contains(launch));
    assert!(
        outlives,
        "at any moment of an update one lives, and outlives who started it: {lived:?}, {live:?}"
    );
    if engine.is_some() {
        kill_process(pid, Signal::CONT).unwrap();
    }
    engine
}

/// How long it takes until the address answers.
async fn answers_after(since: Instant, port: u16) -> Duration {
    until("an answer", || client::get(port).is_ok()).await;
    since.elapsed()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Keeper,
    Engine,
    Both,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_during_updates_under_load_lose_no_launch_and_leave_none_over() {
    let site = Site::new("kills");
    let port = free_port();
    let mut spec = site.value("acme", &Program::web("@VERSION@"));
    spec["containers"][0]["ports"][0]["host_port"] = "@PORT@".into();
    let spec = spec.to_string().replace("\"@PORT@\"", "@PORT@");
    std::fs::write(site.path("spec.json"), spec).unwrap();

    let seed =
        std::env::var("LANDLORD_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("LANDLORD_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut engine = engine_apart(&site, port);
    answers_after(Instant::now(), port).await;
    let mut slowest = Duration::ZERO;
    for victim in [Victim::Keeper, Victim::Engine, Victim::Both].repeat(4) {
        let before = number_at(site.dir.path());
        until("an update", || number_at(site.dir.path()) > before).await;
        let load = Load::begin(port, 1);
        tokio::time::sleep(Duration::from_millis(random.u64(0..600))).await;
        let killed = Instant::now();
        let (next, since) = match kill(&site, engine, victim).await {
            Some(engine) => (engine, killed),
            // Until somebody starts the next engine nobody starts a keeper.
            None => (engine_apart(&site, port), Instant::now()),
        };
        engine = next;
        let took = answers_after(since, port).await;
        println!("{victim:?}: {took:?}, {:?} since the kill", killed.elapsed());
        slowest = slowest.max(took);
        let answers = load.end();
        match victim {
            Victim::Engine => {
                assert_eq!(client::failed(&answers), Vec::<&String>::new(), "of {}", answers.len());
            }
            // Its connections end with a keeper.
            Victim::Keeper | Victim::Both => {}
        }
        assert!(answers.iter().any(Result::is_ok));
    }
    assert!(slowest < SOON, "{slowest:?} until the address answered again");

    drop(engine);
    let engine = engine_at(site.dir.path()).await;
    let tenant = engine.tenant(acme());
    let healthy = async || {
        let status = tenant.status().await;
        let settled = tenant.snapshot().await.unwrap();
        let settled = matches!(settled, Record::Live(live) if matches!(live.state, State::Running { .. }));
        settled && status.is_ok_and(|status| status.health == Health::Healthy) && site.processes().len() == 1
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !healthy().await {
        assert!(Instant::now() < deadline, "{:?} {:?}", tenant.status().await, site.processes());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let [(_, version)] = &site.processes()[..] else { panic!("one launch is there") };
    assert_eq!(client::get(port).unwrap(), *version, "and it is the one that answers");
    assert_eq!(tenant.destroy(Options::default()).await.unwrap().await.unwrap(), Settled::Done);
    assert_eq!((site.processes(), site.keepers()), (vec![], vec![]));
    engine.shutdown(Duration::from_secs(10)).await.unwrap();
}
