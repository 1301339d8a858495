//! What providers and their platforms say: of a tenant, of a spec, and of themselves.

use std::fmt;

use jiff::Timestamp;
use landlord_state_machines::id::{ProviderName, TenantId};
use landlord_state_machines::spec::FieldChange;
use landlord_state_machines::status::ComputeStatus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Attended, TenantView};

/// The platform's answer to how a tenant is now, and what the record adds to it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StatusDocument {
    /// What the platform says.
    #[serde(flatten)]
    pub status: ComputeStatus,
    /// As it is recorded.
    pub tenant: TenantView,
    /// Who looks after the tenants.
    pub engine: Attended,
}

/// The verdict on a spec that is valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// True.
    pub valid: bool,
    /// The tenant that the spec is for.
    pub tenant_id: TenantId,
    /// The provider that it is for.
    pub provider_type: ProviderName,
    /// What the spec asks for, and its provider does not enforce.
    pub not_enforced: Vec<String>,
    /// What else a person should know, a sentence each.
    pub remarks: Vec<String>,
}

/// What an update would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanDocument {
    /// The tenant.
    pub tenant_id: TenantId,
    /// It is not there: a provision would make it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creates: bool,
    /// The fields in which the spec differs from the one that runs.
    pub changes: Vec<PlannedChange>,
    /// Where the platform is not as the spec that runs has it: what an update would do first, a step each.
    pub corrections: Vec<String>,
    /// What the platform was asked about, object by object, where its provider asks it: what it would change, and whether it takes
    /// it.
    #[serde(default)]
    pub objects: Vec<PlannedObject>,
    /// The fields of the spec that its provider does not enforce, each with the reason.
    pub not_enforced: Vec<String>,
}

impl PlanDocument {
    /// Nothing would change.
    pub fn is_empty(&self) -> bool {
        !self.creates && self.changes.is_empty() && self.corrections.is_empty()
    }
}

/// A field that an update would change on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedChange {
    /// The field, and how it differs.
    #[serde(flatten)]
    pub change: FieldChange,
    /// What the change does to what runs.
    pub effect: PlannedEffect,
}

/// What a change does to what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlannedEffect {
    /// The platform changes it where it is.
    InPlace,
    /// Something new takes its place: it begins to serve, then the old one ends.
    Replace,
    /// The old one ends first, then something new takes its place. In between nobody serves.
    StopFirst,
}

/// An object of a platform that an update would write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedObject {
    /// Which, as the platform names it.
    pub object: String,
    /// What becomes of it.
    pub action: PlannedAction,
    /// The fields of it that would have another value. Values that may be secret are not shown.
    pub fields: Vec<FieldChange>,
    /// What the platform says about it.
    pub answer: PlannedAnswer,
    /// Its words, or why it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlannedAction {
    /// It is made.
    Create,
    /// It is changed where it is.
    Change,
    /// It is deleted, and another one made in its place.
    Replace,
    /// It is deleted.
    Delete,
}

/// What a platform says about a change that it was asked about and did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlannedAnswer {
    /// It takes it.
    Accepted,
    /// It does not take it: an update would fail.
    Refused,
    /// It was not asked: what is told comes from the spec alone.
    NotAsked,
}

/// The providers that tenants can run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProvidersDocument {
    /// By their names.
    pub providers: Vec<ProviderDocument>,
}

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderDocument {
    /// Its name, as specs have it in `provider_type`.
    pub name: ProviderName,
    /// What it can do.
    pub capabilities: CapabilitiesDocument,
    /// The JSON Schema of its `provider_config`; absent in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<Value>,
    /// What a spec's `provider_config` is merged onto; absent in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_defaults: Option<Value>,
}

/// What a provider can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapabilitiesDocument {
    /// How many calls the engine may have in flight there.
    pub max_concurrent_calls: usize,
    /// How long one call may take, in seconds.
    pub call_timeout_seconds: u64,
    /// Whether it can be swept for leaks.
    pub lists_tenants: bool,
    /// Whether a method that is called without an engine undoes by itself what it did when it fails.
    pub undoes_alone: bool,
    /// Whether images must be OCI references.
    pub oci_images: bool,
    /// Limits of a spec that are not enforced there, each with the reason.
    pub not_enforced: Vec<String>,
}

/// A line that a container wrote. It may hold the tenant's secrets, so that it has no `Debug` with its text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogDocument {
    /// When, as far as it is known.
    pub at: Option<Timestamp>,
    /// Which container.
    pub container: String,
    /// Where the container wrote it.
    pub source: Source,
    /// The line, without its end.
    pub text: String,
}

impl fmt::Debug for LogDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogDocument")
            .field("at", &self.at)
            .field("container", &self.container)
            .finish_non_exhaustive()
    }
}

/// Where a container writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Its standard output, or the platform does not tell them apart.
    Stdout,
    /// Its standard error.
    Stderr,
}
