//! What a configuration is called.

use std::fmt;

use super::super::effect::OperationKind;
use super::super::{
    Call, Change, Direction, Method, Record, RemovalRun, Removes, Repair, Run, State, Tenant, Tombstone,
    UndoCause, Why,
};
use crate::status::Health;

/// What a configuration is called. Records with the same name get the same decisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// What the tenant is doing.
    pub base: String,
    /// Whether it is paused.
    pub paused: bool,
    /// What waits: an update or a restart.
    pub queued: Option<OperationKind>,
    /// Whether its spec protects it from a destroy.
    pub protected: bool,
    /// Whether repair is switched off, where that matters. A fact of the policy, not of the record.
    pub repair_off: bool,
}

impl Name {
    /// The name of a record, where a call is tried `attempts` times.
    pub fn of(attempts: u32, record: &Record) -> Self {
        match record {
            Record::Absent(_) => Self::plain("absent"),
            Record::Gone(Tombstone { retained: None, .. }) => Self::plain("gone"),
            Record::Gone(Tombstone { retained: Some(_), .. }) => Self::plain("gone, with something retained"),
            Record::Live(tenant) => Self {
                base: base(attempts, tenant),
                paused: tenant.paused.is_some(),
                queued: tenant.next.as_ref().map(|queued| queued.wish.kind()),
                protected: tenant.is_protected(),
                repair_off: false,
            },
        }
    }

    fn plain(base: &str) -> Self {
        Self { base: base.to_owned(), paused: false, queued: None, protected: false, repair_off: false }
    }
}

impl Name {
    /// What is added to what the tenant is doing.
    pub fn conditions(&self) -> Vec<&'static str> {
        let waits = self.queued.map(|kind| match kind {
            OperationKind::Restart => "restart queued",
            OperationKind::Update
            | OperationKind::Provision
            | OperationKind::Repair
            | OperationKind::Destroy
            | OperationKind::Release => "queued",
        });
        let paused = self.paused.then_some("paused");
        let protected = self.protected.then_some("protected");
        let repair_off = self.repair_off.then_some("repair off");
        [paused, waits, protected, repair_off].into_iter().flatten().collect()
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
        State::Provisioning(change) => changing(attempts, OperationKind::Provision, change),
        State::Running { .. } => format!("running, {}", condition(tenant.health, tenant.repair)),
        State::Updating { applied, change } if change.target.restarts(applied) => {
            changing(attempts, OperationKind::Restart, change)
        }
        State::Updating { change, .. } => changing(attempts, OperationKind::Update, change),
        State::Destroying(removal) => {
            let doing = match &removal.removes {
                Removes::Everything => "destroying",
                Removes::Retained { known: None } => "releasing, of what is not known",
                Removes::Retained { known: Some(known) } if known.provider == tenant.provider => "releasing",
                Removes::Retained { known: Some(_) } => "releasing, from another provider",
            };
            match removal.run {
                RemovalRun::Calling(_) => format!("{doing}, calling"),
                RemovalRun::Waiting { .. } => format!("{doing}, waiting"),
            }
        }
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

/// `kind` is what the operation began as, where it is not a repair.
fn changing(attempts: u32, kind: OperationKind, change: &Change) -> String {
    let noun = kind.name();
    let doing = match &change.direction {
        Direction::Forward { .. } => match kind {
            OperationKind::Provision => "provisioning".to_owned(),
            OperationKind::Update => "updating".to_owned(),
            OperationKind::Restart => "restarting".to_owned(),
            OperationKind::Repair => "repairing".to_owned(),
            OperationKind::Destroy => "destroying".to_owned(),
            OperationKind::Release => "releasing".to_owned(),
        },
        Direction::Repair => "repairing".to_owned(),
        Direction::Undo(UndoCause::Failed(_)) => format!("undoing a failed {noun}"),
        Direction::Undo(UndoCause::Cancelled) => format!("undoing a cancelled {noun}"),
    };
    let last = match change.direction {
        Direction::Forward { .. } | Direction::Repair => change.attempt >= attempts,
        Direction::Undo(_) => kind == OperationKind::Restart && change.attempt >= attempts,
    };
    let by = |call: &Call| match (&change.direction, kind, call.method) {
        (
            Direction::Forward { .. } | Direction::Undo(_),
            OperationKind::Update | OperationKind::Restart,
            Method::Provision,
        ) => ", after finding nothing",
        (
            Direction::Forward { .. } | Direction::Repair | Direction::Undo(_),
            OperationKind::Provision
            | OperationKind::Update
            | OperationKind::Restart
            | OperationKind::Repair
            | OperationKind::Destroy
            | OperationKind::Release,
            Method::Provision | Method::Update | Method::Destroy | Method::Release,
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
