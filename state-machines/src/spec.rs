//! What a tenant should run (CONTRACT.md, "Wire types").

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a caller sends: everything as it was written, not yet checked. [`Spec`] is the checked one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantComputeSpec {
    /// The tenant this is for.
    pub tenant_id: String,
    /// The registered provider that runs it.
    pub provider_type: String,
    /// What runs, at least one.
    pub containers: Vec<ContainerSpec>,
    /// What the whole tenant may use.
    pub resources: ResourceRequirements,
    /// How it is reached.
    pub networking: NetworkConfig,
    /// Values that come from elsewhere and never print.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretReference>,
    /// The caller's own marks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The provider's own configuration, opaque to everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_config: Option<Value>,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerSpec {
    /// Unique within the tenant.
    pub name: String,
    /// What to run: an OCI reference, or what the provider understands.
    pub image: String,
    /// The program and its first arguments, in place of the image's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The arguments after the command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What it listens on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortMapping>,
    /// How to tell that it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheckConfig>,
    /// Its share of the tenant's resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

/// One port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortMapping {
    /// Where the container listens, 1 to 65535.
    pub container_port: i64,
    /// Where the host listens; the provider chooses when it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_port: Option<i64>,
    /// `tcp` or `udp`; empty means `tcp`.
    pub protocol: String,
    /// A name for people and for endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// How to tell that a container works.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheckConfig {
    /// `http`, `tcp` or `exec`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The path of an http check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_path: Option<String>,
    /// The container port of an http or tcp check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// The command of an exec check.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Seconds from one check to the next.
    pub interval_seconds: i64,
    /// Seconds until a check without an answer has failed.
    pub timeout_seconds: i64,
    /// Successes in a row until it is healthy.
    pub healthy_threshold: i64,
    /// Failures in a row until it is unhealthy.
    pub unhealthy_threshold: i64,
}

/// What may be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceRequirements {
    /// Millicores.
    pub cpu: i64,
    /// Megabytes.
    pub memory: i64,
    /// Megabytes of ephemeral storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<i64>,
}

/// How a tenant is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Whether it gets a public address.
    pub public_ip: bool,
    /// The platform's security groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<String>,
    /// The platform's subnets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
    /// Its names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsConfig>,
}

/// A tenant's names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsConfig {
    /// The name within the domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// Where a secret's value comes from; the value itself is never part of a spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretReference {
    /// A name for people.
    pub name: String,
    /// `aws-secrets-manager`, `kubernetes-secret`, `environment`, `file`, …
    pub source: String,
    /// Which value of that source.
    pub key: String,
    /// The environment variable that carries it into every container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_var: Option<String>,
}

/// A checked and normalised [`TenantComputeSpec`]. Cheap to clone; two are equal when callers sent the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Spec(Arc<TenantComputeSpec>);

impl Deref for Spec {
    type Target = TenantComputeSpec;
    fn deref(&self) -> &TenantComputeSpec {
        &self.0
    }
}

impl TenantComputeSpec {
    /// Stand-in until the checks are merged.
    ///
    /// # Errors
    /// Never.
    pub fn check(self) -> Result<Spec, std::convert::Infallible> {
        Ok(Spec(Arc::new(self)))
    }
}
