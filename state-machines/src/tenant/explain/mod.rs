//! Why a tenant is where it is: what somebody wants to know of one that does not plainly run.
//!
//! [`explain`] decides which situation a tenant is in, and is the sole place that does. The command line, the API and the page
//! show what it says. Times are left as times: whoever shows them says how long ago that is.

mod parts;
mod past;
mod telling;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Direction, Record, RemovalRun, Run, State, Why};
use crate::status::Health;

pub use past::Past;
use telling::{Telling, gone, never_there};

/// Why a tenant does not plainly run, for a person. What it says is of the engine and of the platform, never of what the tenant
/// wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// What is so and why, in plain sentences. The platform's words are those that its error has.
    pub why: String,
    /// Since when, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What was tried, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<String>,
    /// What comes next, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<Coming>,
    /// What a person can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub todo: Vec<Advice>,
}

/// Something that comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coming {
    /// When; absent where no time is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What.
    pub what: String,
}

/// Something that a person can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// The command, whose words in capitals are to be filled in.
    pub command: String,
    /// What it does.
    pub what: String,
}

/// Who goes on with what is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// No engine does.
    Nobody,
    /// An engine does, and repairs what breaks, as far as that is known.
    Engine,
    /// An engine does, and repairs nothing.
    EngineWithoutRepairs,
}

/// Why a tenant does not plainly run; none where it does, and is healthy. `past` has taken all of its events in that are kept.
pub fn explain(record: &Record, past: &Past, attention: Attention) -> Option<Explanation> {
    let tenant = match record {
        Record::Absent(id) => return Some(never_there(id)),
        Record::Gone(tombstone) => return Some(gone(tombstone, past)),
        Record::Live(tenant) => &**tenant,
    };
    let it = Telling { tenant, past, attention };
    // A repair that is due is not made once repairs are switched off.
    let repair = tenant.repair.due.filter(|_| attention != Attention::EngineWithoutRepairs);
    Some(match (&tenant.state, tenant.paused) {
        (State::Pending, None) => it.has_nothing(),
        (State::Pending, Some(since)) => it.has_nothing_and_is_paused(since),

        (State::Provisioning(change) | State::Updating { change, .. }, paused) => {
            match (&change.run, &change.direction, paused) {
                (Run::Stopping { why, until, .. }, _, _) => match why {
                    Why::Cancel => it.stops(change, "was cancelled", *until, "it is undone"),
                    Why::Deadline => it.stops(change, "was not done by its deadline", *until, "it is undone"),
                    Why::Destroy(_) => {
                        it.stops(change, "gives way to a destroy", *until, "everything of it is removed")
                    }
                },
                (Run::Calling(_), Direction::Forward { deadline }, None) => {
                    it.is_on_its_way(change, *deadline)
                }
                (Run::Calling(_), Direction::Repair, None) => it.is_being_repaired(change),
                (Run::Calling(_), Direction::Forward { .. } | Direction::Repair, Some(since)) => {
                    it.is_paused_during(change, since)
                }
                (Run::Calling(_), Direction::Undo(because), _) => it.is_being_undone(change, because),
                (Run::Waiting { .. }, Direction::Forward { .. } | Direction::Repair, Some(since)) => {
                    it.is_paused_before(change, since)
                }
                (Run::Waiting { until }, _, _) if it.is_held() => it.waits_for_its_provider(*until),
                (Run::Waiting { until }, Direction::Forward { deadline }, None) => {
                    it.fails(change, *until, *deadline)
                }
                (Run::Waiting { until }, Direction::Repair, None) => it.cannot_be_repaired(change, *until),
                (Run::Waiting { until }, Direction::Undo(because), _) => {
                    it.cannot_be_undone(change, because, *until)
                }
            }
        }

        (State::Running { applied }, paused) => match (tenant.health, repair, paused, &tenant.last_failure) {
            (_, Some(due), None, _) => it.is_broken(Some(due)),
            (_, Some(_), Some(since), _) => it.is_broken_and_paused(since),
            (Health::Unhealthy, None, None, _) => it.is_unhealthy(),
            (Health::Unhealthy, None, Some(since), _) => it.is_unhealthy_and_paused(since),
            (Health::Healthy | Health::Unknown, None, Some(since), _) => it.is_paused(applied, since),
            (Health::Unknown, None, None, _) => it.is_not_seen_yet(applied),
            (Health::Healthy, None, None, Some(failure)) => it.runs_after_a_failure(applied, failure),
            (Health::Healthy, None, None, None) if tenant.repair.count > 1 => it.runs_after_repairs(applied),
            (Health::Healthy, None, None, None) => return None,
        },

        (State::Destroying(removal), _) => match &removal.run {
            RemovalRun::Calling(_) => it.is_being_removed(removal),
            RemovalRun::Waiting { until } if it.is_held() => it.waits_for_its_provider(*until),
            RemovalRun::Waiting { until } => it.cannot_be_removed(removal, *until),
        },
    })
}
