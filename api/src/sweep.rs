//! What a platform holds, compared with the records.

use std::collections::BTreeMap;

use landlord_state_machines::id::{Incarnation, ProviderName, Revision, TenantId};
use landlord_state_machines::sweep::Orphaned;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a platform holds that no record explains, and the other way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SweepDocument {
    /// Whose platform was looked at.
    pub provider: ProviderName,
    /// For what name of an engine. What others own is not listed.
    pub engine: String,
    /// How many tenants, in how many of their lives, hold something there.
    pub listed: usize,
    /// What belongs to nobody.
    pub orphans: Vec<Orphan>,
    /// What is there on purpose. A release removes it, and nothing else does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<OnPurpose>,
    /// Who should run there, and holds nothing.
    pub missing: Vec<Missing>,
    /// Who could not be judged: an operation is on its way, or the record changed meanwhile.
    pub unsettled: Vec<TenantId>,
}

/// Something on a platform that belongs to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Orphan {
    /// The tenant that its tags name.
    pub tenant_id: TenantId,
    /// The life that its tags name.
    pub incarnation: Incarnation,
    /// Where it is.
    pub provider: ProviderName,
    /// What there is.
    pub resources: BTreeMap<String, String>,
    /// Why it belongs to nobody.
    pub why: Orphaned,
    /// The tenant's revision then; at another one this is not true any more.
    pub revision: Revision,
}

/// What a life of a tenant retained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OnPurpose {
    /// The tenant that its tags name.
    pub tenant_id: TenantId,
    /// The life that its tags name.
    pub incarnation: Incarnation,
    /// What there is.
    pub resources: BTreeMap<String, String>,
}

/// A tenant that should run, and holds nothing on its platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// Who.
    pub tenant_id: TenantId,
    /// In which life.
    pub incarnation: Incarnation,
    /// Its revision then.
    pub revision: Revision,
}
