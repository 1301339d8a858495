//! What has to be true after all the kills. Each check names what is not, so that all of it can be shown at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use landlord_compute::machines::id::{OperationId, Revision, TenantId};
use landlord_compute::machines::tenant::{
    EventKind, LifecycleEvent, OperationKind, Record, Settled, State, StateName, Tenant,
};
use landlord_compute::store::{OperationRecord, Position};

use super::history::History;
use super::ledger::{Ledger, Sighting};
use super::machine::{Process, SPEC};
use super::protocol::{Answer, Ask, Verb};

/// Something that is not as it should be.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) tenant: Option<TenantId>,
    pub(super) what: String,
}

fn about(tenant: &TenantId, what: impl Into<String>) -> Problem {
    Problem { tenant: Some(tenant.clone()), what: what.into() }
}

pub(super) fn general(what: impl Into<String>) -> Problem {
    Problem { tenant: None, what: what.into() }
}

/// Everything that the store and the ledger have to agree on.
pub(super) fn of_history(history: &History, ledger: &Ledger) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(operations(history));
    problems.extend(acknowledged(history, ledger));
    problems.extend(repeated(history, ledger));
    problems.extend(positions(history));
    problems.extend(history.records.values().flat_map(|record| revisions(history, record)));
    problems.extend(subscribers(history, ledger));
    problems
}

/// Each operation settles exactly once, after it began, and as its row says.
fn operations(history: &History) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut began: BTreeSet<OperationId> = BTreeSet::new();
    let mut settlements: BTreeMap<OperationId, Vec<&Settled>> = BTreeMap::new();
    for (_, event) in &history.events {
        began.extend(begun(event));
        for settlement in &event.settled {
            let operation = settlement.operation;
            if !began.contains(&operation) {
                problems.push(about(&event.tenant_id, format!("{operation} settled before it began")));
            }
            settlements.entry(operation).or_default().push(&settlement.settled);
        }
    }
    for operation in began.iter().filter(|id| !history.operations.contains_key(id)) {
        problems.push(general(format!("{operation} is in an event and has no row")));
    }
    for (id, operation) in &history.operations {
        let say = |what: String| about(&operation.tenant, format!("{id} ({:?}) {what}", operation.kind));
        if !began.contains(id) {
            problems.push(say("has a row and never began".to_owned()));
        }
        match (settlements.get(id).map(Vec::as_slice).unwrap_or_default(), &operation.settled) {
            ([once], Some(row)) if *once == row => {}
            (settled, row) => {
                problems.push(say(format!("settled in events as {settled:?}, in its row as {row:?}")))
            }
        }
    }
    problems
}

/// The operation that an event says has begun, or waits.
fn begun(event: &LifecycleEvent) -> Option<OperationId> {
    match event.what {
        EventKind::Began { .. } | EventKind::AlreadyRunning => event.operation,
        EventKind::Queued { queued, .. } => Some(queued),
        EventKind::Progressed { .. }
        | EventKind::Waits { .. }
        | EventKind::Succeeded { .. }
        | EventKind::FoundNothing
        | EventKind::WillRetry { .. }
        | EventKind::Retried
        | EventKind::Stopping { .. }
        | EventKind::Undoing { .. }
        | EventKind::Undone
        | EventKind::RepairFailed { .. }
        | EventKind::NotUndone { .. }
        | EventKind::HealthChanged { .. }
        | EventKind::Recovered
        | EventKind::HandedOver
        | EventKind::Paused
        | EventKind::Resumed
        | EventKind::QueueCancelled
        | EventKind::Abandoned { .. } => None,
    }
}

/// A tenant as its events say it was after one of them.
#[derive(Clone, Copy, Default)]
struct Moment {
    lives: bool,
    paused: bool,
    retried: bool,
}

/// A tenant's moments by revision; the first is before it was ever provisioned.
fn moments(history: &History, tenant: &TenantId) -> Vec<Moment> {
    let mut moments = vec![Moment::default()];
    let mut life = None;
    for event in history.of(tenant) {
        let reborn = life.replace(event.incarnation) != Some(event.incarnation);
        let before = moments.last().copied().unwrap_or_default();
        moments.push(Moment {
            lives: event.to.is_some(),
            paused: if matches!(event.what, EventKind::Paused | EventKind::Resumed) {
                event.what == EventKind::Paused
            } else {
                before.paused && !reborn && event.to.is_some()
            },
            retried: event.what == EventKind::Retried,
        });
    }
    moments
}

/// Nothing that was accepted is lost.
fn acknowledged(history: &History, ledger: &Ledger) -> Vec<Problem> {
    let moments: BTreeMap<&TenantId, Vec<Moment>> =
        history.records.keys().map(|tenant| (tenant, moments(history, tenant))).collect();
    let lost = |(ask, answer): &(&Ask, &Answer)| match answer {
        Answer::Refused(_) => false,
        Answer::Operation(id) => {
            !history.operations.get(id).is_some_and(|operation| is_operation_of(operation, ask))
        }
        Answer::Noted { before, after } => !is_noted(&moments[&ask.tenant], &ask.verb, *before, *after),
    };
    let problem = |(ask, answer): (&Ask, &Answer)| {
        let what = format!("{} {} was accepted and is lost: {answer:?}", name(&ask.verb), ask.request);
        about(&ask.tenant, what)
    };
    ledger.answered().filter(lost).map(problem).collect()
}

/// Whether an operation is one that a command can begin, or join.
fn is_operation_of(operation: &OperationRecord, ask: &Ask) -> bool {
    let began_it = operation.request_id.as_deref() == Some(&ask.request.to_string());
    let fits = match ask.verb {
        Verb::Provision { .. } => !began_it || operation.kind == OperationKind::Provision,
        Verb::Update { .. } => !began_it || operation.kind == OperationKind::Update,
        Verb::Restart { .. } => operation.kind == OperationKind::Restart,
        Verb::Destroy => operation.kind == OperationKind::Destroy,
        // What was cancelled is never done all the same.
        Verb::Cancel => operation.settled != Some(Settled::Done),
        Verb::Retry | Verb::Pause | Verb::Resume => false,
    };
    fits && operation.tenant == ask.tenant
}

/// Whether what was asked for was so at some moment between the sending of a command and its answer.
fn is_noted(moments: &[Moment], verb: &Verb, before: Revision, after: Revision) -> bool {
    let between = |from: Revision| {
        let revisions = moments.iter().zip(0..);
        revisions.filter(move |(_, at)| (from.0..=after.0).contains(at)).map(|(moment, _)| moment)
    };
    match verb {
        Verb::Destroy => between(before).any(|moment| !moment.lives),
        Verb::Pause => between(before).any(|moment| moment.paused),
        Verb::Resume => between(before).any(|moment| !moment.paused),
        Verb::Retry => between(before.next()).any(|moment| moment.retried),
        Verb::Provision { .. } | Verb::Update { .. } | Verb::Restart { .. } | Verb::Cancel => false,
    }
}

fn name(verb: &Verb) -> &'static str {
    match verb {
        Verb::Provision { .. } => "provision",
        Verb::Update { .. } => "update",
        Verb::Restart { .. } => "restart",
        Verb::Destroy => "destroy",
        Verb::Cancel => "cancel",
        Verb::Retry => "retry",
        Verb::Pause => "pause",
        Verb::Resume => "resume",
    }
}

/// The same request again is the same operation, once it has begun one.
fn repeated(history: &History, ledger: &Ledger) -> Vec<Problem> {
    let mut answers: BTreeMap<u64, (&TenantId, Vec<OperationId>)> = BTreeMap::new();
    for (ask, answer) in ledger.answered() {
        if let Answer::Operation(id) = answer {
            answers.entry(ask.request).or_insert_with(|| (&ask.tenant, Vec::new())).1.push(*id);
        }
    }
    let own = |request: &u64, id: &OperationId| {
        let operation = history.operations.get(id);
        operation.is_some_and(|operation| operation.request_id.as_deref() == Some(&request.to_string()))
    };
    answers
        .iter()
        .filter_map(|(request, (tenant, ids))| {
            let mut since = ids.iter().skip_while(|id| !own(request, id));
            let first = since.next()?;
            let other = since.find(|id| *id != first)?;
            Some(about(tenant, format!("request {request} is operation {first}, and then {other}")))
        })
        .collect()
}

/// Positions count the events without a hole.
fn positions(history: &History) -> Vec<Problem> {
    let wrong = (1..).zip(&history.events).find(|(expected, (position, _))| position.0 != *expected);
    let what = |(expected, (position, _)): (u64, &(Position, _))| {
        general(format!("after position {} comes {}", expected - 1, position.0))
    };
    wrong.map(what).into_iter().collect()
}

/// A tenant's events are gapless from the first one to its record, and each begins where the last one ended.
fn revisions(history: &History, record: &Record) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (mut revision, mut state) = (Revision(0), None);
    for event in history.of(record.id()) {
        if event.revision != revision.next() {
            let what = format!("after revision {revision} comes {}", event.revision);
            problems.push(about(record.id(), what));
        }
        if event.from != state.unwrap_or(StateName::Pending) {
            let what = format!("revision {} is from {}, but it was {state:?}", event.revision, event.from);
            problems.push(about(record.id(), what));
        }
        (revision, state) = (event.revision, event.to);
    }
    let recorded = match record {
        Record::Absent(_) | Record::Gone(_) => None,
        Record::Live(tenant) => Some(tenant.state.name()),
    };
    if (revision, state) != (record.revision(), recorded) {
        let what = format!(
            "the last event is revision {revision}, to {state:?}; the record is at {}, {recorded:?}",
            record.revision()
        );
        problems.push(about(record.id(), what));
    }
    problems
}

/// The subscribers of all engines together, each from the cursor of the one before, saw every event once.
fn subscribers(history: &History, ledger: &Ledger) -> Vec<Problem> {
    let mut problems: Vec<Problem> = ledger
        .gaps()
        .iter()
        .map(|resume| general(format!("a subscriber has a gap up to {resume:?}")))
        .collect();
    let happened: Vec<Sighting> = history
        .events
        .iter()
        .map(|(cursor, event)| Sighting {
            cursor: *cursor,
            tenant: event.tenant_id.clone(),
            revision: event.revision,
        })
        .collect();
    let seen = ledger.seen();
    if seen != happened.as_slice() {
        let same = happened.iter().zip(seen).take_while(|(happened, seen)| happened == seen).count();
        problems.push(general(format!(
            "subscribers saw {} of {} events; after {same} they saw {:?} and it was {:?}",
            seen.len(),
            happened.len(),
            seen.get(same),
            happened.get(same),
        )));
    }
    problems
}

/// Whether nothing is on its way for a tenant.
pub(super) fn rests(tenant: &Tenant) -> bool {
    let settled = match &tenant.state {
        State::Pending => true,
        State::Running { .. } => tenant.repair.due.is_none(),
        State::Provisioning(_) | State::Updating { .. } | State::Destroying(_) => false,
    };
    settled && tenant.next.is_none()
}

/// How the machine differs from what the tenants, all at rest, should run.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// What does not run, perhaps because it crashed and nobody has noticed yet.
    pub(super) missing: Vec<Problem>,
    /// What runs and should not: a leak.
    pub(super) extra: Vec<Problem>,
}

pub(super) fn of_machine(tenants: &[Arc<Tenant>], processes: &[Process]) -> Differences {
    let mut differences = Differences::default();
    let wanted: BTreeMap<(&str, &str), (&TenantId, &str)> = tenants
        .iter()
        .filter_map(|tenant| Some((tenant, tenant.applied()?)))
        .flat_map(|(tenant, applied)| {
            let containers = applied.spec.containers.iter();
            containers.map(|container| {
                let spec = container.env.get(SPEC).map_or("", String::as_str);
                ((tenant.id.as_str(), container.name.as_str()), (&tenant.id, spec))
            })
        })
        .collect();
    for process in processes {
        match wanted.get(&(process.tenant.as_str(), process.container.as_str())) {
            Some((_, spec)) if *spec == process.spec => {}
            Some((tenant, spec)) => {
                differences
                    .extra
                    .push(about(tenant, format!("applied is spec {spec}, but there is {process}")));
            }
            None => {
                let tenant = TenantId::new(&process.tenant).ok();
                let what = format!("nothing should run, but there is {process}");
                differences.extra.push(Problem { tenant, what });
            }
        }
    }
    for ((tenant, container), (id, spec)) in &wanted {
        let leads = |process: &&Process| {
            process.leader && process.tenant == *tenant && process.container == *container
        };
        match processes.iter().filter(leads).count() {
            1 => {}
            0 => differences.missing.push(about(id, format!("{container} of spec {spec} does not run"))),
            many => {
                differences.extra.push(about(id, format!("{container} of spec {spec} runs {many} times")))
            }
        }
    }
    differences
}
