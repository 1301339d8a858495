//! A store that an earlier build left, and what ECS holds for it, are taken over: nothing is written, and a destroy leaves
//! nothing. What was recorded, and how: [`landlord_testing::recorded`].

mod record;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use landlord_compute::clock::TokioClock;
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::status::{ComputeState, Health};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Engine, ObservePolicy, Options, TenantHandle};
use landlord_provider_ecs::{Credentials, EcsOptions, EcsProvider, SharedCredentialsProvider};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use landlord_testing::recorded::{File, spec};
use serde_json::Value;

use crate::fake::{Fake, Pace, REGION, Role};

/// Whose account one of the tenants is in.
const THEIRS: &str = "222222222222";

/// Who runs in the end, the spec that its caller sent last and got, and how its service is named.
const RUNNING: [(&str, &str, &str); 9] = [
    ("flight", include_str!("specs/flight.yaml"), "landlord-flight"),
    ("full", include_str!("specs/full.yaml"), "tenants-full"),
    ("given", include_str!("specs/given.yaml"), "landlord-given"),
    ("host", include_str!("specs/host.yaml"), "landlord-host"),
    ("moving", include_str!("specs/moving-2.yaml"), "landlord-moving"),
    ("repaired", include_str!("specs/repaired.yaml"), "landlord-repaired"),
    ("roled", include_str!("specs/roled.yaml"), "acme_roled"),
    ("undone", include_str!("specs/undone-1.yaml"), "landlord-undone"),
    ("updated", include_str!("specs/updated-2.yaml"), "landlord-updated"),
];
/// Who lives besides: one that never ran, one that runs and is paused.
const OTHERS: [&str; 2] = ["failed", "paused"];

/// Makes what is there besides, and was there before: another account's cluster, and the role that leads to it.
fn prepare(fake: &Fake) {
    fake.make_cluster(THEIRS, REGION, "theirs");
    let role = Role { external_id: Some("between-us".to_owned()) };
    fake.trust(&format!("arn:aws:iam::{THEIRS}:role/tenant"), role);
}

/// Simulated time that runs a hundred times as fast as the machine's, and not by itself: a store on a disk takes real time,
/// in which nothing may time out.
async fn hurry() {
    loop {
        let slept = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1)));
        slept.await.expect("it sleeps");
        tokio::time::advance(Duration::from_millis(100)).await;
    }
}

/// What was asked of ECS since the last look that changes something.
fn writes(fake: &Fake) -> BTreeMap<String, u64> {
    let calls = fake.take_calls().into_iter();
    let writes = calls.filter(|(api, _)| !api.starts_with("Describe") && !api.starts_with("List"));
    writes.map(|(api, calls)| (api, calls.made)).collect()
}

/// What a tenant has there, and what runs.
fn sight(fake: &Fake) -> BTreeMap<&'static str, Vec<String>> {
    let found = |name| fake.find(name).into_iter().map(|found| format!("{}: {:?}", found.id, found.images));
    RUNNING.map(|(_, _, name)| (name, found(name).collect())).into()
}

#[tokio::test(start_paused = true)]
async fn services_are_taken_over() {
    let shown: Value = serde_json::from_str(include_str!("recorded/aws.json")).expect("JSON");
    let fake = Fake::new(Pace::real()).without_quotas();
    prepare(&fake);
    fake.put(&shown);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("landlord.db");
    let file = File::at(&path);
    file.create(include_str!("recorded/store.sql"));
    tokio::select! {
        () = take_over(&fake, &path, &file) => {}
        () = hurry() => {}
    }
}

async fn take_over(fake: &Fake, path: &Path, file: &File) {
    // What ECS does by itself, it has done by the time the engine is back.
    tokio::time::sleep(Duration::from_secs(120)).await;
    let left = sight(fake);
    assert_eq!(writes(fake), BTreeMap::new());

    // The first look. What was on its way ends, and makes nothing that was made already.
    let on = ObservePolicy::On { every: Duration::from_secs(5), per_second: 1_000 };
    let engine = start(fake, path, on).await;
    until(
        file,
        "what was on its way has ended, and all are seen to be healthy",
        "
        SELECT count(*) = 0 FROM tenants WHERE call IS NOT NULL OR state = 'destroying'
            OR state = 'running' AND health <> 'healthy'",
    )
    .await;
    for (name, _, _) in RUNNING {
        let status = tenant(&engine, name).status().await.expect("a status");
        assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy), "{name}");
    }
    // The old definition of the one that was updated, and the one of the tenant that leaves.
    let ends = [("DeleteTaskDefinitions", 2), ("DeregisterTaskDefinition", 2)];
    assert_eq!(writes(fake), ends.map(|(api, times)| (api.to_owned(), times)).into());
    let taken = sight(fake);
    for (name, before) in &left {
        let now = &taken[name];
        let gone: Vec<&String> = before.iter().filter(|one| !now.contains(one)).collect();
        assert!(now.iter().all(|one| before.contains(one)), "{name}: {now:?} was {before:?}");
        assert!(gone.is_empty() || *name == "landlord-moving" && gone.len() == 1, "{name}: {gone:?}");
    }
    assert_eq!(fake.find("landlord-leaving"), []);
    let swept = engine.sweep(&provider_name()).await.expect("a sweep");
    // The one in another account is not looked for.
    let missing: Vec<&str> = swept.missing.iter().map(|missing| missing.tenant_id.as_str()).collect();
    assert_eq!((swept.orphans.len(), missing), (0, vec!["roled"]), "{swept:?}");
    assert_eq!(
        file.column(
            "SELECT id || ' ' || state || ' ' || coalesce(applied_spec, 0) FROM tenants WHERE state > ''"
        ),
        [
            "failed pending 0",
            "flight running 1",
            "full running 1",
            "given running 1",
            "host running 1",
            "moving running 2",
            "paused running 1",
            "repaired running 1",
            "roled running 1",
            "undone running 1",
            "updated running 2",
        ]
    );
    engine.shutdown(Duration::from_secs(30)).await.expect("an orderly end");

    // A repair: all are down for one, as who was seen broken and had to wait for it.
    let repairs =
        "SELECT count(*) FROM operations WHERE kind = 'repair' AND settled_json ->> '$.as' = 'done'";
    let before = file.number(repairs);
    file.change(
        "UPDATE tenants SET health = 'unhealthy', repair_due = settled_at, wake_at = settled_at
        WHERE state = 'running' AND paused_at IS NULL",
    );
    writes(fake);
    let engine = start(fake, path, ObservePolicy::Off).await;
    let done = before + RUNNING.len() as i64;
    until(file, "all are repaired", &format!("SELECT ({repairs}) = {done}")).await;
    assert_eq!(writes(fake), BTreeMap::new(), "a repair of what is whole does nothing");

    // The same specs again.
    let specs = "SELECT count(*) FROM specs";
    let before = file.number(specs);
    let again = RUNNING.map(async |(name, text, _)| {
        let tenant = tenant(&engine, name);
        let update = tenant.update(spec(text), Options::default()).await.expect("accepted");
        assert_eq!(update.await.expect("settles"), Settled::Done, "{name}");
        let ended =
            format!("SELECT what_json FROM events WHERE tenant = '{name}' ORDER BY position DESC LIMIT 1");
        assert_eq!(file.column(&ended), [r#"{"kind":"succeeded"}"#], "{name}: no changes");
        let provision = tenant.provision(spec(text), Options::default()).await.expect("it is the same spec");
        assert_eq!(provision.await.expect("settles"), Settled::Done, "{name}");
    });
    join_all(again).await;
    assert_eq!(file.number(specs), before, "they are known");
    assert_eq!(writes(fake), BTreeMap::new(), "the same spec changes nothing");
    assert_eq!(sight(fake), taken);

    // A destroy leaves nothing but what is somebody else's.
    let all = RUNNING.map(|(name, _, _)| name).into_iter().chain(OTHERS);
    let destroyed = all.map(async |name| {
        let destroy = tenant(&engine, name).destroy(Options::default()).await.expect("accepted");
        assert_eq!(destroy.await.expect("settles"), Settled::Done, "{name}");
    });
    join_all(destroyed).await;
    assert!(sight(fake).values().all(Vec::is_empty), "{:?}", sight(fake));
    assert_eq!(fake.find("landlord-paused"), []);
    assert_eq!(fake.find("given").len(), 1, "the definition that was given stays");
    let swept = engine.sweep(&provider_name()).await.expect("a sweep");
    assert!(swept.is_clean() && swept.listed == 0, "{swept:?}");
    assert_eq!(file.number("SELECT count(*) FROM tenants WHERE state > ''") + file.number(specs), 0);
    engine.shutdown(Duration::from_secs(30)).await.expect("an orderly end");
}

/// An engine of today, two minutes after the one that was killed.
async fn start(fake: &Fake, path: &Path, observe: ObservePolicy) -> Engine {
    let defaults = spec_free(include_str!("specs/operator.yaml"));
    let mut options = EcsOptions::new(defaults);
    options.credentials =
        Some(SharedCredentialsProvider::new(Credentials::new("test", "secret", None, None, "tests")));
    options.http_client = Some(fake.client());
    let killed = File::at(path).number("SELECT max(at) FROM events");
    let now = jiff::Timestamp::from_microsecond(killed + 120_000_000).expect("a time");
    let started = Engine::builder(SqliteStore::new(SqliteOptions::new(path)))
        .provider(EcsProvider::new(options).expect("good options"))
        .observe(observe)
        .clock(TokioClock::starting_at(now))
        .start();
    started.await.expect("the engine opens the store")
}

/// A document that is no spec.
fn spec_free(text: &str) -> Value {
    landlord_compute::machines::spec::Format::Yaml.parse(text).expect("YAML")
}

fn tenant(engine: &Engine, name: &str) -> TenantHandle {
    engine.tenant(TenantId::new(name).expect("a valid id"))
}

fn provider_name() -> ProviderName {
    ProviderName::new("ecs").expect("a valid name")
}

/// Waits until a query says 1.
async fn until(file: &File, what: &str, sql: &str) {
    let so = async {
        while file.number(sql) != 1 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(1_800), so).await;
    assert!(in_time.is_ok(), "not yet: {what}: {:?}", file.column("SELECT id || ' ' || state || ' ' || health || ' ' || coalesce(last_failure_json, '') FROM tenants WHERE state > ''"));
}
