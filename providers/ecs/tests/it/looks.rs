//! Looks at fleets: within the quotas, and not in the way of operations.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use landlord_compute::clock::TokioClock;
use landlord_compute::machines::id::{Incarnation, ProviderName, TenantId};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::status::{ComputeState, Health};
use landlord_compute::machines::tenant::{Record, Settled};
use landlord_compute::provider::{Context, Initiator, Provider};
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_compute::{Engine, ObservePolicy, Options};
use landlord_provider_ecs::EcsProvider;
use serde_json::json;
use tokio::time::sleep;

use super::fake::{Fake, Pace};
use super::fleet::{Phase, phase, settled};
use super::provider::{provider_of, spec};

/// Until all tasks run and pass their checks, and all buckets are full.
const SETTLE: Duration = Duration::from_secs(120);

fn subjects(count: usize) -> Vec<Subject> {
    let subject = |number| Subject {
        engine: "filled".into(),
        provider: ProviderName::new("ecs").expect("a valid name"),
        tenant: TenantId::new(&format!("filled-{number}")).expect("a valid id"),
        incarnation: Incarnation(1),
    };
    (0..count).map(subject).collect()
}

/// Looks at all of them once; how many are healthy.
async fn look(provider: &EcsProvider, subjects: &[Subject]) -> usize {
    let clock = Arc::new(TokioClock::starting_at(Timestamp::now()));
    let contexts = subjects.iter().map(|subject| {
        let mut cx = Context::alone(subject.clone(), clock.clone());
        cx.initiator = Initiator::Engine;
        cx
    });
    let looked = provider.statuses(stream::iter(contexts).boxed()).expect("it is supported");
    let well = looked.filter_map(async |looked| {
        let status = looked.status.ok()?;
        (status.state == ComputeState::Running && status.health == Health::Healthy).then_some(())
    });
    well.count().await
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_tenants_are_looked_at_as_fast_as_the_quotas_allow() {
    let (fake, subjects) = (Fake::new(Pace::real()), subjects(10_000));
    fake.fill(&subjects);
    sleep(SETTLE).await;
    let provider = provider_of("test", &fake, json!({}), 1);
    let looked = async {
        match look(&provider, &subjects).await {
            10_000 => Ok(()),
            fewer => Err(format!("{fewer} were seen to be healthy")),
        }
    };
    let round = phase(&fake, "looks", [looked]).await;
    println!("{round}");
    assert_eq!(round.failed, [] as [String; 0], "{round}");
    assert_eq!(round.throttled(), 0, "{round}");
    assert!(round.calls["DescribeServices"].made <= 1_001, "by the ten: {round}");
    assert!(
        round.calls["ListTasks"].made + round.calls["DescribeTasks"].made <= 202,
        "by the hundred: {round}"
    );
    assert!(round.ratio() <= 1.2, "{round}");
}

/// Tenants are provisioned while others are looked at without a pause, or nobody is.
async fn provision_beside(looked_at: usize) -> Phase {
    let (fake, subjects) = (Fake::new(Pace::real()), subjects(looked_at));
    fake.fill(&subjects);
    sleep(SETTLE).await;
    let provider = Arc::new(provider_of("test", &fake, json!({}), 1));
    let started = Engine::builder(MemoryStore::new(MemoryOptions::default()))
        .observe(ObservePolicy::Off)
        .clock(TokioClock::starting_at(Timestamp::now()))
        .provider(Arc::clone(&provider))
        .start();
    let engine = started.await.expect("the engine starts");
    let provision = (0..60).map(|number| {
        let (id, engine) = (format!("tenant-{number}"), &engine);
        async move {
            let tenant = engine.tenant(TenantId::new(&id).expect("a valid id"));
            settled(tenant.provision(spec(&id, "app"), Options::default()).await).await
        }
    });
    let looks = async {
        // Nobody to look at is not looked at all the time.
        while !subjects.is_empty() {
            look(&provider, &subjects).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        provisioned = phase(&fake, "provision", provision) => provisioned,
        () = looks => unreachable!("looks go on"),
    }
}

#[tokio::test(start_paused = true)]
async fn looks_do_not_slow_operations_down() {
    let alone = provision_beside(0).await;
    let beside = provision_beside(200).await;
    println!("alone {alone}beside looks {beside}");
    assert_eq!((&alone.failed[..], &beside.failed[..]), (&[] as &[String], &[] as &[String]));
    assert_eq!(beside.throttled(), 0, "{beside}");
    let looks = beside.calls["DescribeServices"].made;
    assert!(looks as f64 >= beside.took.as_secs_f64() * 5.0, "looks got their share: {beside}");
    assert!(beside.took <= alone.took.mul_f64(1.05), "alone {alone}beside looks {beside}");
}

/// The engine looks after its tenants so, and what is not well is looked at alone.
#[tokio::test(start_paused = true)]
async fn an_engine_looks_at_its_tenants_together() {
    let fake = Fake::new(Pace::real()).without_quotas();
    let started = Engine::builder(MemoryStore::new(MemoryOptions::default()))
        .observe(ObservePolicy::On { every: Duration::from_secs(60), per_second: 200 })
        .clock(TokioClock::starting_at(Timestamp::now()))
        .provider(provider_of("test", &fake, json!({}), 1))
        .start();
    let engine = started.await.expect("the engine starts");
    let tenant = |number: usize| engine.tenant(TenantId::new(&format!("acme-{number}")).expect("a valid id"));
    let provision = (0..12).map(async |number| {
        let spec = spec(&format!("acme-{number}"), "app");
        let provision = tenant(number).provision(spec, Options::default()).await.expect("accepted");
        assert_eq!(provision.await.expect("settles"), Settled::Done);
    });
    futures_util::future::join_all(provision).await;
    sleep(SETTLE).await;
    fake.take_calls();
    // The shortest pause between two rounds is 45 s, the longest 75 s.
    sleep(Duration::from_secs(300)).await;
    let calls = fake.take_calls();
    let made = |api: &str| calls.get(api).map_or(0, |calls| calls.made);
    let rounds = made("ListTasks");
    assert!((4..=7).contains(&rounds), "one listing a round: {calls:?}");
    assert_eq!((made("DescribeTasks"), made("DescribeServices")), (rounds, rounds * 2), "{calls:?}");
    assert_eq!(calls.len(), 3, "{calls:?}");

    fake.sicken("landlord-acme-3", true);
    fake.remove_service("landlord-acme-7");
    let health = async |number: usize| match tenant(number).snapshot().await.expect("a record") {
        Record::Live(tenant) => tenant.health,
        Record::Gone(_) | Record::Absent(_) => Health::Unknown,
    };
    let seen = async {
        while health(3).await != Health::Unhealthy {
            sleep(Duration::from_secs(1)).await;
        }
        while !fake.serves("landlord-acme-7") {
            sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(200), seen)
        .await
        .expect("both are noticed, and one is repaired");
}
