//! An engine ends in the middle of everything, and the next one goes on.

use std::time::Duration;

use futures_util::StreamExt;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::tenant::{EventKind, Method, Settled};
use landlord_compute::machines::trace::TraceContext;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_compute::{CommandError, Options, WaitError};
use landlord_testing::scripted::Step;

use super::{end, engine, events_until, live, run, scripted, spec, tenant, without_providers};

fn shared() -> MemoryStore {
    MemoryStore::new(MemoryOptions::default())
}

/// I2: an operation is taken up by the next engine, and can be waited for there.
#[tokio::test(start_paused = true)]
async fn i2_the_next_engine_finishes_what_was_on_its_way() {
    let store = shared();
    let provider = scripted();
    provider.script(&tenant("acme"), Method::Provision, [Step::Checkpoint("made"), Step::Hang]);
    let trace = TraceContext { traceparent: "00-1-2-01".to_owned(), tracestate: None };
    let options = Options::default().trace(trace);

    let first = engine(store.clone(), &provider).start().await.expect("starts");
    let operation =
        first.tenant(tenant("acme")).provision(spec("acme", "v1"), options).await.expect("accepted");
    let id = operation.id().expect("an operation began");
    events_until(&first, "acme", |event| matches!(event.what, EventKind::Progressed { .. })).await;
    drop(first);
    let closed = operation.await.expect_err("the engine ended");
    assert!(matches!(closed, WaitError::Closed { .. }), "{closed}");

    let second = engine(store, &provider).start().await.expect("starts");
    let again = second.operation(id).await.expect("known");
    assert_eq!(end(again).await, Settled::Done);
    let calls = provider.calls_for(&tenant("acme"));
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[1].attempt, calls[1].resumed), (Some(2), true), "it goes on from its ledger");
    assert_eq!(calls[1].traceparent.as_deref(), Some("00-1-2-01"), "and in its caller's trace");
}

/// I2: what waits for its time is woken by the next engine.
#[tokio::test(start_paused = true)]
async fn i2_the_next_engine_wakes_what_waits() {
    let store = shared();
    let provider = scripted();
    let error = ProviderError::new(
        ErrorKind::ProvisionFailed,
        Remedy::Retry,
        ErrorCode::ProviderUnavailable,
        "later",
    )
    .with_retry_after(Duration::from_secs(600));
    provider.script(&tenant("acme"), Method::Provision, [Step::Fail(error)]);
    let first = engine(store.clone(), &provider).start().await.expect("starts");
    let operation = first
        .tenant(tenant("acme"))
        .provision(spec("acme", "v1"), Options::default())
        .await
        .expect("accepted");
    let id = operation.id().expect("an operation began");
    events_until(&first, "acme", |event| matches!(event.what, EventKind::WillRetry { .. })).await;
    first.shutdown(Duration::from_secs(1)).await.expect("in order");
    let second = engine(store, &provider).start().await.expect("starts");
    assert_eq!(end(second.operation(id).await.expect("known")).await, Settled::Done);
}

/// Fencing: an engine whose store was taken over stops, and changes nothing any more.
#[tokio::test(start_paused = true)]
async fn an_engine_that_lost_its_store_stops() {
    let store = shared();
    let provider = scripted();
    let first = engine(store.clone(), &provider).start().await.expect("starts");
    run(&first, "acme", "v1").await;
    provider.script(&tenant("slow"), Method::Provision, [Step::Hang]);
    let slow = first.tenant(tenant("slow")).provision(spec("slow", "v1"), Options::default()).await;
    let second = engine(store, &provider).start().await.expect("starts");
    let fenced = first.tenant(tenant("acme")).destroy(Options::default()).await.expect_err("fenced");
    assert!(matches!(fenced, CommandError::Closed(landlord_compute::Closed::Fenced(_))), "{fenced}");
    assert!(matches!(first.closed().await, landlord_compute::Closed::Fenced(_)));
    let unknown = slow.expect("accepted").await.expect_err("whoever waits is told");
    assert!(matches!(unknown, WaitError::Closed { .. }), "{unknown}");
    assert_eq!(live(&second, "acme").await.revision.0, 2);
    assert!(provider.running(&tenant("acme")).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_of_a_provider_that_is_not_registered_is_held_and_visible() {
    let store = shared();
    let provider = scripted();
    provider.script(&tenant("acme"), Method::Provision, [Step::Hang]);
    let first = engine(store.clone(), &provider).start().await.expect("starts");
    let operation = first
        .tenant(tenant("acme"))
        .provision(spec("acme", "v1"), Options::default())
        .await
        .expect("accepted");
    let id = operation.id().expect("an operation began");
    drop(first);

    let without = without_providers(store.clone()).start().await.expect("starts");
    events_until(&without, "acme", |event| matches!(event.what, EventKind::WillRetry { .. })).await;
    let held = live(&without, "acme").await;
    let failure = held.last_failure.as_ref().expect("visible");
    assert!(failure.error.message.contains("not registered"), "{}", failure.error);
    drop(without);

    let with = engine(store, &provider).start().await.expect("starts");
    assert_eq!(with.operation(id).await.expect("known").await.expect("settles"), Settled::Done);
}

#[tokio::test(start_paused = true)]
async fn a_handle_waits_for_an_operation_it_did_not_begin() {
    let store = shared();
    let provider = scripted();
    let engine = engine(store, &provider).start().await.expect("starts");
    provider.script(&tenant("acme"), Method::Provision, [Step::Gate("go"), Step::Work]);
    let acme = engine.tenant(tenant("acme"));
    let first = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    let waiting = futures_util::stream::iter(0..20)
        .map(|_| acme.provision(spec("acme", "v1"), Options::default()))
        .buffered(20)
        .map(|joined| joined.expect("joined"))
        .collect::<Vec<_>>()
        .await;
    assert!(waiting.iter().all(|joined| joined.id() == first.id()));
    provider.open("go");
    for joined in waiting {
        assert_eq!(joined.await.expect("settles"), Settled::Done);
    }
    assert_eq!(first.await.expect("settles"), Settled::Done);
}
