//! What was seen of a tenant on its platform while nobody worked on it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::TenantId;
use crate::status::{ComputeState, ComputeStatus, Health};

/// A look at a tenant's resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The tenant looked at.
    pub tenant: TenantId,
    /// When the look began: what happened later is not in it.
    pub begun: Timestamp,
    /// What was seen.
    pub seen: Seen,
}

/// What a look showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// Everything that is to run does, and passes its checks.
    Healthy,
    /// Everything runs, and a check fails.
    Unhealthy(String),
    /// Resources are missing, or crashed: only making them again helps.
    Broken(String),
    /// The look brought nothing.
    Unclear,
}

impl Seen {
    /// What a platform's status means for the tenant.
    pub fn from_status(status: &ComputeStatus) -> Self {
        let why = || {
            status
                .containers
                .iter()
                .filter(|container| !container.ready)
                .map(|container| match &container.message {
                    Some(message) => format!("{}: {message}", container.name),
                    None => format!("{}: not ready", container.name),
                })
                .collect::<Vec<_>>()
                .join("; ")
        };
        match (status.state, status.health) {
            // Nothing is to run, and nothing does.
            (ComputeState::Running | ComputeState::Stopped, Health::Healthy) => Self::Healthy,
            (ComputeState::Failed | ComputeState::Stopped, _) => Self::Broken(why()),
            (ComputeState::Running, Health::Unhealthy) => Self::Unhealthy(why()),
            (ComputeState::Running, Health::Unknown)
            | (ComputeState::Starting | ComputeState::Stopping | ComputeState::Unknown, _) => Self::Unclear,
        }
    }
}
