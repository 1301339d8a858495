//! Lives of tenants through the engine, on what ECS does and no emulator.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ecs::types::{Compatibility, ContainerDefinition, NetworkMode};
use futures_util::StreamExt;
use futures_util::future::join_all;
use jiff::Timestamp;
use landlord_compute::clock::{Clock as _, TokioClock};
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::ledger::Ledger;
use landlord_compute::machines::observation::Seen;
use landlord_compute::machines::spec::{TenantComputeSpec, VolumeSpec};
use landlord_compute::machines::status::{ComputeState, ComputeStatus, Health};
use landlord_compute::machines::tenant::{EventKind, Settled};
use landlord_compute::provider::{CheckpointError, Journal, LogQuery, Plan, Provider as _};
use landlord_compute::store::{MemoryOptions, MemoryStore, Position, Scope};
use landlord_compute::{Delivery, Engine, ObservePolicy, Options};
use serde_json::{Value, json};

use super::fake::{ACCOUNT, Fake, Mishap, Pace, REGION, Refusal, Role, Trap};
use super::fake_tests::client;
use super::provider::{provider, provider_of, spec};

const ROLE: &str = "arn:aws:iam::222222222222:role/tenant";

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
    fn images(&self, name: &str) -> Vec<String> {
        let mut images: Vec<String> =
            self.fake.find(name).into_iter().flat_map(|found| found.images).collect();
        images.sort();
        images.dedup();
        images
    }

    /// The steps that a tenant's events tell of so far.
    async fn steps(&self, id: &str) -> Vec<String> {
        let step = |what: &EventKind| {
            if let EventKind::Progressed { step } = what { Some(step.clone()) } else { None }
        };
        self.told(id, step).await
    }

    /// What they say is waited for, and since when.
    async fn waits(&self, id: &str) -> Vec<(String, Timestamp)> {
        let waits = |what: &EventKind| {
            if let EventKind::Waits { what, since } = what { Some((what.clone(), *since)) } else { None }
        };
        self.told(id, waits).await
    }

    async fn told<T>(&self, id: &str, of: impl Fn(&EventKind) -> Option<T>) -> Vec<T> {
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

async fn engine(provider: impl landlord_compute::provider::Provider) -> Engine {
    let started = Engine::builder(MemoryStore::new(MemoryOptions::default()))
        .observe(ObservePolicy::Off)
        .clock(TokioClock::starting_at(Timestamp::now()))
        .provider(provider)
        .start();
    started.await.expect("the engine starts")
}

fn with(mut spec: TenantComputeSpec, config: Value) -> TenantComputeSpec {
    spec.provider_config = Some(config);
    spec
}

#[track_caller]
fn failure(settled: Settled) -> Arc<ProviderError> {
    match settled {
        Settled::Failed { error, undone: true } => error,
        other @ (Settled::Done
        | Settled::Failed { .. }
        | Settled::Cancelled { .. }
        | Settled::Superseded { .. }
        | Settled::Abandoned { .. }) => panic!("it settled as {other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn each_step_is_an_event() {
    let world = World::new().await;
    assert_eq!(world.provision(spec("acme", "app")).await, Settled::Done);
    let mut told = world.steps("acme").await;
    told.dedup();
    assert_eq!(told, ["register the task definition", "create the service", "settle"]);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_does_not_get_on_says_why_and_since_when() {
    let world = World::new().await;
    failure(world.provision(spec("acme", "missing")).await);
    let waits = world.waits("acme").await;
    let (what, _) = waits.first().expect("it waited");
    assert!(what.starts_with("the rollout completes: 0 of 1 running"), "{waits:#?}");
    let told = |wanted: &str| waits.iter().any(|(what, _)| what.contains(wanted));
    assert!(told("1 task failed to start: CannotPullContainerError"), "{waits:#?}");
    assert!(waits.iter().all(|(what, _)| what.matches("not found").count() <= 1), "{waits:#?}");
    assert!(told("2 tasks failed to start") && told("the service drains"), "{waits:#?}");
    let rollout = || waits.iter().filter(|(what, _)| what.starts_with("the rollout"));
    assert!(rollout().all(|(_, since)| Some(*since) == rollout().next().map(|it| it.1)), "{waits:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_by_ecs_is_our_failure_in_its_words() {
    let world = World::new().await;
    assert_eq!(world.provision(spec("acme", "app")).await, Settled::Done);
    let error = failure(world.update(spec("acme", "crash")).await);
    assert_eq!((error.kind, error.remedy), (ErrorKind::UpdateFailed, Remedy::Permanent));
    let words = error.platform.clone().unwrap_or_default();
    assert!(words.contains("Essential container in task exited"), "{error}");
    assert_eq!(
        world.images("landlord-acme"),
        ["registry.test/app:1"],
        "what ran before runs again, and is all"
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_missing_fails_in_the_words_of_ecs_and_leaves_nothing() {
    let world = World::new().await;
    let error = failure(world.provision(spec("acme", "missing")).await);
    let words = error.platform.clone().unwrap_or_default();
    assert!(words.contains("CannotPullContainerError"), "{error}");
    assert_eq!(world.fake.find("landlord-acme"), []);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_drains_is_waited_out() {
    let world = World::new().await;
    assert_eq!(world.provision(spec("acme", "app")).await, Settled::Done);
    // Somebody deletes it, and it is provisioned again at once.
    let ecs = client(&world.fake, "test");
    ecs.delete_service().service("landlord-acme").force(true).send().await.expect("it is deleted");
    assert_eq!(world.update(spec("acme", "app-2")).await, Settled::Done);
    assert_eq!(world.images("landlord-acme"), ["registry.test/app-2:1"]);
    assert!(world.fake.serves("landlord-acme"));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_update_stops_the_service_deployment() {
    let world = World::new().await;
    assert_eq!(world.provision(spec("acme", "app")).await, Settled::Done);
    world.fake.take_calls();
    let acme = world.engine.tenant(TenantId::new("acme").expect("a valid id"));
    let update = acme.update(spec("acme", "never-healthy"), Options::default()).await.expect("accepted");
    tokio::time::sleep(Duration::from_secs(40)).await;
    acme.cancel(Options::default()).await.expect("accepted").await.expect("settles");
    assert_eq!(update.await.expect("settles"), Settled::Cancelled { left: Vec::new() });
    let calls = world.fake.take_calls();
    assert_eq!(calls.get("StopServiceDeployment").map(|calls| calls.made), Some(1), "{calls:?}");
    assert_eq!(world.images("landlord-acme"), ["registry.test/app:1"]);
}

#[tokio::test(start_paused = true)]
async fn throttled_by_what_others_ask_nobody_fails() {
    let fake = Fake::new(Pace::real());
    let engine = engine(provider_of("test", &fake, json!({}), 1)).await;
    let world = World { fake, engine };
    let other = client(&world.fake, "test");
    // Somebody else uses up the bursts, and then nearly all that comes.
    let others = async {
        for _ in 0..20 {
            let _refused = other.deregister_task_definition().task_definition("none:1").send().await;
        }
        loop {
            let _refused = other.deregister_task_definition().task_definition("none:1").send().await;
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
    };
    let tenants = join_all((0..30).map(|number| world.provision(spec(&format!("acme-{number}"), "app"))));
    let settled = tokio::select! {
        settled = tenants => settled,
        () = others => Vec::new(),
    };
    assert_eq!(settled, vec![Settled::Done; 30]);
    let throttled: u64 = world.fake.take_calls().values().map(|calls| calls.throttled).sum();
    assert!(throttled > 0, "it was about throttling");
}

#[tokio::test(start_paused = true)]
async fn tenants_of_a_role_live_in_its_account_with_one_session() {
    let world = World::new().await;
    world.fake.make_cluster("222222222222", REGION, "theirs");
    world.fake.trust(ROLE, Role { external_id: Some("between-us".to_owned()) });
    let role = |external_id: &str| json!({ "cluster": "theirs", "assume_role": { "role_arn": ROLE, "external_id": external_id } });
    for id in ["acme", "globex"] {
        assert_eq!(world.provision(with(spec(id, "app"), role("between-us"))).await, Settled::Done);
    }
    assert_eq!(world.fake.taken(ROLE), 1);
    let found = world.fake.find("landlord-acme");
    assert!(found.iter().any(|found| found.id.contains(":222222222222:service/theirs/")), "{found:?}");
    let provider = provider(&world.fake, json!({}));
    let error = asked(&provider, with(spec("initech", "app"), role("guessed"))).await;
    assert_eq!((error.code, error.remedy), (ErrorCode::PermissionDenied, Remedy::NeedsPerson), "{error}");
    assert!(!format!("{error} {error:?}").contains("guessed"), "external ids do not show");
}

/// What a provider says when it is asked for a provision, alone.
async fn asked(
    provider: &impl landlord_compute::provider::Provider,
    spec: TenantComputeSpec,
) -> ProviderError {
    let spec = spec.check().expect("a valid spec");
    let subject = landlord_compute::machines::planner::Subject {
        engine: "tests".into(),
        provider: ProviderName::new("ecs").expect("a valid name"),
        tenant: spec.tenant().clone(),
        incarnation: landlord_compute::machines::id::Incarnation(1),
    };
    let clock = Arc::new(TokioClock::starting_at(Timestamp::now()));
    let cx = landlord_compute::provider::Context::alone(subject, clock);
    provider.provision(&cx, &spec).await.expect_err("it fails")
}

#[tokio::test(start_paused = true)]
async fn expired_keys_need_a_person() {
    let fake = Fake::new(Pace::real());
    fake.expire("old");
    let error = asked(&provider_of("old", &fake, json!({}), 1), spec("acme", "app")).await;
    assert_eq!((error.code, error.remedy), (ErrorCode::PermissionDenied, Remedy::NeedsPerson), "{error}");
    let words = "The security token included in the request is expired";
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test(start_paused = true)]
async fn two_tenants_do_not_share_a_service() {
    let world = World::new().await;
    let shared = |id: &str| with(spec(id, id), json!({ "service_name": "shared" }));
    assert_eq!(world.provision(shared("acme")).await, Settled::Done);
    let before = world.fake.find("shared");
    let error = failure(world.provision(shared("globex")).await);
    assert_eq!((error.code, error.remedy), (ErrorCode::Conflict, Remedy::Permanent), "{error}");
    assert!(error.message.contains("acme"), "it says whose it is: {error}");
    assert_eq!(world.fake.find("shared"), before, "neither the failure nor its undo touched it");
}

#[tokio::test(start_paused = true)]
async fn a_creation_whose_answer_is_lost_makes_one_service() {
    for done in [true, false] {
        let world = World::new().await;
        let mishap = Mishap::Reset { done };
        world.fake.trap(Trap { api: Some("CreateService"), name: None, times: Some(1), mishap });
        assert_eq!(world.provision(spec("acme", "app")).await, Settled::Done);
        let found = world.fake.find("landlord-acme");
        assert_eq!(found.len(), 3, "a service, a definition and a task: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_destroy_without_a_permission_says_so_and_works_later() {
    let world = World::new().await;
    assert_eq!(world.provision(spec("acme", "app")).await, Settled::Done);
    let denied = Refusal::denied("arn:aws:iam::123456789012:user/test", "DeleteService", "landlord-acme");
    let name = Some("landlord-acme".to_owned());
    let trap = Trap { api: Some("DeleteService"), name, times: Some(1), mishap: Mishap::Refuse(denied) };
    world.fake.trap(trap);
    let acme = world.engine.tenant(TenantId::new("acme").expect("a valid id"));
    let destroy = acme.destroy(Options::default()).await.expect("accepted");
    assert_eq!(destroy.await.expect("settles"), Settled::Done);
    assert_eq!(world.fake.find("landlord-acme"), []);
}

/// The service as ECS has it.
async fn service(world: &World, name: &str) -> aws_sdk_ecs::types::Service {
    let describe = client(&world.fake, "test").describe_services().services(name);
    let found = describe.include(aws_sdk_ecs::types::ServiceField::Tags).send().await.expect("it answers");
    found.services().first().expect("it is there").clone()
}

fn labelled(labels: &[(&str, &str)]) -> TenantComputeSpec {
    let mut spec = spec("acme", "app");
    spec.labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    spec
}

/// What was asked since the last look that changes something.
fn writes(fake: &Fake) -> BTreeMap<String, u64> {
    let calls = fake.take_calls().into_iter();
    let writes = calls.filter(|(api, _)| !api.starts_with("Describe") && !api.starts_with("List"));
    writes.map(|(api, calls)| (api, calls.made)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_label_is_changed_without_a_deployment() {
    let world = World::new().await;
    assert_eq!(world.provision(labelled(&[])).await, Settled::Done);
    let before = service(&world, "landlord-acme").await;
    for (labels, asked) in [
        (&[("plan", "gold")][..], &[("TagResource", 2)][..]),
        (&[("plan", "lead"), ("team", "red")], &[("TagResource", 2)]),
        (&[("plan", "lead")], &[("TagResource", 1), ("UntagResource", 2)]),
        (&[("plan", "lead")], &[]),
        (&[], &[("TagResource", 1), ("UntagResource", 2)]),
    ] {
        writes(&world.fake);
        assert_eq!(world.update(labelled(labels)).await, Settled::Done);
        let asked: BTreeMap<String, u64> = asked.iter().map(|(api, n)| ((*api).to_owned(), *n)).collect();
        assert_eq!(writes(&world.fake), asked, "{labels:?}");
        let now = service(&world, "landlord-acme").await;
        assert_eq!(now.deployments()[0].id(), before.deployments()[0].id());
        let definition = now.task_definition().expect("it has one");
        let describe = client(&world.fake, "test").describe_task_definition().task_definition(definition);
        let found = describe.include(aws_sdk_ecs::types::TaskDefinitionField::Tags).send().await;
        let found = found.expect("it is there");
        for tags in [now.tags(), found.tags()] {
            let callers =
                tags.iter().filter(|tag| !tag.key().is_some_and(|key| key.starts_with("landlord.")));
            let callers: Vec<_> = callers.filter_map(|tag| Some((tag.key()?, tag.value()?))).collect();
            assert_eq!(callers, labels);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provision_and_an_update_say_what_they_do_not_enforce() {
    let world = World::new().await;
    let mut sized = spec("acme", "app");
    sized.volumes = vec![VolumeSpec { name: "data".to_owned(), size_mb: Some(100), ..VolumeSpec::default() }];
    assert_eq!(world.provision(sized).await, Settled::Done);
    assert_eq!(world.update(spec("acme", "app")).await, Settled::Done);
    let message = |what: &EventKind| {
        if let EventKind::Succeeded { message, .. } = what { Some(message.clone()) } else { None }
    };
    let said = world.told("acme", message).await;
    let [Some(provisioned), None] = &said[..] else { panic!("once: {said:?}") };
    assert!(provisioned.starts_with("not enforced here: volumes[0].size_mb: EFS has no sizes"), "{said:?}");
}

/// Somebody else registers a task definition.
async fn register(world: &World, family: &str, image: &str) {
    let main = ContainerDefinition::builder().name("web").image(image).build();
    let register = client(&world.fake, "test").register_task_definition().family(family);
    let register = register.container_definitions(main).cpu("256").memory("512");
    let register =
        register.network_mode(NetworkMode::Awsvpc).requires_compatibilities(Compatibility::Fargate);
    register.send().await.expect("registered");
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_what_somebody_else_has_changed() {
    let world = World::new().await;
    let acme = spec("acme", "app");
    assert_eq!(world.provision(acme.clone()).await, Settled::Done);
    let id = TenantId::new("acme").expect("a valid id");
    let acme = acme.check().expect("a valid spec");
    let tenant = world.engine.tenant(id);
    let plan = || tenant.plan(acme.clone());
    assert_eq!(plan().await.expect("it plans"), Plan::default());
    let before = service(&world, "landlord-acme").await;
    register(&world, "theirs", "registry.test/app:9").await;
    let update = client(&world.fake, "test").update_service().cluster(before.cluster_arn().expect("its own"));
    update.service("landlord-acme").task_definition("theirs:1").send().await.expect("updated");
    // ECS shows a change only after a while.
    tokio::time::sleep(Duration::from_secs(300)).await;
    writes(&world.fake);
    let planned = plan().await.expect("it plans");
    assert_eq!((planned.changes, planned.corrections), (vec![], vec!["deploy".to_owned()]));
    assert_eq!(writes(&world.fake), BTreeMap::new(), "a plan changes nothing");
    assert_eq!(world.update(spec("acme", "app")).await, Settled::Done);
    assert_eq!(plan().await.expect("it plans"), Plan::default());
    assert_eq!(service(&world, "landlord-acme").await.task_definition(), before.task_definition());
}

fn counted(count: u32, colour: &str) -> TenantComputeSpec {
    let mut spec = with(spec("acme", "app"), json!({ "desired_count": count }));
    spec.containers[0].env.insert("COLOUR".to_owned(), colour.to_owned());
    spec
}

/// Somebody scales a service, as an autoscaler does, and it gets there.
async fn scale(world: &World, count: i32) {
    let update = client(&world.fake, "test").update_service().service("landlord-acme");
    update.desired_count(count).send().await.expect("it is scaled");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// How many tasks a service should have, and has.
async fn tasks(world: &World) -> (i32, i32) {
    let service = service(world, "landlord-acme").await;
    (service.desired_count(), service.running_count())
}

#[tokio::test(start_paused = true)]
async fn what_scales_a_service_is_contradicted_only_by_another_count_in_the_spec() {
    let world = World::new().await;
    assert_eq!(world.provision(counted(2, "red")).await, Settled::Done);
    scale(&world, 7).await;
    assert_eq!(world.update(counted(2, "green")).await, Settled::Done);
    assert_eq!(tasks(&world).await, (7, 7), "another variable leaves it alone");
    assert_eq!(world.update(counted(2, "green")).await, Settled::Done);
    assert_eq!(tasks(&world).await, (7, 7), "the same spec, too");
    failure(world.update(with(spec("acme", "crash"), json!({ "desired_count": 2 }))).await);
    assert_eq!(tasks(&world).await, (7, 7), "and so does an update that is undone");

    writes(&world.fake);
    let deployment = service(&world, "landlord-acme").await.deployments()[0].id().map(str::to_owned);
    assert_eq!(world.update(counted(3, "green")).await, Settled::Done);
    assert_eq!(tasks(&world).await.0, 3, "another count is what is wanted");
    let expected = [("TagResource", 1), ("UpdateService", 1)].map(|(api, n)| (api.to_owned(), n));
    assert_eq!(writes(&world.fake), expected.into(), "the hash of the spec, and the count");
    let now = service(&world, "landlord-acme").await;
    assert_eq!(now.deployments()[0].id(), deployment.as_deref(), "a count deploys nothing");
    scale(&world, 1).await;
    assert_eq!(world.update(counted(3, "blue")).await, Settled::Done);
    assert_eq!(tasks(&world).await, (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_scaled_to_nothing_gets_the_count_of_its_spec() {
    let world = World::new().await;
    assert_eq!(world.provision(counted(2, "red")).await, Settled::Done);
    scale(&world, 0).await;
    assert_eq!(world.update(counted(2, "red")).await, Settled::Done);
    assert_eq!(tasks(&world).await, (2, 2));
}

/// A count whose answer is lost arrives, whether it had worked or not, and only once.
#[tokio::test(start_paused = true)]
async fn a_count_whose_answer_is_lost_arrives() {
    for done in [true, false] {
        let world = World::new().await;
        assert_eq!(world.provision(counted(2, "red")).await, Settled::Done);
        let mishap = Mishap::Reset { done };
        world.fake.trap(Trap { api: Some("UpdateService"), name: None, times: Some(1), mishap });
        assert_eq!(world.update(counted(3, "red")).await, Settled::Done);
        assert_eq!(tasks(&world).await, (3, 3));
        scale(&world, 7).await;
        assert_eq!(world.update(counted(3, "green")).await, Settled::Done);
        assert_eq!(tasks(&world).await, (7, 7));
    }
}

/// How a tenant is, as the engine asks.
async fn status(world: &World) -> ComputeStatus {
    world.engine.tenant(TenantId::new("acme").expect("a valid id")).status().await.expect("a status")
}

#[tokio::test(start_paused = true)]
async fn what_has_a_check_is_ready_when_the_check_has_passed() {
    let world = World::new().await;
    let begun = tokio::time::Instant::now();
    let acme = world.engine.tenant(TenantId::new("acme").expect("a valid id"));
    let provision = acme.provision(spec("acme", "checked-late"), Options::default()).await.expect("accepted");
    tokio::time::sleep(Duration::from_secs(50)).await;
    let service = service(&world, "landlord-acme").await;
    assert_eq!(service.deployments()[0].rollout_state().map(|state| state.as_str()), Some("COMPLETED"));
    let early = status(&world).await;
    assert_eq!((early.state, early.health), (ComputeState::Running, Health::Unknown));
    assert_eq!(early.containers.iter().map(|web| web.ready).collect::<Vec<_>>(), [false]);
    let waits = world.waits("acme").await;
    assert!(waits.iter().any(|(what, _)| what.contains("1 with a health check that has not")), "{waits:?}");
    assert_eq!(provision.await.expect("settles"), Settled::Done);
    assert!(begun.elapsed() >= Pace::real().unhealthy, "{:?}", begun.elapsed());
    let late = status(&world).await;
    assert_eq!((late.state, late.health), (ComputeState::Running, Health::Healthy));
    assert!(late.containers[0].ready);
}

#[tokio::test(start_paused = true)]
async fn a_service_of_no_tasks_is_stopped_and_nothing_of_it_has_failed() {
    let world = World::new().await;
    assert_eq!(world.provision(counted(0, "red")).await, Settled::Done);
    let settled = status(&world).await;
    assert_eq!(
        (settled.state, settled.health, settled.containers.len()),
        (ComputeState::Stopped, Health::Healthy, 0)
    );
    assert_eq!(world.update(counted(1, "red")).await, Settled::Done);
    assert_eq!(status(&world).await.state, ComputeState::Running);
    assert_eq!(world.update(counted(0, "red")).await, Settled::Done);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let scaled = status(&world).await;
    assert_eq!((scaled.state, scaled.health), (ComputeState::Stopped, Health::Healthy));
    assert_eq!(Seen::from_status(&scaled), Seen::Healthy, "there is nothing to repair");
    let [web] = &scaled.containers[..] else { panic!("{scaled:?}") };
    assert_eq!((web.state, web.ready, web.restart_count), (ComputeState::Stopped, false, 0), "{web:?}");
    // Somebody else's nothing is not what was asked for.
    assert_eq!(world.update(counted(1, "red")).await, Settled::Done);
    scale(&world, 0).await;
    assert!(matches!(Seen::from_status(&status(&world).await), Seen::Broken(_)));
}

/// A task that made way for another one is no failure of its container.
#[tokio::test(start_paused = true)]
async fn a_task_that_the_scheduler_stopped_is_no_restart() {
    let world = World::new().await;
    assert_eq!(world.provision(counted(1, "red")).await, Settled::Done);
    assert_eq!(world.update(counted(1, "green")).await, Settled::Done);
    let [web] = &status(&world).await.containers[..] else { panic!("one container") };
    assert_eq!((web.state, web.ready, web.restart_count), (ComputeState::Running, true, 0), "{web:?}");
}

/// A destroy of a tenant whose cluster somebody has deleted.
#[tokio::test(start_paused = true)]
async fn a_destroy_ends_where_the_cluster_is_gone() {
    let traps = [None, Some("DeregisterTaskDefinition"), Some("DeleteTaskDefinitions")];
    for api in traps {
        let world = World::new().await;
        world.fake.make_cluster(ACCOUNT, REGION, "short-lived");
        let spec = with(spec("acme", "app"), json!({ "cluster": "short-lived" }));
        assert_eq!(world.provision(spec).await, Settled::Done);
        world.fake.remove_cluster("short-lived");
        if let Some(api) = api {
            let mishap = Mishap::Reset { done: true };
            world.fake.trap(Trap { api: Some(api), name: None, times: Some(1), mishap });
        }
        let acme = world.engine.tenant(TenantId::new("acme").expect("a valid id"));
        let destroy = acme.destroy(Options::default()).await.expect("accepted");
        assert_eq!(destroy.await.expect("settles"), Settled::Done, "{api:?}");
        assert_eq!(world.fake.find("landlord-acme"), [], "{api:?}");
    }
}

/// Nothing shows that it is looked for at the right place.
#[tokio::test(start_paused = true)]
async fn a_destroy_does_not_take_a_cluster_that_it_cannot_find_for_gone() {
    let world = World::new().await;
    world.fake.make_cluster(ACCOUNT, REGION, "short-lived");
    register(&world, "given", "registry.test/app:1").await;
    let config = json!({ "cluster": "short-lived", "task_definition_arn": "given:1" });
    assert_eq!(world.provision(with(spec("acme", "app"), config)).await, Settled::Done);
    world.fake.remove_cluster("short-lived");
    let acme = world.engine.tenant(TenantId::new("acme").expect("a valid id"));
    let destroy = acme.destroy(Options::default()).await.expect("accepted");
    tokio::time::sleep(Duration::from_secs(30)).await;
    let failed = |what: &EventKind| {
        if let EventKind::WillRetry { error, .. } = what { Some(error.to_string()) } else { None }
    };
    let failed = world.told("acme", failed).await;
    assert!(failed.iter().any(|error| error.contains("abandon")), "{failed:?}");
    world.fake.make_cluster(ACCOUNT, REGION, "short-lived");
    assert_eq!(destroy.await.expect("settles"), Settled::Done);
}

/// ECS gives the same words for the task and for the container.
#[tokio::test(start_paused = true)]
async fn why_a_container_does_not_start_is_said_once() {
    let world = World::new().await;
    let acme = world.engine.tenant(TenantId::new("acme").expect("a valid id"));
    let provision = acme.provision(spec("acme", "missing"), Options::default()).await.expect("accepted");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let message = status(&world).await.containers.remove(0).message.unwrap_or_default();
    assert_eq!(message.matches("CannotPullContainerError").count(), 1, "{message}");
    failure(provision.await.expect("settles"));
}

/// Keeps the ledgers that it is given.
#[derive(Default)]
struct Kept(std::sync::Mutex<Vec<Value>>);

#[async_trait::async_trait]
impl Journal for Kept {
    async fn write(&self, ledger: Arc<Ledger>, _: &str) -> Result<(), CheckpointError> {
        let facts = serde_json::from_str(ledger.facts.get()).expect("JSON");
        self.0.lock().expect("no panic").push(facts);
        Ok(())
    }
}

/// What waits for AWS's quota was not asked for yet. An engine that is killed then has nothing to wait out; one that is killed
/// after the request went out waits as long as that may still happen.
#[tokio::test(start_paused = true)]
async fn a_write_is_intended_when_it_is_its_turn() {
    let fake = Fake::new(Pace::real());
    let provider = provider_of("test", &fake, json!({}), 1);
    let clock = Arc::new(TokioClock::starting_at(Timestamp::now()));
    let waited = (0..40).map(async |number| {
        let spec = spec(&format!("acme-{number}"), "app").check().expect("a valid spec");
        let subject = landlord_compute::machines::planner::Subject {
            engine: "tests".into(),
            provider: ProviderName::new("ecs").expect("a valid name"),
            tenant: spec.tenant().clone(),
            incarnation: landlord_compute::machines::id::Incarnation(1),
        };
        let (kept, begun) = (Arc::new(Kept::default()), clock.now());
        let cx = landlord_compute::provider::Context::journaled(subject, clock.clone(), None, kept.clone());
        provider.provision(&cx, &spec).await.expect("it runs");
        let ledgers = kept.0.lock().expect("no panic");
        let time = |value: &Value| value.as_str().expect("a time").parse::<Timestamp>().expect("a time");
        let register = |facts: &&Value| facts["pending"][0]["write"]["register"].is_string();
        let intended = time(&ledgers.iter().find(register).expect("it was intended")["pending"][0]["since"]);
        let done = time(&ledgers.last().expect("the last")["registered_at"]);
        assert!(done.duration_since(intended).as_secs_f64() < 1.0, "{intended} is long before {done}");
        intended.duration_since(begun)
    });
    let waited = join_all(waited).await.into_iter().max().expect("some");
    assert!(waited.as_secs() >= 15, "the quota held some of them up: {waited}");
}

#[tokio::test(start_paused = true)]
async fn what_containers_write_is_read_from_cloudwatch_and_followed() {
    let fake = Fake::new(Pace::real()).without_quotas();
    let provider = provider(&fake, json!({ "log_group": "/tenants" }));
    let of = |tenant: &str| landlord_compute::machines::planner::Subject {
        engine: "tests".into(),
        provider: ProviderName::new("ecs").expect("a valid name"),
        tenant: TenantId::new(tenant).expect("a valid id"),
        incarnation: landlord_compute::machines::id::Incarnation(1),
    };
    let cx = |tenant: &str| {
        let clock = Arc::new(TokioClock::starting_at(Timestamp::now()));
        landlord_compute::provider::Context::alone(of(tenant), clock)
    };
    let (acme, id) = (cx("acme"), TenantId::new("acme").expect("a valid id"));
    let none = provider.logs(&cx("nobody"), &id, &LogQuery::default()).await;
    assert_eq!(none.err().map(|error| error.kind), Some(ErrorKind::TenantNotFound));
    provider.provision(&acme, &spec("acme", "app").check().expect("a valid spec")).await.expect("it runs");

    let read = async |query: LogQuery| -> Vec<(String, String)> {
        let lines = provider.logs(&acme, &id, &query).await.expect("it is there").expect("it has a log");
        lines.map(|line| line.expect("a line")).map(|line| (line.container, line.text)).collect().await
    };
    assert_eq!(read(LogQuery::default()).await, [], "nothing is written, and there is no group yet");
    for (stream, line) in
        [("acme/web/1", "one"), ("acme/side/1", "two"), ("acme2/web/9", "theirs"), ("acme/web/2", "three")]
    {
        fake.write("/tenants", stream, line);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let line = |container: &str, text: &str| (container.to_owned(), text.to_owned());
    let all = [line("web", "one"), line("side", "two"), line("web", "three")];
    assert_eq!(read(LogQuery::default()).await, all);
    assert_eq!(read(LogQuery::default().container("web")).await, [line("web", "one"), line("web", "three")]);

    let followed = provider.logs(&acme, &id, &LogQuery::default().follow()).await.expect("it is there");
    let mut followed = followed.expect("it has a log").map(|line| line.expect("a line").text);
    let writes = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        fake.write("/tenants", "acme/web/2", "four");
        tokio::time::sleep(Duration::from_secs(5)).await;
        fake.write("/tenants", "acme/web/3", "five");
        std::future::pending::<()>().await;
    };
    let reads = async {
        let five: Vec<String> = followed.by_ref().take(5).collect().await;
        assert_eq!(five, ["one", "two", "three", "four", "five"]);
        let more = tokio::time::timeout(Duration::from_secs(60), followed.next()).await;
        assert!(more.is_err(), "each once: {more:?}");
    };
    tokio::select! { () = reads => {} () = writes => unreachable!("it goes on") }
}
