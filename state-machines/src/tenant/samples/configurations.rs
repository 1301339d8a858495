//! The configurations.

use std::sync::Arc;

use super::super::effect::OperationKind;
use super::super::{
    Call, Change, Direction, Failure, Method, Policy, Queued, Record, Removal, RemovalRun, Removes, Repair,
    RepairPolicy, Run, State, StateName, Tenant, Tombstone, UndoCause, Why, Wish,
};
use super::{CALL, CURRENT, DESTROY, Name, QUEUED, REVISION, SpecRole, at, error, every, ledger, moment};
use super::{RESTARTED, other_provider, provider, retained, tenant};
use crate::error::{ErrorCode, ErrorKind, Remedy};
use crate::id::{Incarnation, Rollout};
use crate::status::Health;

/// A record that is worth telling apart from others, with the policy under which it is looked at.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// What it is called.
    pub name: Name,
    /// What is known of the tenant.
    pub record: Record,
    /// How patient the machine is.
    pub policy: Policy,
}

impl Configuration {
    /// The name of its state; none when the tenant does not live.
    pub fn state(&self) -> Option<StateName> {
        match &self.record {
            Record::Absent(_) | Record::Gone(_) => None,
            Record::Live(tenant) => Some(tenant.state.name()),
        }
    }

    fn of(record: Record) -> Self {
        let policy = Policy::default();
        Self { name: Name::of(policy.attempts, &record), record, policy }
    }

    /// The same, where nothing is repaired.
    fn without_repair(mut self) -> Self {
        self.policy.repair = RepairPolicy::Off;
        self.name.repair_off = true;
        self
    }
}

/// Every configuration that is worth telling apart; those that differ only in their conditions are neighbours.
pub fn configurations() -> Vec<Configuration> {
    let lives = tenants().into_iter().flat_map(with_variants);
    records_without_life().into_iter().map(Configuration::of).chain(lives).collect()
}

/// The same tenant, also paused, with an update or a restart that waits, protected, and where nothing is repaired.
fn with_variants(tenant: Tenant) -> Vec<Configuration> {
    let with_repair: Vec<_> = variants(tenant.clone())
        .into_iter()
        .map(|tenant| Configuration::of(Record::Live(Arc::new(tenant))))
        .collect();
    let without_repair: Vec<_> = with_repair
        .iter()
        .filter(|each| heeds_repair_policy(each))
        .cloned()
        .map(Configuration::without_repair)
        .collect();
    let protected = protected(tenant).map(|tenant| Configuration::of(Record::Live(Arc::new(tenant))));
    with_repair.into_iter().chain(without_repair).chain(protected).collect()
}

/// The records of a tenant that does not live.
fn records_without_life() -> Vec<Record> {
    let gone = Tombstone { id: tenant(), incarnation: Incarnation(1), revision: REVISION, retained: None };
    let with_retained = Tombstone { retained: Some(retained(provider())), ..gone.clone() };
    every(Record::Absent(tenant()), |last| match last {
        Record::Absent(_) => Some(Record::Gone(gone.clone())),
        Record::Gone(Tombstone { retained: None, .. }) => Some(Record::Gone(with_retained.clone())),
        Record::Gone(Tombstone { retained: Some(_), .. }) | Record::Live(_) => None,
    })
}

/// Whether switching repair off changes a decision.
fn heeds_repair_policy(configuration: &Configuration) -> bool {
    match &configuration.record {
        Record::Absent(_) | Record::Gone(_) => false,
        Record::Live(tenant) => match &tenant.state {
            State::Pending | State::Provisioning(_) | State::Destroying(_) => false,
            State::Running { .. } => tenant.next.is_none(),
            State::Updating { applied, change } => match change.direction {
                Direction::Forward { .. } => false,
                Direction::Undo(_) => {
                    change.target.restarts(applied) && tenant.next.is_none() && tenant.paused.is_none()
                }
                Direction::Repair => tenant.next.is_none() && tenant.paused.is_none(),
            },
        },
    }
}

/// Living tenants, neither paused nor with anything that waits.
fn tenants() -> Vec<Tenant> {
    let applied = SpecRole::Applied.rolled();
    let first = |name: StateName| match name {
        StateName::Pending => vec![living(State::Pending, Health::Unknown, Repair::default())],
        StateName::Provisioning => changes(OperationKind::Provision)
            .into_iter()
            .map(|change| living(State::Provisioning(change), Health::Unknown, Repair::default()))
            .collect(),
        StateName::Running => conditions()
            .into_iter()
            .map(|(health, repair)| living(State::Running { applied: applied.clone() }, health, repair))
            .collect(),
        StateName::Updating => [OperationKind::Update, OperationKind::Restart, OperationKind::Repair]
            .into_iter()
            .flat_map(changes)
            .map(|change| {
                let (health, repair) = match change.direction {
                    Direction::Forward { .. } | Direction::Undo(_) => (Health::Healthy, Repair::default()),
                    Direction::Repair => (Health::Unhealthy, repaired()),
                };
                living(State::Updating { applied: applied.clone(), change }, health, repair)
            })
            .collect(),
        StateName::Destroying => removals()
            .into_iter()
            .map(|removal| living(State::Destroying(removal), Health::Unknown, Repair::default()))
            .collect::<Vec<_>>(),
    };
    every(StateName::Pending, |last| match last {
        StateName::Pending => Some(StateName::Provisioning),
        StateName::Provisioning => Some(StateName::Running),
        StateName::Running => Some(StateName::Updating),
        StateName::Updating => Some(StateName::Destroying),
        StateName::Destroying => None,
    })
    .into_iter()
    .flat_map(first)
    .collect()
}

/// What can be known of a running tenant's health.
fn conditions() -> Vec<(Health, Repair)> {
    every(Health::Healthy, |last| match last {
        Health::Healthy => Some(Health::Unhealthy),
        Health::Unhealthy => Some(Health::Unknown),
        Health::Unknown => None,
    })
    .into_iter()
    .flat_map(|health| {
        let calm = (health, Repair::default());
        let due = (health, Repair { due: Some(at(moment::DUE)), ..repaired() });
        match health {
            Health::Healthy => vec![calm, (health, repaired())],
            Health::Unhealthy => vec![calm, (health, repaired()), due],
            // Only what was seen to run is running.
            Health::Unknown => Vec::new(),
        }
    })
    .collect()
}

fn repaired() -> Repair {
    Repair { count: 2, last: Some(at(moment::REPAIRED)), due: None }
}

/// Provisions (of nothing), or updates, restarts or repairs (of the applied spec) on their way.
fn changes(kind: OperationKind) -> Vec<Change> {
    let target = match kind {
        OperationKind::Provision => SpecRole::Target.versioned().rolled(Rollout::default()),
        OperationKind::Update | OperationKind::Destroy | OperationKind::Release => SpecRole::Target.rolled(),
        OperationKind::Restart => SpecRole::Applied.versioned().rolled(RESTARTED),
        OperationKind::Repair => SpecRole::Applied.rolled(),
    };
    directions()
        .into_iter()
        .filter(|direction| match direction {
            Direction::Repair => kind == OperationKind::Repair,
            Direction::Forward { .. } | Direction::Undo(_) => kind != OperationKind::Repair,
        })
        .flat_map(|direction| runs(kind, &direction).into_iter().map(move |run| (direction.clone(), run)))
        .map(|(direction, (run, attempt))| {
            let target = target.clone();
            Change { operation: CURRENT, target, direction, attempt, run }
        })
        .collect()
}

fn directions() -> Vec<Direction> {
    every(Direction::Forward { deadline: Some(at(moment::DEADLINE)) }, |last| match last {
        Direction::Forward { .. } => Some(Direction::Repair),
        Direction::Repair => Some(Direction::Undo(UndoCause::Failed(error(
            ErrorKind::ProvisionFailed,
            Remedy::Permanent,
            ErrorCode::InvalidConfiguration,
            "no such image",
        )))),
        Direction::Undo(UndoCause::Failed(_)) => Some(Direction::Undo(UndoCause::Cancelled)),
        Direction::Undo(UndoCause::Cancelled) => None,
    })
}

/// The runs that are possible in a direction, each with its attempt.
fn runs(kind: OperationKind, direction: &Direction) -> Vec<(Run, u32)> {
    let attempts = Policy::default().attempts;
    let usual = match kind {
        OperationKind::Provision => Method::Provision,
        OperationKind::Update | OperationKind::Restart | OperationKind::Repair => Method::Update,
        OperationKind::Destroy => Method::Destroy,
        OperationKind::Release => Method::Release,
    };
    methods(usual, direction)
        .into_iter()
        .flat_map(|method| {
            let call = Call { id: CALL, method };
            let usually = method == method_of(usual, direction);
            every(Run::Calling(call), move |last| match last {
                Run::Calling(_) => Some(stopping(call, Why::Cancel)),
                Run::Stopping { why, .. } => Some(match why {
                    Why::Cancel => stopping(call, Why::Destroy(DESTROY)),
                    Why::Destroy(_) => stopping(call, Why::Deadline),
                    Why::Deadline => Run::Waiting { until: at(moment::DUE) },
                }),
                Run::Waiting { .. } => None,
            })
            .into_iter()
            .filter(move |run| match run {
                Run::Calling(_) => true,
                Run::Stopping { why, .. } => can_stop(direction, *why),
                // Nothing is being called while it waits, so methods make no difference.
                Run::Waiting { .. } => usually,
            })
        })
        .flat_map(|run| match (&run, direction) {
            (Run::Calling(_), Direction::Forward { .. } | Direction::Repair) => {
                vec![(run.clone(), 1), (run, attempts)]
            }
            (Run::Calling(_), Direction::Undo(_)) if kind == OperationKind::Restart => {
                vec![(run.clone(), 2), (run, attempts)]
            }
            (Run::Calling(_), Direction::Undo(_)) | (Run::Stopping { .. } | Run::Waiting { .. }, _) => {
                vec![(run, 2)]
            }
        })
        .collect()
}

fn stopping(call: Call, why: Why) -> Run {
    Run::Stopping { call, why, until: at(moment::GRACE_OVER) }
}

/// The methods that a direction calls: the one it begins with, and provision after an update found nothing.
fn methods(usual: Method, direction: &Direction) -> Vec<Method> {
    match method_of(usual, direction) {
        Method::Update => vec![Method::Update, Method::Provision],
        method @ (Method::Provision | Method::Destroy | Method::Release) => vec![method],
    }
}

fn method_of(usual: Method, direction: &Direction) -> Method {
    match (direction, usual) {
        (Direction::Repair, _) => Method::Provision,
        (Direction::Undo(_), Method::Provision) => Method::Destroy,
        (Direction::Forward { .. } | Direction::Undo(_), _) => usual,
    }
}

/// An undo is not cancelled, and only what somebody asked for has a deadline.
fn can_stop(direction: &Direction, why: Why) -> bool {
    match (direction, why) {
        (Direction::Forward { .. }, Why::Cancel | Why::Destroy(_) | Why::Deadline)
        | (Direction::Repair, Why::Cancel | Why::Destroy(_))
        | (Direction::Undo(_), Why::Destroy(_)) => true,
        (Direction::Repair, Why::Deadline) | (Direction::Undo(_), Why::Cancel | Why::Deadline) => false,
    }
}

fn removals() -> Vec<Removal> {
    let known = |provider| Removes::Retained { known: Some(retained(provider)) };
    let removes = every(Removes::Everything, |last| match last {
        Removes::Everything => Some(known(provider())),
        Removes::Retained { known: Some(here) } if here.provider == provider() => {
            Some(known(other_provider()))
        }
        Removes::Retained { known: Some(_) } => Some(Removes::Retained { known: None }),
        Removes::Retained { known: None } => None,
    });
    let runs = every(RemovalRun::Calling(CALL), |last| match last {
        RemovalRun::Calling(_) => Some(RemovalRun::Waiting { until: at(moment::DUE) }),
        RemovalRun::Waiting { .. } => None,
    });
    removes
        .into_iter()
        .flat_map(|removes| runs.iter().map(move |run| (removes.clone(), run.clone())))
        .map(|(removes, run)| Removal { operation: DESTROY, removes, attempt: 2, run })
        .collect()
}

fn living(state: State, health: Health, repair: Repair) -> Tenant {
    let failure = Failure {
        at: at(moment::SETTLED),
        operation: CURRENT,
        error: error(ErrorKind::ProvisionFailed, Remedy::Retry, ErrorCode::ProviderUnavailable, "no answer"),
    };
    Tenant {
        id: tenant(),
        incarnation: Incarnation(1),
        revision: REVISION,
        provider: provider(),
        state,
        next: None,
        paused: None,
        health,
        repair,
        last_failure: Some(Arc::new(failure)),
        ledger: Some(ledger("4711")),
        latest_spec: SpecRole::Queued.version(),
        settled_at: Some(at(moment::SETTLED)),
    }
}

/// The same tenant, also paused and with an update or a restart that waits, where it can be.
fn variants(tenant: Tenant) -> Vec<Tenant> {
    let waits = [None, Some(Wish::Update(SpecRole::Queued.versioned())), Some(Wish::Restart)];
    [false, true]
        .into_iter()
        .flat_map(|paused| waits.clone().into_iter().map(move |waits| (paused, waits)))
        .filter(|(paused, _)| !paused || can_pause(&tenant.state))
        .filter(|(paused, waits)| waits.is_none() || can_queue(&tenant.state, *paused))
        .map(|(paused, waits)| Tenant {
            paused: paused.then(|| at(moment::PAUSED)),
            next: waits.map(|wish| Queued {
                operation: QUEUED,
                wish,
                deadline: Some(at(moment::QUEUED_DEADLINE)),
            }),
            ..tenant.clone()
        })
        .collect()
}

/// The same tenant, protected from a destroy, where it can be. It answers nothing else otherwise, so it is not sampled with
/// what else it can be besides.
fn protected(mut tenant: Tenant) -> Option<Tenant> {
    match &mut tenant.state {
        State::Provisioning(Change { run: Run::Stopping { why: Why::Destroy(_), .. }, .. })
        | State::Updating {
            change: Change { run: Run::Stopping { why: Why::Destroy(_), .. }, .. }, ..
        } => {}
        State::Pending | State::Destroying(_) => {}
        State::Provisioning(change) => change.target.spec = SpecRole::Target.protected_spec(),
        State::Running { applied } => applied.spec = SpecRole::Applied.protected_spec(),
        State::Updating { applied, change } => {
            applied.spec = SpecRole::Applied.protected_spec();
            if change.target.version == applied.version {
                change.target.spec = applied.spec.clone();
            }
        }
    }
    tenant.is_protected().then_some(tenant)
}

/// Who lives can be paused, and stays so while it is destroyed.
fn can_pause(state: &State) -> bool {
    match state {
        State::Pending | State::Provisioning(_) | State::Running { .. } | State::Updating { .. } => true,
        State::Destroying(removal) => removal.removes == Removes::Everything,
    }
}

/// An update or a restart waits behind an operation that ends in a running tenant, or behind a pause.
fn can_queue(state: &State, paused: bool) -> bool {
    match state {
        State::Pending | State::Destroying(_) => false,
        State::Running { .. } => paused,
        State::Provisioning(change) | State::Updating { change, .. } => match change.run {
            Run::Calling(_) | Run::Waiting { .. } => true,
            Run::Stopping { why, .. } => match why {
                Why::Cancel | Why::Deadline => true,
                Why::Destroy(_) => false,
            },
        },
    }
}
