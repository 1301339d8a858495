//! What a configuration is called.

use std::fmt;

use super::super::{
    Call, Change, Direction, Method, Record, RemovalRun, Repair, Run, State, Tenant, UndoCause, Why,
};
use crate::status::Health;

/// What a configuration is called. Records with the same name get the same decisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// What the tenant is doing.
    pub base: String,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether an update waits.
    pub queued: bool,
    /// Whether repair is switched off, where that matters. A fact of the policy, not of the record.
    pub repair_off: bool,
}

impl Name {
    /// The name of a record, where a call is tried `attempts` times.
    pub fn of(attempts: u32, record: &Record) -> Self {
        match record {
            Record::Absent(_) => Self::plain("absent"),
            Record::Gone(_) => Self::plain("gone"),
            Record::Live(tenant) => Self {
                base: base(attempts, tenant),
                paused: tenant.paused.is_some(),
                queued: tenant.next.is_some(),
                repair_off: false,
            },
        }
    }

    fn plain(base: &str) -> Self {
        Self { base: base.to_owned(), paused: false, queued: false, repair_off: false }
    }
}

impl Name {
    /// What is added to what the tenant is doing.
    pub fn conditions(&self) -> Vec<&'static str> {
        [(self.paused, "paused"), (self.queued, "queued"), (self.repair_off, "repair off")]
            .into_iter()
            .filter_map(|(holds, condition)| holds.then_some(condition))
            .collect()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        self.conditions().into_iter().try_for_each(|condition| write!(f, ", {condition}"))
    }
}

fn base(attempts: u32, tenant: &Tenant) -> String {
    match &tenant.state {
        State::Pending => "pending".to_owned(),
        State::Provisioning(change) => changing(attempts, Method::Provision, change),
        State::Running { .. } => format!("running, {}", condition(tenant.health, tenant.repair)),
        State::Updating { change, .. } => changing(attempts, Method::Update, change),
        State::Destroying(removal) => match removal.run {
            RemovalRun::Calling(_) => "destroying, calling".to_owned(),
            RemovalRun::Waiting { .. } => "destroying, waiting".to_owned(),
        },
    }
}

fn condition(health: Health, repair: Repair) -> &'static str {
    match (repair.due, health, repair.count) {
        (Some(_), Health::Healthy | Health::Unhealthy | Health::Unknown, _) => "repair due",
        (None, Health::Healthy, 0) => "healthy",
        (None, Health::Healthy, _) => "healthy after a repair",
        (None, Health::Unhealthy, 0) => "unhealthy",
        (None, Health::Unhealthy, _) => "unhealthy after a repair",
        (None, Health::Unknown, _) => "health unknown",
    }
}

/// `usual` is the method that the operation began with.
fn changing(attempts: u32, usual: Method, change: &Change) -> String {
    let noun = match usual {
        Method::Provision => "provision",
        Method::Update => "update",
        Method::Destroy => "destroy",
    };
    let doing = match &change.direction {
        Direction::Forward { .. } => match usual {
            Method::Provision => "provisioning".to_owned(),
            Method::Update => "updating".to_owned(),
            Method::Destroy => "destroying".to_owned(),
        },
        Direction::Repair => "repairing".to_owned(),
        Direction::Undo(UndoCause::Failed(_)) => format!("undoing a failed {noun}"),
        Direction::Undo(UndoCause::Cancelled) => format!("undoing a cancelled {noun}"),
    };
    let last = match change.direction {
        Direction::Forward { .. } | Direction::Repair => change.attempt >= attempts,
        Direction::Undo(_) => false,
    };
    let by = |call: &Call| match (&change.direction, usual, call.method) {
        (Direction::Forward { .. } | Direction::Undo(_), Method::Update, Method::Provision) => {
            ", after finding nothing"
        }
        (
            Direction::Forward { .. } | Direction::Repair | Direction::Undo(_),
            Method::Provision | Method::Update | Method::Destroy,
            Method::Provision | Method::Update | Method::Destroy,
        ) => "",
    };
    match &change.run {
        Run::Calling(call) if last => format!("{doing}{}, calling for the last time", by(call)),
        Run::Calling(call) => format!("{doing}{}, calling", by(call)),
        Run::Stopping { call, why, .. } => {
            let why = match why {
                Why::Cancel => "to cancel",
                Why::Destroy(_) => "to destroy",
                Why::Deadline => "at the deadline",
            };
            format!("{doing}{}, stopping {why}", by(call))
        }
        Run::Waiting { .. } => format!("{doing}, waiting"),
    }
}
