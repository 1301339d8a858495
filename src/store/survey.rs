//! What all tenants are like, in short: how many are so, and who needs a look first.

use std::collections::{BTreeMap, BTreeSet};

use landlord_state_machines::id::{OperationId, ProviderName, TenantId};
use landlord_state_machines::status::Health;
use landlord_state_machines::tenant::{Direction, RemovalRun, Run, State, StateName, Tenant};

/// Whose tenants are surveyed: those that this lets through.
pub type Seen = Box<dyn Fn(&TenantId) -> bool + Send + Sync>;

/// What the living tenants are like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many are so.
    pub counts: BTreeMap<Sort, u64>,
    /// Those that need a look, by the reason; of each reason the first so many.
    pub concerns: BTreeMap<Concern, Vec<TenantId>>,
}

/// What tenants that are counted together have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sort {
    /// Whose platform they are on.
    pub provider: ProviderName,
    /// Their state.
    pub state: StateName,
    /// Their health, as it was last seen.
    pub health: Health,
}

/// Why a tenant needs a look. The most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// It is unhealthy, waits for a repair, or what is on its way for it has failed at least once. The oldest operation first.
    Failing,
    /// What was done last for it failed, and nothing is on its way. The latest first.
    Failed,
    /// Something is on its way for it, without a failure so far. The oldest first.
    OnItsWay,
}

/// One tenant, as far as it is surveyed.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// What it is counted by.
    pub sort: Sort,
    /// The operation on its way.
    pub operation: Option<OperationId>,
    /// Whether that operation has failed at least once: it is tried again, waits for that, or is undone.
    pub troubled: bool,
    /// Whether a repair is due.
    pub repair_due: bool,
    /// Whether what was done last failed.
    pub failed: bool,
    /// When an operation settled last, in microseconds since 1970.
    pub settled_at: i64,
}

impl Surveyed {
    /// Why it needs a look, if it does.
    pub fn concern(&self) -> Option<Concern> {
        if self.sort.health == Health::Unhealthy || self.repair_due || self.troubled {
            return Some(Concern::Failing);
        }
        match (self.operation, self.failed) {
            (Some(_), _) => Some(Concern::OnItsWay),
            (None, true) => Some(Concern::Failed),
            (None, false) => None,
        }
    }
}

impl From<&Tenant> for Surveyed {
    fn from(tenant: &Tenant) -> Self {
        let troubled = match &tenant.state {
            State::Pending | State::Running { .. } => false,
            State::Provisioning(change) | State::Updating { change, .. } => {
                change.attempt > 1
                    || matches!(change.run, Run::Waiting { .. })
                    || matches!(change.direction, Direction::Undo(_))
            }
            State::Destroying(removal) => {
                removal.attempt > 1 || matches!(removal.run, RemovalRun::Waiting { .. })
            }
        };
        Self {
            sort: Sort {
                provider: tenant.provider.clone(),
                state: tenant.state.name(),
                health: tenant.health,
            },
            operation: tenant.operation(),
            troubled,
            repair_due: tenant.repair.due.is_some(),
            failed: tenant.last_failure.is_some(),
            settled_at: tenant.settled_at.map_or(0, |at| at.as_microsecond()),
        }
    }
}

/// What comes first among tenants of the same concern.
type Place = (u64, u64, i64, TenantId);

/// Makes a survey of one tenant after the other, in room that does not grow with their number.
#[derive(Debug)]
pub struct Surveyor {
    first: usize,
    counts: BTreeMap<Sort, u64>,
    concerns: BTreeMap<Concern, BTreeSet<Place>>,
}

impl Surveyor {
    /// One that keeps, of each concern, the first so many.
    pub fn new(first: usize) -> Self {
        Self { first, counts: BTreeMap::new(), concerns: BTreeMap::new() }
    }

    /// Takes a tenant in.
    pub fn add(&mut self, id: &TenantId, tenant: Surveyed) {
        if let Some(concern) = tenant.concern() {
            let operation = tenant.operation.map_or((u64::MAX, u64::MAX), |id| (id.epoch, id.number));
            let place = (operation.0, operation.1, -tenant.settled_at, id.clone());
            let places = self.concerns.entry(concern).or_default();
            places.insert(place);
            if places.len() > self.first {
                places.pop_last();
            }
        }
        // Most are like one that was counted before.
        match self.counts.get_mut(&tenant.sort) {
            Some(count) => *count += 1,
            None => {
                self.counts.insert(tenant.sort, 1);
            }
        }
    }

    /// The survey.
    pub fn survey(self) -> Survey {
        let ids = |places: BTreeSet<Place>| places.into_iter().map(|(_, _, _, id)| id).collect();
        Survey {
            counts: self.counts,
            concerns: self.concerns.into_iter().map(|(concern, places)| (concern, ids(places))).collect(),
        }
    }
}
