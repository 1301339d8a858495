//! What a call waits for is seen by whoever looks at the tenant, for as long as that call is on its way.

use jiff::Timestamp;
use landlord_api::TenantView;
use landlord_compute::Options;
use landlord_compute::machines::tenant::{EventKind, Method, Record, Settled};
use landlord_compute::store::{MemoryOptions, MemoryStore, Reads};
use landlord_testing::scripted::Step;

use super::{end, engine, events_until, live, scripted, spec, tenant};

/// What the tenant waits for, as its record says.
async fn waits(store: &impl Reads) -> Option<(String, Timestamp)> {
    let Record::Live(tenant) = store.load(&tenant("acme")).await.expect("readable") else {
        panic!("acme does not live")
    };
    let waits = TenantView::from(tenant.as_ref()).operation?.waits?;
    Some((waits.what.to_owned(), waits.since))
}

#[tokio::test(start_paused = true)]
async fn it_is_on_the_record_until_something_else_is_done() {
    let (store, provider) = (MemoryStore::new(MemoryOptions::default()), scripted());
    let script = [
        Step::Waits("its tasks run: 0 of 1 running"),
        Step::Gate("go on"),
        Step::Checkpoint("made"),
        Step::Gate("end"),
        Step::Work,
    ];
    provider.script(&tenant("acme"), Method::Provision, script);
    let engine = engine(store.clone(), &provider).start().await.expect("starts");
    let acme = engine.tenant(tenant("acme"));
    let operation = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    let events = events_until(&engine, "acme", |event| matches!(event.what, EventKind::Waits { .. })).await;
    let last = &events.last().expect("an event").what;
    let told = if let EventKind::Waits { what, since } = last { Some((what.clone(), *since)) } else { None };
    assert!(told.as_ref().is_some_and(|(what, _)| what == "its tasks run: 0 of 1 running"), "{told:?}");
    assert_eq!(waits(&store).await, told);

    provider.open("go on");
    events_until(&engine, "acme", |event| matches!(event.what, EventKind::Progressed { .. })).await;
    assert_eq!(waits(&store).await, None, "it does something");
    provider.open("end");
    assert_eq!(end(operation).await, Settled::Done);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_call_waited_for_is_over() {
    let (store, provider) = (MemoryStore::new(MemoryOptions::default()), scripted());
    provider.script(&tenant("acme"), Method::Provision, [Step::Waits("its tasks run"), Step::Hang]);
    provider.script(&tenant("acme"), Method::Provision, [Step::Gate("end"), Step::Work]);
    let first = engine(store.clone(), &provider).start().await.expect("starts");
    let acme = first.tenant(tenant("acme"));
    let operation = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    let id = operation.id().expect("an operation began");
    events_until(&first, "acme", |event| matches!(event.what, EventKind::Waits { .. })).await;
    drop(first);
    assert!(waits(&store).await.is_some(), "nobody has taken it up yet");

    let second = engine(store.clone(), &provider).start().await.expect("starts");
    let operation = second.operation(id).await.expect("known");
    events_until(&second, "acme", |event| matches!(event.what, EventKind::Recovered)).await;
    let tenant = live(&second, "acme").await;
    assert!(tenant.ledger.as_ref().is_some_and(|ledger| ledger.waits.is_some()), "the ledger is as it was");
    assert!(tenant.call().is_some(), "the next call is on its way");
    assert_eq!(waits(&store).await, None);
    provider.open("end");
    assert_eq!(end(operation).await, Settled::Done);
}
