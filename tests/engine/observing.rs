//! Running tenants are looked after.

use std::time::Duration;

use jiff::Timestamp;
use landlord_compute::machines::id::SpecVersion;
use landlord_compute::machines::observation::{Observation, Seen};
use landlord_compute::machines::status::Health;
use landlord_compute::machines::tenant::{EventKind, Method, OperationKind};
use landlord_compute::{ObservePolicy, Options, Settled};

use landlord_testing::scripted::Step;

use super::{end, engine, events_until, live, memory, run, scripted, spec, tenant};

#[tokio::test(start_paused = true)]
async fn a_crash_that_the_platform_reports_is_repaired() {
    let provider = scripted();
    let observe = ObservePolicy::On { every: Duration::from_secs(3600), per_second: 100 };
    let engine = engine(memory(), &provider).observe(observe).start().await.expect("starts");
    run(&engine, "acme", "v1").await;
    provider.crash(&tenant("acme"), Timestamp::MAX);
    let events = events_until(&engine, "acme", |event| {
        matches!(event.what, EventKind::Succeeded { .. }) && event.revision.0 > 2
    })
    .await;
    let (operation_kind, spec) = (OperationKind::Repair, Some(SpecVersion(1)));
    let repair = EventKind::Began { operation_kind, spec, reason: Some("it crashed".to_owned()) };
    assert!(events.iter().any(|event| event.what == repair), "{events:#?}");
    let methods: Vec<Method> = provider.calls_for(&tenant("acme")).iter().map(|call| call.method).collect();
    assert_eq!(methods, [Method::Provision, Method::Provision]);
    let tenant = live(&engine, "acme").await;
    assert_eq!((tenant.health, tenant.repair.count), (Health::Healthy, 1));
}

/// I7: a provider that panics over one tenant's status does not stop the engine from asking for the others.
#[tokio::test(start_paused = true)]
async fn i7_a_panic_over_a_status_is_contained() {
    let provider = scripted();
    let observe = ObservePolicy::On { every: Duration::from_secs(30), per_second: 100 };
    let engine = engine(memory(), &provider).observe(observe).start().await.expect("starts");
    for id in ["a", "b", "c"] {
        run(&engine, id, "v1").await;
    }
    provider.panic_over_status(&tenant("a"));
    provider.set_health(&tenant("c"), Health::Unhealthy);
    events_until(&engine, "c", |event| matches!(event.what, EventKind::HealthChanged { .. })).await;
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_reports_nothing_is_asked_in_turn() {
    let provider = scripted();
    let observe = ObservePolicy::On { every: Duration::from_secs(30), per_second: 100 };
    let engine = engine(memory(), &provider).observe(observe).start().await.expect("starts");
    for id in ["a", "b", "c"] {
        run(&engine, id, "v1").await;
    }
    provider.set_health(&tenant("b"), Health::Unhealthy);
    let unhealthy = |event: &landlord_compute::machines::tenant::LifecycleEvent| {
        matches!(event.what, EventKind::HealthChanged { health: Health::Unhealthy, .. })
    };
    events_until(&engine, "b", unhealthy).await;
    assert_eq!(live(&engine, "b").await.health, Health::Unhealthy);
    assert_eq!(live(&engine, "a").await.health, Health::Healthy);
    provider.set_health(&tenant("b"), Health::Healthy);
    events_until(&engine, "b", |event| {
        matches!(event.what, EventKind::HealthChanged { health: Health::Healthy, .. })
    })
    .await;
}

/// A call that waits for its platform looks again when something of its tenant is seen to have changed.
#[tokio::test(start_paused = true)]
async fn what_a_platform_reports_wakes_a_call_that_waits() {
    let provider = scripted();
    let observe = ObservePolicy::On { every: Duration::from_secs(3600), per_second: 100 };
    let engine = engine(memory(), &provider).observe(observe).start().await.expect("starts");
    provider.script(&tenant("acme"), Method::Provision, [Step::Work, Step::HangUntilChanged]);
    let acme = engine.tenant(tenant("acme"));
    let operation = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    while provider.running(&tenant("acme")).is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    provider.report(&Observation { tenant: tenant("acme"), begun: Timestamp::MIN, seen: Seen::Unclear });
    assert_eq!(end(operation).await, Settled::Done);
}
