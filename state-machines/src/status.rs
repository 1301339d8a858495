//! What a provider answers (CONTRACT.md, "Wire types").

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ProviderName, TenantId};

/// How far a provision got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvisionStatus {
    /// Everything runs and is healthy.
    Success,
    /// The platform still works on it.
    InProgress,
    /// It did not work.
    Failed,
}

/// How far an update got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateStatus {
    /// The platform runs the new spec and it is healthy.
    Success,
    /// It already did.
    NoChanges,
    /// The platform still works on it.
    InProgress,
    /// It did not work.
    Failed,
}

/// What an endpoint speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndpointType {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// A TCP stream.
    Tcp,
    /// gRPC.
    Grpc,
}

/// Where a tenant answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint {
    /// What it speaks.
    #[serde(rename = "type")]
    pub kind: EndpointType,
    /// A host name or IP address.
    pub address: String,
    /// The port, 1 to 65535.
    pub port: u16,
    /// The whole address as a URL, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The container that answers there, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The port of that container, 1 to 65535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_port: Option<u16>,
}

/// What `provision` answers (CONTRACT.md, "provision").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionResult {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The provider that answers.
    pub provider_type: ProviderName,
    /// How far it got.
    pub status: ProvisionStatus,
    /// The platform's ids by our names for them, for cleanup by hand.
    pub resource_ids: BTreeMap<String, String>,
    /// Where the tenant answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// More for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was done.
    pub provisioned_at: Timestamp,
}

/// What `update` answers (CONTRACT.md, "update").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateResult {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The provider that answers.
    pub provider_type: ProviderName,
    /// How far it got.
    pub status: UpdateStatus,
    /// The changes made, a line each; secret and environment values are never shown.
    pub changes: Vec<String>,
    /// More for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was done.
    pub updated_at: Timestamp,
}

/// What the platform says a tenant or one of its containers does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComputeState {
    /// It runs.
    Running,
    /// It is there and does not run.
    Stopped,
    /// It is on its way up.
    Starting,
    /// It is on its way down.
    Stopping,
    /// It died, or cannot start.
    Failed,
    /// The platform does not say.
    Unknown,
}

/// What the health checks say.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All checks pass.
    Healthy,
    /// A check fails.
    Unhealthy,
    /// Nothing was checked yet, or nothing can be.
    #[default]
    Unknown,
}

/// One container of a [`ComputeStatus`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerStatus {
    /// Its name in the spec.
    pub name: String,
    /// What it does.
    pub state: ComputeState,
    /// Whether its health check passes.
    pub ready: bool,
    /// How often it was started again.
    pub restart_count: u32,
    /// More for a person: an exit code, a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What `get_status` answers: the platform's state now, never a cached one (CONTRACT.md, "get_status").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComputeStatus {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The provider that answers.
    pub provider_type: ProviderName,
    /// What the tenant does as a whole.
    pub state: ComputeState,
    /// What each of its containers does.
    pub containers: Vec<ContainerStatus>,
    /// What the health checks say.
    pub health: Health,
    /// When the platform was asked.
    pub last_updated: Timestamp,
    /// More for programs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}
