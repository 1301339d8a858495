//! What a spec asks for, in this planner's terms.

use std::borrow::Cow;

use super::{Check, Fingerprint, ProcessConfig, Protocol, Readiness, Replica};
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::id::Rollout;
use crate::spec::{
    Condition, ContainerSpec, HealthCheckConfig, PortMapping, Replicas, ResourceRequirements, Role,
    SecretReference, Spec, TenantComputeSpec, UpdateOrder, VolumeSpec,
};

/// One container of the spec, or one replica of it.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) container: &'a ContainerSpec,
    pub(super) replica: Replica,
    /// Whether it is one of several.
    pub(super) has_others: bool,
    pub(super) resources: &'a ResourceRequirements,
    pub(super) secrets: Cow<'a, [SecretReference]>,
    pub(super) volumes: Vec<VolumeSpec>,
    pub(super) fingerprint: Fingerprint,
    pub(super) rollout: Rollout,
    pub(super) readiness: Readiness,
    pub(super) stop_grace_seconds: u32,
    pub(super) working_dir: String,
    pub(super) user: Option<String>,
    pub(super) no_new_privileges: bool,
    pub(super) ports: Vec<SpecPort<'a>>,
    /// The containers that it waits for before it starts.
    pub(super) after: Vec<(&'a str, Condition)>,
    /// Whether an update ends its launch before it starts another.
    pub(super) stop_first: bool,
}

/// One port of a container.
#[derive(Clone, Debug)]
pub(super) struct SpecPort<'a> {
    pub(super) container_port: u16,
    /// The host port, where the spec fixes it.
    pub(super) fixed: Option<u16>,
    pub(super) protocol: Protocol,
    pub(super) name: Option<&'a String>,
}

impl<'a> Wanted<'a> {
    /// All containers of a spec and their replicas, for this rollout of it.
    pub(super) fn all(spec: &'a Spec, rollout: Rollout) -> Result<Vec<Self>, ProviderError> {
        let config = ProcessConfig::of(spec).map_err(|error| invalid(error.to_string()))?;
        let one = |container| Self::one(spec, rollout, container, &config);
        let mut all: Vec<Self> = spec.containers.iter().map(one).collect::<Result<_, _>>()?;
        let others: Vec<Fingerprint> = all
            .iter()
            .filter(|wanted| wanted.container.role != Role::Init)
            .map(|wanted| wanted.fingerprint.clone())
            .collect();
        for wanted in all.iter_mut().filter(|wanted| wanted.container.role == Role::Init) {
            wanted.fingerprint = wanted.fingerprint.before(others.iter());
        }
        let replicas = replicas(spec).map_err(|why| invalid(format!("replicas: {why}")))?;
        let copies = all.into_iter().flat_map(|one| match one.container.role {
            Role::Main => one.times(replicas),
            Role::Init | Role::Sidecar => one.times(1),
        });
        Ok(copies.collect())
    }

    fn times(self, replicas: u32) -> impl Iterator<Item = Self> {
        (0..replicas).map(move |number| Self {
            replica: Replica(number),
            has_others: replicas > 1,
            ..self.clone()
        })
    }

    /// How its launch is called.
    pub(super) fn name(&self) -> String {
        self.replica.of(&self.container.name)
    }

    fn one(
        spec: &'a Spec,
        rollout: Rollout,
        container: &'a ContainerSpec,
        config: &ProcessConfig,
    ) -> Result<Self, ProviderError> {
        let resources = container.resources.as_ref().unwrap_or(&spec.resources);
        let (secrets, volumes) = (secrets_of(spec, container), volumes_of(spec, container));
        let config_of_all = spec.provider_config.as_ref();
        Ok(Self {
            container,
            replica: Replica::default(),
            has_others: false,
            resources,
            fingerprint: Fingerprint::of(container, &secrets, &volumes, resources, config_of_all),
            secrets,
            volumes,
            rollout,
            readiness: Readiness {
                deadline_seconds: deadline(spec)?,
                ..match &container.health_check {
                    Some(check) => readiness(container, check)?,
                    None => ALIVE,
                }
            },
            stop_grace_seconds: stop_grace(container, config),
            working_dir: container.working_dir.as_ref().unwrap_or(&config.working_dir).clone(),
            user: container.user.as_ref().or(config.user.as_ref()).cloned(),
            no_new_privileges: config.no_new_privileges,
            ports: container.ports.iter().map(|port| spec_port(container, port)).collect::<Result<_, _>>()?,
            after: after(spec, container),
            stop_first: spec.update.as_ref().and_then(|update| update.order) == Some(UpdateOrder::StopFirst),
        })
    }
}

/// The most replicas that run on one machine: each takes ports of the provider's range.
const MOST_REPLICAS: u32 = 100;

/// How often each main container of a spec runs. There is nothing on a machine that changes it, so `auto` is one.
///
/// # Errors
/// Why a machine cannot run so many.
pub fn replicas(spec: &TenantComputeSpec) -> Result<u32, String> {
    match spec.replicas {
        None | Some(Replicas::Auto) => Ok(1),
        Some(Replicas::Count(0)) => {
            Err("on a machine a tenant without a process is none; destroy it, and retain its \
                                         volumes if it is to come back"
                .to_owned())
        }
        Some(Replicas::Count(count)) => match u32::try_from(count) {
            Ok(count) if count <= MOST_REPLICAS => Ok(count),
            Ok(_) | Err(_) => Err(format!("{count}: at most {MOST_REPLICAS} run on one machine")),
        },
    }
}

/// The container's own, else that of the configuration.
fn stop_grace(container: &ContainerSpec, config: &ProcessConfig) -> u32 {
    let own = container.stop.as_ref().and_then(|stop| stop.grace_seconds);
    own.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(config.stop_grace_seconds)
}

/// What a container waits for: what its spec says; and the init containers, one after the other, then the sidecars.
fn after<'a>(spec: &'a Spec, container: &'a ContainerSpec) -> Vec<(&'a str, Condition)> {
    let of = |role: Role, until: Condition| {
        let others = spec.containers.iter().take_while(move |other| {
            // Of the init containers only those that come before it.
            container.role != Role::Init || other.name != container.name
        });
        others.filter(move |other| other.role == role).map(move |other| (other.name.as_str(), until))
    };
    let by_role = match container.role {
        Role::Init | Role::Sidecar => of(Role::Init, Condition::Completed).collect::<Vec<_>>(),
        Role::Main => {
            of(Role::Init, Condition::Completed).chain(of(Role::Sidecar, Condition::Started)).collect()
        }
    };
    let given = container.depends_on.iter().map(|given| (given.container.as_str(), given.condition));
    by_role.into_iter().chain(given).collect()
}

/// The secrets that a container gets, in its environment or in a file, and no more of each than it gets.
fn secrets_of<'a>(spec: &'a Spec, container: &ContainerSpec) -> Cow<'a, [SecretReference]> {
    let is_for_all = |secret: &SecretReference| secret.env_var.is_some() && secret.containers.is_empty();
    if spec.secrets.iter().all(is_for_all) {
        return Cow::Borrowed(&spec.secrets);
    }
    let own = spec.secrets.iter().filter_map(|secret| {
        let in_a_file = container.files.iter().any(|file| file.secret.as_ref() == Some(&secret.name));
        let env_var = secret.env_var.clone().filter(|_| secret.is_for(&container.name));
        let gets = env_var.is_some() || in_a_file;
        gets.then(|| SecretReference { env_var, containers: Vec::new(), ..secret.clone() })
    });
    Cow::Owned(own.collect())
}

/// The volumes that a container mounts.
fn volumes_of(spec: &Spec, container: &ContainerSpec) -> Vec<VolumeSpec> {
    let mounts = |volume: &&VolumeSpec| container.mounts.iter().any(|mount| mount.volume == volume.name);
    spec.volumes.iter().filter(mounts).cloned().collect()
}

/// A container without a health check is ready when it has lived for the settle time.
const ALIVE: Readiness = Readiness {
    check: Check::Alive,
    interval_seconds: 1,
    timeout_seconds: 1,
    healthy_threshold: 1,
    unhealthy_threshold: 1,
    start_period_seconds: 0,
    deadline_seconds: None,
};

fn readiness(container: &ContainerSpec, check: &HealthCheckConfig) -> Result<Readiness, ProviderError> {
    let at = |field: &str| format!("containers[{}].health_check.{field}", container.name);
    let count = |field: &str, value: i64| {
        u32::try_from(value)
            .ok()
            .filter(|value| *value > 0)
            .ok_or_else(|| invalid(format!("{}: {value} is not a positive number", at(field))))
    };
    let checked_port = || {
        let number = check.port.ok_or_else(|| invalid(format!("{}: is missing", at("port"))))?;
        let declared = container.ports.iter().any(|port| port.container_port == number);
        match declared {
            true => port(number, &at("port")),
            false => Err(invalid(format!("{}: {number} is not one of the container's ports", at("port")))),
        }
    };
    Ok(Readiness {
        check: match check.kind.as_str() {
            "http" => Check::Http {
                port: checked_port()?,
                path: check.http_path.clone().unwrap_or_else(|| "/".to_owned()),
                has_headers: !check.headers.is_empty(),
            },
            "tcp" => Check::Tcp { port: checked_port()? },
            "exec" => Check::Exec,
            other => return Err(invalid(format!("{}: {other:?} is not http, tcp or exec", at("type")))),
        },
        interval_seconds: count("interval_seconds", check.interval_seconds)?,
        timeout_seconds: count("timeout_seconds", check.timeout_seconds)?,
        healthy_threshold: count("healthy_threshold", check.healthy_threshold)?,
        unhealthy_threshold: count("unhealthy_threshold", check.unhealthy_threshold)?,
        start_period_seconds: start_period(&at("start_period_seconds"), check)?,
        deadline_seconds: None,
    })
}

/// Until when a launch has to be ready, in seconds after its start.
fn deadline(spec: &Spec) -> Result<Option<u32>, ProviderError> {
    let given = spec.update.as_ref().and_then(|update| update.deadline_seconds);
    let seconds = |given: i64| {
        u32::try_from(given)
            .map_err(|_| invalid(format!("update.deadline_seconds: {given} is not a number of seconds")))
    };
    given.map(seconds).transpose()
}

fn start_period(at: &str, check: &HealthCheckConfig) -> Result<u32, ProviderError> {
    let seconds = check.start_period_seconds.unwrap_or_default();
    u32::try_from(seconds).map_err(|_| invalid(format!("{at}: {seconds} is not a number of seconds")))
}

fn spec_port<'a>(container: &ContainerSpec, mapping: &'a PortMapping) -> Result<SpecPort<'a>, ProviderError> {
    let at = |field: &str| format!("containers[{}].ports.{field}", container.name);
    Ok(SpecPort {
        container_port: port(mapping.container_port, &at("container_port"))?,
        fixed: mapping.host_port.map(|number| port(number, &at("host_port"))).transpose()?,
        protocol: match mapping.protocol.as_str() {
            "" | "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => return Err(invalid(format!("{}: {other:?} is not tcp or udp", at("protocol")))),
        },
        name: mapping.name.as_ref(),
    })
}

fn port(number: i64, at: &str) -> Result<u16, ProviderError> {
    u16::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| invalid(format!("{at}: {number} is not a port: 1 to 65535")))
}

fn invalid(message: String) -> ProviderError {
    ProviderError::new(ErrorKind::InvalidSpec, Remedy::Permanent, ErrorCode::InvalidConfiguration, message)
}
