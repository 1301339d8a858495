//! What holds at every step, whatever happens.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use landlord_state_machines::id::{CallId, Incarnation, OperationId, Rollout};
use landlord_state_machines::status::Health;
use landlord_state_machines::tenant::samples::{Name, configurations};
use landlord_state_machines::tenant::{
    Change, Command, Decision, Direction, Effect, EventKind, Input, Method, Record, Rejection, RemovalRun,
    Removes, Request, Run, Stamp, State, StateName, Tenant, Transition, Why, step,
};

use crate::world::World;

/// Before anything is committed.
pub fn of_decision(world: &World, input: &Input, decision: &Decision) {
    what_is_joined_is_open(world, decision);
    destroy_is_accepted(world, input, decision);
    what_is_stale_changes_nothing(world, input, decision);
    what_is_outdated_is_rejected(world, input, decision);
    a_deadline_is_honoured(world, input, decision);
}

/// A transition, before it is committed.
pub fn of_transition(world: &World, stamp: Stamp, input: &Input, transition: &Transition) {
    the_event_tells_the_transition(world, stamp, transition);
    what_opens_has_the_new_id(stamp, transition);
    a_new_spec_has_the_next_version(world, transition);
    a_rollout_is_new_or_stays(world, transition);
    a_call_is_the_record_s(transition);
    pause_holds(world, input, transition);
    what_is_retained_stays_known(world, transition);
}

/// What is known after a commit, when its effects have run.
pub fn of_record(world: &World) {
    what_is_open_is_on_the_record(world);
    the_call_on_the_record_is_alive(world);
    if let Record::Live(tenant) = &world.record {
        provisioning_repairs_nothing(tenant);
        what_is_healthy_is_not_repaired(tenant);
        the_budget_is_kept(world, tenant);
        nothing_waits_for_nothing(tenant);
        the_deadline_wakes(tenant);
    }
    a_timer_that_fires_leads_on(world);
    the_samples_have_it(world);
}

fn what_is_joined_is_open(world: &World, decision: &Decision) {
    if let Decision::Join(operation) = decision {
        assert!(world.opened.contains(operation), "joins {operation}, which never began");
        assert!(!world.settled.contains(operation), "joins {operation}, which has settled");
    }
}

/// I5: unless the tenant is protected, by the spec that runs or, before one does, by the one that should.
fn destroy_is_accepted(world: &World, input: &Input, decision: &Decision) {
    let Input::Command(Command { expected: None, request: Request::Destroy }) = input else { return };
    let lives = matches!(world.record, Record::Live(_));
    let accepted = match decision {
        Decision::Apply(transition) => {
            transition.opened.is_some_and(|opened| destroying(&transition.record) == Some(opened.operation))
        }
        Decision::Join(operation) => destroying(&world.record) == Some(*operation),
        Decision::Ignore => !lives,
        Decision::Reject(_) => false,
    };
    if let Record::Live(tenant) = &world.record
        && protects(tenant)
    {
        assert_eq!(*decision, Decision::Reject(Rejection::Protected), "in {:?}", world.record);
        return;
    }
    assert!(accepted, "destroy is not accepted: {decision:?} in {:?}", world.record);
}

fn protects(tenant: &Tenant) -> bool {
    let spec = match (&tenant.state, tenant.applied()) {
        (_, Some(applied)) => Some(&applied.spec),
        (State::Provisioning(change), None) if !matches!(change.direction, Direction::Undo(_)) => {
            Some(&change.target.spec)
        }
        (_, None) => None,
    };
    spec.is_some_and(|spec| spec.deletion_protection)
}

/// The destroy that is on its way, or follows.
pub fn destroying(record: &Record) -> Option<OperationId> {
    let Record::Live(tenant) = record else { return None };
    match &tenant.state {
        State::Destroying(removal) => Some(removal.operation),
        State::Pending | State::Running { .. } => None,
        State::Provisioning(change) | State::Updating { change, .. } => awaited_destroy(change),
    }
}

/// The destroy that follows when a call has stopped.
pub fn awaited_destroy(change: &Change) -> Option<OperationId> {
    match change.run {
        Run::Stopping { why: Why::Destroy(destroy), .. } => Some(destroy),
        Run::Stopping { why: Why::Cancel | Why::Deadline, .. } | Run::Calling(_) | Run::Waiting { .. } => {
            None
        }
    }
}

fn what_is_stale_changes_nothing(world: &World, input: &Input, decision: &Decision) {
    if let Input::Outcome { call, .. } | Input::Progressed { call, .. } = input
        && world.record.call() != Some(*call)
    {
        assert_eq!(*decision, Decision::Ignore, "something stale counts");
    }
    if let (Input::Observed(observation), Record::Live(tenant)) = (input, &world.record)
        && tenant.settled_at.is_some_and(|settled_at| observation.begun < settled_at)
    {
        assert_eq!(*decision, Decision::Ignore, "a look from before counts");
    }
}

fn what_is_outdated_is_rejected(world: &World, input: &Input, decision: &Decision) {
    if let Input::Command(Command { expected: Some(expected), .. }) = input
        && *expected != world.record.revision()
    {
        assert!(matches!(decision, Decision::Reject(_)), "a command for another revision is done");
    }
}

fn a_deadline_is_honoured(world: &World, input: &Input, decision: &Decision) {
    let (Input::TimerFired, Record::Live(tenant)) = (input, &world.record) else { return };
    let Some(change) = change(tenant) else { return };
    let Direction::Forward { deadline: Some(deadline) } = change.direction else { return };
    if deadline <= world.now && tenant.paused.is_none() {
        let after = match decision {
            Decision::Apply(transition) => &transition.record,
            Decision::Join(_) | Decision::Ignore | Decision::Reject(_) => &world.record,
        };
        let Record::Live(after) = after else { return };
        let goes_on = self::change(after).is_some_and(|after| {
            after.operation == change.operation
                && matches!(after.direction, Direction::Forward { .. })
                && !matches!(after.run, Run::Stopping { .. })
        });
        assert!(!goes_on, "it goes on after its deadline");
    }
}

/// I6: gapless, and each event begins where the one before ended.
fn the_event_tells_the_transition(world: &World, stamp: Stamp, transition: &Transition) {
    let (before, after, event) = (&world.record, &transition.record, &transition.event);
    assert_eq!(after.revision(), before.revision().next(), "a gap");
    assert_eq!(event.revision, after.revision());
    assert_eq!(event.at, stamp.now);
    assert_eq!((&event.tenant_id, after.id()), (before.id(), before.id()));
    assert_eq!(event.from, state(before).unwrap_or(StateName::Pending), "from");
    assert_eq!(event.to, state(after), "to");
    let lived = match before {
        Record::Absent(_) => 0,
        Record::Gone(tombstone) => tombstone.incarnation.0,
        Record::Live(tenant) => tenant.incarnation.0,
    };
    let incarnation = match (before, event.to) {
        (Record::Live(tenant), _) => tenant.incarnation,
        // What a life left is removed; no other begins, but it may be one that the record has forgotten.
        (Record::Absent(_) | Record::Gone(_), Some(StateName::Destroying)) => {
            assert!(event.incarnation.0 >= lived.max(1), "a life is counted twice");
            event.incarnation
        }
        (Record::Absent(_) | Record::Gone(_), _) => Incarnation(lived + 1),
    };
    let lives_as = match after {
        Record::Absent(_) => panic!("a transition to nothing"),
        Record::Gone(tombstone) => tombstone.incarnation,
        Record::Live(tenant) => tenant.incarnation,
    };
    assert_eq!((event.incarnation, lives_as), (incarnation, incarnation));
}

fn what_opens_has_the_new_id(stamp: Stamp, transition: &Transition) {
    if let Some(opened) = transition.opened {
        assert_eq!(opened.operation, stamp.operation);
    }
}

fn a_new_spec_has_the_next_version(world: &World, transition: &Transition) {
    let latest = |record: &Record| match record {
        Record::Absent(_) | Record::Gone(_) => 0,
        Record::Live(tenant) => tenant.latest_spec.0,
    };
    let numbered = transition.spec.as_ref().map(|spec| spec.version.0);
    match numbered {
        Some(version) => {
            assert_eq!(version, latest(&world.record) + 1);
            assert_eq!(version, latest(&transition.record));
        }
        None if matches!(transition.record, Record::Live(_)) => {
            assert_eq!(latest(&transition.record), latest(&world.record), "a version without a spec");
        }
        None => {}
    }
}

/// A restart's rollout is that of the revision which began it, so that none is used twice.
fn a_rollout_is_new_or_stays(world: &World, transition: &Transition) {
    let rollouts = |record: &Record| -> Vec<Rollout> {
        let Record::Live(tenant) = record else { return vec![Rollout::default()] };
        let known = tenant.applied().into_iter().chain(tenant.target()).map(|rolled| rolled.rollout);
        known.chain([Rollout::default()]).collect()
    };
    let before = rollouts(&world.record);
    for rollout in rollouts(&transition.record) {
        let new = rollout.0 == transition.record.revision().0;
        assert!(new || before.contains(&rollout), "rollout {rollout} came from nowhere");
    }
}

/// A call is started under the id of its revision, once, after the call before was dropped.
fn a_call_is_the_record_s(transition: &Transition) {
    let mut started = 0;
    for effect in &transition.effects {
        match effect {
            Effect::StartCall(start) => {
                started += 1;
                assert_eq!(start.call, CallId(transition.record.revision().0));
                assert_eq!(transition.record.call(), Some(start.call));
                assert_eq!(
                    start.spec.is_none(),
                    matches!(start.method, Method::Destroy | Method::Release),
                    "what is called with which spec"
                );
                let Record::Live(tenant) = &transition.record else { panic!("a call for nobody") };
                let rollout = tenant.applied().map(|applied| applied.rollout).unwrap_or_default();
                assert_eq!(start.applied_rollout, rollout, "what runs");
                let wanted = match change(tenant).map(|change| (&change.direction, &change.target)) {
                    Some((Direction::Forward { .. } | Direction::Repair, target)) => target.rollout,
                    Some((Direction::Undo(_), _)) => rollout,
                    None => Rollout::default(),
                };
                assert_eq!(start.rollout, wanted, "what should run");
                assert_eq!(tenant.operation(), Some(start.operation));
                assert_eq!(tenant.attempt(), Some(start.attempt));
            }
            Effect::StopCall(_) => {}
            Effect::DropCall(_) => assert_eq!(started, 0, "dropped after the next one started"),
        }
    }
    assert!(started <= 1, "{started} calls at once");
}

/// I3: what a destroy retained is on the tombstone, and stays there until a release of that provider is done.
fn what_is_retained_stays_known(world: &World, transition: &Transition) {
    let Record::Gone(after) = &transition.record else { return };
    let Record::Live(before) = &world.record else { panic!("what does not live is buried") };
    let removes = match &before.state {
        State::Destroying(removal) => &removal.removes,
        other
        @ (State::Pending | State::Provisioning(_) | State::Running { .. } | State::Updating { .. }) => {
            panic!("buried from {other:?}")
        }
    };
    let wanted = match (removes, &transition.event.what) {
        (Removes::Everything, EventKind::Succeeded { retained, .. }) => retained.clone(),
        (Removes::Everything, _) => None,
        (Removes::Retained { known }, EventKind::Succeeded { .. }) => {
            known.clone().filter(|known| known.provider != before.provider)
        }
        (Removes::Retained { known }, _) => known.clone(),
    };
    assert_eq!(after.retained, wanted, "what is retained is forgotten, or invented");
}

/// While it is paused nothing begins by itself: no retry, no repair, no queued update. What is on its way goes
/// on, and so do undo and destroy.
fn pause_holds(world: &World, input: &Input, transition: &Transition) {
    let (Record::Live(before), Record::Live(after)) = (&world.record, &transition.record) else { return };
    let starts = transition.effects.iter().any(|effect| matches!(effect, Effect::StartCall(_)));
    if before.paused.is_none() || after.paused.is_none() || !starts {
        return;
    }
    let forward = change(after)
        .is_some_and(|change| matches!(change.direction, Direction::Forward { .. } | Direction::Repair));
    let goes_on = transition.event.what == EventKind::FoundNothing;
    assert!(!forward || goes_on, "{input:?} began something on a paused tenant");
}

/// Every operation that was opened and has not settled is one that the record will settle.
fn what_is_open_is_on_the_record(world: &World) {
    let open: BTreeSet<OperationId> = world.opened.difference(&world.settled).copied().collect();
    let on_record: BTreeSet<OperationId> = match &world.record {
        Record::Absent(_) | Record::Gone(_) => BTreeSet::new(),
        Record::Live(tenant) => {
            let stopping_for = change(tenant).and_then(awaited_destroy);
            let queued = tenant.next.as_ref().map(|queued| queued.operation);
            [tenant.operation(), queued, stopping_for].into_iter().flatten().collect()
        }
    };
    assert_eq!(open, on_record, "open operations, and those on the record");
}

/// I4: and no other is.
fn the_call_on_the_record_is_alive(world: &World) {
    assert_eq!(world.record.call(), world.alive, "the call on the record, and the one alive");
}

fn provisioning_repairs_nothing(tenant: &Tenant) {
    if let State::Provisioning(change) = &tenant.state {
        assert_ne!(change.direction, Direction::Repair);
    }
}

fn what_is_healthy_is_not_repaired(tenant: &Tenant) {
    if let (State::Running { .. }, Health::Healthy) = (&tenant.state, tenant.health) {
        assert_eq!(tenant.repair.due, None, "a repair is due of what is healthy");
    }
}

fn the_budget_is_kept(world: &World, tenant: &Tenant) {
    if let Some(Change { direction: Direction::Forward { .. } | Direction::Repair, attempt, .. }) =
        change(tenant)
    {
        assert!(*attempt <= world.policy.attempts, "try {attempt}, of {}", world.policy.attempts);
    }
}

/// What has no call in flight is woken, unless it waits for somebody to resume it.
fn nothing_waits_for_nothing(tenant: &Tenant) {
    let waits = match &tenant.state {
        State::Pending => {
            assert_eq!(tenant.next, None, "an update waits behind nothing");
            false
        }
        State::Running { .. } => {
            assert!(tenant.next.is_none() || tenant.paused.is_some(), "an update waits behind nothing");
            tenant.repair.due.is_some() && tenant.paused.is_none()
        }
        State::Provisioning(change) | State::Updating { change, .. } => {
            match (&change.run, &change.direction) {
                (Run::Calling(_), _) => false,
                (Run::Stopping { .. }, _) | (Run::Waiting { .. }, Direction::Undo(_)) => true,
                (Run::Waiting { .. }, Direction::Forward { .. } | Direction::Repair) => {
                    tenant.paused.is_none()
                }
            }
        }
        State::Destroying(removal) => matches!(removal.run, RemovalRun::Waiting { .. }),
    };
    assert!(!waits || tenant.wake_at().is_some(), "it waits and is never woken: {tenant:?}");
}

fn the_deadline_wakes(tenant: &Tenant) {
    let Some(change) = change(tenant) else { return };
    if let (Direction::Forward { deadline: Some(deadline) }, Run::Calling(_) | Run::Waiting { .. }, None) =
        (&change.direction, &change.run, tenant.paused)
    {
        assert!(tenant.wake_at().is_some_and(|at| at <= *deadline), "it sleeps past its deadline");
    }
}

/// A timer that fires when it should is never in vain: an engine would fire it for ever.
fn a_timer_that_fires_leads_on(world: &World) {
    let Some(at) = world.record.wake_at() else { return };
    let stamp = Stamp { now: at, jitter: 0, operation: OperationId { epoch: 2, number: 0 } };
    let decision = step(&world.policy, &world.record, stamp, Input::TimerFired);
    assert!(matches!(decision, Decision::Apply(_)), "woken at {at} for nothing: {:?}", world.record);
}

/// The page and the snapshots leave out nothing that can happen.
fn the_samples_have_it(world: &World) {
    static NAMES: LazyLock<HashSet<Name>> =
        LazyLock::new(|| configurations().into_iter().map(|each| each.name).collect());
    let name = Name::of(world.policy.attempts, &world.record);
    // Protection is sampled by itself only.
    let unprotected = Name { protected: false, ..name.clone() };
    let protected = Name { paused: false, queued: None, ..name.clone() };
    let sampled = NAMES.contains(&unprotected) && (!name.protected || NAMES.contains(&protected));
    assert!(sampled, "not among the samples: {name}");
}

fn change(tenant: &Tenant) -> Option<&Change> {
    match &tenant.state {
        State::Pending | State::Running { .. } | State::Destroying(_) => None,
        State::Provisioning(change) | State::Updating { change, .. } => Some(change),
    }
}

fn state(record: &Record) -> Option<StateName> {
    match record {
        Record::Absent(_) | Record::Gone(_) => None,
        Record::Live(tenant) => Some(tenant.state.name()),
    }
}
