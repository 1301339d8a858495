//! The machine's surroundings: an engine that mints, commits, calls and crashes, and a platform that has resources.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use landlord_state_machines::id::{CallId, Incarnation, OperationId, ProviderName, Rollout};
use landlord_state_machines::observation::Observation;
use landlord_state_machines::spec::Spec;
use landlord_state_machines::tenant::{
    Backoff, Command, Decision, Effect, EventKind, Input, Method, Outcome, Policy, Record, RepairPolicy,
    Request, Stamp, State, Transition, after, step,
};

use super::properties::{self, Rule};
use landlord_lives::moves::{Ending, Sight};
use landlord_lives::world::{PROTECTS, SPECS, acme, outcome, progressed, retained, seen};

/// How long after it was asked for something with a deadline has to be done.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long nothing may break before repairs are counted anew.
pub(super) const QUIET: Duration = Duration::from_secs(20);

/// Which of the specs asks to retain something.
const RETAINS: usize = 0;

static PROVIDER: LazyLock<ProviderName> = LazyLock::new(|| ProviderName::new("process").unwrap());

pub(super) fn repair_on() -> RepairPolicy {
    RepairPolicy::On { backoff: pauses(), quiet: QUIET }
}

fn pauses() -> Backoff {
    Backoff { first: Duration::from_secs(2), cap: Duration::from_secs(4) }
}

/// What the tenant has on its platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Platform {
    Nothing,
    Runs(Made),
    /// Something of it is missing, or has crashed.
    Broken(Made),
}

/// What a call made: of which spec, by its number, and for which rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) spec: usize,
    pub(super) rollout: Rollout,
}

/// A call in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alive {
    pub(super) call: CallId,
    pub(super) method: Method,
    /// What it should make run.
    pub(super) made: Option<Made>,
    /// It has had its effect, and has not answered yet.
    pub(super) worked: bool,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) policy: Policy,
    pub(super) record: Record,
    pub(super) now: Timestamp,
    pub(super) alive: Option<Alive>,
    pub(super) platform: Platform,
    /// A destroy has left something there on purpose.
    pub(super) retained: bool,
    /// The platform changed by itself, or was given up, since a call last had its effect.
    pub(super) tampered: bool,
    /// What was opened and has not settled.
    pub(super) open: BTreeSet<OperationId>,
    minted: u64,
    /// What the last transition broke.
    pub(super) broken: Option<Rule>,
}

/// One thing that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Provision {
        spec: usize,
        deadline: bool,
    },
    Update {
        spec: usize,
        deadline: bool,
    },
    Restart {
        deadline: bool,
    },
    Destroy,
    Cancel,
    Retry,
    Pause,
    Resume,
    Abandon,
    /// What a destroy retained is to go.
    Release,
    /// The sweep found something of the first life.
    Reclaim,
    /// The call in flight has its effect on the platform.
    Works,
    /// It wants its ledger kept.
    Progresses,
    /// It ends.
    Ends(Ending),
    /// The engine dies, and the next one takes up what it finds.
    Crash,
    /// Another engine takes the tenant, in order.
    HandOver,
    /// The engine looks whether the tenant is to be woken.
    Timer,
    /// Time passes up to the next wake-up, or, where there is none, until repairs are forgotten. The timer may come late.
    Pass,
    /// Something crashes on the platform.
    Breaks,
    /// Everything disappears from the platform.
    Vanishes,
    /// The tenant is looked at.
    Look(Sight),
}

const COMMANDS: [Action; 17] = [
    Action::Provision { spec: 0, deadline: false },
    Action::Provision { spec: 0, deadline: true },
    Action::Provision { spec: 1, deadline: false },
    Action::Provision { spec: 1, deadline: true },
    Action::Update { spec: 0, deadline: false },
    Action::Update { spec: 0, deadline: true },
    Action::Update { spec: 1, deadline: false },
    Action::Update { spec: 1, deadline: true },
    Action::Restart { deadline: false },
    Action::Destroy,
    Action::Cancel,
    Action::Retry,
    Action::Pause,
    Action::Resume,
    Action::Abandon,
    Action::Reclaim,
    Action::Release,
];

impl World {
    pub(super) fn new(repair: RepairPolicy) -> Self {
        let stop_grace = Duration::from_secs(3);
        Self {
            policy: Policy { attempts: 2, retry: pauses(), stop_grace, repair },
            record: Record::Absent(acme()),
            now: after(Timestamp::UNIX_EPOCH, Duration::from_secs(1_000_000)),
            alive: None,
            platform: Platform::Nothing,
            retained: false,
            tampered: false,
            open: BTreeSet::new(),
            minted: 0,
            broken: None,
        }
    }

    /// The same after a whole life, which has left something on purpose: what follows from that is near then.
    pub(super) fn after_a_life_that_retained(mut self) -> Self {
        for asked in [Action::Provision { spec: RETAINS, deadline: false }, Action::Destroy] {
            for action in [asked, Action::Works, Action::Ends(Ending::Succeeded)] {
                assert!(self.happen(action), "{action:?}");
            }
        }
        assert!(matches!(self.record, Record::Gone(_)) && self.retained);
        self
    }

    pub(super) fn possible(&self, actions: &mut Vec<Action>) {
        if self.broken.is_some() {
            return;
        }
        actions.extend(COMMANDS);
        actions.extend([Action::Crash, Action::Timer, Action::Pass]);
        if let Some(alive) = self.alive {
            actions.push(Action::Progresses);
            if self.can_work(alive) {
                actions.push(Action::Works);
            }
            actions.push(Action::HandOver);
            actions.extend(endings(alive, self.platform, self.retained).map(Action::Ends));
        }
        match self.platform {
            Platform::Nothing => actions.extend([Sight::Broken, Sight::Unclear].map(Action::Look)),
            Platform::Runs(_) => {
                actions.extend([Action::Breaks, Action::Vanishes]);
                actions.extend([Sight::Healthy, Sight::Unhealthy].map(Action::Look));
            }
            Platform::Broken(_) => actions.push(Action::Look(Sight::Broken)),
        }
    }

    /// Whether the call can have its effect: the provider keeps its contract.
    fn can_work(&self, Alive { method, made, worked, .. }: Alive) -> bool {
        let possible = match (method, self.platform) {
            (Method::Provision, Platform::Runs(other) | Platform::Broken(other)) => {
                made.is_some_and(|made| made.spec == other.spec)
            }
            (Method::Provision, Platform::Nothing) | (Method::Destroy | Method::Release, _) => true,
            (Method::Update, platform) => platform != Platform::Nothing,
        };
        possible && !worked
    }

    /// The world after that happened; none when nothing changes.
    pub(super) fn after(&self, action: Action) -> Option<Self> {
        let mut world = self.clone();
        let changed = world.happen(action);
        changed.then_some(world)
    }

    /// Whether anything changed.
    pub(super) fn happen(&mut self, action: Action) -> bool {
        match action {
            Action::Provision { spec, deadline } => {
                let (spec, deadline) = self.asked(spec, deadline);
                self.command(Request::Provision { spec, provider: PROVIDER.clone(), deadline })
            }
            Action::Update { spec, deadline } => {
                let (spec, deadline) = self.asked(spec, deadline);
                self.command(Request::Update { spec, provider: PROVIDER.clone(), deadline })
            }
            Action::Restart { deadline } => {
                let deadline = deadline.then(|| after(self.now, DEADLINE));
                self.command(Request::Restart { deadline })
            }
            Action::Destroy => self.command(Request::Destroy),
            Action::Cancel => self.command(Request::Cancel),
            Action::Retry => self.command(Request::Retry),
            Action::Pause => self.command(Request::Pause),
            Action::Resume => self.command(Request::Resume),
            Action::Abandon => self.command(Request::Abandon { reason: "enough".to_owned() }),
            Action::Reclaim => {
                self.command(Request::Reclaim { provider: PROVIDER.clone(), incarnation: Incarnation(1) })
            }
            Action::Release => self.command(Request::Release { provider: None }),
            Action::Works => {
                let Some(alive) = &mut self.alive else { return false };
                alive.worked = true;
                let had = match self.platform {
                    Platform::Nothing => None,
                    Platform::Runs(made) | Platform::Broken(made) => Some(made.spec),
                };
                match (alive.method, alive.made) {
                    (Method::Destroy, _) => self.retained |= had == Some(RETAINS),
                    (Method::Release, _) => self.retained = false,
                    // It is taken up again.
                    (Method::Provision | Method::Update, Some(made)) => self.retained &= made.spec != RETAINS,
                    (Method::Provision | Method::Update, None) => {}
                }
                self.platform = alive.made.map_or(Platform::Nothing, Platform::Runs);
                self.tampered = false;
                true
            }
            Action::Progresses => {
                let Some(alive) = self.alive else { return false };
                self.input(progressed(alive.call))
            }
            Action::Ends(ending) => {
                let Some(alive) = self.alive.take() else { return false };
                let outcome = match (outcome(ending), alive.method) {
                    (Outcome::Succeeded { changes, message, .. }, Method::Destroy) if self.retained => {
                        Outcome::Succeeded { changes, message, retained: retained(&PROVIDER) }
                    }
                    (other, _) => other,
                };
                self.input(Input::Outcome { call: alive.call, outcome });
                true
            }
            // Whatever was not committed is as if it had not been: what is left is the record.
            Action::Crash => {
                self.alive.take().is_some() | (self.record.call().is_some() && self.input(Input::Recovered))
            }
            Action::HandOver => {
                let Some(alive) = self.alive.take() else { return false };
                self.input(Input::HandedOver { call: alive.call })
            }
            Action::Timer => self.input(Input::TimerFired),
            Action::Pass => {
                let until = match self.record.wake_at() {
                    Some(at) if at > self.now => at,
                    Some(_) => return false,
                    None => after(self.now, QUIET),
                };
                self.now = until;
                true
            }
            Action::Breaks => {
                let Platform::Runs(made) = self.platform else { return false };
                self.platform = Platform::Broken(made);
                self.tampered = true;
                true
            }
            Action::Vanishes => {
                self.platform = Platform::Nothing;
                self.tampered = true;
                true
            }
            Action::Look(sight) => {
                let observation = Observation { tenant: acme(), begun: self.now, seen: seen(sight) };
                self.input(Input::Observed(observation))
            }
        }
    }

    fn asked(&self, spec: usize, deadline: bool) -> (Spec, Option<Timestamp>) {
        (SPECS[spec].clone(), deadline.then(|| after(self.now, DEADLINE)))
    }

    fn command(&mut self, request: Request) -> bool {
        self.input(Input::Command(Command { expected: None, request }))
    }

    pub(super) fn stamp(&self) -> Stamp {
        let operation = OperationId { epoch: 1, number: self.minted + 1 };
        Stamp { now: self.now, jitter: 0, operation }
    }

    /// What the machine would decide.
    pub(super) fn decide(&self, input: Input) -> Decision {
        step(&self.policy, &self.record, self.stamp(), input)
    }

    /// What comes too late: from a call that is long over, or seen before the last operation settled.
    pub(super) fn stale(&self) -> impl Iterator<Item = Input> {
        let over = CallId(0);
        let settled_at = match &self.record {
            Record::Absent(_) | Record::Gone(_) => None,
            Record::Live(tenant) => tenant.settled_at,
        };
        let look = settled_at.map(|settled_at| {
            let begun = settled_at.checked_sub(Duration::from_secs(1)).unwrap();
            Input::Observed(Observation { tenant: acme(), begun, seen: seen(Sight::Broken) })
        });
        let outcome = Input::Outcome { call: over, outcome: outcome(Ending::Succeeded) };
        [outcome, progressed(over)].into_iter().chain(look)
    }

    /// One step of the machine, with its commit and its effects; whether anything changed.
    fn input(&mut self, input: Input) -> bool {
        let decision = self.decide(input.clone());
        self.broken = properties::of_decision(self, &input, &decision);
        let Decision::Apply(transition) = decision else { return self.broken.is_some() };
        self.broken = self.broken.or_else(|| properties::of_transition(self, &input, &transition));
        self.minted += 1;
        self.commit(transition);
        true
    }

    fn commit(&mut self, transition: Transition) {
        self.open.extend(transition.opened.map(|opened| opened.operation));
        for settlement in &transition.event.settled {
            self.open.remove(&settlement.operation);
        }
        let what = &transition.event.what;
        self.tampered |= matches!(what, EventKind::Abandoned { .. } | EventKind::NotUndone { .. });
        self.record = transition.record;
        for effect in transition.effects {
            match effect {
                Effect::StartCall(start) => {
                    let spec = start.spec.and_then(|spec| number(&spec)).map(platforms);
                    let made = spec.map(|spec| Made { spec, rollout: start.rollout });
                    self.alive = Some(Alive { call: start.call, method: start.method, made, worked: false });
                }
                Effect::StopCall(_) => {}
                Effect::DropCall(_) => self.alive = None,
            }
        }
    }

    /// What goes on when nobody asks for anything more, the platform first fails a few calls and then does what it is
    /// asked, timers fire, and somebody resumes what is paused. Whether it comes to rest.
    pub(super) fn comes_to_rest(&mut self, mut failures: u32) -> bool {
        for _ in 0..100 {
            if let Some(alive) = self.alive {
                if failures > 0 {
                    failures -= 1;
                    self.happen(Action::Ends(Ending::TimedOut));
                } else if self.can_work(alive) {
                    self.happen(Action::Works);
                } else if alive.worked {
                    self.happen(Action::Ends(Ending::Succeeded));
                } else if alive.method == Method::Update {
                    self.happen(Action::Ends(Ending::NotFound));
                } else {
                    self.happen(Action::Ends(Ending::Permanent));
                }
            } else if let Record::Live(tenant) = &self.record
                && tenant.paused.is_some()
                && !matches!(tenant.state, State::Destroying(_))
                && self.happen(Action::Resume)
            {
            } else if self.record.wake_at().is_some() {
                self.happen(Action::Pass);
                self.happen(Action::Timer);
            } else {
                return true;
            }
        }
        false
    }
}

/// How a call that keeps the provider's contract can end. What failed may have worked. Where something is retained, a
/// destroy says so, and a release removes it.
fn endings(alive: Alive, platform: Platform, retained: bool) -> impl Iterator<Item = Ending> {
    let always = [Ending::Retry { after: None }, Ending::Permanent, Ending::TimedOut, Ending::Lost];
    let nothing = match alive.method {
        Method::Provision => false,
        Method::Update => platform == Platform::Nothing,
        Method::Destroy | Method::Release => platform == Platform::Nothing && !retained,
    };
    let found_nothing = nothing && !alive.worked;
    always
        .into_iter()
        .chain(alive.worked.then_some(Ending::Succeeded))
        .chain(found_nothing.then_some(Ending::NotFound))
        .chain((!alive.worked).then_some(Ending::Held))
}

/// The number of a spec.
pub(super) fn number(spec: &Spec) -> Option<usize> {
    SPECS.iter().position(|known| known == spec)
}

/// The spec that a platform cannot tell from this one: whether a tenant is protected is nothing to it.
pub(super) fn platforms(spec: usize) -> usize {
    if spec == PROTECTS { 0 } else { spec }
}
