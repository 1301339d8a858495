//! What a spec says that cannot hold a secret: no command lines, no values of the environment, no provider's
//! configuration. And the whole of it, for who asks for that.

use std::collections::BTreeMap;
use std::fmt;

use landlord_state_machines::id::{SpecVersion, TenantId};
use landlord_state_machines::spec::{
    ContainerSpec, HealthCheckConfig, NetworkConfig, PortMapping, ResourceRequirements, Spec,
    TenantComputeSpec,
};
use landlord_state_machines::tenant::Tenant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A spec, but for its containers, which are [`containers`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpecView {
    /// What the whole tenant may use.
    pub resources: ResourceRequirements,
    /// How it is reached.
    pub networking: NetworkConfig,
    /// Where its secrets come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretView>,
    /// The caller's own labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Which fields of `provider_config` it gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provider_config: Vec<String>,
}

/// A secret's name, source and environment variable. Its key and its value are not shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecretView {
    /// Its name.
    pub name: String,
    /// What kind of place it comes from.
    pub source: String,
    /// The environment variable that carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_var: Option<String>,
}

/// A spec of a tenant as it was sent, once it was checked: what its containers run, their environment and the provider's
/// configuration included. Of secrets it has where they come from.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpecDocument {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Which of its specs.
    pub version: SpecVersion,
    /// The spec.
    #[schemars(with = "TenantComputeSpec")]
    pub spec: Value,
}

/// Without the spec, whose environment may hold what others must not see.
impl fmt::Debug for SpecDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant_id, version, spec: _ } = self;
        f.debug_struct("SpecDocument")
            .field("tenant_id", tenant_id)
            .field("version", version)
            .finish_non_exhaustive()
    }
}

/// One container of a spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Its ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortMapping>,
    /// Its health check, without the command of an exec check and the headers of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheckConfig>,
    /// Its share of the tenant's resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// The names in its environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
}

/// The containers of what runs, or else of what should.
pub fn containers(tenant: &Tenant) -> Vec<ContainerView> {
    shown(tenant).into_iter().flat_map(|spec| &spec.containers).map(ContainerView::from).collect()
}

/// The rest of what runs, or else of what should.
pub fn spec(tenant: &Tenant) -> Option<SpecView> {
    let spec = shown(tenant)?;
    let config = spec.provider_config.as_ref().and_then(|config| config.as_object());
    let secrets = spec.secrets.iter().map(|secret| SecretView {
        name: secret.name.clone(),
        source: secret.source.clone(),
        env_var: secret.env_var.clone(),
    });
    Some(SpecView {
        resources: spec.resources.clone(),
        networking: spec.networking.clone(),
        secrets: secrets.collect(),
        labels: spec.labels.clone(),
        provider_config: config.into_iter().flat_map(|config| config.keys().cloned()).collect(),
    })
}

/// The labels of what runs, or else of what should.
pub fn labels(tenant: &Tenant) -> Option<&BTreeMap<String, String>> {
    shown(tenant).map(|spec| &spec.labels)
}

pub(crate) fn shown(tenant: &Tenant) -> Option<&Spec> {
    tenant.applied().or_else(|| tenant.target()).map(|versioned| &versioned.spec)
}

impl From<&ContainerSpec> for ContainerView {
    fn from(container: &ContainerSpec) -> Self {
        let in_short = |check: &HealthCheckConfig| HealthCheckConfig {
            command: Vec::new(),
            headers: BTreeMap::new(),
            ..check.clone()
        };
        Self {
            name: container.name.clone(),
            image: container.image.clone(),
            ports: container.ports.clone(),
            health_check: container.health_check.as_ref().map(in_short),
            resources: container.resources.clone(),
            env: container.env.keys().cloned().collect(),
        }
    }
}
