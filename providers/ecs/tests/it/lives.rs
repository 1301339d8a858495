//! Lives of tenants through the engine, on what ECS does and no emulator.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use landlord_compute::Options;
use landlord_compute::clock::TokioClock;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::spec::TenantComputeSpec;
use landlord_compute::machines::tenant::{EventKind, Settled};
use serde_json::json;

use super::fake::{ACCOUNT, Fake, Mishap, Pace, REGION, Refusal, Role, Trap};
use super::fake_tests::client;
use super::provider::{provider, provider_of, spec};
use super::world::{World, engine, failure, register, with};

const ROLE: &str = "arn:aws:iam::222222222222:role/tenant";

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
