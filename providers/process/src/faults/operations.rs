//! What a process planner can be asked for.

use landlord_state_machines::spec::{
    ContainerSpec, FileSpec, HealthCheckConfig, MountSpec, PortMapping, Replicas, ResourceRequirements, Role,
    Spec, TenantComputeSpec, UpdateConfig, UpdateOrder, VolumeSpec,
};

use landlord_testing::faults::{Ask, Ends, Length, Operation, TENANT};

fn container(name: &str, behaviour: &str, version: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.to_owned(),
        image: "host".to_owned(),
        command: vec!["server".to_owned()],
        args: vec![behaviour.to_owned(), version.to_owned()],
        ports: vec![PortMapping {
            container_port: 8080,
            host_port: None,
            protocol: "tcp".to_owned(),
            name: None,
            ..PortMapping::default()
        }],
        health_check: Some(HealthCheckConfig {
            kind: "http".to_owned(),
            http_path: Some("/health".to_owned()),
            port: Some(8080),
            command: Vec::new(),
            interval_seconds: 5,
            timeout_seconds: 1,
            healthy_threshold: 1,
            unhealthy_threshold: 2,
            start_period_seconds: None,
            ..HealthCheckConfig::default()
        }),
        ..ContainerSpec::default()
    }
}

fn spec(containers: Vec<ContainerSpec>) -> Spec {
    let spec = TenantComputeSpec {
        tenant_id: TENANT.to_owned(),
        provider_type: "process".to_owned(),
        containers,
        resources: ResourceRequirements { cpu: 1000, memory: 1024, ..ResourceRequirements::default() },
        // Long enough to be waited for, short enough for thousands of cases.
        provider_config: Some(serde_json::json!({ "stop_grace_seconds": 1 })),
        ..TenantComputeSpec::default()
    };
    #[expect(clippy::expect_used, reason = "every spec here is a constant that is valid")]
    spec.check().expect("a valid spec")
}

fn web(behaviour: &str, version: &str) -> Spec {
    spec(vec![container("web", behaviour, version)])
}

fn fixed(behaviour: &str, version: &str) -> Spec {
    let mut web = container("web", behaviour, version);
    for port in &mut web.ports {
        port.host_port = Some(8080);
    }
    spec(vec![web])
}

/// At a fixed port, one after the other.
fn stopping_first(behaviour: &str, version: &str) -> Spec {
    let update = UpdateConfig { order: Some(UpdateOrder::StopFirst), ..UpdateConfig::default() };
    let spec = TenantComputeSpec { update: Some(update), ..(*fixed(behaviour, version)).clone() };
    #[expect(clippy::expect_used, reason = "every spec here is a constant that is valid")]
    spec.check().expect("a valid spec")
}

fn replicated(replicas: i64, spec: Spec) -> Spec {
    let spec = TenantComputeSpec { replicas: Some(Replicas::Count(replicas)), ..(*spec).clone() };
    #[expect(clippy::expect_used, reason = "every spec here is a constant that is valid")]
    spec.check().expect("a valid spec")
}

fn unchecked(behaviour: &str, version: &str) -> Spec {
    spec(vec![ContainerSpec { health_check: None, ..container("web", behaviour, version) }])
}

fn pair(version: &str) -> Spec {
    spec(vec![container("web", "fine", version), container("worker", "forks", version)])
}

/// Two containers, after a third that ends with this.
fn initialised(end: &str, version: &str) -> Spec {
    let first = ContainerSpec {
        role: Role::Init,
        health_check: None,
        ports: Vec::new(),
        ..container("first", end, "1")
    };
    let worker = ContainerSpec { role: Role::Sidecar, ..container("worker", "fine", "1") };
    spec(vec![container("web", "fine", version), worker, first])
}

/// With a file and with volumes: one for each launch, `data`, and perhaps one that is retained.
fn storing(version: &str, volumes: &[(&str, bool)]) -> Spec {
    let mount =
        |name: &str| MountSpec { volume: name.to_owned(), path: format!("/{name}"), read_only: false };
    let volume = |name: &str, persistent, retain| VolumeSpec {
        name: name.to_owned(),
        size_mb: None,
        persistent,
        retain,
    };
    let names = volumes.iter().map(|(name, _)| *name);
    let file =
        FileSpec { path: "/etc/web.conf".to_owned(), content: Some(String::new()), ..FileSpec::default() };
    let mut mounts = names.chain(["scratch"]).map(mount).collect();
    let persistent = volumes.iter().map(|(name, retain)| volume(name, true, *retain));
    let volumes = persistent.chain([volume("scratch", false, false)]).collect();
    let mut storing = TenantComputeSpec { volumes, ..(*web("fine", version)).clone() };
    for web in &mut storing.containers {
        (web.files, web.mounts) = (vec![file.clone()], std::mem::take(&mut mounts));
    }
    #[expect(clippy::expect_used, reason = "every spec here is a constant that is valid")]
    storing.check().expect("a valid spec")
}

pub(super) fn all() -> Vec<Operation> {
    use Ask::{Destroy, Provision, Repair, Restart, Update};
    let short = |name, applied, ask, ends| Operation { name, applied, ask, ends, length: Length::Short };
    let long = |name, applied, ask, ends| Operation { name, applied, ask, ends, length: Length::Long };
    let (done, undone) = (Ends::Done, Ends::Undone);
    let fine = || Some(web("fine", "1"));
    vec![
        short("provision", None, Provision(web("fine", "1")), done),
        short("provision without a check", None, Provision(unchecked("fine", "1")), done),
        long("provision two containers", None, Provision(pair("1")), done),
        short("provision again", fine(), Provision(web("fine", "1")), done),
        short("provision over another spec", fine(), Provision(web("fine", "2")), undone),
        short("update", fine(), Update(web("fine", "2")), done),
        short("update with the same spec", fine(), Update(web("fine", "1")), done),
        short("update a fixed port", Some(fixed("fine", "1")), Update(fixed("fine", "2")), done),
        long(
            "update of one that binds its port",
            Some(fixed("binds", "1")),
            Update(fixed("binds", "2")),
            done,
        ),
        long(
            "update to one that goes by its PORT",
            Some(fixed("binds", "1")),
            Update(fixed("fine", "2")),
            done,
        ),
        long(
            "update to one that binds its port",
            Some(fixed("fine", "1")),
            Update(stopping_first("binds", "2")),
            done,
        ),
        long("update of one with open connections", Some(web("busy", "1")), Update(web("fine", "2")), done),
        short("update that adds a container", fine(), Update(pair("1")), done),
        short("provision after an init container", None, Provision(initialised("completes", "1")), done),
        long(
            "update of one with an init container",
            Some(initialised("completes", "1")),
            Update(initialised("completes", "2")),
            done,
        ),
        long(
            "provision after an init container that fails",
            None,
            Provision(initialised("crash", "1")),
            undone,
        ),
        long("repair one with an init container", Some(initialised("completes", "1")), Repair, done),
        long("destroy one with an init container", Some(initialised("completes", "1")), Destroy, done),
        short("restart", fine(), Restart, done),
        short("restart with a fixed port", Some(fixed("fine", "1")), Restart, done),
        short("repair", fine(), Repair, done),
        long("provision one that is slow", None, Provision(web("slow", "1")), done),
        long("provision one that crashes", None, Provision(web("crash", "1")), undone),
        long("provision one that is never healthy", None, Provision(web("sick", "1")), undone),
        long("update two containers", Some(pair("1")), Update(pair("2")), done),
        long("update that removes a container", Some(pair("1")), Update(web("fine", "1")), done),
        long("update that crashes", fine(), Update(web("crash", "2")), undone),
        long("update that is never healthy", fine(), Update(web("sick", "2")), undone),
        long(
            "update a fixed port, never healthy",
            Some(fixed("fine", "1")),
            Update(fixed("sick", "2")),
            undone,
        ),
        long(
            "update of one that binds its port, never healthy",
            Some(fixed("binds", "1")),
            Update(fixed("sick", "2")),
            undone,
        ),
        long("update of one that does not end", Some(web("stubborn", "1")), Update(web("fine", "2")), done),
        long("restart two containers", Some(pair("1")), Restart, done),
        long("repair one of two containers", Some(pair("1")), Repair, done),
        long("destroy", Some(pair("1")), Destroy, done),
        long("destroy one that does not end", Some(web("stubborn", "1")), Destroy, done),
        short(
            "provision with volumes",
            None,
            Provision(storing("1", &[("data", false), ("kept", true)])),
            done,
        ),
        short(
            "update that changes volumes",
            Some(storing("1", &[("data", false), ("old", false)])),
            Update(storing("2", &[("data", true), ("new", false)])),
            done,
        ),
        long("restart with volumes", Some(storing("1", &[("data", false)])), Restart, done),
        long("repair with volumes", Some(storing("1", &[("data", false)])), Repair, done),
        long(
            "update with volumes that is never healthy",
            Some(storing("1", &[("data", false)])),
            Update(web("sick", "2")),
            undone,
        ),
        long("destroy with volumes", Some(storing("1", &[("data", false), ("kept", true)])), Destroy, done),
        short("provision two replicas", None, Provision(replicated(2, web("fine", "1"))), done),
        short("update that adds a replica", fine(), Update(replicated(2, web("fine", "1"))), done),
        short(
            "update that removes a replica",
            Some(replicated(2, web("fine", "1"))),
            Update(web("fine", "1")),
            done,
        ),
        short(
            "update two replicas",
            Some(replicated(2, web("fine", "1"))),
            Update(replicated(2, web("fine", "2"))),
            done,
        ),
        long("repair one of two replicas", Some(replicated(2, web("fine", "1"))), Repair, done),
        long(
            "repair one of two replicas at a fixed port",
            Some(replicated(2, fixed("fine", "1"))),
            Repair,
            done,
        ),
        long("restart two replicas", Some(replicated(2, web("fine", "1"))), Restart, done),
        long(
            "update of two replicas, one after the other",
            Some(replicated(2, stopping_first("fine", "1"))),
            Update(replicated(2, stopping_first("fine", "2"))),
            done,
        ),
        long(
            "provision two replicas that bind their port",
            None,
            Provision(replicated(2, fixed("binds", "1"))),
            undone,
        ),
        long(
            "update two replicas, never healthy",
            Some(replicated(2, web("fine", "1"))),
            Update(replicated(2, web("sick", "2"))),
            undone,
        ),
        long("destroy two replicas", Some(replicated(2, initialised("completes", "1"))), Destroy, done),
        long("destroy nothing", None, Destroy, done),
    ]
}
