//! What a service is attached to: target groups and service discovery.

use std::collections::BTreeSet;

use super::problems::{Problems, config_at};
use crate::planner::ecs::arn::Arn;
use crate::planner::ecs::{EcsConfig, LaunchType, LoadBalancer, ServiceRegistry};
use crate::spec::{ContainerSpec, ExposureLevel, path};

/// The most target groups and service discovery services of a service.
const TARGET_GROUPS: usize = 5;
const REGISTRIES: usize = 1;

/// What attachments are checked against.
pub(super) struct Tasks<'a> {
    /// What they run on.
    pub(super) on: LaunchType,
    /// Whether each has a network interface of its own.
    pub(super) own_interface: bool,
    /// Their containers; none: an existing task definition says.
    pub(super) containers: Option<&'a [ContainerSpec]>,
}

impl Tasks<'_> {
    fn attachable(&self, problems: &mut Problems, at: &str, count: usize) {
        if count > 0 && self.on == LaunchType::External {
            problems.add(at, "tasks on EXTERNAL cannot be attached; leave it out");
        }
    }

    /// Whether there is such a container with such a port.
    fn port(&self, problems: &mut Problems, at: &str, name: &str, port: u16) {
        let Some(containers) = self.containers else { return };
        match containers.iter().find(|container| container.name == name) {
            None => {
                let there =
                    containers.iter().map(|container| &*container.name).collect::<Vec<_>>().join(", ");
                problems.add(
                    path::field(at, "container_name"),
                    format!("{} is no container of the spec; there is {there}", path::quoted(name)),
                );
            }
            Some(container) if container.ports.iter().all(|own| own.container_port != i64::from(port)) => {
                problems.add(
                    path::field(at, "container_port"),
                    format!("{port} is not among the ports of container {name}; add it there"),
                );
            }
            Some(_) => {}
        }
    }
}

/// The target groups.
pub(super) fn load_balancers(
    problems: &mut Problems,
    config: &EcsConfig,
    tasks: &Tasks<'_>,
) -> BTreeSet<LoadBalancer> {
    let list = config_at("target_groups");
    problems.at_most(&list, config.target_groups.len(), TARGET_GROUPS);
    tasks.attachable(problems, &list, config.target_groups.len());
    for (n, group) in config.target_groups.iter().enumerate() {
        let at = path::index(&list, n);
        if Arn::named(&group.arn, "elasticloadbalancing", "targetgroup/").is_none() {
            problems.add(
                path::field(&at, "arn"),
                "not a target group's ARN: arn:aws:elasticloadbalancing:region:account:targetgroup/name/id",
            );
        }
        tasks.port(problems, &at, &group.container_name, group.container_port);
    }
    let balancer = |group: &crate::planner::ecs::TargetGroup| LoadBalancer {
        target_group_arn: group.arn.clone(),
        container_name: group.container_name.clone(),
        container_port: group.container_port,
    };
    config.target_groups.iter().map(balancer).collect()
}

/// Whether what others are to reach is in a target group.
pub(super) fn exposures(problems: &mut Problems, containers: &[ContainerSpec], config: &EcsConfig) {
    for (n, container) in containers.iter().enumerate() {
        let list = path::field(&path::index("containers", n), "ports");
        for (n, port) in container.ports.iter().enumerate() {
            let Some(exposure) = &port.exposure else { continue };
            let leads = |group: &crate::planner::ecs::TargetGroup| {
                group.container_name == container.name
                    && i64::from(group.container_port) == port.container_port
            };
            let message = match (exposure.level, config.target_groups.iter().any(leads)) {
                (ExposureLevel::None, false) | (ExposureLevel::Internal | ExposureLevel::Public, true) => continue,
                (ExposureLevel::None, true) => {
                    "a load balancer leads to it; remove its entry in provider_config.target_groups, or set another level"
                        .to_owned()
                }
                (ExposureLevel::Internal | ExposureLevel::Public, false) => format!(
                    "no load balancer leads to it; give provider_config.target_groups an entry with container_name {} and \
                     container_port {}",
                    container.name, port.container_port
                ),
            };
            problems.add(path::field(&path::field(&path::index(&list, n), "exposure"), "level"), message);
        }
    }
}

/// The service discovery services.
pub(super) fn registries(
    problems: &mut Problems,
    config: &EcsConfig,
    tasks: &Tasks<'_>,
) -> BTreeSet<ServiceRegistry> {
    let list = config_at("service_registries");
    problems.at_most(&list, config.service_registries.len(), REGISTRIES);
    tasks.attachable(problems, &list, config.service_registries.len());
    for (n, registry) in config.service_registries.iter().enumerate() {
        let at = path::index(&list, n);
        if Arn::named(&registry.arn, "servicediscovery", "service/").is_none() {
            problems.add(
                path::field(&at, "arn"),
                "not a service discovery service's ARN: arn:aws:servicediscovery:region:account:service/id",
            );
        }
        match (&registry.container_name, registry.container_port) {
            (Some(name), Some(port)) => tasks.port(problems, &at, name, port),
            // An A record names the task's own address; on a bridge only a port of a container leads anywhere.
            (None, None) if tasks.own_interface => {}
            (None, None) => problems.add(
                &at,
                "on a bridge it registers a port of a container; give container_name and container_port",
            ),
            (Some(_), None) | (None, Some(_)) => {
                problems.add(&at, "container_name and container_port go together; give both or none");
            }
        }
    }
    config.service_registries.iter().cloned().collect()
}
