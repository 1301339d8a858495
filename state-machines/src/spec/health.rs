//! How to tell that a container works.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to tell that a container works.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct HealthCheckConfig {
    /// `http`: a GET that answers 200–399; `tcp`: a connection that is accepted; `exec`: a command that exits with 0.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["http", "tcp", "exec"]))]
    pub kind: String,
    /// The path and query of an http check; it begins with `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), extend("x-default" = "required for `http`"))]
    pub http_path: Option<String>,
    /// The container port of an http or tcp check.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535), extend("x-default" = "required for `http` and `tcp`"))]
    pub port: Option<i64>,
    /// The command of an exec check. It is never shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 1024), extend("x-default" = "required for `exec`"))]
    pub command: Vec<String>,
    /// From one check to the next.
    #[schemars(range(min = 1, max = 86_400), extend("x-unit" = "seconds"))]
    pub interval_seconds: i64,
    /// Until a check without an answer has failed; at most the interval.
    #[schemars(range(min = 1, max = 86_400), extend("x-unit" = "seconds"))]
    pub timeout_seconds: i64,
    /// Successes in a row until it is healthy.
    #[schemars(range(min = 1, max = 1000), extend("x-unit" = "checks"))]
    pub healthy_threshold: i64,
    /// Failures in a row until it is unhealthy.
    #[schemars(range(min = 1, max = 1000), extend("x-unit" = "checks"))]
    pub unhealthy_threshold: i64,
    /// After a start, in which failures do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400), extend("x-unit" = "seconds", "x-default" = "0"))]
    pub start_period_seconds: Option<i64>,
    /// What an http check speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "`http`"))]
    pub scheme: Option<Scheme>,
    /// What an http check sends. Values are never shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, length(max = 64))]
    pub headers: BTreeMap<String, String>,
}

/// What an http check speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// HTTP.
    Http,
    /// HTTP over TLS. The certificate is not verified.
    Https,
}
