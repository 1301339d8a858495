//! The ECS provider's part of a spec.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::spec::{Problem, Replicas, TenantComputeSpec, path};

/// The `provider_config` of a tenant that runs on ECS. The operator's defaults lie under the tenant's
/// ([`EcsConfig::merged`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EcsConfig {
    /// The cluster's name or ARN. `cluster_arn` is read too.
    pub cluster: String,
    /// The region, such as `eu-west-1`. Without one the SDK's default chain decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where tasks run; not together with `capacity_providers`. Without both: FARGATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_type: Option<LaunchType>,
    /// Capacity providers of the cluster, instead of a launch type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub capacity_providers: Vec<CapacityProvider>,
    /// How many tasks; the spec's `replicas` instead, where it is a number.
    #[schemars(range(max = 5000))]
    pub desired_count: u32,
    /// The subnets of the tasks; the spec's `networking.subnets` come first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub subnets: Vec<String>,
    /// The security groups of the tasks; the spec's `networking.security_groups` come first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub security_groups: Vec<String>,
    /// Whether tasks get a public address; the spec's `networking.public_ip` gives them one too. FARGATE only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign_public_ip: Option<bool>,
    /// The role of the tenant's programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_role_arn: Option<String>,
    /// The role with which ECS pulls images, reads secrets and writes logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_role_arn: Option<String>,
    /// What the names of services and task definition families begin with; the tenant's id follows.
    pub service_name_prefix: String,
    /// The whole name instead, as older landlords had it. Two tenants cannot share one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// A task definition (ARN, or `family:revision`) that exists already and stays when the tenant goes. The spec's
    /// containers are then not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_definition_arn: Option<String>,
    /// The processors that the images are made for; without one, `X86_64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_architecture: Option<CpuArchitecture>,
    /// Where the tenant's persistent volumes are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub efs_volumes: Vec<EfsVolume>,
    /// The load balancers' target groups that tasks are registered in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub target_groups: Vec<TargetGroup>,
    /// The service discovery services that tasks are registered in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1))]
    pub service_registries: Vec<ServiceRegistry>,
    /// The CloudWatch group that containers log to (driver `awslogs`); it is made where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_group: Option<String>,
    /// More tags for everything that is made; the spec's `labels` come over them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The role in whose name this tenant's calls are made; the SDK's default chain finds who may take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRole>,
    /// What ECS does by itself with a deployment whose tasks do not start.
    pub circuit_breaker: CircuitBreaker,
    /// How many of the desired tasks run at least while one deployment follows another, in per cent. The spec's
    /// `update.order` instead sets this and `maximum_percent`.
    #[schemars(range(max = 100))]
    pub minimum_healthy_percent: u32,
    /// How many of them run at most then, in per cent.
    #[schemars(range(min = 100, max = 200))]
    pub maximum_percent: u32,
    /// For how many seconds a new task's load balancer checks do not count; only with target groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2_147_483_647))]
    pub health_check_grace_period_seconds: Option<u32>,
    /// How long a deployment may take until it counts as failed, in seconds; the spec's `update.deadline_seconds` instead.
    #[schemars(range(min = 1, max = 86_400))]
    pub deployment_timeout_seconds: u32,
    /// Another endpoint than AWS's, for tests and emulators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
}

/// Where tasks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LaunchType {
    /// On container instances of the cluster.
    #[serde(alias = "ec2")]
    Ec2,
    /// Without servers to look after.
    #[serde(alias = "fargate")]
    Fargate,
    /// On registered machines outside AWS.
    #[serde(alias = "external")]
    External,
}

/// The processors that images are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CpuArchitecture {
    /// Intel's and AMD's.
    #[serde(rename = "X86_64")]
    X86,
    /// ARM's, such as Graviton.
    #[serde(rename = "ARM64")]
    Arm,
}

/// Where a persistent volume of the tenant is: a directory of an EFS file system that is there, or what an access point
/// leads to. It is mounted with encryption in transit; nothing in it is ever removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EfsVolume {
    /// The volume of the spec.
    pub name: String,
    /// The file system, such as `fs-0123456789abcdef0`.
    pub file_system_id: String,
    /// The directory's absolute path in the file system; not together with `access_point_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<String>,
    /// The access point, such as `fsap-0123456789abcdef0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_point_id: Option<String>,
}

/// A capacity provider's share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapacityProvider {
    /// `FARGATE`, `FARGATE_SPOT`, or one of the cluster's own.
    pub name: String,
    /// Its share of the tasks beyond the bases.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub weight: u32,
    /// How many tasks run on it before the shares count.
    #[serde(default)]
    #[schemars(range(max = 100_000))]
    pub base: u32,
}

/// A load balancer's target group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: String,
    /// The container that it reaches.
    pub container_name: String,
    /// The port there.
    #[schemars(range(min = 1))]
    pub container_port: u16,
    /// The URL at which the load balancer answers for it, such as `https://acme.example.com`; it becomes the tenant's
    /// endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A service discovery service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceRegistry {
    /// Its ARN.
    pub arn: String,
    /// The container of its SRV records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// The port of its SRV records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub container_port: Option<u16>,
}

/// The deployment circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitBreaker {
    /// Whether ECS gives up a deployment whose tasks do not start.
    pub enable: bool,
    /// Whether it then goes back to the last one that worked.
    pub rollback: bool,
}

/// A role to take.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssumeRole {
    /// The role.
    pub role_arn: String,
    /// What the role's owner asks for, so that nobody is led to take it for somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// How the session is named in the account's logs; without one, `landlord`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
}

/// The external id is between two accounts, so it does not print.
impl fmt::Debug for AssumeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumeRole")
            .field("role_arn", &self.role_arn)
            .field("session_name", &self.session_name)
            .finish_non_exhaustive()
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self { enable: true, rollback: true }
    }
}

impl Default for EcsConfig {
    fn default() -> Self {
        Self {
            cluster: "default".to_owned(),
            region: None,
            launch_type: None,
            capacity_providers: Vec::new(),
            desired_count: 1,
            subnets: Vec::new(),
            security_groups: Vec::new(),
            assign_public_ip: None,
            task_role_arn: None,
            execution_role_arn: None,
            service_name_prefix: "landlord-".to_owned(),
            service_name: None,
            task_definition_arn: None,
            cpu_architecture: None,
            efs_volumes: Vec::new(),
            target_groups: Vec::new(),
            service_registries: Vec::new(),
            log_group: None,
            tags: BTreeMap::new(),
            assume_role: None,
            circuit_breaker: CircuitBreaker::default(),
            minimum_healthy_percent: 100,
            maximum_percent: 200,
            health_check_grace_period_seconds: None,
            deployment_timeout_seconds: 1200,
            endpoint_url: None,
        }
    }
}

/// A `provider_config` that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("provider_config: {0}")]
pub struct EcsConfigError(String);

impl EcsConfig {
    /// Reads the configuration of a spec; what is not given is as in [`EcsConfig::default`].
    ///
    /// # Errors
    /// [`EcsConfigError`] for an unknown field or a wrong type.
    pub fn of(spec: &TenantComputeSpec) -> Result<Self, EcsConfigError> {
        Self::read(spec.provider_config.as_ref().unwrap_or(&Value::Null))
    }

    /// Reads a configuration; nothing (`null`) is an empty one.
    ///
    /// # Errors
    /// As [`EcsConfig::of`].
    pub fn read(value: &Value) -> Result<Self, EcsConfigError> {
        Self::deserialize(&Self::merged(&Value::Null, value)?)
            .map_err(|error| EcsConfigError(error.to_string()))
    }

    /// Reads a configuration as far as it can be read. Each field is read alone, so that every problem is told; the
    /// ones that are wrong are as in [`EcsConfig::default`].
    pub(super) fn read_all(value: &Value) -> (Self, Vec<Problem>) {
        let fields = match Self::merged(&Value::Null, value) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => Map::new(),
            Err(EcsConfigError(message)) => {
                return (Self::default(), vec![Problem::new("provider_config", message)]);
            }
        };
        let mut problems = Vec::new();
        let mut good = Map::new();
        for (name, value) in fields {
            let found = field_problems(&name, &value);
            if found.is_empty() {
                good.insert(name, value);
            }
            problems.extend(found);
        }
        match Self::deserialize(&Value::Object(good)) {
            Ok(config) => (config, problems),
            // Fields that can be read one by one can be read together.
            Err(error) => (Self::default(), vec![Problem::new("provider_config", error.to_string())]),
        }
    }

    /// A tenant's configuration over the operator's: objects are joined field by field, anything else of the tenant's
    /// replaces the operator's. The older key `cluster_arn` becomes `cluster`.
    ///
    /// # Errors
    /// [`EcsConfigError`] where one is not an object, or has a key twice under its two names.
    pub fn merged(operators: &Value, tenants: &Value) -> Result<Value, EcsConfigError> {
        let mut under = fields(operators)?;
        let over = fields(tenants)?;
        // One of these replaces the other, so that a tenant is not left with both.
        for (one, other) in [
            ("launch_type", "capacity_providers"),
            ("capacity_providers", "launch_type"),
            ("service_name_prefix", "service_name"),
        ] {
            // An empty list takes something away, and stands for nothing else.
            if over.get(one).is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty())) {
                under.remove(other);
            }
        }
        Ok(Value::Object(joined(under, over)))
    }

    /// As [`merged`](Self::merged), for the configuration of this spec. What the spec says in fields of its own takes the
    /// place of the operator's setting.
    ///
    /// # Errors
    /// As [`merged`](Self::merged).
    pub fn merged_for(operators: &Value, spec: &TenantComputeSpec) -> Result<Value, EcsConfigError> {
        let own = spec.provider_config.as_ref().unwrap_or(&Value::Null);
        let mut under = fields(operators)?;
        for (setting, _) in said_by(spec) {
            under.remove(setting);
        }
        Self::merged(&Value::Object(under), own)
    }
}

/// The settings that a spec says itself, by which of its fields.
pub(super) fn said_by(spec: &TenantComputeSpec) -> impl Iterator<Item = (&'static str, &'static str)> {
    let update = spec.update.as_ref();
    let order = update.is_some_and(|update| update.order.is_some());
    [
        ("desired_count", "replicas", matches!(spec.replicas, Some(Replicas::Count(_)))),
        ("minimum_healthy_percent", "update.order", order),
        ("maximum_percent", "update.order", order),
        (
            "deployment_timeout_seconds",
            "update.deadline_seconds",
            update.is_some_and(|update| update.deadline_seconds.is_some()),
        ),
    ]
    .into_iter()
    .filter_map(|(setting, field, said)| said.then_some((setting, field)))
}

/// What is wrong with one field; of a list, with each of its elements.
fn field_problems(name: &str, value: &Value) -> Vec<Problem> {
    let read =
        |value: Value| EcsConfig::deserialize(&Value::Object(Map::from_iter([(name.to_owned(), value)])));
    let Err(error) = read(value.clone()) else { return Vec::new() };
    let at = path::key("provider_config", name);
    let elements = value.as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate();
    let inside: Vec<Problem> = elements
        .filter_map(|(n, element)| {
            let error = read(Value::Array(vec![element.clone()])).err()?;
            Some(Problem::new(path::index(&at, n), error.to_string()))
        })
        .collect();
    match (name, inside.is_empty()) {
        // The reader's words would show a value, and the external id is nobody's business.
        ("assume_role", _) => vec![Problem::new(
            at,
            "cannot be read; give role_arn and, where they are needed, external_id and session_name, each a text",
        )],
        (_, true) => vec![Problem::new(at, error.to_string())],
        (_, false) => inside,
    }
}

/// The fields under their present names.
fn fields(value: &Value) -> Result<Map<String, Value>, EcsConfigError> {
    let mut fields = match value {
        Value::Null => Map::new(),
        Value::Object(fields) => fields.clone(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(EcsConfigError("is not an object; give its fields by name".to_owned()));
        }
    };
    // What Go writes for a field that is not set.
    fields.retain(|_, value| !value.is_null());
    if let Some(cluster) = fields.remove("cluster_arn")
        && fields.insert("cluster".to_owned(), cluster).is_some()
    {
        return Err(EcsConfigError("has both cluster and cluster_arn; give one of them".to_owned()));
    }
    Ok(fields)
}

fn joined(mut under: Map<String, Value>, over: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in over.into_iter().filter(|(_, value)| !value.is_null()) {
        let value = match (under.remove(&name), value) {
            (Some(Value::Object(under)), Value::Object(over)) => Value::Object(joined(under, over)),
            (_, value) => value,
        };
        under.insert(name, value);
    }
    under
}
