//! What the test and the engine process say to each other: JSON, a line each.

use landlord_compute::machines::id::{OperationId, Revision, TenantId};
use landlord_compute::store::Position;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A command, on the engine process's input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// Names the request; asked again, it keeps its number.
    pub(crate) request: u64,
    pub(crate) tenant: TenantId,
    pub(crate) verb: Verb,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verb {
    Provision { spec: Value, deadline_ms: Option<u64> },
    Update { spec: Value, deadline_ms: Option<u64> },
    Restart { deadline_ms: Option<u64> },
    Destroy,
    Cancel,
    Retry,
    Pause,
    Resume,
}

/// What the engine process says on its output.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    /// The engine has its store and takes commands.
    Started,
    /// The engine answered a command.
    Answered { request: u64, answer: Answer },
    /// The engine's subscriber got an event.
    Seen { cursor: Position, tenant: TenantId, revision: Revision },
    /// The engine's subscriber was told that events are gone, which never happens here.
    Gap { resume: Position },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// Accepted, as this operation.
    Operation(OperationId),
    /// Accepted without an operation of its own. The tenant was at `before` when it was sent, and at `after` when
    /// it was answered.
    Noted { before: Revision, after: Revision },
    /// Not accepted.
    Refused(String),
}
