//! What an engine tells its watcher, and asks it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{OperationId, ProviderName};
use landlord_compute::machines::tenant::{LifecycleEvent, Method};
use landlord_compute::machines::trace::TraceContext;
use landlord_compute::store::{MemoryOptions, Position, Reads, Scope, Sort};
use landlord_compute::telemetry::{CallEnd, Ended, LookEnd, Moved, Place, Stand, Watcher};
use landlord_compute::{ObservePolicy, Options, Settled};
use landlord_testing::faults::Commits;
use landlord_testing::scripted::{Mood, Step};
use landlord_testing::store::shared::SharedMemory;

use super::faulty::{BOTH, Fault, Faulty, both_ways};
use super::tracing::{Spans, listen};
use super::{end, engine, memory, run, scripted, spec, tenant};

/// Writes down what it is told.
#[derive(Default)]
struct Notes {
    lines: Mutex<Vec<String>>,
    providers: OnceLock<Vec<ProviderName>>,
    tenants: Mutex<BTreeMap<String, i64>>,
    looks: Mutex<BTreeMap<&'static str, u64>>,
    traces: bool,
}

impl Notes {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().expect("no panic in here")
    }

    fn say(&self, line: String) {
        self.lines().push(line);
    }

    fn name(&self, provider: Option<Place>) -> &str {
        let providers = self.providers.get().expect("it has started");
        provider.map_or("?", |place| providers[place.0].as_str())
    }

    fn count(&self, provider: &str, stand: Stand, more: i64) {
        let key = format!("{provider} {} {:?}", stand.state, stand.health);
        let mut tenants = self.tenants.lock().expect("no panic in here");
        let count = tenants.entry(key.clone()).or_default();
        *count += more;
        assert!(*count >= 0, "{key}");
        if *count == 0 {
            tenants.remove(&key);
        }
    }

    fn tenants(&self) -> BTreeMap<String, i64> {
        self.tenants.lock().expect("no panic in here").clone()
    }
}

impl Watcher for Notes {
    fn starts(&self, providers: &[ProviderName], tenants: &BTreeMap<Sort, u64>) {
        self.say(format!("starts with {providers:?}"));
        self.providers.set(providers.to_vec()).expect("it starts once");
        for (Sort { provider, state, health }, tenants) in tenants {
            let tenants = i64::try_from(*tenants).expect("few");
            self.count(provider.as_str(), Stand { state: *state, health: *health }, tenants);
        }
    }

    fn counted(&self, tenants: &BTreeMap<Sort, u64>) {
        self.tenants.lock().expect("no panic in here").clear();
        for (Sort { provider, state, health }, tenants) in tenants {
            let tenants = i64::try_from(*tenants).expect("few");
            self.count(provider.as_str(), Stand { state: *state, health: *health }, tenants);
        }
    }

    fn committed(&self, transitions: usize, _took: Option<Duration>) {
        self.say(format!("committed {transitions}"));
    }

    fn commit_failed(&self) {
        self.say("commit failed".to_owned());
    }

    fn transition(&self, provider: Option<Place>, event: &LifecycleEvent, moved: Option<Moved>) {
        if let Some(moved) = moved {
            self.moved(provider, moved);
        }
        self.say(format!("{}: {}", self.name(provider), event.what.name()));
    }

    fn moved(&self, provider: Option<Place>, Moved { from, to }: Moved) {
        assert_ne!(from, to);
        let provider = self.name(provider);
        if let Some(to) = to {
            self.count(provider, to, 1);
        }
        if let Some(from) = from {
            self.count(provider, from, -1);
        }
    }

    fn settled(&self, operation: &Ended<'_>) {
        let Ended { provider, kind, settled, took } = operation;
        let provider = self.name(*provider);
        let kind = kind.map_or("?", |kind| kind.name());
        let took = took.map(|took| took.as_secs());
        self.say(format!(
            "{provider}: {kind} {} after {took:?} s",
            settled.to_string().split(':').next().unwrap_or_default()
        ));
    }

    fn call_ended(&self, provider: Place, method: Method, end: CallEnd, took: Option<Duration>) {
        let waited = if took.is_some() { "waited for, " } else { "" };
        self.say(format!("{}: call {}, {waited}{}", self.name(Some(provider)), method.name(), end.name()));
    }

    fn looked(&self, provider: Place, end: LookEnd) {
        assert_eq!(self.name(Some(provider)), "scripted");
        *self.looks.lock().expect("no panic in here").entry(end.name()).or_default() += 1;
    }

    fn traces(&self, _operation: OperationId, _trace: Option<&TraceContext>) -> bool {
        self.traces
    }
}

fn once() -> ProviderError {
    ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Retry, ErrorCode::UnknownError, "once")
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_what_happens_in_its_order() {
    let (notes, provider) = (Arc::new(Notes::default()), scripted());
    let engine =
        engine(memory(), &provider).watched_by(Arc::<Notes>::clone(&notes)).start().await.expect("starts");
    provider.script(
        &tenant("acme"),
        Method::Provision,
        [Step::Sleep(Duration::from_secs(7)), Step::Fail(once())],
    );
    run(&engine, "acme", "v1").await;
    assert_eq!(notes.tenants(), BTreeMap::from([("scripted running Healthy".to_owned(), 1)]));
    let destroyed = engine.tenant(tenant("acme")).destroy(Options::default()).await.expect("accepted");
    assert_eq!(end(destroyed).await, Settled::Done);
    assert_eq!(notes.tenants(), BTreeMap::new());
    let lines: Vec<String> =
        notes.lines().iter().filter(|line| !line.starts_with("committed")).cloned().collect();
    insta::assert_debug_snapshot!(lines);
    assert_eq!(notes.lines().iter().filter(|line| *line == "committed 1").count(), 6);
}

/// Also the tenants that were there before, and operations that another engine began.
#[tokio::test(start_paused = true)]
async fn a_watcher_knows_what_was_there_when_its_engine_started() {
    let (store, provider) = (memory(), scripted());
    let first = engine(store.clone(), &provider).start().await.expect("starts");
    run(&first, "runs", "v1").await;
    provider.script(&tenant("acme"), Method::Provision, [Step::Hang]);
    let begun = first.tenant(tenant("acme")).provision(spec("acme", "v1"), Options::default()).await;
    let id = begun.expect("accepted").id().expect("an operation began");
    drop(first);
    let acts = [Step::Sleep(Duration::from_secs(3)), Step::Work];
    provider.script(&tenant("acme"), Method::Provision, acts);

    let notes = Arc::new(Notes::default());
    let second =
        engine(store, &provider).watched_by(Arc::<Notes>::clone(&notes)).start().await.expect("starts");
    end(second.operation(id).await.expect("known")).await;
    assert_eq!(notes.tenants(), BTreeMap::from([("scripted running Healthy".to_owned(), 2)]));
    let settled = "scripted: provision done after Some(3) s".to_owned();
    assert!(notes.lines().contains(&settled), "{:?}", notes.lines());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_told_too() {
    let (notes, provider) = (Arc::new(Notes::default()), scripted());
    let engine =
        engine(memory(), &provider).watched_by(Arc::<Notes>::clone(&notes)).start().await.expect("starts");
    provider.script(&tenant("acme"), Method::Provision, [Step::Hang]);
    let acme = engine.tenant(tenant("acme"));
    let begun = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    acme.cancel(Options::default()).await.expect("accepted");
    end(begun).await;
    let called: Vec<String> = notes.lines().iter().filter(|line| line.contains("call")).cloned().collect();
    assert_eq!(
        called,
        ["scripted: call provision, waited for, dropped", "scripted: call destroy, succeeded"]
    );
}

/// Whatever a commit does: each event is told once, and the tenants are counted where they are.
#[tokio::test(start_paused = true)]
async fn what_was_durable_although_its_commit_failed_is_told_once() {
    both_ways(async |commits: Commits| {
        for (commit, when) in (1..=2).flat_map(|commit| BOTH.map(|when| (commit, when))) {
            let (notes, provider) = (Arc::new(Notes::default()), scripted());
            let store = Faulty::new(commits);
            let watched = engine(store.clone(), &provider).watched_by(Arc::<Notes>::clone(&notes));
            let engine = watched.start().await.expect("starts");
            store.at(commit, Fault::Fail(when));
            let acme = engine.tenant(tenant("acme"));
            let options = || Options::default().request_id("one");
            let began = match acme.provision(spec("acme", "v1"), options()).await {
                Ok(operation) => operation,
                Err(_) => acme.provision(spec("acme", "v1"), options()).await.expect("accepted"),
            };
            end(began).await;
            run(&engine, "acme", "v1").await;
            run(&engine, "other", "v1").await;

            let events = match store.events(Position(0), &Scope::All, 100).await.expect("readable") {
                landlord_compute::store::Events::Page(page) => page,
                landlord_compute::store::Events::Gap { .. } => unreachable!("nothing was removed"),
            };
            let told = notes
                .lines()
                .iter()
                .filter(|line| {
                    events.iter().any(|(_, event)| line.ends_with(&format!(": {}", event.what.name())))
                })
                .count();
            assert_eq!(told, events.len(), "{commit} {when:?}: {:?}", notes.lines());
            let failed = notes.lines().iter().filter(|line| *line == "commit failed").count();
            assert_eq!(failed, 1, "{commit} {when:?}: {:?}", notes.lines());
            assert_eq!(
                notes.tenants(),
                BTreeMap::from([("scripted running Healthy".to_owned(), 2)]),
                "{commit} {when:?}"
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_operation_has_spans_when_the_watcher_says_so() {
    for traces in [false, true] {
        let spans = Spans::default();
        let _listening = listen(spans.clone());
        let notes = Arc::new(Notes { traces, ..Notes::default() });
        let engine = engine(memory(), &scripted()).watched_by(notes).start().await.expect("starts");
        run(&engine, "acme", "v1").await;
        let names: Vec<String> =
            spans.0.lock().expect("no panic in here").iter().map(|(name, _)| name.clone()).collect();
        let all = [
            "command",
            "admission",
            "transition",
            "commit",
            "publish",
            "call",
            "transition",
            "commit",
            "publish",
        ];
        assert_eq!(names, if traces { all.to_vec() } else { Vec::new() });
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_whether_platforms_answer() {
    let (notes, provider) = (Arc::new(Notes::default()), scripted());
    let observe = ObservePolicy::On { every: Duration::from_secs(30), per_second: 100 };
    let engine = engine(memory(), &provider).observe(observe).watched_by(Arc::<Notes>::clone(&notes));
    let engine = engine.start().await.expect("starts");
    run(&engine, "well", "v1").await;
    run(&engine, "away", "v1").await;
    run(&engine, "other", "v1").await;
    provider.set_mood(&tenant("away"), Mood::Refuses);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let looks = notes.looks.lock().expect("no panic in here").clone();
    let of = |end: LookEnd| looks.get(end.name()).copied().unwrap_or_default();
    assert!(of(LookEnd::Failed) >= 2, "{looks:?}");
    assert_eq!(of(LookEnd::Answered), 2 * of(LookEnd::Failed), "{looks:?}");
}

/// What an engine holds is counted when somebody asks.
#[tokio::test(start_paused = true)]
async fn vitals_say_what_an_engine_holds() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    provider.script(&tenant("acme"), Method::Provision, [Step::Gate("go"), Step::Work]);
    let slow = engine.subscribe(Position(0), Scope::All);
    let narrow = engine.subscribe(Position(0), Scope::Tenant(tenant("acme")));
    let begun = engine.tenant(tenant("acme")).provision(spec("acme", "v1"), Options::default()).await;
    let begun = begun.expect("accepted");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let vitals = engine.vitals();
    assert_eq!((vitals.actors, vitals.calls, vitals.commands, vitals.transitions), (1, 1, 0, 0));
    assert_eq!((vitals.head, vitals.subscribers, vitals.subscriber_lag), (Position(1), 1, 1));
    assert_eq!((vitals.providers[0].provider.as_str(), vitals.providers[0].calls), ("scripted", 1));
    provider.open("go");
    end(begun).await;
    let vitals = engine.vitals();
    assert_eq!((vitals.calls, vitals.providers[0].calls, vitals.subscriber_lag), (0, 0, 2));
    drop((slow, narrow));
    assert_eq!((engine.vitals().subscribers, engine.vitals().subscriber_lag), (0, 0));
}

/// An engine does not hear of each tenant that another one changes. So one of those that share a store counts all of them, and the
/// others none: what they tell can be added up.
#[tokio::test(start_paused = true)]
async fn engines_that_share_a_store_count_its_tenants_once() {
    let (store, provider) = (SharedMemory::new(MemoryOptions::default()), scripted());
    let notes = [Arc::new(Notes::default()), Arc::new(Notes::default())];
    let start = async |notes: &Arc<Notes>| {
        let engine = engine(store.seat(), &provider).watched_by(Arc::clone(notes) as Arc<dyn Watcher>);
        engine.start().await.expect("starts")
    };
    let (one, other) = tokio::join!(start(&notes[0]), start(&notes[1]));
    for name in ["a", "b", "c", "d", "e"] {
        run(&one, name, "v1").await;
    }
    let all = BTreeMap::from([("scripted running Healthy".to_owned(), 5)]);
    let told = async |what: &str, is_so: &dyn Fn([BTreeMap<String, i64>; 2]) -> bool| {
        let looks = async {
            while !is_so([notes[0].tenants(), notes[1].tenants()]) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1000), looks).await.expect(what);
    };
    let once = |[one, other]: [BTreeMap<String, i64>; 2]| {
        (one == all && other.is_empty()) || (other == all && one.is_empty())
    };
    told("one of them counts them", &once).await;
    let leader = if one.leads() { 0 } else { 1 };
    let (leads, stays) = if leader == 0 { (one, other) } else { (other, one) };
    leads.shutdown(Duration::from_secs(10)).await.expect("in order");
    told("the one that is left counts them", &|tenants| tenants[1 - leader] == all).await;
    drop(stays);
}
