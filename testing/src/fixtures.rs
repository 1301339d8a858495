//! Engines and tenants for tests, on paused time: what many tests need, in one call each.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

use std::time::Duration;

use crate::scripted::Scripted;
use futures_util::StreamExt;
use jiff::Timestamp;
use landlord_compute::clock::TokioClock;
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::spec::{ContainerSpec, ResourceRequirements, TenantComputeSpec};
use landlord_compute::machines::tenant::{LifecycleEvent, Record, Settled, StateName, Tenant};
use landlord_compute::provider::Capabilities;
use landlord_compute::store::{MemoryOptions, MemoryStore, Position, Scope};
use landlord_compute::{Delivery, Engine, EngineBuilder, ObservePolicy, OperationHandle, Options};

/// The id of a tenant.
pub fn tenant(id: &str) -> TenantId {
    TenantId::new(id).expect("a valid id")
}

/// A valid spec of a tenant; another `image` makes another spec.
pub fn spec(id: &str, image: &str) -> TenantComputeSpec {
    TenantComputeSpec {
        tenant_id: id.to_owned(),
        provider_type: "scripted".to_owned(),
        containers: vec![ContainerSpec {
            name: "web".to_owned(),
            image: image.to_owned(),
            ..ContainerSpec::default()
        }],
        resources: ResourceRequirements { cpu: 128, memory: 128, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    }
}

/// The scripted provider, named `scripted`.
pub fn scripted() -> Scripted {
    scripted_with(Capabilities::default().lists_tenants())
}

/// The same with these capabilities.
pub fn scripted_with(capabilities: Capabilities) -> Scripted {
    Scripted::new(ProviderName::new("scripted").expect("a valid name"), capabilities)
}

/// An empty store in memory.
pub fn memory() -> MemoryStore {
    MemoryStore::new(MemoryOptions::default())
}

/// An engine on paused time that looks after nobody by itself.
pub fn engine(store: impl landlord_compute::store::Store, provider: &Scripted) -> EngineBuilder {
    without_providers(store).provider(provider.clone())
}

/// The same, and nobody to call.
pub fn without_providers(store: impl landlord_compute::store::Store) -> EngineBuilder {
    let noon = "2026-01-01T12:00:00Z".parse::<Timestamp>().expect("a valid time");
    Engine::builder(store).observe(ObservePolicy::Off).clock(TokioClock::starting_at(noon))
}

/// What is known of a tenant, which must live.
pub async fn live(engine: &Engine, id: &str) -> std::sync::Arc<Tenant> {
    match engine.tenant(tenant(id)).snapshot().await.expect("readable") {
        Record::Live(tenant) => tenant,
        other @ (Record::Absent(_) | Record::Gone(_)) => panic!("{id} does not live: {other:?}"),
    }
}

/// How an operation ended. One that does not end is a failure, and not a test that hangs.
pub async fn end(operation: OperationHandle) -> Settled {
    let settled = tokio::time::timeout(Duration::from_secs(100_000), operation).await;
    settled.expect("it ends").expect("settles")
}

/// Provisions a tenant and waits until it runs.
pub async fn run(engine: &Engine, id: &str, image: &str) {
    let operation = engine.tenant(tenant(id)).provision(spec(id, image), Options::default()).await;
    operation.expect("accepted").await.expect("settled");
    assert_eq!(live(engine, id).await.state.name(), StateName::Running);
}

/// Reads a tenant's events from the first on until `until` holds for one; it is included.
pub async fn events_until(
    engine: &Engine,
    id: &str,
    until: impl Fn(&LifecycleEvent) -> bool,
) -> Vec<LifecycleEvent> {
    let mut stream = Box::pin(engine.subscribe(Position(0), Scope::Tenant(tenant(id))));
    let mut events = Vec::new();
    let read = async {
        loop {
            match stream.next().await.expect("the engine runs").expect("readable") {
                Delivery::Event { event, .. } => {
                    events.push(LifecycleEvent::clone(&event));
                    if until(&event) {
                        return;
                    }
                }
                Delivery::Gap { resume } => panic!("a gap up to {resume:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(100_000), read).await.expect("the event comes");
    events
}
