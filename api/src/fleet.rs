//! What all tenants are like, in short.

use jiff::Timestamp;
use landlord_state_machines::id::ProviderName;
use landlord_state_machines::status::Health;
use landlord_state_machines::tenant::StateName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Attended, TenantView};

/// What the living tenants are like, of whoever asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FleetDocument {
    /// When that was counted, at most some seconds ago.
    pub at: Timestamp,
    /// How many are so. What is not there, nobody is.
    pub counts: Vec<TenantCount>,
    /// Those that need a look, the most urgent first; of each concern the first twenty.
    pub concerns: Vec<ConcernedTenant>,
    /// What happened in each minute of the last hour, the oldest first. Absent where somebody asks who does not see all tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<Vec<Minute>>,
    /// Who looks after the tenants.
    pub engine: Attended,
}

/// How many tenants are so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TenantCount {
    /// Whose platform they are on.
    pub provider: ProviderName,
    /// Their state.
    pub state: StateName,
    /// Their health, as it was last seen.
    pub health: Health,
    /// How many.
    pub tenants: u64,
}

/// A tenant that needs a look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConcernedTenant {
    /// Why.
    pub concern: Concern,
    /// When its operation was accepted, where one is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The tenant.
    pub tenant: TenantView,
}

/// Why a tenant needs a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// It is unhealthy, waits for a repair, or what is on its way for it has failed at least once. The oldest operation first.
    Failing,
    /// What was done last for it failed, and nothing is on its way. The latest first.
    Failed,
    /// Something is on its way for it, without a failure so far. The oldest first.
    OnItsWay,
}

/// What happened in one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Minute {
    /// When it began.
    pub at: Timestamp,
    /// How many operations began.
    pub began: u64,
    /// How many were done.
    pub done: u64,
    /// How many failed, were cancelled, or were given up.
    pub failed: u64,
    /// How many calls failed and are made again.
    pub retried: u64,
}
