//! Whether an engine looks after the tenants of a store.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who looks after the tenants, and when that was last done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attended {
    /// Who has the store, as its lock file says; absent when no engine has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it does.
    pub state: Attendance,
    /// When each running tenant had been asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<Timestamp>,
}

/// What an engine does for the tenants of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attendance {
    /// An engine runs and asks for the running tenants again and again.
    LooksAfter,
    /// An engine runs, for a command or since a moment ago, and has not asked for the running tenants.
    Runs,
    /// No engine runs.
    None,
    /// It cannot be seen.
    Unknown,
}

impl Attended {
    /// Whether what is known of the tenants is of now.
    pub fn now(&self) -> bool {
        self.state == Attendance::LooksAfter
    }

    /// Whether somebody goes on with what is on its way, as far as that can be seen.
    pub fn goes_on(&self) -> bool {
        match self.state {
            Attendance::LooksAfter | Attendance::Runs | Attendance::Unknown => true,
            Attendance::None => false,
        }
    }
}
