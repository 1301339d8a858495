//! The W3C trace context that travels with an operation.

use serde::{Deserialize, Serialize};

/// The caller's place in a distributed trace; stored with the operation and continued after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// The `traceparent` header: `00-<trace id>-<span id>-<flags>`.
    pub traceparent: String,
    /// The `tracestate` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}
