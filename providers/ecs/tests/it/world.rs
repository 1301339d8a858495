//! A fleet of one engine on the fake, and what tests ask of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_ecs::types::{Compatibility, ContainerDefinition, NetworkMode};
use futures_util::StreamExt;
use jiff::Timestamp;
use landlord_compute::clock::TokioClock;
use landlord_compute::machines::error::ProviderError;
use landlord_compute::machines::id::{Incarnation, ProviderName, TenantId};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::TenantComputeSpec;
use landlord_compute::machines::tenant::{EventKind, Settled};
use landlord_compute::store::{MemoryOptions, MemoryStore, Position, Scope};
use landlord_compute::{Delivery, Engine, ObservePolicy, Options};
use serde_json::{Value, json};

use super::fake::{Fake, Pace};
use super::fake_tests::client;
use super::provider::provider;

pub(super) struct World {
    pub(super) fake: Fake,
    pub(super) engine: Engine,
}

impl World {
    pub(super) async fn new() -> Self {
        let fake = Fake::new(Pace::real()).without_quotas();
        let engine = engine(provider(&fake, json!({}))).await;
        Self { fake, engine }
    }

    pub(super) async fn provision(&self, spec: TenantComputeSpec) -> Settled {
        let id = TenantId::new(&spec.tenant_id).expect("a valid id");
        let accepted = self.engine.tenant(id).provision(spec, Options::default()).await;
        accepted.expect("accepted").await.expect("settles")
    }

    pub(super) async fn update(&self, spec: TenantComputeSpec) -> Settled {
        let id = TenantId::new(&spec.tenant_id).expect("a valid id");
        let accepted = self.engine.tenant(id).update(spec, Options::default()).await;
        accepted.expect("accepted").await.expect("settles")
    }

    pub(super) async fn destroy(&self, id: &str) -> Settled {
        let id = TenantId::new(id).expect("a valid id");
        let accepted = self.engine.tenant(id).destroy(Options::default()).await;
        accepted.expect("accepted").await.expect("settles")
    }

    /// What was asked since the last look that changes something.
    pub(super) fn writes(&self) -> BTreeMap<String, u64> {
        writes(&self.fake)
    }

    /// The images of all that a tenant has.
    pub(super) fn images(&self, name: &str) -> Vec<String> {
        let mut images: Vec<String> =
            self.fake.find(name).into_iter().flat_map(|found| found.images).collect();
        images.sort();
        images.dedup();
        images
    }

    /// The steps that a tenant's events tell of so far.
    pub(super) async fn steps(&self, id: &str) -> Vec<String> {
        let step = |what: &EventKind| {
            if let EventKind::Progressed { step } = what { Some(step.clone()) } else { None }
        };
        self.told(id, step).await
    }

    /// What they say is waited for, and since when.
    pub(super) async fn waits(&self, id: &str) -> Vec<(String, Timestamp)> {
        let waits = |what: &EventKind| {
            if let EventKind::Waits { what, since } = what { Some((what.clone(), *since)) } else { None }
        };
        self.told(id, waits).await
    }

    pub(super) async fn told<T>(&self, id: &str, of: impl Fn(&EventKind) -> Option<T>) -> Vec<T> {
        let scope = Scope::Tenant(TenantId::new(id).expect("a valid id"));
        let head = self.engine.head();
        let mut stream = Box::pin(self.engine.subscribe(Position(0), scope));
        let mut told = Vec::new();
        while let Some(delivery) = stream.next().await {
            let Delivery::Event { cursor, event } = delivery.expect("readable") else { continue };
            told.extend(of(&event.what));
            if cursor >= head {
                break;
            }
        }
        told
    }
}

pub(super) async fn engine(provider: impl landlord_compute::provider::Provider) -> Engine {
    let started = Engine::builder(MemoryStore::new(MemoryOptions::default()))
        .observe(ObservePolicy::Off)
        .clock(TokioClock::starting_at(Timestamp::now()))
        .provider(provider)
        .start();
    started.await.expect("the engine starts")
}

pub(super) fn with(mut spec: TenantComputeSpec, config: Value) -> TenantComputeSpec {
    spec.provider_config = Some(config);
    spec
}

#[track_caller]
pub(super) fn failure(settled: Settled) -> Arc<ProviderError> {
    match settled {
        Settled::Failed { error, undone: true } => error,
        other @ (Settled::Done
        | Settled::Failed { .. }
        | Settled::Cancelled { .. }
        | Settled::Superseded { .. }
        | Settled::Abandoned { .. }) => panic!("it settled as {other}"),
    }
}

/// The service as ECS has it.
pub(super) async fn service(fake: &Fake, name: &str) -> aws_sdk_ecs::types::Service {
    let describe = client(fake, "test").describe_services().services(name);
    let found = describe.include(aws_sdk_ecs::types::ServiceField::Tags).send().await.expect("it answers");
    found.services().first().expect("it is there").clone()
}

/// What was asked since the last look that changes something.
pub(super) fn writes(fake: &Fake) -> BTreeMap<String, u64> {
    let calls = fake.take_calls().into_iter();
    let writes = calls.filter(|(api, _)| !api.starts_with("Describe") && !api.starts_with("List"));
    writes.map(|(api, calls)| (api, calls.made)).collect()
}

/// Somebody else registers a task definition.
pub(super) async fn register(world: &World, family: &str, image: &str) {
    let main = ContainerDefinition::builder().name("web").image(image).build();
    let register = client(&world.fake, "test").register_task_definition().family(family);
    let register = register.container_definitions(main).cpu("256").memory("512");
    let register =
        register.network_mode(NetworkMode::Awsvpc).requires_compatibilities(Compatibility::Fargate);
    register.send().await.expect("registered");
}

/// Whose life the tests without an engine are about.
pub(super) fn subject(tenant: &str) -> Subject {
    Subject {
        engine: "tests".into(),
        provider: ProviderName::new("ecs").expect("a valid name"),
        tenant: TenantId::new(tenant).expect("a valid id"),
        incarnation: Incarnation(1),
    }
}
