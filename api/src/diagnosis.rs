//! What a server finds of itself, its machine and its platforms.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was looked at, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnosis {
    /// When, by the clock of whoever looked.
    pub at: Timestamp,
    /// What was found, in the order in which it was looked at.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What: `store`, `provider process`.
    pub check: String,
    /// How it is.
    pub grade: Grade,
    /// What was found. Never holds a secret.
    pub found: String,
    /// What to do about it; absent where nothing is to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

/// How something is that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// As it should be.
    Ok,
    /// It works, and somebody should see to it.
    Warning,
    /// Something does not work.
    Failed,
}

impl Grade {
    /// As it is written on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

impl Finding {
    /// It is as it should be.
    pub fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), grade: Grade::Ok, found: found.into(), todo: None }
    }

    /// It works, and this should be done.
    pub fn warning(check: impl Into<String>, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check: check.into(), grade: Grade::Warning, found: found.into(), todo: Some(todo.into()) }
    }

    /// It does not work until this is done.
    pub fn failed(check: impl Into<String>, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check: check.into(), grade: Grade::Failed, found: found.into(), todo: Some(todo.into()) }
    }
}
