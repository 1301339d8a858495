//! A tenant's whole life, with the store going wrong at every single commit of it, in every way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use landlord_compute::machines::id::OperationId;
use landlord_compute::machines::tenant::{LifecycleEvent, Method, Settled};
use landlord_compute::store::{Events, Position, Reads, Scope};
use landlord_compute::{Closed, CommandError, Delivery, Engine, OperationHandle, Options};
use landlord_testing::faults::Commits;
use landlord_testing::scripted::{Scripted, Step};
use tokio::task::JoinHandle;

use super::faulty::{BOTH, Fault, Faulty, When, both_ways};
use super::{engine, scripted, spec, tenant};

const ACME: &str = "acme";

/// What is asked of the tenant, one after the other.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Provision,
    Update,
    Destroy,
}

const LIFE: [Ask; 3] = [Ask::Provision, Ask::Update, Ask::Destroy];

/// A life on a store, with all that was seen of it.
struct World {
    store: Faulty,
    provider: Scripted,
    /// What was acknowledged.
    accepted: Vec<OperationId>,
}

impl World {
    fn new(commits: Commits) -> Self {
        let (store, provider) = (Faulty::new(commits), scripted());
        let checkpoints = [Step::Checkpoint("intended"), Step::Work, Step::Checkpoint("made")];
        provider.script(&tenant(ACME), Method::Provision, checkpoints.clone());
        provider.script(&tenant(ACME), Method::Update, checkpoints);
        Self { store, provider, accepted: Vec::new() }
    }

    async fn start(&self) -> Engine {
        engine(self.store.clone(), &self.provider).start().await.expect("starts")
    }

    /// Asks until it is accepted, as a caller does that has a request id.
    async fn ask(&mut self, engine: &Engine, ask: Ask) -> Result<OperationHandle, Closed> {
        let options = || Options::default().request_id(format!("{ask:?}"));
        let acme = engine.tenant(tenant(ACME));
        loop {
            let answer = match ask {
                Ask::Provision => acme.provision(spec(ACME, "v1"), options()).await,
                Ask::Update => acme.update(spec(ACME, "v2"), options()).await,
                Ask::Destroy => acme.destroy(options()).await,
            };
            match answer {
                Ok(operation) => {
                    self.accepted.extend(operation.id());
                    return Ok(operation);
                }
                Err(CommandError::Closed(why)) => return Err(why),
                Err(CommandError::Store(_)) => tokio::time::sleep(Duration::from_millis(500)).await,
                Err(other) => panic!("{ask:?} is refused: {other}"),
            }
        }
    }

    /// Everything from the `from`th wish on; how many were done when the engine ended, if it did.
    async fn live(&mut self, engine: &Engine, from: usize) -> Result<(), (usize, Closed)> {
        for (done, ask) in LIFE.into_iter().enumerate().skip(from) {
            let operation = self.ask(engine, ask).await.map_err(|why| (done, why))?;
            match operation.await {
                Ok(settled) => assert_eq!(settled, Settled::Done, "{ask:?}"),
                Err(_ended) => return Err((done, engine.closed().await)),
            }
        }
        Ok(())
    }

    /// No acknowledged command is lost, every operation has one end, events have no gap and come once, and the
    /// platform has nothing left.
    async fn all_is_well(&self) {
        let Events::Page(events) = self.store.events(Position(0), &Scope::All, 10_000).await.expect("reads")
        else {
            panic!("a gap")
        };
        let revisions: Vec<u64> = events.iter().map(|(_, event)| event.revision.0).collect();
        assert_eq!(revisions, (1..=events.len() as u64).collect::<Vec<_>>(), "gapless, and each once");
        assert_eq!(events.last().expect("some").1.to, None, "it is gone");
        let mut ends: BTreeMap<OperationId, u32> = BTreeMap::new();
        for settlement in events.iter().flat_map(|(_, event)| &event.settled) {
            *ends.entry(settlement.operation).or_default() += 1;
        }
        let opened: BTreeMap<OperationId, u32> =
            self.store.seen().opened.iter().map(|operation| (*operation, 1)).collect();
        assert_eq!(ends, opened, "each operation that began settles once");
        assert!(self.accepted.iter().all(|id| ends.contains_key(id)), "what was acknowledged is there");
        assert_eq!(self.provider.tenants(), [], "nothing is left on the platform");
        assert_eq!(self.provider.overlaps(), 0, "I4");
    }
}

/// What one subscriber is told, until the tenant is gone.
fn subscriber(engine: &Engine) -> JoinHandle<Vec<(Position, Arc<LifecycleEvent>)>> {
    let mut stream = Box::pin(engine.subscribe(Position(0), Scope::All));
    tokio::spawn(async move {
        let mut told = Vec::new();
        while let Some(Ok(Delivery::Event { cursor, event })) = stream.next().await {
            let gone = event.to.is_none();
            told.push((cursor, event));
            if gone {
                break;
            }
        }
        told
    })
}

/// A life under one engine that outlives its store's trouble.
async fn survives(commits: Commits, faults: &[(usize, Fault)]) -> usize {
    let mut world = World::new(commits);
    faults.iter().for_each(|(commit, fault)| world.store.at(*commit, *fault));
    let engine = world.start().await;
    let told = subscriber(&engine);
    let store = world.store.clone();
    // What hangs goes on after an hour.
    let helper = tokio::spawn(async move {
        store.hangs().await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        store.go_on();
    });
    let life = tokio::time::timeout(Duration::from_secs(86_400), world.live(&engine, 0)).await;
    life.unwrap_or_else(|_| panic!("stuck: {faults:?}"))
        .unwrap_or_else(|ended| panic!("{faults:?}: {ended:?}"));
    helper.abort();
    let told = told.await.expect("no panic");
    let Events::Page(kept) = world.store.events(Position(0), &Scope::All, 10_000).await.expect("reads")
    else {
        panic!("a gap")
    };
    assert_eq!(told, kept, "subscribers are told what is kept, in order, once: {faults:?}");
    world.all_is_well().await;
    engine.shutdown(Duration::from_secs(10)).await.expect("in order");
    world.store.seen().commits
}

/// What takes longer than a day of paused time is stuck.
async fn within_a_day<T>(what: impl Future<Output = T>, whose: impl std::fmt::Debug) -> T {
    let patient = tokio::time::timeout(Duration::from_secs(86_400), what);
    patient.await.unwrap_or_else(|_| panic!("stuck: {whose:?}"))
}

fn faults_that_pass() -> impl Iterator<Item = Fault> {
    BOTH.into_iter()
        .flat_map(|when| [Fault::Fail(when), Fault::Panic(when), Fault::Late(when), Fault::Hang(when)])
}

/// I2, I6: an error, a panic, a late answer and a hang, before it is durable and after, at each commit; and errors at
/// each two commits.
#[tokio::test(start_paused = true)]
async fn i2_i6_a_store_that_goes_wrong_at_any_commit_loses_nothing() {
    both_ways(async |way| {
        let commits = survives(way, &[]).await;
        assert!(commits >= 10, "a short life: {commits} commits");
        let mut cases = 1;
        for commit in 1..=commits {
            for fault in faults_that_pass() {
                survives(way, &[(commit, fault)]).await;
                cases += 1;
            }
            for second in commit + 1..=commits + 1 {
                for (one, two) in BOTH.into_iter().flat_map(|one| BOTH.map(|two| (one, two))) {
                    survives(way, &[(commit, Fault::Fail(one)), (second, Fault::Fail(two))]).await;
                    cases += 1;
                }
            }
        }
        println!("{way:?}: {cases} cases over {commits} commits: nothing lost, nothing stuck");
    })
    .await;
}

/// I2: the store's lock is lost at any commit: the engine stops, writes nothing more, undoes nothing, and the one that
/// has the store now goes on.
#[tokio::test(start_paused = true)]
async fn i2_an_engine_that_loses_its_store_at_any_commit_stops_and_the_next_goes_on() {
    both_ways(async |way| {
        let commits = survives(way, &[]).await;
        let mut cases = 0;
        for (commit, when) in (1..=commits).flat_map(|commit| BOTH.map(|when| (commit, when))) {
            let mut world = World::new(way);
            world.store.at(commit, Fault::Lost(when));
            let first = world.start().await;
            // When the lock is lost after the last commit, the engine does not notice: it has nothing left to write.
            let (done, why) = match within_a_day(world.live(&first, 0), (commit, when)).await {
                Err(ended) => ended,
                Ok(()) => {
                    assert_eq!((commit, when), (commits, When::After), "nobody noticed");
                    continue;
                }
            };
            assert!(matches!(why, Closed::Fenced(_)), "{commit} {when:?}: {why:?}");
            let calls = world.provider.calls().len();
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert_eq!(world.store.seen().after_fencing, 0, "it wrote on");
            assert_eq!(world.provider.calls().len(), calls, "it called on");
            the_next_goes_on(&mut world, done).await;
            drop(first);
            cases += 1;
        }
        assert_eq!(cases, commits * 2 - 1);
    })
    .await;
}

/// I2: an engine dies in a commit that hangs. It gets through when the next engine has the store already, or never.
#[tokio::test(start_paused = true)]
async fn i2_a_commit_that_hangs_over_the_end_of_its_engine_harms_nothing() {
    both_ways(async |way| {
        let commits = survives(way, &[]).await;
        for (commit, when) in (1..=commits).flat_map(|commit| BOTH.map(|when| (commit, when))) {
            let mut world = World::new(way);
            world.store.at(commit, Fault::Hang(when));
            let first = world.start().await;
            let store = world.store.clone();
            let done = tokio::select! {
                ended = world.live(&first, 0) => panic!("it does not hang at {commit}: {ended:?}"),
                () = store.hangs() => world.accepted.len().saturating_sub(1),
            };
            drop(first);
            // What it was answered is not known, so every wish from the last one on is asked again.
            let second = world.start().await;
            world.store.go_on();
            let life = within_a_day(world.live(&second, done), (commit, when)).await;
            life.expect("nobody else has the store");
            world.all_is_well().await;
        }
    })
    .await;
}

/// The engine that has taken the store over does the rest.
async fn the_next_goes_on(world: &mut World, done: usize) {
    let second = world.start().await;
    for id in world.accepted.clone() {
        let operation = second.operation(id).await.expect("what was acknowledged is known");
        let settled = within_a_day(operation.into_future(), id).await;
        assert_eq!(settled.expect("settles"), Settled::Done, "{id}");
    }
    within_a_day(world.live(&second, done), done).await.expect("nobody else has the store");
    world.all_is_well().await;
}
