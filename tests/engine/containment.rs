//! What goes wrong in one tenant or provider stays there.

use std::time::Duration;

use landlord_compute::machines::tenant::{Method, Settled, StateName};
use landlord_compute::provider::Capabilities;
use landlord_compute::{CommandError, Options};
use landlord_testing::scripted::Step;
use tokio::time::Instant;

use super::{end, engine, live, memory, run, scripted, scripted_with, spec, tenant};

/// I7: a provider that panics fails its operation, and nothing else.
#[tokio::test(start_paused = true)]
async fn i7_a_panic_of_the_provider_is_contained() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    provider.script(&tenant("acme"), Method::Provision, [Step::Work, Step::Panic]);
    let operation = engine
        .tenant(tenant("acme"))
        .provision(spec("acme", "v1"), Options::default())
        .await
        .expect("accepted");
    let settled = operation.await.expect("settles");
    let Settled::Failed { error, undone: true } = &settled else { panic!("{settled}") };
    assert!(error.message.contains("panicked"), "{error}");
    assert_eq!(provider.tenants(), []);
    run(&engine, "acme", "v2").await;
}

/// I4: one tenant's calls are serial, and a tenant that hangs delays nobody else.
#[tokio::test(start_paused = true)]
async fn i4_a_hanging_tenant_delays_no_other_and_no_two_calls_overlap() {
    let capabilities = Capabilities::default().call_timeout(Duration::from_secs(30));
    let provider = scripted_with(capabilities);
    let engine = engine(memory(), &provider).start().await.expect("starts");
    provider.script(&tenant("slow"), Method::Provision, [Step::Work, Step::Hang]);
    let begun = Instant::now();
    let slow = engine
        .tenant(tenant("slow"))
        .provision(spec("slow", "v1"), Options::default())
        .await
        .expect("accepted");
    for id in ["a", "b", "c"] {
        run(&engine, id, "v1").await;
    }
    assert_eq!(live(&engine, "slow").await.state.name(), StateName::Provisioning);
    assert!(begun.elapsed() < Duration::from_secs(30), "nobody waited for its end");
    // Its call is dropped after its time, and made again.
    assert_eq!(slow.await.expect("settles"), Settled::Done);
    assert_eq!(provider.calls_for(&tenant("slow")).len(), 2);
    assert_eq!(provider.overlaps(), 0);
}

/// I4: a call that does not stop when it is asked is gone before the tenant's next one begins.
#[tokio::test(start_paused = true)]
async fn i4_the_next_call_begins_when_the_one_before_is_gone() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let acme = engine.tenant(tenant("acme"));
    provider.script(&tenant("acme"), Method::Provision, [Step::Work, Step::Hang]);
    let operation = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    acme.cancel(Options::default()).await.expect("accepted");
    assert_eq!(end(operation).await, Settled::Cancelled { left: Vec::new() });
    let methods: Vec<Method> = provider.calls_for(&tenant("acme")).iter().map(|call| call.method).collect();
    assert_eq!((methods, provider.overlaps()), (vec![Method::Provision, Method::Destroy], 0));
}

#[tokio::test(start_paused = true)]
async fn a_provider_gets_no_more_calls_at_a_time_than_it_can_take() {
    let capabilities = Capabilities::default().max_concurrent_calls(3);
    let provider = scripted_with(capabilities);
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let mut operations = Vec::new();
    for n in 0..20 {
        let id = format!("t{n}");
        provider.script(&tenant(&id), Method::Provision, [Step::Sleep(Duration::from_secs(1)), Step::Work]);
        let provisioned = engine.tenant(tenant(&id)).provision(spec(&id, "v1"), Options::default()).await;
        operations.push(provisioned.expect("accepted"));
    }
    for operation in operations {
        assert_eq!(operation.await.expect("settles"), Settled::Done);
    }
    assert_eq!(provider.most_at_once(), 3);
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_and_then_takes_nothing() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    provider.script(&tenant("acme"), Method::Provision, [Step::Sleep(Duration::from_secs(5)), Step::Work]);
    let acme = engine.tenant(tenant("acme"));
    let operation = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    let began = Instant::now();
    engine.shutdown(Duration::from_secs(60)).await.expect("in order");
    assert_eq!(began.elapsed().as_secs(), 5, "it waits for the call, and no longer");
    assert_eq!(operation.await.expect("settled while draining"), Settled::Done);
    let closed = acme.update(spec("acme", "v2"), Options::default()).await.expect_err("closed");
    assert!(matches!(closed, CommandError::Closed(_)), "{closed}");
}
