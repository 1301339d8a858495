//! What is asked, in the SDK's terms.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::BuildError;
use aws_sdk_ecs::operation::create_service::builders::CreateServiceFluentBuilder;
use aws_sdk_ecs::operation::register_task_definition::builders::RegisterTaskDefinitionFluentBuilder;
use aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder;
use aws_sdk_ecs::types::{
    ApplicationProtocol, AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, Compatibility,
    ContainerCondition, ContainerDefinition, ContainerDependency, CpuArchitecture, DeploymentCircuitBreaker,
    DeploymentConfiguration, EfsAuthorizationConfig, EfsTransitEncryption, EfsVolumeConfiguration,
    EphemeralStorage, HealthCheck, KeyValuePair, LoadBalancer, LogConfiguration, LogDriver, MountPoint,
    NetworkConfiguration, NetworkMode, OsFamily, PortMapping, PropagateTags, RepositoryCredentials,
    RuntimePlatform, Secret, ServiceRegistry, Tag, TransportProtocol,
};
use landlord_state_machines::planner::ecs::{
    self, AppProtocol, CircuitBreaker, Container, ContainerCheck, ContainerPort, Create, Definition, Efs,
    EfsPart, Ending, Launch, LaunchType, Log, Mount, Network, Register, Setting, Settings, Until, Update,
    Volume,
};

/// `RegisterTaskDefinition`. Logs go to the region of the tasks where the definition names none.
pub(super) fn register(
    client: &Client,
    register: &Register,
    region: Option<&str>,
) -> Result<RegisterTaskDefinitionFluentBuilder, BuildError> {
    let Definition {
        requires,
        network_mode,
        cpu,
        memory,
        ephemeral_storage_gib,
        task_role_arn,
        execution_role_arn,
        cpu_architecture,
        volumes,
        containers,
    } = &register.definition;
    let containers = containers.iter().map(|one| container(one, region)).collect::<Result<Vec<_>, _>>()?;
    let storage = ephemeral_storage_gib.map(|gib| EphemeralStorage::builder().size_in_gib(int(gib)).build());
    Ok(client
        .register_task_definition()
        .family(&register.site.name)
        .requires_compatibilities(match requires {
            LaunchType::Ec2 => Compatibility::Ec2,
            LaunchType::Fargate => Compatibility::Fargate,
            LaunchType::External => Compatibility::External,
        })
        .network_mode(match network_mode {
            ecs::NetworkMode::Awsvpc => NetworkMode::Awsvpc,
            ecs::NetworkMode::Bridge => NetworkMode::Bridge,
        })
        .cpu(cpu.to_string())
        .memory(memory.to_string())
        .set_ephemeral_storage(storage)
        .set_task_role_arn(task_role_arn.clone())
        .set_execution_role_arn(execution_role_arn.clone())
        .set_runtime_platform(cpu_architecture.map(platform))
        .set_volumes(
            (!volumes.is_empty())
                .then(|| volumes.iter().map(volume).collect::<Result<_, _>>())
                .transpose()?,
        )
        .set_container_definitions(Some(containers))
        .set_tags(tags(&register.tags)))
}

/// `CreateService`.
pub(super) fn create(client: &Client, create: &Create) -> Result<CreateServiceFluentBuilder, BuildError> {
    let Create { site, token, definition, settings, tags: marks, rollout: _ } = create;
    let (launch_type, providers) = match &settings.launch {
        Launch::Type(launch_type) => (Some(launch(*launch_type)), None),
        Launch::Providers(providers) => (None, Some(strategy(providers)?)),
    };
    Ok(client
        .create_service()
        .cluster(&site.place.cluster)
        .service_name(&site.name)
        .client_token(token)
        .task_definition(definition)
        .desired_count(int(settings.desired_count.first()))
        .set_launch_type(launch_type)
        .set_capacity_provider_strategy(providers)
        .set_network_configuration(network(settings.network.as_ref())?)
        .set_load_balancers(Some(load_balancers(settings)))
        .set_service_registries(Some(registries(settings)))
        .deployment_configuration(deployment(settings))
        .set_health_check_grace_period_seconds(grace(settings))
        .set_tags(tags(marks))
        .propagate_tags(PropagateTags::Service))
}

/// `UpdateService`, with what differs.
pub(super) fn update(client: &Client, update: &Update) -> Result<UpdateServiceFluentBuilder, BuildError> {
    let Update { site, definition, settings, told, force, rollout: _, from: _, known: _ } = update;
    let request = client.update_service().cluster(&site.place.cluster).service(&site.name);
    told.iter().try_fold(request.force_new_deployment(*force), |request, setting| {
        Ok(match setting {
            Setting::Definition => request.task_definition(definition),
            Setting::Count => request.desired_count(int(settings.desired_count.first())),
            Setting::Launch => request.set_capacity_provider_strategy(Some(match &settings.launch {
                // A service cannot be given a launch type, but without providers it goes back to its own.
                Launch::Type(_) => Vec::new(),
                Launch::Providers(providers) => strategy(providers)?,
            })),
            Setting::Network => request.set_network_configuration(network(settings.network.as_ref())?),
            Setting::LoadBalancers => request.set_load_balancers(Some(load_balancers(settings))),
            Setting::Registries => request.set_service_registries(Some(registries(settings))),
            Setting::Deployment => request.deployment_configuration(deployment(settings)),
            Setting::GracePeriod => request.set_health_check_grace_period_seconds(grace(settings)),
        })
    })
}

/// Tags. None is nothing, as ECS refuses an empty list.
pub(super) fn tags(tags: &BTreeMap<String, String>) -> Option<Vec<Tag>> {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    (!tags.is_empty()).then(|| tags.iter().map(tag).collect())
}

fn container(container: &Container, region: Option<&str>) -> Result<ContainerDefinition, BuildError> {
    let Container {
        name,
        image,
        entry_point,
        command,
        environment,
        secrets,
        ports,
        health_check,
        cpu,
        memory,
        log,
        labels,
        ending,
        depends_on,
        memory_reservation,
        stop_timeout_seconds,
        user,
        working_directory,
        read_only_root,
        repository_credentials,
        mounts,
    } = container;
    let pair = |(name, value)| KeyValuePair::builder().name(name).value(value).build();
    let secret = |(name, from)| Secret::builder().name(name).value_from(from).build();
    Ok(ContainerDefinition::builder()
        .name(name)
        .image(image)
        .essential(match ending {
            Ending::EndsTheTask => true,
            Ending::IsItsOwn => false,
        })
        .set_entry_point(some(entry_point))
        .set_command(some(command))
        .set_environment(Some(environment.iter().map(pair).collect()))
        .set_secrets(Some(secrets.iter().map(secret).collect::<Result<_, _>>()?))
        .set_port_mappings(Some(ports.iter().map(port).collect()))
        .set_health_check(health_check.as_ref().map(check).transpose()?)
        .set_cpu(cpu.map(int))
        .set_memory(memory.map(int))
        .set_log_configuration(log.as_ref().map(|log| logs(log, region)).transpose()?)
        .set_docker_labels(
            (!labels.is_empty()).then(|| labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect()),
        )
        .set_depends_on(filled(depends_on.iter().map(dependency).collect::<Result<_, _>>()?))
        .set_memory_reservation(memory_reservation.map(int))
        .set_stop_timeout(stop_timeout_seconds.map(int))
        .set_user(user.clone())
        .set_working_directory(working_directory.clone())
        .set_readonly_root_filesystem(read_only_root.then_some(true))
        .set_repository_credentials(repository_credentials.as_deref().map(credentials).transpose()?)
        .set_mount_points(filled(mounts.iter().map(mount).collect()))
        .build())
}

fn dependency((container, until): (&String, &Until)) -> Result<ContainerDependency, BuildError> {
    let condition = match until {
        Until::Start => ContainerCondition::Start,
        Until::Healthy => ContainerCondition::Healthy,
        Until::Success => ContainerCondition::Success,
    };
    ContainerDependency::builder().container_name(container).condition(condition).build()
}

fn credentials(arn: &str) -> Result<RepositoryCredentials, BuildError> {
    RepositoryCredentials::builder().credentials_parameter(arn).build()
}

fn mount(mount: &Mount) -> MountPoint {
    let Mount { volume, path, read_only } = mount;
    MountPoint::builder().source_volume(volume).container_path(path).read_only(*read_only).build()
}

fn platform(architecture: ecs::CpuArchitecture) -> RuntimePlatform {
    let architecture = match architecture {
        ecs::CpuArchitecture::X86 => CpuArchitecture::X8664,
        ecs::CpuArchitecture::Arm => CpuArchitecture::Arm64,
    };
    RuntimePlatform::builder().cpu_architecture(architecture).operating_system_family(OsFamily::Linux).build()
}

fn volume(volume: &Volume) -> Result<aws_sdk_ecs::types::Volume, BuildError> {
    let Volume { name, kept } = volume;
    let efs = kept.as_ref().map(|Efs { file_system_id, part }| {
        let efs = EfsVolumeConfiguration::builder()
            .file_system_id(file_system_id)
            .transit_encryption(EfsTransitEncryption::Enabled);
        match part {
            EfsPart::Directory(path) => efs.root_directory(path),
            EfsPart::AccessPoint(id) => {
                efs.authorization_config(EfsAuthorizationConfig::builder().access_point_id(id).build())
            }
        }
        .build()
    });
    Ok(aws_sdk_ecs::types::Volume::builder()
        .name(name)
        .set_efs_volume_configuration(efs.transpose()?)
        .build())
}

/// None for an empty list, which says the same.
fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn port(port: &ContainerPort) -> PortMapping {
    PortMapping::builder()
        .container_port(port.container_port.into())
        .set_host_port(port.host_port.map(i32::from))
        .protocol(if port.udp { TransportProtocol::Udp } else { TransportProtocol::Tcp })
        .set_name(port.name.clone())
        .set_app_protocol(port.app_protocol.map(|protocol| match protocol {
            AppProtocol::Http => ApplicationProtocol::Http,
            AppProtocol::Http2 => ApplicationProtocol::Http2,
            AppProtocol::Grpc => ApplicationProtocol::Grpc,
        }))
        .build()
}

fn check(check: &ContainerCheck) -> Result<HealthCheck, BuildError> {
    HealthCheck::builder()
        .set_command(Some(check.command.clone()))
        .interval(int(check.interval_seconds))
        .timeout(int(check.timeout_seconds))
        .retries(int(check.retries))
        .set_start_period(check.start_period_seconds.map(int))
        .build()
}

fn logs(log: &Log, region: Option<&str>) -> Result<LogConfiguration, BuildError> {
    let mut logs = LogConfiguration::builder()
        .log_driver(LogDriver::Awslogs)
        .options("awslogs-group", &log.group)
        .options("awslogs-stream-prefix", &log.stream_prefix)
        .options("awslogs-create-group", "true");
    if let Some(region) = log.region.as_deref().or(region) {
        logs = logs.options("awslogs-region", region);
    }
    logs.build()
}

fn launch(launch_type: LaunchType) -> aws_sdk_ecs::types::LaunchType {
    match launch_type {
        LaunchType::Ec2 => aws_sdk_ecs::types::LaunchType::Ec2,
        LaunchType::Fargate => aws_sdk_ecs::types::LaunchType::Fargate,
        LaunchType::External => aws_sdk_ecs::types::LaunchType::External,
    }
}

fn strategy<'a>(
    providers: impl IntoIterator<Item = &'a ecs::CapacityProvider>,
) -> Result<Vec<CapacityProviderStrategyItem>, BuildError> {
    let item = |provider: &ecs::CapacityProvider| {
        CapacityProviderStrategyItem::builder()
            .capacity_provider(&provider.name)
            .weight(int(provider.weight))
            .base(int(provider.base))
            .build()
    };
    providers.into_iter().map(item).collect()
}

fn network(network: Option<&Network>) -> Result<Option<NetworkConfiguration>, BuildError> {
    let Some(Network { subnets, security_groups, assign_public_ip }) = network else { return Ok(None) };
    let vpc = AwsVpcConfiguration::builder()
        .set_subnets(Some(subnets.iter().cloned().collect()))
        .set_security_groups(Some(security_groups.iter().cloned().collect()))
        .assign_public_ip(if *assign_public_ip { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled })
        .build()?;
    Ok(Some(NetworkConfiguration::builder().awsvpc_configuration(vpc).build()))
}

fn load_balancers(settings: &Settings) -> Vec<LoadBalancer> {
    let load_balancer = |one: &ecs::LoadBalancer| {
        LoadBalancer::builder()
            .target_group_arn(&one.target_group_arn)
            .container_name(&one.container_name)
            .container_port(one.container_port.into())
            .build()
    };
    settings.load_balancers.iter().map(load_balancer).collect()
}

fn registries(settings: &Settings) -> Vec<ServiceRegistry> {
    let registry = |one: &ecs::ServiceRegistry| {
        ServiceRegistry::builder()
            .registry_arn(&one.arn)
            .set_container_name(one.container_name.clone())
            .set_container_port(one.container_port.map(i32::from))
            .build()
    };
    settings.registries.iter().map(registry).collect()
}

fn deployment(settings: &Settings) -> DeploymentConfiguration {
    let CircuitBreaker { enable, rollback } = settings.circuit_breaker;
    let breaker = DeploymentCircuitBreaker::builder().enable(enable).rollback(rollback).build();
    DeploymentConfiguration::builder()
        .deployment_circuit_breaker(breaker)
        .minimum_healthy_percent(int(settings.minimum_healthy_percent))
        .maximum_percent(int(settings.maximum_percent))
        .build()
}

/// ECS takes a grace period only of a service with target groups; one that is not wanted any more becomes none.
fn grace(settings: &Settings) -> Option<i32> {
    (!settings.load_balancers.is_empty()).then(|| int(settings.grace_period_seconds.unwrap_or(0)))
}

/// None for an empty list, so that the image's own stays.
fn some(words: &[String]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.to_vec())
}

/// ECS's numbers are signed. What is too large for them is too large for ECS, which says so.
fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
