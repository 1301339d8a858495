//! What a tenant is as a whole.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::container::ContainerSpec;
use super::is_default;
use super::resources::ResourceRequirements;

/// What a caller sends: everything as it was written, not yet checked. [`Spec`](super::Spec) is the checked one.
///
/// A field that is not written has its empty value here (`""`, `0`, `false`, no entries), as on the Go side;
/// [`check`](Self::check) reports those that must not be empty.
#[derive(Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "TenantComputeSpec", extend("additionalProperties" = false, "patternProperties" = { "^x-": true }))]
pub struct TenantComputeSpec {
    /// The tenant.
    #[schemars(regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"), length(min = 1, max = 63))]
    pub tenant_id: String,
    /// Who runs it: a registered provider. `landlord-compute providers` lists them.
    #[schemars(regex(pattern = "^[a-z0-9]+$"), length(min = 1, max = 63))]
    pub provider_type: String,
    /// What runs.
    #[schemars(length(min = 1, max = 64))]
    pub containers: Vec<ContainerSpec>,
    /// What all containers together may use: at least 128 millicores and 128 MB. The contract shared with landlord requires both;
    /// where one is not enforced, `not_enforced` says so.
    pub resources: ResourceRequirements,
    /// How it is reached.
    #[schemars(default)]
    pub networking: NetworkConfig,
    /// Values that come from elsewhere. They never print.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 256))]
    pub secrets: Vec<SecretReference>,
    /// Your own labels. They are shown.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, length(max = 1024))]
    pub labels: BTreeMap<String, String>,
    /// The provider's own configuration: `landlord-compute providers NAME` lists its fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "the provider's"))]
    pub provider_config: Option<Value>,
    /// How many of the tenant run side by side. `auto` sets it at creation only, then an autoscaler's counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "the provider's configuration, else 1"))]
    pub replicas: Option<Replicas>,
    /// Directories that containers mount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 64))]
    pub volumes: Vec<VolumeSpec>,
    /// How an update goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateConfig>,
    /// Whether `destroy` is refused. The applied spec's counts: lift it with an update.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub deletion_protection: bool,
}

/// How many of a tenant run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// So many, 0 to 10,000.
    Count(i64),
    /// As many as the provider's configuration says when the tenant is created; an autoscaler's own after that.
    Auto,
}

/// How `auto` is written.
pub(super) const AUTO: &str = "auto";

impl Serialize for Replicas {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => to.serialize_i64(*count),
            Self::Auto => to.serialize_str(AUTO),
        }
    }
}

impl JsonSchema for Replicas {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Replicas".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": 10_000 },
            { "type": "string", "enum": [AUTO] },
        ]})
    }
}

/// A directory that containers mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct VolumeSpec {
    /// The volume.
    #[schemars(regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"), length(min = 1, max = 63))]
    pub name: String,
    /// Its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "MB", "x-default" = "the provider's"))]
    pub size_mb: Option<i64>,
    /// Whether it outlives a launch: another one finds what this one wrote. Else each launch begins with an empty one.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub persistent: bool,
    /// Whether it outlives the tenant. `release` removes it, and the tenant's next life takes it up.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub retain: bool,
}

/// How an update goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct UpdateConfig {
    /// Whether the new launch starts before the old one stops, or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "`start_first`; `stop_first` where a program binds its host port itself"))]
    pub order: Option<UpdateOrder>,
    /// Until when the new launch has to be healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400), extend("x-unit" = "seconds", "x-default" = "the provider's"))]
    pub deadline_seconds: Option<i64>,
    /// Whether an update that failed goes back to what ran before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "true"))]
    pub rollback: Option<bool>,
}

/// The order of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdateOrder {
    /// The new one starts, and then the old one stops.
    StartFirst,
    /// The old one stops, and then the new one starts.
    StopFirst,
}

/// How a tenant is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct NetworkConfig {
    /// Whether it gets a public address.
    #[schemars(default)]
    pub public_ip: bool,
    /// The platform's security groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 64))]
    pub security_groups: Vec<String>,
    /// The platform's subnets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 64))]
    pub subnets: Vec<String>,
    /// Its names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsConfig>,
}

/// A tenant's names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct DnsConfig {
    /// The name within the domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub hostname: Option<String>,
    /// The domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub domain: Option<String>,
}

/// Where a secret's value comes from; the value itself is never part of a spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct SecretReference {
    /// A name for people, and for the fields that refer to it.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Where the value is: `environment` and `file` (process), `aws-secrets-manager` and others (ecs), `kubernetes-secret` and what its operator fetches (kubernetes).
    #[schemars(length(min = 1, max = 255))]
    pub source: String,
    /// Which value of that source.
    #[schemars(length(min = 1, max = 2048))]
    pub key: String,
    /// The environment variable that carries it. No container that gets it sets the same one in `env`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub env_var: Option<String>,
    /// The containers whose environment gets it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 64), extend("x-default" = "all"))]
    pub containers: Vec<String>,
}

impl SecretReference {
    /// Whether the environment of this container gets it, where it has an `env_var`.
    pub fn is_for(&self, container: &str) -> bool {
        self.containers.is_empty() || self.containers.iter().any(|name| name == container)
    }
}
