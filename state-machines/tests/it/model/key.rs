//! Which states are one: those that no input can ever tell apart.

use std::hash::{Hash, Hasher};
use std::mem::{Discriminant, discriminant};

use jiff::Timestamp;
use landlord_state_machines::id::Rollout;
use landlord_state_machines::status::Health;
use landlord_state_machines::tenant::{
    Change, Direction, Method, Record, RemovalRun, Removes, Rolled, Run, State, Tenant, UndoCause, Why,
};

use super::properties::Rule;
use super::world::{Platform, QUIET, World, number};

/// From this try on the pauses no longer grow, and no budget is left.
const MANY: u32 = 3;

/// What is left of a state when ids and times that are over are left out. Which call is alive and what is open is said by
/// the record: where it is not, a rule is broken.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    platform: (&'static str, Option<Made>),
    retained: bool,
    tampered: bool,
    broken: Option<Rule>,
    open: usize,
    alive: Option<(Method, Option<Made>, bool)>,
    tenant: Kept,
}

#[derive(PartialEq, Eq, Hash)]
enum Kept {
    Nothing,
    Tombstone {
        retained: bool,
    },
    Tenant {
        paused: bool,
        health: Discriminant<Health>,
        /// How many repairs there were, when the last one was, and when one is due.
        repair: (u32, Option<i64>, Option<i64>),
        next: Option<(Option<Option<usize>>, Option<i64>)>,
        applied: Option<Made>,
        doing: Doing,
    },
}

/// A spec, and for which rollout: which one it is matters only beside the others.
#[derive(PartialEq, Eq, Hash)]
struct Made {
    spec: Option<usize>,
    rollout: Which,
}

#[derive(PartialEq, Eq, Hash)]
enum Which {
    Applied,
    Target,
    Another,
}

#[derive(PartialEq, Eq, Hash)]
enum Doing {
    Nothing,
    Change { target: Made, attempt: u32, direction: Way, deadline: Option<i64>, run: Going },
    Removal { removes: (Method, bool), attempt: u32, waits: Option<i64> },
}

#[derive(PartialEq, Eq, Hash)]
enum Way {
    Forward,
    Repair,
    UndoOfFailure,
    UndoOfCancel,
}

#[derive(PartialEq, Eq, Hash)]
enum Going {
    Calls(Method),
    Waits(i64),
    Stops(&'static str, Method, i64),
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.key().hash(to);
    }
}

impl World {
    fn key(&self) -> Key {
        Key {
            platform: match self.platform {
                Platform::Nothing => ("nothing", None),
                Platform::Runs(made) => ("runs", Some(self.made(Some(made.spec), made.rollout))),
                Platform::Broken(made) => ("broken", Some(self.made(Some(made.spec), made.rollout))),
            },
            retained: self.retained,
            tampered: self.tampered,
            broken: self.broken,
            open: self.open.len(),
            alive: self.alive.map(|alive| {
                let made = alive.made.map(|made| self.made(Some(made.spec), made.rollout));
                (alive.method, made, alive.worked)
            }),
            tenant: match &self.record {
                Record::Absent(_) => Kept::Nothing,
                Record::Gone(tombstone) => Kept::Tombstone { retained: tombstone.retained.is_some() },
                Record::Live(tenant) => self.kept(tenant),
            },
        }
    }

    fn kept(&self, tenant: &Tenant) -> Kept {
        let last = tenant.repair.last.map(|last| seconds(last, self.now).min(QUIET.as_secs() as i64));
        let due = tenant.repair.due.map(|due| seconds(self.now, due));
        Kept::Tenant {
            paused: tenant.paused.is_some(),
            health: discriminant(&tenant.health),
            repair: (tenant.repair.count.min(MANY), last, due),
            next: tenant.next.as_ref().map(|next| {
                let spec = next.wish.spec().map(|waiting| number(&waiting.spec));
                (spec, self.deadline(tenant, next.deadline))
            }),
            applied: tenant.applied().map(|applied| self.rolled(applied)),
            doing: match &tenant.state {
                State::Pending | State::Running { .. } => Doing::Nothing,
                State::Provisioning(change) | State::Updating { change, .. } => self.change(tenant, change),
                State::Destroying(removal) => Doing::Removal {
                    removes: (
                        removal.removes.method(),
                        matches!(&removal.removes, Removes::Retained { known: Some(_) }),
                    ),
                    attempt: removal.attempt.min(MANY),
                    waits: match removal.run {
                        RemovalRun::Calling(_) => None,
                        RemovalRun::Waiting { until } => Some(seconds(self.now, until)),
                    },
                },
            },
        }
    }

    fn change(&self, tenant: &Tenant, change: &Change) -> Doing {
        let (direction, deadline) = match &change.direction {
            Direction::Forward { deadline } => (Way::Forward, self.deadline(tenant, *deadline)),
            Direction::Repair => (Way::Repair, None),
            Direction::Undo(UndoCause::Failed(_)) => (Way::UndoOfFailure, None),
            Direction::Undo(UndoCause::Cancelled) => (Way::UndoOfCancel, None),
        };
        let run = match &change.run {
            Run::Calling(call) => Going::Calls(call.method),
            Run::Waiting { until } => Going::Waits(seconds(self.now, *until)),
            Run::Stopping { why, call, until } => {
                let why = match why {
                    Why::Cancel => "cancel",
                    Why::Destroy(_) => "destroy",
                    Why::Deadline => "deadline",
                };
                Going::Stops(why, call.method, seconds(self.now, *until))
            }
        };
        Doing::Change {
            target: self.rolled(&change.target),
            attempt: change.attempt.min(MANY),
            direction,
            deadline,
            run,
        }
    }

    fn rolled(&self, rolled: &Rolled) -> Made {
        self.made(number(&rolled.spec), rolled.rollout)
    }

    fn made(&self, spec: Option<usize>, rollout: Rollout) -> Made {
        let (applied, target) = match &self.record {
            Record::Absent(_) | Record::Gone(_) => (None, None),
            Record::Live(tenant) => (tenant.applied(), tenant.target()),
        };
        let is = |rolled: Option<&Rolled>| rolled.is_some_and(|rolled| rolled.rollout == rollout);
        let rollout = match (is(applied), is(target)) {
            (true, true | false) => Which::Applied,
            (false, true) => Which::Target,
            (false, false) => Which::Another,
        };
        Made { spec, rollout }
    }

    /// How much time is left, or will be when it is resumed.
    fn deadline(&self, tenant: &Tenant, deadline: Option<Timestamp>) -> Option<i64> {
        deadline.map(|deadline| seconds(tenant.paused.unwrap_or(self.now), deadline))
    }
}

/// How long it is from one time to the other; nothing when that is over.
fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs().max(0)
}
