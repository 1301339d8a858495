//! What holds in every state that can be reached, whatever led there.

use std::collections::BTreeSet;

use landlord_state_machines::id::{CallId, OperationId};
use landlord_state_machines::tenant::{
    Change, Command, Decision, Direction, Effect, Input, Method, Record, Rejection, Request, Run, State,
    StateName, Tenant, Transition,
};
use stateright::Property;

use super::Life;
use super::world::{Action, Made, Platform, World, number, platforms};
use landlord_lives::rules::{awaited_destroy, destroying};
use landlord_lives::world::PROTECTS;

/// What a transition can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    CallsAreTheRecords,
    OneSettled,
    OneCall,
    Gapless,
    Pause,
    Budget,
    Deadline,
    Pure,
}

pub(super) fn all() -> Vec<Property<Life>> {
    vec![
        Property::always(
            "I1 a call is made only for what its committed record intends",
            |_, world: &World| world.broken != Some(Rule::CallsAreTheRecords),
        ),
        Property::always(
            "I2 an operation that is not on the record any more has settled, once",
            |_, world: &World| world.broken != Some(Rule::OneSettled) && what_is_open_is_on_the_record(world),
        ),
        Property::always("I2 every operation settles, once the provider answers", everything_settles),
        Property::always("I3 at rest the platform has the applied spec, or nothing", nothing_leaks),
        Property::always("I3 what is retained is known until it is released", |_, world: &World| {
            let Record::Gone(tombstone) = &world.record else { return true };
            world.tampered || tombstone.retained.is_some() == world.retained
        }),
        Property::always("I4 at most one call, and it is the record's", |_, world: &World| {
            world.broken != Some(Rule::OneCall) && world.record.call() == world.alive.map(|alive| alive.call)
        }),
        Property::always("I5 destroy is accepted, unless it is protected", |_, world: &World| {
            destroy_is_accepted(world)
        }),
        Property::always("I5 destroy ends, once the provider answers", destroy_ends),
        Property::always(
            "I5 destroy ends by abandon, once the protection is lifted, if the provider never answers",
            abandon_ends,
        ),
        Property::always(
            "I6 events are gapless and each begins where the last one ended",
            |_, world: &World| world.broken != Some(Rule::Gapless),
        ),
        Property::always("I10 the same input gives the same decision", |_, world: &World| {
            world.broken != Some(Rule::Pure)
        }),
        Property::always("what is stale changes nothing", |_, world: &World| {
            world.stale().all(|stale| world.decide(stale) == Decision::Ignore)
        }),
        Property::always("nothing begins by itself while it is paused", |_, world: &World| {
            world.broken != Some(Rule::Pause)
        }),
        Property::always("the budget of tries is kept", |_, world: &World| {
            world.broken != Some(Rule::Budget)
        }),
        Property::always("a deadline is kept", |_, world: &World| {
            world.broken != Some(Rule::Deadline) && deadline_wakes(world)
        }),
        Property::always("what waits is woken, and no timer fires in vain", timers_lead_on),
        Property::sometimes("it runs", |_, world: &World| state(&world.record) == Some(StateName::Running)),
        Property::sometimes("it is undone", |_, world: &World| {
            change(&world.record).is_some_and(|change| matches!(change.direction, Direction::Undo(_)))
        }),
        Property::sometimes("a call is stopped", |_, world: &World| {
            change(&world.record).is_some_and(|change| matches!(change.run, Run::Stopping { .. }))
        }),
        Property::sometimes("it is restarted", |_, world: &World| {
            matches!(&world.record, Record::Live(tenant)
                if matches!(&tenant.state, State::Updating { applied, change } if change.target.restarts(applied)))
        }),
        Property::sometimes(
            "something is retained",
            |_, world: &World| matches!(&world.record, Record::Gone(tombstone) if tombstone.retained.is_some()),
        ),
        Property::sometimes("what was retained is released", |_, world: &World| {
            world.alive.is_some_and(|alive| alive.method == Method::Release && alive.worked)
        }),
        Property::sometimes("it is protected", |_, world: &World| protects(&world.record)),
        Property::sometimes("it is gone", |_, world: &World| matches!(world.record, Record::Gone(_))),
    ]
}

pub(super) fn of_decision(world: &World, input: &Input, decision: &Decision) -> Option<Rule> {
    if world.decide(input.clone()) != *decision {
        return Some(Rule::Pure);
    }
    match decision {
        Decision::Join(operation) if !world.open.contains(operation) => Some(Rule::OneSettled),
        Decision::Join(_) | Decision::Apply(_) | Decision::Ignore | Decision::Reject(_) => None,
    }
}

pub(super) fn of_transition(world: &World, input: &Input, transition: &Transition) -> Option<Rule> {
    [
        (calls_are_the_records(transition), Rule::CallsAreTheRecords),
        (settles_once(world, transition), Rule::OneSettled),
        (one_call(world, transition), Rule::OneCall),
        (gapless(world, transition), Rule::Gapless),
        (pause_holds(world, transition), Rule::Pause),
        (budget_is_kept(world, transition), Rule::Budget),
        (deadline_is_kept(world, input, transition), Rule::Deadline),
    ]
    .into_iter()
    .find_map(|(kept, rule)| (!kept).then_some(rule))
}

/// I1: what is called is what was committed with it.
fn calls_are_the_records(transition: &Transition) -> bool {
    let Some(start) = transition.effects.iter().find_map(|effect| match effect {
        Effect::StartCall(start) => Some(start),
        Effect::StopCall(_) | Effect::DropCall(_) => None,
    }) else {
        return true;
    };
    let Record::Live(tenant) = &transition.record else { return false };
    let (method, spec) = match &tenant.state {
        State::Pending | State::Running { .. } => return false,
        State::Destroying(removal) => (removal.removes.method(), None),
        State::Provisioning(change) | State::Updating { change, .. } => {
            let Run::Calling(call) = change.run else { return false };
            let spec = match change.direction {
                Direction::Forward { .. } | Direction::Repair => Some(&change.target),
                Direction::Undo(_) => tenant.applied(),
            };
            (call.method, spec)
        }
    };
    start.call == CallId(tenant.revision.0)
        && tenant.call() == Some(start.call)
        && tenant.operation() == Some(start.operation)
        && start.method == method
        && start.spec.as_ref() == spec.map(|rolled| &rolled.spec)
        && start.rollout == spec.map(|rolled| rolled.rollout).unwrap_or_default()
}

fn settles_once(world: &World, transition: &Transition) -> bool {
    let opened = transition.opened.map(|opened| opened.operation);
    let mut open = world.open.clone();
    opened.is_none_or(|opened| opened == world.stamp().operation && open.insert(opened))
        && transition.event.settled.iter().all(|settlement| open.remove(&settlement.operation))
}

fn one_call(world: &World, transition: &Transition) -> bool {
    let mut alive = world.alive.map(|alive| alive.call);
    transition.effects.iter().all(|effect| match effect {
        Effect::StartCall(start) => alive.replace(start.call).is_none(),
        Effect::StopCall(call) => alive == Some(*call),
        Effect::DropCall(call) => alive.take() == Some(*call),
    })
}

fn gapless(world: &World, transition: &Transition) -> bool {
    let event = &transition.event;
    let revision = world.record.revision().next();
    transition.record.revision() == revision
        && event.revision == revision
        && event.at == world.now
        && event.from == state(&world.record).unwrap_or(StateName::Pending)
        && event.to == state(&transition.record)
}

/// Retries, repair and what is queued wait; calls in flight, undo and destroy go on.
fn pause_holds(world: &World, transition: &Transition) -> bool {
    let (Record::Live(before), Record::Live(after)) = (&world.record, &transition.record) else {
        return true;
    };
    let starts = transition.effects.iter().any(|effect| matches!(effect, Effect::StartCall(_)));
    let forward = forward(after).is_some();
    // An update that finds nothing is still on its way: it provisions instead.
    let goes_on = world.alive.is_none() && before.call().is_some() && before.operation() == after.operation();
    !(before.paused.is_some() && after.paused.is_some() && starts && forward) || goes_on
}

fn budget_is_kept(world: &World, transition: &Transition) -> bool {
    let Record::Live(tenant) = &transition.record else { return true };
    forward(tenant).is_none_or(|change| change.attempt <= world.policy.attempts)
}

/// A timer that finds the deadline over leads to the undo; nothing begins after the deadline.
fn deadline_is_kept(world: &World, input: &Input, transition: &Transition) -> bool {
    let (Record::Live(before), Record::Live(after)) = (&world.record, &transition.record) else {
        return true;
    };
    let Some(change) = forward(before) else { return true };
    let Direction::Forward { deadline: Some(deadline) } = change.direction else { return true };
    let over = deadline <= world.now && before.paused.is_none();
    let goes_on = forward(after).is_some_and(|after| {
        after.operation == change.operation && !matches!(after.run, Run::Stopping { .. })
    });
    !(over && goes_on && *input == Input::TimerFired)
}

fn deadline_wakes(world: &World) -> bool {
    let Record::Live(tenant) = &world.record else { return true };
    let Some(change) = forward(tenant) else { return true };
    match (&change.direction, &change.run, tenant.paused) {
        (Direction::Forward { deadline: Some(deadline) }, Run::Calling(_) | Run::Waiting { .. }, None) => {
            tenant.wake_at().is_some_and(|at| at <= *deadline)
        }
        (Direction::Forward { .. } | Direction::Repair | Direction::Undo(_), _, _) => true,
    }
}

fn what_is_open_is_on_the_record(world: &World) -> bool {
    let on_record: BTreeSet<OperationId> = match &world.record {
        Record::Absent(_) | Record::Gone(_) => BTreeSet::new(),
        Record::Live(tenant) => {
            let queued = tenant.next.as_ref().map(|queued| queued.operation);
            let follows = change(&world.record).and_then(awaited_destroy);
            [tenant.operation(), queued, follows].into_iter().flatten().collect()
        }
    };
    world.open == on_record
}

/// I2, liveness: from here there is a way on which the provider answers, and it ends.
fn everything_settles(_: &Life, world: &World) -> bool {
    [0, 3].into_iter().all(|failures| {
        let mut world = world.clone();
        world.comes_to_rest(failures)
            && world.broken.is_none()
            && world.open.is_empty()
            && nothing_leaks_at_rest(&world)
    })
}

fn nothing_leaks(_: &Life, world: &World) -> bool {
    let at_rest = world.alive.is_none() && world.record.call().is_none() && world.open.is_empty();
    !at_rest || nothing_leaks_at_rest(world)
}

/// I3, as far as what happens on a platform by itself leaves it to us.
fn nothing_leaks_at_rest(world: &World) -> bool {
    let wanted = match &world.record {
        Record::Absent(_) | Record::Gone(_) => Platform::Nothing,
        Record::Live(tenant) => match tenant.applied() {
            None => Platform::Nothing,
            Some(applied) => match number(&applied.spec) {
                None => return false,
                Some(spec) => Platform::Runs(Made { spec: platforms(spec), rollout: applied.rollout }),
            },
        },
    };
    world.platform == wanted || world.tampered
}

fn destroy_is_accepted(world: &World) -> bool {
    let destroy = Input::Command(Command { expected: None, request: Request::Destroy });
    if protects(&world.record) {
        return world.decide(destroy) == Decision::Reject(Rejection::Protected);
    }
    match world.decide(destroy) {
        Decision::Apply(transition) => {
            transition.opened.is_some()
                && transition.opened.map(|opened| opened.operation) == destroying(&transition.record)
        }
        Decision::Join(operation) => destroying(&world.record) == Some(operation),
        Decision::Ignore => !matches!(world.record, Record::Live(_)),
        Decision::Reject(_) => false,
    }
}

/// Whether the spec that runs, or else the one that should, protects the tenant.
fn protects(record: &Record) -> bool {
    let Record::Live(tenant) = record else { return false };
    let spec = match (tenant.applied(), forward(tenant)) {
        (Some(applied), _) => Some(&applied.spec),
        (None, forward) => forward.map(|change| &change.target.spec),
    };
    spec.and_then(number) == Some(PROTECTS)
}

/// I5, liveness, of a protected tenant once an update has lifted that; also when the provider fails a few times before it answers.
fn destroy_ends(_: &Life, world: &World) -> bool {
    [0, 3].into_iter().all(|failures| {
        let mut world = world.clone();
        // An update to the same spec that is on its way already may be late or cancelled: then it is asked for again.
        for _ in 0..2 {
            if protects(&world.record) {
                world.happen(Action::Resume);
                world.happen(Action::Update { spec: 0, deadline: false });
                world.comes_to_rest(0);
            }
        }
        world.happen(Action::Destroy);
        world.comes_to_rest(failures)
            && !matches!(world.record, Record::Live(_))
            && world.open.is_empty()
            && (world.platform == Platform::Nothing || world.tampered)
    })
}

/// Protection is lifted by an update, for which the provider has to answer.
fn abandon_ends(_: &Life, world: &World) -> bool {
    let mut world = world.clone();
    if protects(&world.record) {
        // What is on its way is cancelled, then what was queued behind it, and no call is needed to lift it.
        for _ in 0..2 {
            for action in [Action::Resume, Action::Cancel, Action::Pass, Action::Timer] {
                world.happen(action);
            }
        }
        world.happen(Action::Update { spec: 0, deadline: false });
    }
    world.happen(Action::Destroy);
    // The call that is stopped for the destroy is dropped when its grace is over; the destroy's own is abandoned.
    for _ in 0..2 {
        world.happen(Action::Abandon);
        world.happen(Action::Pass);
        world.happen(Action::Timer);
    }
    !matches!(world.record, Record::Live(_)) && world.alive.is_none() && world.open.is_empty()
}

/// What has no call in flight is woken, unless it waits for a person; and whoever is woken goes on.
fn timers_lead_on(_: &Life, world: &World) -> bool {
    let Record::Live(tenant) = &world.record else { return true };
    let waits_for_a_person = tenant.paused.is_some();
    let waits = match &tenant.state {
        State::Pending => tenant.next.is_some(),
        State::Running { .. } => tenant.next.is_some() || tenant.repair.due.is_some(),
        State::Provisioning(_) | State::Updating { .. } | State::Destroying(_) => tenant.call().is_none(),
    };
    if waits && !waits_for_a_person && tenant.wake_at().is_none() {
        return false;
    }
    let Some(at) = tenant.wake_at() else { return true };
    let mut woken = world.clone();
    woken.now = woken.now.max(at);
    matches!(woken.decide(Input::TimerFired), Decision::Apply(_))
}

fn change(record: &Record) -> Option<&Change> {
    let Record::Live(tenant) = record else { return None };
    match &tenant.state {
        State::Pending | State::Running { .. } | State::Destroying(_) => None,
        State::Provisioning(change) | State::Updating { change, .. } => Some(change),
    }
}

/// The change that goes towards its target.
fn forward(tenant: &Tenant) -> Option<&Change> {
    let change = match &tenant.state {
        State::Pending | State::Running { .. } | State::Destroying(_) => return None,
        State::Provisioning(change) | State::Updating { change, .. } => change,
    };
    match change.direction {
        Direction::Forward { .. } | Direction::Repair => Some(change),
        Direction::Undo(_) => None,
    }
}

fn state(record: &Record) -> Option<StateName> {
    match record {
        Record::Absent(_) | Record::Gone(_) => None,
        Record::Live(tenant) => Some(tenant.state.name()),
    }
}
