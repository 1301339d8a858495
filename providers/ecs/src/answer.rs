//! What ECS answers, in the planner's terms.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types::{
    self as sdk, AssignPublicIp, DeploymentRolloutState, HealthStatus, TransportProtocol,
};
use jiff::Timestamp;
use landlord_state_machines::planner::ecs::{
    CapacityProvider, CircuitBreaker, DefinitionStatus, Deployment, FoundDefinition, Launch, LaunchType,
    LoadBalancer, Network, Rollout, Service, ServiceRegistry, Shown, Task, TaskContainer, TaskHealth,
    TaskLife,
};

/// A service that is there. One that is INACTIVE is none; one without an ARN is no service.
pub(super) fn service(service: &sdk::Service) -> Option<Service> {
    let draining = match service.status()? {
        "INACTIVE" => return None,
        "DRAINING" => true,
        // ACTIVE, or a status that this version does not know: it is there.
        _ => false,
    };
    let mut deployments: Vec<Deployment> = service.deployments().iter().filter_map(deployment).collect();
    deployments.sort_by_key(|deployment| !deployment.primary);
    Some(Service {
        arn: service.service_arn()?.to_owned(),
        draining,
        tags: tags(service.tags()),
        shown: shown(service),
        running: count(service.running_count()),
        deployments,
        current_deployment: service.current_service_deployment().map(str::to_owned),
        event: latest(service.events()),
    })
}

/// Tags as they are, those without a value with an empty one.
pub(super) fn tags(tags: &[sdk::Tag]) -> BTreeMap<String, String> {
    let pair = |tag: &sdk::Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    tags.iter().filter_map(pair).collect()
}

/// A task definition that is there. One that is being deleted is none.
pub(super) fn definition(definition: &sdk::TaskDefinition, marks: &[sdk::Tag]) -> Option<FoundDefinition> {
    let status = match definition.status()?.as_str() {
        "ACTIVE" => DefinitionStatus::Active,
        "DELETE_IN_PROGRESS" => return None,
        // INACTIVE, or a status that this version does not know: no new service can use it.
        _ => DefinitionStatus::Inactive,
    };
    Some(FoundDefinition { arn: definition.task_definition_arn()?.to_owned(), status, tags: tags(marks) })
}

/// The family of a revision's ARN, or of `family:revision`.
pub(super) fn family(definition: &str) -> Option<&str> {
    let (before, revision) = definition.rsplit_once(':')?;
    revision.parse::<u64>().ok()?;
    let name = before.rsplit_once('/').map_or(before, |(_, name)| name);
    Some(name)
}

/// Whether what could not be deleted does not exist, or is being deleted already. ECS has no code for it, only a
/// message.
pub(super) fn is_gone(failure: &sdk::Failure) -> bool {
    let reason = failure.reason().unwrap_or_default();
    ["NOT_FOUND", "does not exist", "DELETE_IN_PROGRESS", "MISSING"]
        .iter()
        .any(|words| reason.contains(words))
}

/// A task.
pub(super) fn task(task: &sdk::Task) -> Option<Task> {
    let containers: Vec<TaskContainer> = task.containers().iter().filter_map(container).collect();
    Some(Task {
        arn: task.task_arn()?.to_owned(),
        definition: task.task_definition_arn().unwrap_or_default().to_owned(),
        life: life(task),
        created: task.created_at().and_then(instant),
        health: health(task.health_status()),
        address: address(task),
        containers,
    })
}

fn life(task: &sdk::Task) -> TaskLife {
    let to_stop = task.desired_status() == Some("STOPPED");
    match task.last_status().unwrap_or_default() {
        "STOPPED" | "DELETED" => TaskLife::Stopped {
            code: task.stop_code().map(|code| code.as_str().to_owned()).filter(|code| !code.is_empty()),
            reason: task.stopped_reason().unwrap_or_default().to_owned(),
        },
        "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" => TaskLife::Stopping,
        _ if to_stop => TaskLife::Stopping,
        "RUNNING" => TaskLife::Running,
        // PROVISIONING, PENDING, ACTIVATING, or a status on the way up that this version does not know.
        _ => TaskLife::Starting,
    }
}

fn container(container: &sdk::Container) -> Option<TaskContainer> {
    let port = |number: i32| u16::try_from(number).ok();
    let host_ports = container.network_bindings().iter().filter_map(|binding| {
        let tcp = binding.protocol().is_none_or(|protocol| *protocol == TransportProtocol::Tcp);
        let ports = (port(binding.container_port()?)?, port(binding.host_port()?)?);
        Some((tcp, ports))
    });
    // Where a port number is bound for both TCP and UDP, TCP's is meant.
    let mut bound: Vec<(bool, (u16, u16))> = host_ports.collect();
    bound.sort_unstable();
    Some(TaskContainer {
        name: container.name()?.to_owned(),
        running: container.last_status() == Some("RUNNING"),
        exit_code: container.exit_code(),
        reason: container.reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
        health: health(container.health_status()),
        host_ports: bound.into_iter().map(|(_, ports)| ports).collect(),
    })
}

fn health(status: Option<&HealthStatus>) -> TaskHealth {
    match status {
        Some(HealthStatus::Healthy) => TaskHealth::Healthy,
        Some(HealthStatus::Unhealthy) => TaskHealth::Unhealthy,
        Some(_) | None => TaskHealth::Unknown,
    }
}

/// The private address of a task's own network interface.
fn address(task: &sdk::Task) -> Option<String> {
    let details = task.attachments().iter().filter(|one| one.r#type() == Some("ElasticNetworkInterface"));
    let mut addresses = details
        .flat_map(sdk::Attachment::details)
        .filter(|detail| detail.name() == Some("privateIPv4Address"))
        .filter_map(|detail| detail.value());
    let of_container = || {
        let mut interfaces = task.containers().iter().flat_map(sdk::Container::network_interfaces);
        interfaces.find_map(|interface| interface.private_ipv4_address())
    };
    addresses.next().or_else(of_container).filter(|address| !address.is_empty()).map(str::to_owned)
}

fn deployment(deployment: &sdk::Deployment) -> Option<Deployment> {
    let reason = || deployment.rollout_state_reason().unwrap_or_default().to_owned();
    Some(Deployment {
        id: deployment.id()?.to_owned(),
        primary: deployment.status() == Some("PRIMARY"),
        definition: deployment.task_definition().unwrap_or_default().to_owned(),
        rollout: match deployment.rollout_state() {
            Some(DeploymentRolloutState::Completed) => Rollout::Completed,
            Some(DeploymentRolloutState::Failed) => Rollout::Failed(reason()),
            // IN_PROGRESS, or a state that this version does not know: it is not over.
            Some(_) | None => Rollout::InProgress,
        },
        running: count(deployment.running_count()),
        pending: count(deployment.pending_count()),
        failed_tasks: count(deployment.failed_tasks()),
        created: deployment.created_at().and_then(instant),
    })
}

fn shown(service: &sdk::Service) -> Shown {
    let deployment = service.deployment_configuration();
    let breaker = deployment.and_then(|deployment| deployment.deployment_circuit_breaker());
    Shown {
        desired_count: count(service.desired_count()),
        launch: launch(service),
        network: service.network_configuration().and_then(network),
        load_balancers: service.load_balancers.as_deref().map(|all| all.iter().map(load_balancer).collect()),
        registries: service.service_registries.as_deref().map(|all| all.iter().map(registry).collect()),
        circuit_breaker: breaker
            .map(|breaker| CircuitBreaker { enable: breaker.enable(), rollback: breaker.rollback() }),
        minimum_healthy_percent: deployment.and_then(|one| one.minimum_healthy_percent()).map(count),
        maximum_percent: deployment.and_then(|one| one.maximum_percent()).map(count),
        grace_period_seconds: service.health_check_grace_period_seconds().map(count),
    }
}

fn launch(service: &sdk::Service) -> Option<Launch> {
    let provider = |item: &sdk::CapacityProviderStrategyItem| CapacityProvider {
        name: item.capacity_provider().to_owned(),
        weight: count(item.weight()),
        base: count(item.base()),
    };
    let providers: BTreeSet<CapacityProvider> =
        service.capacity_provider_strategy().iter().map(provider).collect();
    if !providers.is_empty() {
        return Some(Launch::Providers(providers));
    }
    match service.launch_type()?.as_str() {
        "EC2" => Some(Launch::Type(LaunchType::Ec2)),
        "FARGATE" => Some(Launch::Type(LaunchType::Fargate)),
        "EXTERNAL" => Some(Launch::Type(LaunchType::External)),
        // What no configuration can ask for.
        _ => None,
    }
}

fn network(network: &sdk::NetworkConfiguration) -> Option<Network> {
    let vpc = network.awsvpc_configuration()?;
    Some(Network {
        subnets: vpc.subnets().iter().cloned().collect(),
        security_groups: vpc.security_groups().iter().cloned().collect(),
        assign_public_ip: vpc.assign_public_ip() == Some(&AssignPublicIp::Enabled),
    })
}

fn load_balancer(one: &sdk::LoadBalancer) -> LoadBalancer {
    LoadBalancer {
        // One of the old kind has a name instead; none of ours is of that kind.
        target_group_arn: one.target_group_arn().or(one.load_balancer_name()).unwrap_or_default().to_owned(),
        container_name: one.container_name().unwrap_or_default().to_owned(),
        container_port: one.container_port().and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
    }
}

fn registry(one: &sdk::ServiceRegistry) -> ServiceRegistry {
    ServiceRegistry {
        arn: one.registry_arn().unwrap_or_default().to_owned(),
        container_name: one.container_name().map(str::to_owned),
        container_port: one.container_port().and_then(|port| u16::try_from(port).ok()),
    }
}

/// The latest thing that was said.
fn latest(events: &[sdk::ServiceEvent]) -> Option<String> {
    let at = |event: &&sdk::ServiceEvent| event.created_at().map(|at| (at.secs(), at.subsec_nanos()));
    // ECS lists the newest first, so of those at one moment the first counts.
    let latest = events.iter().rev().max_by_key(at)?;
    latest.message().map(str::to_owned)
}

fn instant(at: &DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

/// A number of things, which is not negative.
fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}
