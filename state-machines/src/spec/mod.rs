//! What a tenant should run (CONTRACT.md, "Wire types").
//!
//! A caller's text becomes a [`TenantComputeSpec`] (`read`), that becomes a checked [`Spec`] (`validate`), and
//! two of these are compared field by field ([`changes()`]).

mod changes;
mod document;
mod draft;
mod image;
mod invalid;
mod length;
mod normalize;
pub(crate) mod path;
mod read;
mod validate;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::id::{ProviderName, TenantId};

pub use changes::{Difference, FieldChange, changes, differences};
pub use document::{Format, MAX_DEPTH, MAX_DOCUMENT_BYTES, SpecError};
pub use draft::Draft;
pub use image::oci_image_problem;
pub use invalid::{Invalid, MAX_PROBLEMS, Problem};

/// What a caller sends: everything as it was written, not yet checked. [`Spec`] is the checked one.
///
/// A field that is not written has its empty value here (`""`, `0`, `false`, no entries), as on the Go side;
/// [`check`](Self::check) reports those that must not be empty.
#[derive(Clone, Default, PartialEq, Serialize)]
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
    /// The caller's own labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The provider's own configuration, opaque to everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_config: Option<Value>,
}

/// One container.
#[derive(Clone, Default, PartialEq, Serialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
#[derive(Clone, Default, PartialEq, Serialize)]
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
    /// Seconds after a start in which failures do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period_seconds: Option<i64>,
}

/// What may be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DnsConfig {
    /// The name within the domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// Where a secret's value comes from; the value itself is never part of a spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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

/// Command lines, environments and provider configuration may carry secrets, so only their shape is printed.
impl fmt::Debug for TenantComputeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantComputeSpec")
            .field("tenant_id", &self.tenant_id)
            .field("provider_type", &self.provider_type)
            .field("containers", &self.containers)
            .field("resources", &self.resources)
            .field("networking", &self.networking)
            .field("secrets", &self.secrets)
            .field("labels", &self.labels)
            .field("provider_config", &self.provider_config.as_ref().map(|_| Hidden))
            .finish()
    }
}

impl fmt::Debug for ContainerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerSpec")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("command", &hide_all(&self.command))
            .field("args", &hide_all(&self.args))
            .field("env", &self.env.keys().map(|name| (name, Hidden)).collect::<BTreeMap<_, _>>())
            .field("ports", &self.ports)
            .field("health_check", &self.health_check)
            .field("resources", &self.resources)
            .finish()
    }
}

impl fmt::Debug for HealthCheckConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthCheckConfig")
            .field("type", &self.kind)
            .field("http_path", &self.http_path)
            .field("port", &self.port)
            .field("command", &hide_all(&self.command))
            .field("interval_seconds", &self.interval_seconds)
            .field("timeout_seconds", &self.timeout_seconds)
            .field("healthy_threshold", &self.healthy_threshold)
            .field("unhealthy_threshold", &self.unhealthy_threshold)
            .field("start_period_seconds", &self.start_period_seconds)
            .finish()
    }
}

/// Stands for a value that must not print.
struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

fn hide_all(values: &[String]) -> Vec<Hidden> {
    values.iter().map(|_| Hidden).collect()
}

/// A checked and normalised [`TenantComputeSpec`]. Cheap to clone; two are equal when callers sent the same.
///
/// One that comes from a store was checked by the rules of the time when it was stored
/// ([`from_stored_json`](Self::from_stored_json)); today's may refuse it.
#[derive(Clone, PartialEq)]
pub struct Spec(Arc<Checked>);

#[derive(PartialEq)]
struct Checked {
    tenant: TenantId,
    provider: ProviderName,
    body: TenantComputeSpec,
}

impl Spec {
    /// The tenant this is for.
    pub fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    /// The provider that runs it. Only the engine knows whether it is registered.
    pub fn provider(&self) -> &ProviderName {
        &self.0.provider
    }

    /// The same spec with another `provider_config`: what a provider makes of it with its operator's defaults.
    #[must_use]
    pub fn with_provider_config(&self, config: Value) -> Self {
        let Checked { tenant, provider, body } = &*self.0;
        let body = TenantComputeSpec { provider_config: Some(config), ..body.clone() };
        Self(Arc::new(Checked { tenant: tenant.clone(), provider: provider.clone(), body }))
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { tenant, provider, body } = &*self.0;
        f.debug_struct("Spec")
            .field("tenant", tenant)
            .field("provider", provider)
            .field("body", body)
            .finish()
    }
}

impl Deref for Spec {
    type Target = TenantComputeSpec;
    fn deref(&self) -> &TenantComputeSpec {
        &self.0.body
    }
}

/// Written as its normalised [`TenantComputeSpec`]; [`Spec::from_stored_json`] reads it back.
impl Serialize for Spec {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.body.serialize(to)
    }
}
