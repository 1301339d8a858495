//! Whether an engine looks after the tenants of a store, in words.

use jiff::Timestamp;
use landlord_store_sqlite::{Attendance, Owner};
use serde::Serialize;

use super::words;

/// Who looks after the tenants, and when that was last done.
#[derive(Debug, Serialize)]
pub(crate) struct Attended {
    /// Who has the store, as its lock file says; absent when no engine has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    state: State,
    /// When each running tenant had been asked for last.
    #[serde(skip_serializing_if = "Option::is_none")]
    looked_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// An engine runs and asks for the running tenants again and again.
    LooksAfter,
    /// An engine runs, for a command or since a moment ago, and has not asked for the running tenants.
    Runs,
    /// No engine runs.
    None,
    /// The lock file cannot be read.
    Unknown,
}

impl From<Attendance> for Attended {
    fn from(attendance: Attendance) -> Self {
        let looked_at = attendance.looked_at;
        let (owner, state) = match attendance.owner {
            Owner::Engine { who, looks: true } => (Some(who), State::LooksAfter),
            Owner::Engine { who, looks: false } => (Some(who), State::Runs),
            Owner::Nobody => (None, State::None),
            Owner::Unknown | _ => (None, State::Unknown),
        };
        Self { owner, state, looked_at }
    }
}

impl Attended {
    /// Whether what is known of the tenants is of now.
    pub(crate) fn now(&self) -> bool {
        self.state == State::LooksAfter
    }

    /// What a person has to know about how old what is known is; none where an engine looks after the tenants.
    /// `settled` is when the last operation of the tenant it is about settled.
    pub(crate) fn note(&self, now: Timestamp, settled: Option<Timestamp>) -> Option<String> {
        let who = match (self.state, &self.owner) {
            (State::LooksAfter, _) => return None,
            (State::Runs, Some(owner)) => format!("{owner} has the store, and has not looked"),
            (State::Runs, None) => "an engine has the store, and has not looked".to_owned(),
            (State::None, _) => "no engine runs".to_owned(),
            (State::Unknown, _) => {
                "whether an engine runs cannot be seen: the lock file cannot be read".to_owned()
            }
        };
        Some(match self.looked_at.max(settled) {
            Some(at) => {
                format!("{who}: nobody has looked since {} ({})", words::clock(at), words::when(now, at))
            }
            None => format!("{who}: nobody has looked since the last operations"),
        })
    }
}
