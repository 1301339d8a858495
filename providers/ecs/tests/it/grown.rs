//! Roles, volumes, a count of its own: what a spec says beyond one program, through the engine and the SDK.

use std::collections::BTreeMap;

use aws_sdk_ecs::types::TaskDefinition;
use landlord_compute::Options;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::spec::{Replicas, TenantComputeSpec};
use landlord_compute::machines::status::{ComputeState, Health};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::Provider as _;
use serde_json::{Value, json};

use super::fake::{Fake, Pace};
use super::fake_tests::client;
use super::provider::{provider, spec};
use super::world::World;

/// A spec with as much as ECS takes.
fn grown(change: impl FnOnce(&mut Value)) -> TenantComputeSpec {
    let registry = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:registry-AbCdEf";
    let mut spec = json!({
        "tenant_id": "acme", "provider_type": "ecs", "replicas": 2,
        "update": { "order": "stop_first", "deadline_seconds": 600 },
        "containers": [
            { "name": "migrate", "image": "registry.test/migrate:1", "role": "init", "args": ["$(URL)"],
              "env": { "URL": "db://$(HOST)", "HOST": "db" }, "mounts": [{ "volume": "data", "path": "/data" }] },
            { "name": "proxy", "image": "registry.test/proxy:1", "role": "sidecar",
              "image_pull": { "credentials": "registry" },
              "ports": [{ "container_port": 8443, "name": "tls", "app_protocol": "http2", "exposure": { "level": "public" } }] },
            { "name": "web", "image": "registry.test/app:1", "args": ["--listen=$(PORT_http)"],
              "depends_on": [{ "container": "migrate", "condition": "completed" }],
              "ports": [{ "container_port": 80, "name": "http" }],
              "stop": { "grace_seconds": 90 }, "user": "1000:1000", "working_dir": "/srv", "read_only_root": true,
              "resources": { "cpu": 100, "memory": 256, "requests": { "memory": 128 } },
              "mounts": [{ "volume": "data", "path": "/data", "read_only": true }, { "volume": "scratch", "path": "/tmp" }],
              "health_check": { "type": "http", "http_path": "/", "port": 80, "scheme": "https", "headers": { "Host": "acme" },
                  "interval_seconds": 5, "timeout_seconds": 3, "healthy_threshold": 1, "unhealthy_threshold": 3 } },
        ],
        "resources": { "cpu": 500, "memory": 1024 },
        "volumes": [{ "name": "data", "persistent": true, "retain": true }, { "name": "scratch" }],
        "secrets": [
            { "name": "registry", "source": "aws-secrets-manager", "key": registry },
            { "name": "token", "source": "aws-ssm", "key": "/acme/token", "env_var": "TOKEN", "containers": ["web"] },
        ],
        "provider_config": {
            "cpu_architecture": "ARM64",
            "efs_volumes": [{ "name": "data", "file_system_id": "fs-0a1b2c3d", "root_directory": "/acme/data" }],
            "target_groups": [{
                "arn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/acme/0123456789abcdef",
                "container_name": "proxy", "container_port": 8443, "url": "https://acme.example.com" }],
        },
    });
    change(&mut spec);
    TenantComputeSpec::from_json(&spec.to_string()).expect("a spec")
}

#[tokio::test(start_paused = true)]
async fn a_spec_with_as_much_as_ecs_takes_lives_without_a_write_too_many() {
    let world = World::new().await;
    let acme = || world.engine.tenant(TenantId::new("acme").expect("a valid id"));
    assert_eq!(world.provision(grown(|_| ())).await, Settled::Done);
    let made = [("CreateService", 1), ("RegisterTaskDefinition", 1)];
    assert_eq!(world.writes(), made.map(|(api, n)| (api.to_owned(), n)).into());

    let status = acme().status().await.expect("a status");
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));
    let shown =
        status.containers.iter().map(|one| (&*one.name, one.state, one.ready, one.message.as_deref()));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            ("migrate", ComputeState::Stopped, true, Some("has completed")),
            ("proxy", ComputeState::Running, true, None),
            ("web", ComputeState::Running, true, None),
        ]
    );

    assert_eq!(world.update(grown(|_| ())).await, Settled::Done);
    assert_eq!(world.provision(grown(|_| ())).await, Settled::Done);
    assert_eq!(world.writes(), BTreeMap::new(), "nothing of it has changed");
    assert_eq!(world.update(grown(|spec| spec["replicas"] = json!(3))).await, Settled::Done);
    let told = [("TagResource", 1), ("UpdateService", 1)];
    assert_eq!(world.writes(), told.map(|(api, n)| (api.to_owned(), n)).into(), "a count deploys nothing");
    let service = client(&world.fake, "test").describe_services().services("landlord-acme").send().await;
    let service = service.expect("it answers").services().first().expect("it is there").clone();
    assert_eq!((service.desired_count(), service.deployments().len()), (3, 1));

    assert_eq!(world.destroy("acme").await, Settled::Done);
    assert_eq!(world.fake.find("landlord-acme"), [], "ECS has nothing of it left");
}

/// Who scales it is contradicted never, not even by what its configuration says later.
#[tokio::test(start_paused = true)]
async fn a_count_that_is_auto_is_told_once() {
    let world = World::new().await;
    let auto = |first: u32| {
        grown(|spec| {
            spec["replicas"] = json!("auto");
            spec["provider_config"]["desired_count"] = json!(first);
        })
    };
    assert_eq!(world.provision(auto(2)).await, Settled::Done);
    let client = client(&world.fake, "test");
    client.update_service().service("landlord-acme").desired_count(5).send().await.expect("it scales");
    assert_eq!(world.update(auto(3)).await, Settled::Done);
    let service = client.describe_services().services("landlord-acme").send().await.expect("it answers");
    assert_eq!(service.services()[0].desired_count(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_ecs_does_not_do_is_told_with_what_to_do_instead() {
    let provider = provider(&Fake::new(Pace::real()), json!({}));
    let spec = grown(|spec| {
        spec["containers"][2]["stop"]["signal"] = json!("SIGINT");
        spec["containers"][2]["files"] = json!([{ "path": "/etc/app", "content": "x" }]);
        spec["containers"][2]["liveness"] = spec["containers"][2]["health_check"].clone();
        spec["containers"][2]["image_pull"] = json!({ "policy": "always" });
        spec["resources"]["requests"] = json!({ "memory": 512 });
        spec["volumes"][1]["size_mb"] = json!(100);
        spec["update"]["rollback"] = json!(false);
    });
    let asked = spec.check().expect("a valid spec").asked_of(&|field| provider.support(field));
    let lines = |problems: &[_]| problems.iter().map(ToString::to_string).collect::<Vec<String>>().join("\n");
    let not_enforced = lines(&asked.not_enforced);
    insta::assert_snapshot!(lines(&asked.refused), @"
    containers[2].files[0].content: ECS puts no files into a container; build them into the image, or let an init container write them to a volume
    containers[2].files[0].path: ECS puts no files into a container; build them into the image, or let an init container write them to a volume
    containers[2].liveness: ECS has one check a container, and replaces the tasks that fail it; write it as health_check
    containers[2].stop.signal: ECS sends the signal that the image names; remove it and set STOPSIGNAL in the image
    resources.requests.memory: a task has one size, all of which is set aside; remove it and make resources smaller, or ask for less in a container
    update.rollback: an update that fails always goes back to what ran before; remove it
    ");
    insta::assert_snapshot!(not_enforced, @"
    containers[2].image_pull.policy: FARGATE fetches for each task, and on EC2 the setting ECS_IMAGE_PULL_BEHAVIOR of the agent decides
    volumes[1].size_mb: EFS has no sizes, and what is not persistent shares the task's storage
    ");
}

/// The definition that a tenant's service runs.
async fn definition(world: &World) -> TaskDefinition {
    let ecs = client(&world.fake, "test");
    let described = ecs.describe_services().services("landlord-acme").send().await.expect("it answers");
    let definition = described.services()[0].task_definition().expect("it has one");
    let found = ecs.describe_task_definition().task_definition(definition).send().await;
    found.expect("it answers").task_definition.expect("it is there")
}

/// Texts arrive as they are, and a name in them is a variable of the container; a start period is ECS's.
#[tokio::test(start_paused = true)]
async fn special_text_arrives_as_it_is_and_names_stand_for_their_values() {
    let world = World::new().await;
    let texts = [
        ("EMPTY", "", ""),
        ("GLOB", "value * here", "value * here"),
        ("JSON", r#"{"a":"b \"q\" \\ "}"#, r#"{"a":"b \"q\" \\ "}"#),
        ("LINES", "one\ntwo\tthree", "one\ntwo\tthree"),
        ("MONEY", "pa$$w0rd $HOME ${X} `id`", "pa$w0rd $HOME ${X} `id`"),
        ("NAME", "acme", "acme"),
        ("PORTREF", "$(PORT)", "80"),
        ("UNI", "gr\u{fc}\u{df}e \u{1f680}", "gr\u{fc}\u{df}e \u{1f680}"),
    ];
    let mut spec = spec("acme", "app");
    let web = &mut spec.containers[0];
    web.command =
        ["app", "--port=$(PORT)", "$$(PORT)", "--name=$(NAME)", "cost: 5$"].map(str::to_owned).into();
    web.env = texts.iter().map(|(name, text, _)| ((*name).to_owned(), (*text).to_owned())).collect();
    web.health_check.as_mut().expect("a check").start_period_seconds = Some(25);
    assert_eq!(world.provision(spec).await, Settled::Done);
    let made = definition(&world).await;
    let web = &made.container_definitions()[0];
    assert_eq!(web.entry_point(), ["app", "--port=80", "$(PORT)", "--name=acme", "cost: 5$"]);
    let environment = web.environment().iter();
    let environment: BTreeMap<_, _> =
        environment.filter_map(|pair| Some((pair.name()?, pair.value()?))).collect();
    let expected = texts.iter().map(|(name, _, text)| (*name, *text)).chain([("PORT", "80")]);
    assert_eq!(environment, expected.collect(), "PORT is there because a text names it");
    assert_eq!(web.health_check().and_then(|check| check.start_period()), Some(25));
}

/// Whose secret has another value at its source is restarted: other tasks, of the same spec, which fetch it anew.
#[tokio::test(start_paused = true)]
async fn a_restart_deploys_the_same_spec_anew_and_once() {
    let world = World::new().await;
    let acme = || world.engine.tenant(TenantId::new("acme").expect("a valid id"));
    let tasks = async || {
        let list = client(&world.fake, "test").list_tasks().service_name("landlord-acme").send().await;
        list.expect("it answers").task_arns().to_vec()
    };
    let mut spec = grown(|_| ());
    spec.replicas = Some(Replicas::Count(1));
    assert_eq!(world.provision(spec.clone()).await, Settled::Done);
    let (before, ran) = (definition(&world).await, tasks().await);
    world.writes();
    let restart = acme().restart(Options::default()).await.expect("accepted");
    assert_eq!(restart.await.expect("settles"), Settled::Done);
    assert_eq!(world.writes().get("UpdateService"), Some(&1));
    let (after, runs) = (definition(&world).await, tasks().await);
    assert!(!runs.is_empty() && runs.iter().all(|task| !ran.contains(task)), "{ran:?} became {runs:?}");
    for (before, after) in before.container_definitions().iter().zip(after.container_definitions()) {
        assert_eq!(before.secrets(), after.secrets());
        assert_eq!((before.image(), before.environment()), (after.image(), after.environment()));
    }
    assert_eq!(world.update(spec).await, Settled::Done);
    assert_eq!(world.writes(), BTreeMap::new(), "the rollout of what runs is kept");
}
