//! What a command began, and how that ended.

use jiff::Timestamp;
use landlord_state_machines::id::{Incarnation, OperationId, Revision, SpecVersion, TenantId};
use landlord_state_machines::tenant::{OperationKind, Settled};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// For whom.
    pub tenant_id: TenantId,
    /// The operation that it began, or is part of. Absent where it begins none, or what was asked for was so already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
    /// The tenant's revision then; present where there is no operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationDocument {
    /// Its id.
    pub id: OperationId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// In which of its lives.
    pub incarnation: Incarnation,
    /// What it does.
    pub kind: OperationKind,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The spec it works towards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<SpecVersion>,
    /// The caller's name for the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Why the caller asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// When it ended; absent also where that event is no longer kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// What the provider says of what it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
