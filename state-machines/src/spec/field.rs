//! Every field of a spec by name, for what a provider says of each.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json::Value;

use super::invalid::Problem;
use super::path::Place;
use super::{Spec, TenantComputeSpec};

/// A field that a spec may have. Those of an object are named each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "SPEC.md has what each means, under the name that `path` gives")]
pub enum Field {
    TenantId,
    ProviderType,
    ResourcesCpu,
    ResourcesMemory,
    ResourcesStorage,
    ResourcesRequestsCpu,
    ResourcesRequestsMemory,
    NetworkingPublicIp,
    NetworkingSecurityGroups,
    NetworkingSubnets,
    NetworkingDnsHostname,
    NetworkingDnsDomain,
    SecretName,
    SecretSource,
    SecretKey,
    SecretEnvVar,
    SecretContainers,
    Labels,
    ProviderConfig,
    Replicas,
    VolumeName,
    VolumeSizeMb,
    VolumePersistent,
    VolumeRetain,
    UpdateOrder,
    UpdateDeadlineSeconds,
    UpdateRollback,
    DeletionProtection,
    ContainerName,
    ContainerImage,
    ContainerCommand,
    ContainerArgs,
    ContainerEnv,
    ContainerPort,
    HostPort,
    PortProtocol,
    PortName,
    PortAppProtocol,
    ExposureLevel,
    ExposureHost,
    ExposurePath,
    ExposureTls,
    CheckType,
    CheckHttpPath,
    CheckPort,
    CheckCommand,
    CheckIntervalSeconds,
    CheckTimeoutSeconds,
    CheckHealthyThreshold,
    CheckUnhealthyThreshold,
    CheckStartPeriodSeconds,
    CheckScheme,
    CheckHeaders,
    OwnCpu,
    OwnMemory,
    OwnStorage,
    OwnRequestsCpu,
    OwnRequestsMemory,
    ContainerRole,
    DependencyContainer,
    DependencyCondition,
    ContainerLiveness,
    StopGraceSeconds,
    StopSignal,
    FilePath,
    FileContent,
    FileSecret,
    FileMode,
    MountVolume,
    MountPath,
    MountReadOnly,
    PullPolicy,
    PullCredentials,
    ContainerUser,
    ContainerWorkingDir,
    ContainerReadOnlyRoot,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 76] = [
        Self::TenantId,
        Self::ProviderType,
        Self::ResourcesCpu,
        Self::ResourcesMemory,
        Self::ResourcesStorage,
        Self::ResourcesRequestsCpu,
        Self::ResourcesRequestsMemory,
        Self::NetworkingPublicIp,
        Self::NetworkingSecurityGroups,
        Self::NetworkingSubnets,
        Self::NetworkingDnsHostname,
        Self::NetworkingDnsDomain,
        Self::SecretName,
        Self::SecretSource,
        Self::SecretKey,
        Self::SecretEnvVar,
        Self::SecretContainers,
        Self::Labels,
        Self::ProviderConfig,
        Self::Replicas,
        Self::VolumeName,
        Self::VolumeSizeMb,
        Self::VolumePersistent,
        Self::VolumeRetain,
        Self::UpdateOrder,
        Self::UpdateDeadlineSeconds,
        Self::UpdateRollback,
        Self::DeletionProtection,
        Self::ContainerName,
        Self::ContainerImage,
        Self::ContainerCommand,
        Self::ContainerArgs,
        Self::ContainerEnv,
        Self::ContainerPort,
        Self::HostPort,
        Self::PortProtocol,
        Self::PortName,
        Self::PortAppProtocol,
        Self::ExposureLevel,
        Self::ExposureHost,
        Self::ExposurePath,
        Self::ExposureTls,
        Self::CheckType,
        Self::CheckHttpPath,
        Self::CheckPort,
        Self::CheckCommand,
        Self::CheckIntervalSeconds,
        Self::CheckTimeoutSeconds,
        Self::CheckHealthyThreshold,
        Self::CheckUnhealthyThreshold,
        Self::CheckStartPeriodSeconds,
        Self::CheckScheme,
        Self::CheckHeaders,
        Self::OwnCpu,
        Self::OwnMemory,
        Self::OwnStorage,
        Self::OwnRequestsCpu,
        Self::OwnRequestsMemory,
        Self::ContainerRole,
        Self::DependencyContainer,
        Self::DependencyCondition,
        Self::ContainerLiveness,
        Self::StopGraceSeconds,
        Self::StopSignal,
        Self::FilePath,
        Self::FileContent,
        Self::FileSecret,
        Self::FileMode,
        Self::MountVolume,
        Self::MountPath,
        Self::MountReadOnly,
        Self::PullPolicy,
        Self::PullCredentials,
        Self::ContainerUser,
        Self::ContainerWorkingDir,
        Self::ContainerReadOnlyRoot,
    ];

    /// Where it is in a spec: `containers[].stop.signal`.
    pub fn path(self) -> &'static str {
        match self {
            Self::TenantId => "tenant_id",
            Self::ProviderType => "provider_type",
            Self::ResourcesCpu => "resources.cpu",
            Self::ResourcesMemory => "resources.memory",
            Self::ResourcesStorage => "resources.storage",
            Self::ResourcesRequestsCpu => "resources.requests.cpu",
            Self::ResourcesRequestsMemory => "resources.requests.memory",
            Self::NetworkingPublicIp => "networking.public_ip",
            Self::NetworkingSecurityGroups => "networking.security_groups",
            Self::NetworkingSubnets => "networking.subnets",
            Self::NetworkingDnsHostname => "networking.dns.hostname",
            Self::NetworkingDnsDomain => "networking.dns.domain",
            Self::SecretName => "secrets[].name",
            Self::SecretSource => "secrets[].source",
            Self::SecretKey => "secrets[].key",
            Self::SecretEnvVar => "secrets[].env_var",
            Self::SecretContainers => "secrets[].containers",
            Self::Labels => "labels",
            Self::ProviderConfig => "provider_config",
            Self::Replicas => "replicas",
            Self::VolumeName => "volumes[].name",
            Self::VolumeSizeMb => "volumes[].size_mb",
            Self::VolumePersistent => "volumes[].persistent",
            Self::VolumeRetain => "volumes[].retain",
            Self::UpdateOrder => "update.order",
            Self::UpdateDeadlineSeconds => "update.deadline_seconds",
            Self::UpdateRollback => "update.rollback",
            Self::DeletionProtection => "deletion_protection",
            Self::ContainerName => "containers[].name",
            Self::ContainerImage => "containers[].image",
            Self::ContainerCommand => "containers[].command",
            Self::ContainerArgs => "containers[].args",
            Self::ContainerEnv => "containers[].env",
            Self::ContainerPort => "containers[].ports[].container_port",
            Self::HostPort => "containers[].ports[].host_port",
            Self::PortProtocol => "containers[].ports[].protocol",
            Self::PortName => "containers[].ports[].name",
            Self::PortAppProtocol => "containers[].ports[].app_protocol",
            Self::ExposureLevel => "containers[].ports[].exposure.level",
            Self::ExposureHost => "containers[].ports[].exposure.host",
            Self::ExposurePath => "containers[].ports[].exposure.path",
            Self::ExposureTls => "containers[].ports[].exposure.tls",
            Self::CheckType => "containers[].health_check.type",
            Self::CheckHttpPath => "containers[].health_check.http_path",
            Self::CheckPort => "containers[].health_check.port",
            Self::CheckCommand => "containers[].health_check.command",
            Self::CheckIntervalSeconds => "containers[].health_check.interval_seconds",
            Self::CheckTimeoutSeconds => "containers[].health_check.timeout_seconds",
            Self::CheckHealthyThreshold => "containers[].health_check.healthy_threshold",
            Self::CheckUnhealthyThreshold => "containers[].health_check.unhealthy_threshold",
            Self::CheckStartPeriodSeconds => "containers[].health_check.start_period_seconds",
            Self::CheckScheme => "containers[].health_check.scheme",
            Self::CheckHeaders => "containers[].health_check.headers",
            Self::OwnCpu => "containers[].resources.cpu",
            Self::OwnMemory => "containers[].resources.memory",
            Self::OwnStorage => "containers[].resources.storage",
            Self::OwnRequestsCpu => "containers[].resources.requests.cpu",
            Self::OwnRequestsMemory => "containers[].resources.requests.memory",
            Self::ContainerRole => "containers[].role",
            Self::DependencyContainer => "containers[].depends_on[].container",
            Self::DependencyCondition => "containers[].depends_on[].condition",
            Self::ContainerLiveness => "containers[].liveness",
            Self::StopGraceSeconds => "containers[].stop.grace_seconds",
            Self::StopSignal => "containers[].stop.signal",
            Self::FilePath => "containers[].files[].path",
            Self::FileContent => "containers[].files[].content",
            Self::FileSecret => "containers[].files[].secret",
            Self::FileMode => "containers[].files[].mode",
            Self::MountVolume => "containers[].mounts[].volume",
            Self::MountPath => "containers[].mounts[].path",
            Self::MountReadOnly => "containers[].mounts[].read_only",
            Self::PullPolicy => "containers[].image_pull.policy",
            Self::PullCredentials => "containers[].image_pull.credentials",
            Self::ContainerUser => "containers[].user",
            Self::ContainerWorkingDir => "containers[].working_dir",
            Self::ContainerReadOnlyRoot => "containers[].read_only_root",
        }
    }

    /// What is taken to hold of a provider that says nothing of its fields: it was written for the specification, whose
    /// fields it maps, and does not know those that came later, except for what the engine does by itself.
    pub fn of_a_provider_that_does_not_say(self) -> Support {
        match self {
            Self::TenantId
            | Self::ProviderType
            | Self::ResourcesCpu
            | Self::ResourcesMemory
            | Self::ResourcesStorage
            | Self::NetworkingPublicIp
            | Self::NetworkingSecurityGroups
            | Self::NetworkingSubnets
            | Self::NetworkingDnsHostname
            | Self::NetworkingDnsDomain
            | Self::SecretName
            | Self::SecretSource
            | Self::SecretKey
            | Self::SecretEnvVar
            | Self::Labels
            | Self::ProviderConfig
            | Self::DeletionProtection
            | Self::ContainerName
            | Self::ContainerImage
            | Self::ContainerCommand
            | Self::ContainerArgs
            | Self::ContainerEnv
            | Self::ContainerPort
            | Self::HostPort
            | Self::PortProtocol
            | Self::PortName
            | Self::CheckType
            | Self::CheckHttpPath
            | Self::CheckPort
            | Self::CheckCommand
            | Self::CheckIntervalSeconds
            | Self::CheckTimeoutSeconds
            | Self::CheckHealthyThreshold
            | Self::CheckUnhealthyThreshold
            | Self::OwnCpu
            | Self::OwnMemory
            | Self::OwnStorage => Support::Mapped,
            Self::ResourcesRequestsCpu
            | Self::ResourcesRequestsMemory
            | Self::SecretContainers
            | Self::Replicas
            | Self::VolumeName
            | Self::VolumeSizeMb
            | Self::VolumePersistent
            | Self::VolumeRetain
            | Self::UpdateOrder
            | Self::UpdateDeadlineSeconds
            | Self::UpdateRollback
            | Self::PortAppProtocol
            | Self::ExposureLevel
            | Self::ExposureHost
            | Self::ExposurePath
            | Self::ExposureTls
            | Self::CheckStartPeriodSeconds
            | Self::CheckScheme
            | Self::CheckHeaders
            | Self::OwnRequestsCpu
            | Self::OwnRequestsMemory
            | Self::ContainerRole
            | Self::DependencyContainer
            | Self::DependencyCondition
            | Self::ContainerLiveness
            | Self::StopGraceSeconds
            | Self::StopSignal
            | Self::FilePath
            | Self::FileContent
            | Self::FileSecret
            | Self::FileMode
            | Self::MountVolume
            | Self::MountPath
            | Self::MountReadOnly
            | Self::PullPolicy
            | Self::PullCredentials
            | Self::ContainerUser
            | Self::ContainerWorkingDir
            | Self::ContainerReadOnlyRoot => {
                Support::refused("this provider does not know the field; remove it")
            }
        }
    }

    /// The field with this path.
    fn at(path: &str) -> Option<Self> {
        static BY_PATH: LazyLock<[Field; Field::ALL.len()]> = LazyLock::new(|| {
            let mut fields = Field::ALL;
            fields.sort_unstable_by_key(|field| field.path());
            fields
        });
        let at = BY_PATH.binary_search_by(|field| field.path().cmp(path)).ok()?;
        Some(BY_PATH[at])
    }
}

/// What a provider makes of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    /// The platform does what it asks for.
    Mapped,
    /// A spec may have it, and the platform does not do what it asks for. Why.
    NotEnforced(Cow<'static, str>),
    /// A spec that has it is refused. Why, and what to do instead.
    Refused(Cow<'static, str>),
}

impl Support {
    /// [`Support::NotEnforced`] for a fixed reason.
    pub const fn not_enforced(why: &'static str) -> Self {
        Self::NotEnforced(Cow::Borrowed(why))
    }

    /// [`Support::Refused`] for a fixed reason.
    pub const fn refused(why: &'static str) -> Self {
        Self::Refused(Cow::Borrowed(why))
    }
}

/// What a provider makes of what a spec asks for, each with its path in the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// What it refuses.
    pub refused: Vec<Problem>,
    /// What it does not enforce.
    pub not_enforced: Vec<Problem>,
}

impl Asked {
    /// What is not enforced, after these limits of the platform, as a line for a person: the message of a provision or an update
    /// that succeeded.
    pub fn not_enforced_beside(&self, limits: impl IntoIterator<Item = String>) -> Option<String> {
        let asked = self.not_enforced.iter().map(Problem::to_string);
        let all: Vec<String> = limits.into_iter().chain(asked).collect();
        (!all.is_empty()).then(|| format!("not enforced here: {}", all.join("; ")))
    }
}

impl Spec {
    /// Asks a provider about each field that this spec has. A field that has its empty value asks for nothing.
    pub fn asked_of(&self, support: &dyn Fn(Field) -> Support) -> Asked {
        let mut asked = Asked::default();
        // A spec is text, numbers, lists and objects: it is always written.
        if let Ok(written) = serde_json::to_value(self) {
            walk(&mut String::new(), &Place::Root, &written, &mut |field, at| match support(field) {
                Support::Mapped => {}
                Support::NotEnforced(why) => asked.not_enforced.push(Problem::new(at.path(), why)),
                Support::Refused(why) => asked.refused.push(Problem::new(at.path(), why)),
            });
        }
        asked
    }
}

/// Visits every field that has a value; `pattern` is its path without the numbers of elements. It is asked of every spec, so no
/// path is written that nobody reads.
fn walk(pattern: &mut String, at: &Place<'_>, value: &Value, visit: &mut dyn FnMut(Field, &Place<'_>)) {
    // The one field whose `false` asks for something.
    if is_empty(value) && pattern != Field::UpdateRollback.path() {
        return;
    }
    if let Some(field) = Field::at(pattern) {
        visit(field, at);
        return;
    }
    let parent = pattern.len();
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if parent > 0 {
                    pattern.push('.');
                }
                pattern.push_str(name);
                walk(pattern, &at.field(name), value, visit);
                pattern.truncate(parent);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                pattern.push_str("[]");
                walk(pattern, &at.index(n), item, visit);
                pattern.truncate(parent);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// The JSON Schema (2020-12) of a spec, for editors and for programs.
pub fn schema() -> Value {
    schemars::schema_for!(TenantComputeSpec).to_value()
}
