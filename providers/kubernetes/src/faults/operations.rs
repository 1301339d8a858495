//! What the Kubernetes planner can be asked for.

use landlord_state_machines::spec::{
    ContainerSpec, FileSpec, MountSpec, PortMapping, Replicas, ResourceRequirements, Spec, TenantComputeSpec,
    UpdateConfig, UpdateOrder, VolumeSpec,
};
use landlord_testing::faults::{Ask, Ends, Length, Operation, TENANT};
use serde_json::{Value, json};

fn container(image: &str) -> ContainerSpec {
    ContainerSpec {
        name: "web".to_owned(),
        image: image.to_owned(),
        ports: vec![PortMapping { container_port: 80, ..PortMapping::default() }],
        ..ContainerSpec::default()
    }
}

fn draft(image: &str, config: Value) -> TenantComputeSpec {
    TenantComputeSpec {
        tenant_id: TENANT.to_owned(),
        provider_type: "kubernetes".to_owned(),
        containers: vec![container(image)],
        resources: ResourceRequirements { cpu: 250, memory: 512, ..ResourceRequirements::default() },
        provider_config: Some(config),
        ..TenantComputeSpec::default()
    }
}

#[expect(clippy::expect_used, reason = "every spec here is a constant that is valid")]
fn checked(draft: TenantComputeSpec) -> Spec {
    draft.check().expect("a valid spec")
}

fn web(image: &str) -> Spec {
    checked(draft(image, json!({})))
}

fn shared(image: &str) -> Spec {
    checked(draft(image, json!({ "namespaces": { "shared": { "name": "tenants" } } })))
}

fn two_pods() -> Spec {
    checked(TenantComputeSpec { replicas: Some(Replicas::Count(2)), ..draft("fine:1", json!({})) })
}

fn with_file(content: &str) -> Spec {
    let file = FileSpec {
        path: "/etc/web.conf".to_owned(),
        content: Some(content.to_owned()),
        ..FileSpec::default()
    };
    let web = ContainerSpec { files: vec![file], ..container("fine:1") };
    checked(TenantComputeSpec { containers: vec![web], ..draft("fine:1", json!({})) })
}

fn persistent(image: &str) -> Spec {
    let volume = VolumeSpec { name: "data".to_owned(), persistent: true, ..VolumeSpec::default() };
    let mount = MountSpec { volume: "data".to_owned(), path: "/data".to_owned(), ..MountSpec::default() };
    let web = ContainerSpec { mounts: vec![mount], ..container(image) };
    checked(TenantComputeSpec {
        containers: vec![web],
        volumes: vec![VolumeSpec { size_mb: Some(1024), ..volume }],
        ..draft(image, json!({}))
    })
}

fn stop_first(image: &str) -> Spec {
    let update = UpdateConfig { order: Some(UpdateOrder::StopFirst), ..UpdateConfig::default() };
    checked(TenantComputeSpec { update: Some(update), ..draft(image, json!({})) })
}

fn impatient(image: &str) -> Spec {
    checked(draft(image, json!({ "deadline_seconds": 30 })))
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
        long("provision over another spec", fine(), Provision(web("fine:2")), undone),
        long("provision in a shared namespace", None, Provision(shared("fine:1")), done),
        long("provision of one with a file and a volume", None, Provision(persistent("fine:1")), done),
        long("provision one that crashes", None, Provision(web("crash:1")), undone),
        long("provision one whose image is not there", None, Provision(web("missing:1")), undone),
        long("provision one whose pods are refused", None, Provision(web("refused:1")), undone),
        long("provision one that never becomes ready", None, Provision(impatient("stuck:1")), undone),
        short("update", fine(), Update(web("fine:2")), done),
        long("update with the same spec", fine(), Update(web("fine:1")), done),
        long("update of the number of pods", fine(), Update(two_pods()), done),
        long("update of a file", Some(with_file("one")), Update(with_file("two")), done),
        long("update to one with a volume", fine(), Update(persistent("fine:1")), done),
        long("update of one with a volume", Some(persistent("fine:1")), Update(persistent("fine:2")), done),
        long("update that stops first", Some(stop_first("fine:1")), Update(stop_first("fine:2")), done),
        long("update that crashes", fine(), Update(web("crash:1")), undone),
        long(
            "update that crashes, with a volume",
            Some(persistent("fine:1")),
            Update(persistent("crash:1")),
            undone,
        ),
        long("update whose image is not there", fine(), Update(web("missing:1")), undone),
        long("update that never becomes ready", fine(), Update(impatient("stuck:1")), undone),
        long("update to another namespace", fine(), Update(shared("fine:1")), undone),
        short("restart", fine(), Restart, done),
        long("restart that crashes", Some(web("once:1")), Restart, undone),
        long("repair", fine(), Repair, done),
        short("destroy", fine(), Destroy, done),
        long("destroy in a shared namespace", Some(shared("fine:1")), Destroy, done),
        long("destroy nothing", None, Destroy, done),
    ]
}
