//! I3: what a spec asks to retain outlives its tenant, until a release removes it or the next life takes it up.

use std::collections::BTreeMap;
use std::time::Duration;

use landlord_compute::machines::id::ProviderName;
use landlord_compute::machines::spec::VolumeSpec;
use landlord_compute::machines::tenant::{
    EventKind, Method, OperationKind, Record, Rejection, Settled, Tombstone,
};
use landlord_compute::{CommandError, Engine, Options, TenantComputeSpec, sweep};
use landlord_testing::scripted::{Scripted, Step};

use super::{end, engine, events_until, live, memory, scripted, spec, tenant};

fn retaining(image: &str) -> TenantComputeSpec {
    let data = VolumeSpec { name: "data".to_owned(), size_mb: None, persistent: true, retain: true };
    TenantComputeSpec { volumes: vec![data], ..spec("acme", image) }
}

/// A tenant that was destroyed, and has retained its volume.
async fn after_a_life(engine: &Engine, provider: &Scripted) {
    let acme = engine.tenant(tenant("acme"));
    let provisioned = acme.provision(retaining("v1"), Options::default()).await.expect("accepted");
    assert_eq!(end(provisioned).await, Settled::Done);
    assert_eq!(end(acme.destroy(Options::default()).await.expect("accepted")).await, Settled::Done);
    assert_eq!(provider.tenants(), []);
    assert_eq!(provider.retained(&tenant("acme")), volume());
}

fn volume() -> BTreeMap<String, String> {
    BTreeMap::from([("volume data".to_owned(), "acme/data".to_owned())])
}

async fn gone(engine: &Engine) -> Tombstone {
    match engine.tenant(tenant("acme")).snapshot().await.expect("readable") {
        Record::Gone(tombstone) => tombstone,
        other @ (Record::Absent(_) | Record::Live(_)) => panic!("it is not gone: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn i3_what_is_retained_is_known_and_a_release_removes_it() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    after_a_life(&engine, &provider).await;
    let retained = gone(&engine).await.retained.expect("the tombstone knows it");
    assert_eq!((retained.provider.as_str(), &retained.resources), ("scripted", &volume()));
    let events = events_until(&engine, "acme", |event| event.to.is_none()).await;
    let last = &events.last().expect("the end").what;
    assert!(
        matches!(last, EventKind::Succeeded { retained: Some(named), .. } if *named == retained),
        "{last:?}"
    );

    let acme = engine.tenant(tenant("acme"));
    // Gone already, and nothing that is retained goes with it.
    assert_eq!(end(acme.destroy(Options::default()).await.expect("accepted")).await, Settled::Done);
    assert_eq!(provider.retained(&tenant("acme")), volume());

    let released = acme.release(None, Options::default()).await.expect("accepted");
    assert!(released.id().is_some(), "an operation began");
    assert_eq!(end(released).await, Settled::Done);
    assert_eq!(provider.retained(&tenant("acme")), BTreeMap::new());
    assert_eq!(gone(&engine).await.retained, None);
    let again = acme.release(None, Options::default()).await.expect("accepted");
    assert_eq!(again.id(), None, "there is nothing any more");
    let methods: Vec<_> = provider.calls_for(&tenant("acme")).iter().map(|call| call.method).collect();
    assert_eq!(methods, [Method::Provision, Method::Destroy, Method::Release]);
}

#[tokio::test(start_paused = true)]
async fn i3_the_next_life_takes_up_what_is_retained() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    after_a_life(&engine, &provider).await;
    let acme = engine.tenant(tenant("acme"));
    let provisioned = acme.provision(retaining("v2"), Options::default()).await.expect("accepted");
    assert_eq!(end(provisioned).await, Settled::Done);
    assert_eq!(provider.retained(&tenant("acme")), BTreeMap::new());
    let refused = acme.release(None, Options::default()).await.expect_err("it lives");
    assert!(matches!(refused, CommandError::Rejected(Rejection::MayUseIt)), "{refused}");
    assert_eq!(end(acme.destroy(Options::default()).await.expect("accepted")).await, Settled::Done);
    assert!(gone(&engine).await.retained.is_some());
}

/// Nothing lives while what was retained is removed: a life that begins would take it up.
#[tokio::test(start_paused = true)]
async fn i3_nothing_begins_beside_a_release_and_it_ends_or_is_abandoned() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    after_a_life(&engine, &provider).await;
    let acme = engine.tenant(tenant("acme"));
    provider.script(&tenant("acme"), Method::Release, [Step::Gate("go"), Step::Hang]);
    let released = acme.release(None, Options::default()).await.expect("accepted");
    let by = released.id().expect("an operation began");
    let joined = acme.release(None, Options::default()).await.expect("accepted");
    assert_eq!(joined.id(), Some(by));
    let refused =
        acme.provision(retaining("v2"), Options::default()).await.expect_err("it is being released");
    assert!(matches!(refused, CommandError::Rejected(Rejection::BeingReleased { by: other }) if other == by));
    acme.abandon(Options::default().reason("the disk is lost")).await.expect("accepted");
    assert_eq!(end(released).await, Settled::Abandoned { left: vec!["volume data: acme/data".to_owned()] });
    assert!(gone(&engine).await.retained.is_some(), "it may still be there");
    let operation = engine.operation(by).await.expect("known");
    assert_eq!(end(operation).await, Settled::Abandoned { left: vec!["volume data: acme/data".to_owned()] });
    assert_eq!(end(acme.release(None, Options::default()).await.expect("accepted")).await, Settled::Done);
    assert_eq!(gone(&engine).await.retained, None);
}

/// I2: a release that was acknowledged goes on after a restart of the engine.
#[tokio::test(start_paused = true)]
async fn i2_a_release_survives_the_engine() {
    let (provider, store) = (scripted(), memory());
    let first = engine(store.clone(), &provider).start().await.expect("starts");
    after_a_life(&first, &provider).await;
    provider.script(&tenant("acme"), Method::Release, [Step::Hang]);
    let released = first.tenant(tenant("acme")).release(None, Options::default()).await.expect("accepted");
    let id = released.id().expect("an operation began");
    first.shutdown(Duration::ZERO).await.expect("an orderly end");
    let second = engine(store, &provider).start().await.expect("starts");
    assert_eq!(end(second.operation(id).await.expect("known")).await, Settled::Done);
    assert_eq!(provider.retained(&tenant("acme")), BTreeMap::new());
}

/// I3: a sweep says what is retained, and never takes it for an orphan.
#[tokio::test(start_paused = true)]
async fn i3_a_sweep_leaves_what_is_retained() {
    let (provider, store) = (scripted(), memory());
    let engine = engine(store.clone(), &provider).start().await.expect("starts");
    after_a_life(&engine, &provider).await;
    let swept = engine.sweep(&ProviderName::new("scripted").expect("a name")).await.expect("it lists");
    assert!(swept.is_clean() && swept.listed == 0, "{swept:?}");
    let [on_purpose] = swept.retained.as_slice() else { panic!("{swept:?}") };
    assert_eq!((&on_purpose.tenant_id, &on_purpose.resources), (&tenant("acme"), &volume()));
    let beside = sweep(&store, &provider, &swept.engine).await.expect("it lists");
    assert_eq!(beside, swept);
    let acme = engine.tenant(tenant("acme"));
    assert_eq!(
        end(acme.provision(retaining("v2"), Options::default()).await.expect("accepted")).await,
        Settled::Done
    );
    assert_eq!(live(&engine, "acme").await.incarnation.0, 2);
    assert_eq!(engine.sweep(&swept.provider).await.expect("it lists").retained, []);
}

/// What only a sweep knows is released where it was found.
#[tokio::test(start_paused = true)]
async fn what_the_record_has_forgotten_is_released_by_its_provider() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let acme = engine.tenant(tenant("acme"));
    let provisioned = acme.provision(retaining("v1"), Options::default()).await.expect("accepted");
    assert_eq!(end(provisioned).await, Settled::Done);
    provider.script(&tenant("acme"), Method::Destroy, [Step::Work, Step::Hang]);
    let destroyed = acme.destroy(Options::default()).await.expect("accepted");
    tokio::time::sleep(Duration::from_secs(1)).await;
    acme.abandon(Options::default()).await.expect("accepted");
    assert!(matches!(end(destroyed).await, Settled::Abandoned { .. }));
    assert_eq!(gone(&engine).await.retained, None);
    let nothing = acme.release(None, Options::default()).await.expect("accepted");
    assert_eq!(nothing.id(), None);
    let here = ProviderName::new("scripted").expect("a name");
    let released = acme.release(Some(here), Options::default()).await.expect("accepted");
    let id = released.id().expect("an operation began");
    assert_eq!(end(released).await, Settled::Done);
    assert_eq!(provider.retained(&tenant("acme")), BTreeMap::new());
    let events =
        events_until(&engine, "acme", |event| event.operation == Some(id) && event.to.is_none()).await;
    let began =
        |event: &EventKind| matches!(event, EventKind::Began { operation_kind: OperationKind::Release, .. });
    assert!(events.iter().any(|event| began(&event.what)));
    let unknown = acme.release(Some(ProviderName::new("nowhere").expect("a name")), Options::default()).await;
    assert!(matches!(unknown, Err(CommandError::Provider(_))), "{unknown:?}");
}
