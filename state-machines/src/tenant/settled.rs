//! How an operation ends. Every operation gets exactly one of these.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ProviderError;
use crate::id::OperationId;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "as")]
pub enum Settled {
    /// What was asked for is so.
    Done,
    /// It could not be done.
    Failed {
        /// Why.
        error: Arc<ProviderError>,
        /// Whether everything is again as it was before.
        undone: bool,
    },
    /// Somebody cancelled it, and it was undone.
    Cancelled {
        /// What could not be undone, a line each.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<String>,
    },
    /// Another operation took its place.
    Superseded {
        /// Which.
        by: OperationId,
    },
    /// Somebody gave it up.
    Abandoned {
        /// What is left on the platform, a line each.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<String>,
    },
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Failed { error, undone: true } => write!(f, "failed, and undone: {error}"),
            Self::Failed { error, undone: false } => write!(f, "failed: {error}"),
            Self::Cancelled { left } if left.is_empty() => f.write_str("cancelled, and undone"),
            Self::Cancelled { left } => write!(f, "cancelled; left behind: {}", left.join(", ")),
            Self::Superseded { by } => write!(f, "superseded by operation {by}"),
            Self::Abandoned { left } if left.is_empty() => f.write_str("abandoned"),
            Self::Abandoned { left } => write!(f, "abandoned; left behind: {}", left.join(", ")),
        }
    }
}
