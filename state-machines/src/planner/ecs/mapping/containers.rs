//! A task definition made from a spec's containers.

use std::collections::BTreeMap;

use super::problems::{Problems, config_at};
use super::texts::{Texts, texts};
use super::{checks, order, secrets, sizes, volumes};
use crate::planner::ecs::{
    AppProtocol, Container, ContainerPort, Definition, EcsConfig, LaunchType, Log, NetworkMode,
};
use crate::spec::{ContainerSpec, PortMapping, ResourceRequirements, Spec, oci_image_problem, path};

/// The most containers of a task definition.
const CONTAINERS: usize = 10;
/// The longest task definition, in bytes.
const LONGEST: usize = 64 * 1024;
/// Millicores of a task on container instances: 192 cores at most.
const MILLICORES: std::ops::RangeInclusive<u32> = 125..=192_000;
/// MiB of a container: the least that it can have, and what no machine has.
const MEMORY: std::ops::RangeInclusive<u32> = 6..=1_000_000_000;
/// GiB of ephemeral storage that every Fargate task has, and the most that one can have.
const STORAGE_ANYWAY: i64 = 20;
const STORAGE_AT_MOST: i64 = 200;

/// The definition; its containers have no labels yet.
pub(super) fn definition(
    problems: &mut Problems,
    spec: &Spec,
    config: &EcsConfig,
    region: Option<&str>,
    (on, network_mode): (LaunchType, NetworkMode),
) -> Definition {
    problems.at_most("containers", spec.containers.len(), CONTAINERS);
    secrets::check(problems, &spec.secrets, &spec.containers);
    let log = config.log_group.as_ref().map(|group| Log {
        group: group.clone(),
        region: region.map(str::to_owned),
        stream_prefix: spec.tenant().to_string(),
    });
    let mut taken = BTreeMap::new();
    let containers = spec
        .containers
        .iter()
        .enumerate()
        .zip(order::order(problems, &spec.containers))
        .map(|((n, from), depends_on)| {
            let at = path::index("containers", n);
            let mut made = container(problems, &at, from, spec, (on, network_mode));
            made.log.clone_from(&log);
            made.depends_on = depends_on;
            if network_mode == NetworkMode::Awsvpc {
                share_interface(problems, &at, from, &mut taken);
            }
            made
        })
        .collect();
    let (cpu, memory) = size(problems, spec, on);
    let definition = Definition {
        requires: on,
        network_mode,
        cpu,
        memory,
        ephemeral_storage_gib: storage(problems, spec, on),
        task_role_arn: config.task_role_arn.clone(),
        execution_role_arn: config.execution_role_arn.clone(),
        cpu_architecture: config.cpu_architecture,
        volumes: volumes::volumes(problems, spec, config, on),
        containers,
    };
    shares(problems, &definition);
    role(problems, spec, config, on);
    // ECS's own form is longer than this one, which lacks the labels. So nothing is refused that ECS would take.
    let length = serde_json::to_vec(&definition).map_or(0, |text| text.len());
    if length > LONGEST {
        problems
            .add("containers", format!("{length} bytes as a task definition; ECS takes at most {LONGEST}"));
    }
    definition
}

fn container(
    problems: &mut Problems,
    at: &str,
    from: &ContainerSpec,
    spec: &Spec,
    (on, mode): (LaunchType, NetworkMode),
) -> Container {
    if let Some(problem) = oci_image_problem(&from.image) {
        problems.add(path::field(at, "image"), problem);
    }
    let own = from.resources.as_ref();
    let own_at = path::field(at, "resources");
    let secrets = secrets::values(&spec.secrets, &from.name);
    let Texts { command, args, env } = texts(problems, at, from, &secrets);
    Container {
        name: from.name.clone(),
        image: from.image.clone(),
        entry_point: command,
        command: args,
        environment: env,
        secrets,
        ports: from
            .ports
            .iter()
            .enumerate()
            .map(|(n, mapping)| port(problems, &path::index(&path::field(at, "ports"), n), mapping, mode))
            .collect(),
        health_check: from
            .health_check
            .as_ref()
            .map(|check| checks::check(problems, &path::field(at, "health_check"), check)),
        // It is within the task's.
        cpu: own.map(|own| u32::try_from(sizes::share(own.cpu)).unwrap_or(u32::MAX)),
        memory: own.map(|own| problems.number(&path::field(&own_at, "memory"), own.memory, MEMORY)),
        log: None,
        labels: BTreeMap::new(),
        ending: order::ending(from.role),
        depends_on: BTreeMap::new(),
        memory_reservation: own.and_then(|own| reservation(problems, &own_at, own)),
        stop_timeout_seconds: from.stop.as_ref().and_then(|stop| {
            let at = path::field(&path::field(at, "stop"), "grace_seconds");
            Some(problems.number(&at, stop.grace_seconds?, graces(on)))
        }),
        user: from.user.clone(),
        working_directory: from.working_dir.clone(),
        read_only_root: from.read_only_root,
        repository_credentials: secrets::credentials(problems, at, from, &spec.secrets),
        mounts: volumes::mounts(from),
    }
}

/// What is set aside. ECS takes it only where it is less than what a container may use.
fn reservation(problems: &mut Problems, at: &str, own: &ResourceRequirements) -> Option<u32> {
    let asked = own.requests.as_ref()?.memory.filter(|asked| *asked < own.memory)?;
    Some(problems.number(&path::field(&path::field(at, "requests"), "memory"), asked, MEMORY))
}

/// How long a container may take to stop, in seconds.
fn graces(on: LaunchType) -> std::ops::RangeInclusive<u32> {
    match on {
        LaunchType::Fargate => 2..=120,
        LaunchType::Ec2 | LaunchType::External => 2..=86_400,
    }
}

fn port(problems: &mut Problems, at: &str, mapping: &PortMapping, mode: NetworkMode) -> ContainerPort {
    let container_port =
        problems.number(&path::field(at, "container_port"), mapping.container_port, 1..=u16::MAX);
    let host_port =
        mapping.host_port.map(|port| problems.number(&path::field(at, "host_port"), port, 1..=u16::MAX));
    if mode == NetworkMode::Awsvpc && host_port.is_some_and(|port| port != container_port) {
        problems.add(
            path::field(at, "host_port"),
            format!("a task with a network interface of its own has no other ports; leave it out, or write {container_port}"),
        );
    }
    if mapping.name.as_deref().is_some_and(|name| !is_port_name(name)) {
        problems.add(
            path::field(at, "name"),
            "not a port's name on ECS: 1 to 64 of a-z, 0-9, '_' and '-', not starting with '-'",
        );
    }
    let app_protocol = mapping.app_protocol.as_ref().and_then(|given| {
        let at = path::field(at, "app_protocol");
        if mapping.name.is_none() {
            problems.add(&at, "ECS takes it of a port with a name; give the port one, or remove it");
        }
        app_protocol(problems, &at, given)
    });
    let udp = mapping.protocol == "udp";
    ContainerPort { container_port, host_port, udp, name: mapping.name.clone(), app_protocol }
}

fn app_protocol(problems: &mut Problems, at: &str, given: &str) -> Option<AppProtocol> {
    match given {
        "http" => Some(AppProtocol::Http),
        "http2" => Some(AppProtocol::Http2),
        "grpc" => Some(AppProtocol::Grpc),
        other => {
            problems.add(
                at,
                format!("{} is unknown to ECS; use http, http2 or grpc, or remove it", path::quoted(other)),
            );
            None
        }
    }
}

fn is_port_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
        && !name.starts_with('-')
}

/// Containers of a task share its interface, so no two can listen on the same port.
fn share_interface<'s>(
    problems: &mut Problems,
    at: &str,
    container: &'s ContainerSpec,
    taken: &mut BTreeMap<(i64, &'s str), &'s str>,
) {
    for (n, port) in container.ports.iter().enumerate() {
        let number = port.container_port;
        if let Some(other) = taken.insert((number, &port.protocol), &container.name) {
            problems.add(
                path::field(&path::index(&path::field(at, "ports"), n), "container_port"),
                format!(
                    "{number}/{} is container {other}'s, and containers of a task share one network interface",
                    port.protocol
                ),
            );
        }
    }
}

/// CPU units and MiB of the task. A spec's megabyte is 2^20 bytes, as ECS's is.
fn size(problems: &mut Problems, spec: &Spec, on: LaunchType) -> (u32, u32) {
    let asked = &spec.resources;
    match on {
        LaunchType::Fargate => {
            // What is more than a u32 is more than Fargate has, too.
            let most = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
            match sizes::nearest(most(sizes::units(asked.cpu)), most(asked.memory)) {
                Some(size) => (size.cpu, size.memory),
                None => {
                    problems.add(
                        "resources",
                        format!(
                            "Fargate has no size for {} millicores with {} MB; it has {}",
                            asked.cpu,
                            asked.memory,
                            sizes::listed()
                        ),
                    );
                    (0, 0)
                }
            }
        }
        LaunchType::Ec2 | LaunchType::External => {
            let millicores = problems.number("resources.cpu", asked.cpu, MILLICORES);
            let cpu = u32::try_from(sizes::units(millicores.into())).unwrap_or(u32::MAX);
            (cpu, problems.number("resources.memory", asked.memory, MEMORY))
        }
    }
}

/// GiB of ephemeral storage, where more is asked for than there is anyway. Containers share it: where the tenant's
/// resources name none, it is the sum of theirs.
fn storage(problems: &mut Problems, spec: &Spec, on: LaunchType) -> Option<u32> {
    let own = |container: &ContainerSpec| container.resources.as_ref().and_then(|own| own.storage);
    let theirs: i64 = spec.containers.iter().filter_map(own).sum();
    let asked = spec.resources.storage.unwrap_or(theirs);
    let gib = asked.saturating_add(1023) / 1024;
    match (on, gib) {
        (_, ..=0) => None,
        (LaunchType::Fargate, ..=STORAGE_ANYWAY) => None,
        (LaunchType::Fargate, gib) => {
            if gib > STORAGE_AT_MOST {
                let most = STORAGE_AT_MOST * 1024;
                problems.add("resources.storage", format!("{asked} MB; a Fargate task has at most {most}"));
            }
            u32::try_from(gib).ok()
        }
        (LaunchType::Ec2 | LaunchType::External, _) => {
            problems.add(
                "resources.storage",
                "only tasks on FARGATE have storage of their own, elsewhere they use their host's; leave it out, also \
                 of containers",
            );
            None
        }
    }
}

/// ECS refuses containers that have more together than their task.
fn shares(problems: &mut Problems, definition: &Definition) {
    let sum = |share: fn(&Container) -> Option<u32>| -> u64 {
        definition.containers.iter().filter_map(share).map(u64::from).sum()
    };
    let (cpu, memory) = (sum(|container| container.cpu), sum(|container| container.memory));
    if definition.cpu > 0 && cpu > definition.cpu.into() {
        problems.add(
            "resources.cpu",
            format!(
                "the containers' own add up to {} millicores, more than the task has; ask for more",
                cpu * 1000 / 1024
            ),
        );
    }
    if definition.memory > 0 && memory > definition.memory.into() {
        problems.add(
            "resources.memory",
            format!("the containers' own add up to {memory} MB, more than the task has; ask for more"),
        );
    }
}

/// ECS fetches what a task needs in the name of this role.
fn role(problems: &mut Problems, spec: &Spec, config: &EcsConfig, on: LaunchType) {
    if config.execution_role_arn.is_some() {
        return;
    }
    let fargate = on == LaunchType::Fargate;
    let private = |container: &ContainerSpec| container.image.contains(".dkr.ecr.");
    let needs = [
        (!spec.secrets.is_empty(), "secrets"),
        (fargate && config.log_group.is_some(), "log_group on FARGATE"),
        (fargate && spec.containers.iter().any(private), "images of ECR on FARGATE"),
    ];
    let needs: Vec<&str> = needs.into_iter().filter(|(needed, _)| *needed).map(|(_, what)| what).collect();
    if !needs.is_empty() {
        problems.add(
            config_at("execution_role_arn"),
            format!("missing; ECS needs a role for {}", needs.join(" and for ")),
        );
    }
}
