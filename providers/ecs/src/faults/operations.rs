//! What the ECS planner can be asked for.

use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::ecs::{EcsConfig, Site};
use landlord_state_machines::spec::{
    ContainerSpec, MountSpec, NetworkConfig, PortMapping, Replicas, ResourceRequirements, Role, Spec,
    StopConfig, TenantComputeSpec, UpdateConfig, UpdateOrder, VolumeSpec,
};
use serde_json::{Value, json};

use landlord_testing::faults::{Ask, Ends, Length, Operation, TENANT};

/// Where all of them are.
#[expect(clippy::expect_used, reason = "a constant that is valid")]
pub(super) fn site() -> Site {
    Site::of(&EcsConfig::default(), &TenantId::new(TENANT).expect("a valid id"))
}

fn spec(image: &str, label: Option<&str>, config: Value) -> Spec {
    let web = ContainerSpec { name: "web".to_owned(), image: image.to_owned(), ..ContainerSpec::default() };
    let spec = TenantComputeSpec {
        tenant_id: TENANT.to_owned(),
        provider_type: "ecs".to_owned(),
        containers: vec![web],
        resources: ResourceRequirements { cpu: 250, memory: 512, ..ResourceRequirements::default() },
        networking: NetworkConfig { subnets: vec!["subnet-0a1b2c3d".to_owned()], ..NetworkConfig::default() },
        labels: label.map(|label| ("team".to_owned(), label.to_owned())).into_iter().collect(),
        provider_config: Some(config),
        ..TenantComputeSpec::default()
    };
    #[expect(clippy::expect_used, reason = "every spec here is a constant that is valid")]
    spec.check().expect("a valid spec")
}

fn web(image: &str) -> Spec {
    spec(image, None, json!({}))
}

fn labelled(label: &str) -> Spec {
    spec("fine:1", Some(label), json!({}))
}

fn existing(revision: &str) -> Spec {
    let arn = format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/shared:{revision}");
    spec("fine:1", None, json!({ "task_definition_arn": arn }))
}

fn two_tasks() -> Spec {
    spec("fine:1", None, json!({ "desired_count": 2 }))
}

/// With much of what a spec may say beyond one program: roles, an order, volumes, a count.
fn grown(replicas: Replicas) -> Spec {
    let container = |name: &str, role| ContainerSpec {
        name: name.to_owned(),
        image: format!("{name}:1"),
        role,
        ..ContainerSpec::default()
    };
    let mount = |volume: &str| MountSpec {
        volume: volume.to_owned(),
        path: format!("/{volume}"),
        ..MountSpec::default()
    };
    let volume = |name: &str, kept| VolumeSpec {
        name: name.to_owned(),
        persistent: kept,
        retain: kept,
        ..VolumeSpec::default()
    };
    let efs = json!({ "name": "data", "file_system_id": "fs-0a1b2c3d", "root_directory": "/acme" });
    let web = ContainerSpec {
        args: vec!["--port=$(PORT)".to_owned()],
        ports: vec![PortMapping { container_port: 80, ..PortMapping::default() }],
        mounts: vec![mount("data"), mount("scratch")],
        stop: Some(StopConfig { grace_seconds: Some(60), signal: None }),
        read_only_root: true,
        ..container("web", Role::Main)
    };
    let plain = spec("fine:1", None, json!({ "efs_volumes": [efs] }));
    let spec = TenantComputeSpec {
        containers: vec![container("migrate", Role::Init), container("proxy", Role::Sidecar), web],
        volumes: vec![volume("data", true), volume("scratch", false)],
        replicas: Some(replicas),
        update: Some(UpdateConfig { order: Some(UpdateOrder::StopFirst), ..UpdateConfig::default() }),
        ..(*plain).clone()
    };
    #[expect(clippy::expect_used, reason = "every spec here is a constant that is valid")]
    spec.check().expect("a valid spec")
}

pub(super) fn all() -> Vec<Operation> {
    use Ask::{Destroy, Provision, Repair, Restart, Update};
    let short = |name, applied, ask, ends| Operation { name, applied, ask, ends, length: Length::Short };
    let long = |name, applied, ask, ends| Operation { name, applied, ask, ends, length: Length::Long };
    let (done, undone) = (Ends::Done, Ends::Undone);
    let fine = || Some(web("fine:1"));
    vec![
        short("provision", None, Provision(web("fine:1")), done),
        short("provision again", fine(), Provision(web("fine:1")), done),
        short("restart", fine(), Restart, done),
        long("restart that crashes and is rolled back", Some(web("once:1")), Restart, undone),
        long("restart that nobody gives up", Some(stuck("rots:1")), Restart, undone),
        long("restart of an existing definition", Some(existing("7")), Restart, done),
        long("provision over another spec", fine(), Provision(web("fine:2")), undone),
        long("provision a definition that exists", None, Provision(existing("7")), done),
        long("update with the same spec", fine(), Update(web("fine:1")), done),
        short("update of the number of tasks", fine(), Update(two_tasks()), done),
        long("update of an existing definition", Some(existing("7")), Update(existing("8")), done),
        long("provision one that crashes", None, Provision(web("crash:1")), undone),
        long("provision one that nobody gives up", None, Provision(stuck("stuck:1")), undone),
        long("update", fine(), Update(web("fine:2")), done),
        long("provision of one with roles and volumes", None, Provision(grown(Replicas::Count(2))), done),
        long("update to one with roles and volumes", fine(), Update(grown(Replicas::Auto)), done),
        long(
            "update of one with roles and volumes",
            Some(grown(Replicas::Count(2))),
            Update(web("fine:1")),
            done,
        ),
        long("update of a label", Some(labelled("one")), Update(labelled("two")), done),
        long("update without a label", Some(labelled("one")), Update(web("fine:1")), done),
        long("update to a definition that exists", fine(), Update(existing("7")), done),
        long("update that crashes and is rolled back", fine(), Update(web("crash:1")), undone),
        long("update that nobody gives up", fine(), Update(stuck("stuck:1")), undone),
        long("repair", fine(), Repair, done),
        long("destroy", fine(), Destroy, done),
        long("destroy nothing", None, Destroy, done),
    ]
}

fn stuck(image: &str) -> Spec {
    spec(image, None, json!({ "deployment_timeout_seconds": 30 }))
}
