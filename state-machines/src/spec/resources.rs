//! What may be used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What may be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct ResourceRequirements {
    /// Processor.
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "millicores: 1000 are one core"))]
    pub cpu: i64,
    /// Memory.
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "MB: 1,048,576 bytes"))]
    pub memory: i64,
    /// Ephemeral storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "MB", "x-default" = "the provider's"))]
    pub storage: Option<i64>,
    /// What is set aside for it, where that is less than what it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "the same"))]
    pub requests: Option<ResourceRequests>,
}

/// What is set aside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct ResourceRequests {
    /// Processor, at most `cpu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "millicores", "x-default" = "`cpu`"))]
    pub cpu: Option<i64>,
    /// Memory, at most `memory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "MB", "x-default" = "`memory`"))]
    pub memory: Option<i64>,
}
