//! A small engine: it mints ids, keeps the call in flight, wakes the tenant, and dies now and then.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{CallId, Incarnation, OperationId, ProviderName, Revision, TenantId};
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::observation::{Observation, Seen};
use landlord_state_machines::spec::{ContainerSpec, ResourceRequirements, Spec, TenantComputeSpec};
use landlord_state_machines::tenant::{
    Command, Decision, Effect, Input, Outcome, Policy, Record, Removes, Request, Retained, Stamp, State,
    Transition, after, step,
};

use crate::moves::{Ending, Move, Sight};
use crate::rules;

pub struct World {
    pub policy: Policy,
    pub record: Record,
    pub now: Timestamp,
    /// The call that is alive.
    pub alive: Option<CallId>,
    /// Every operation that began or was queued.
    pub opened: BTreeSet<OperationId>,
    /// Every operation that settled.
    pub settled: BTreeSet<OperationId>,
    /// Every call that ever was.
    calls: Vec<CallId>,
    minted: u64,
}

/// Which of the specs protects its tenant from a destroy. In nothing else does it differ from the first one.
pub const PROTECTS: usize = 1;

pub static SPECS: LazyLock<Vec<Spec>> = LazyLock::new(|| {
    let spec = |number: usize| TenantComputeSpec {
        tenant_id: "acme".to_owned(),
        provider_type: "process".to_owned(),
        containers: vec![ContainerSpec {
            name: "web".to_owned(),
            image: format!("web:{}", if number == PROTECTS { 0 } else { number }),
            ..ContainerSpec::default()
        }],
        resources: ResourceRequirements { cpu: 256, memory: 256, ..ResourceRequirements::default() },
        deletion_protection: number == PROTECTS,
        ..TenantComputeSpec::default()
    };
    (0..3).map(|number| spec(number).check().unwrap()).collect()
});

pub fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

impl World {
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            record: Record::Absent(acme()),
            now: after(Timestamp::UNIX_EPOCH, Duration::from_secs(1_000_000)),
            alive: None,
            opened: BTreeSet::new(),
            settled: BTreeSet::new(),
            calls: Vec::new(),
            minted: 0,
        }
    }

    pub fn live(&mut self, life: impl IntoIterator<Item = Move>) {
        for next in life {
            self.happen(next);
        }
    }

    fn happen(&mut self, next: Move) {
        match next {
            Move::Provision { spec, elsewhere, deadline } => {
                let (spec, provider, deadline) = self.asked(spec, elsewhere, deadline);
                self.command(Request::Provision { spec, provider, deadline });
            }
            Move::Update { spec, elsewhere, deadline } => {
                let (spec, provider, deadline) = self.asked(spec, elsewhere, deadline);
                self.command(Request::Update { spec, provider, deadline });
            }
            Move::Restart { deadline } => {
                let deadline = deadline.map(|seconds| after(self.now, Duration::from_secs(seconds)));
                self.command(Request::Restart { deadline });
            }
            Move::Destroy => self.command(Request::Destroy),
            Move::Cancel => self.command(Request::Cancel),
            Move::Retry => self.command(Request::Retry),
            Move::Pause => self.command(Request::Pause),
            Move::Resume => self.command(Request::Resume),
            Move::Abandon => self.command(Request::Abandon { reason: "enough".to_owned() }),
            Move::Reclaim { life } => {
                let provider = ProviderName::new("process").unwrap();
                self.command(Request::Reclaim { provider, incarnation: Incarnation(life) });
            }
            Move::Release { elsewhere } => {
                let provider = elsewhere.then(|| ProviderName::new("ecs").unwrap());
                self.command(Request::Release { provider });
            }
            Move::Outdated => {
                let expected = Some(Revision(self.record.revision().0 + 1));
                self.input(Input::Command(Command { expected, request: Request::Destroy }));
            }
            Move::CallEnds(ending) => {
                if let Some(call) = self.alive {
                    self.call_ends(call, outcome(ending));
                }
            }
            Move::StaleOutcome(index, ending) => {
                if let Some(call) = self.stale(index) {
                    self.input(Input::Outcome { call, outcome: outcome(ending) });
                }
            }
            Move::Progress => {
                if let Some(call) = self.alive {
                    self.input(progressed(call));
                }
            }
            Move::StaleProgress(index) => {
                if let Some(call) = self.stale(index) {
                    self.input(progressed(call));
                }
            }
            Move::Wait(seconds) => {
                self.now = after(self.now, Duration::from_secs(seconds));
                self.wake();
            }
            Move::WaitUntilWoken => {
                self.let_time_pass();
            }
            Move::Timer => self.input(Input::TimerFired),
            Move::Crash => self.crash(),
            Move::HandOver => self.hand_over(),
            Move::Look(sight, ago) => {
                let ago = Duration::from_secs(ago);
                let begun = self.now.checked_sub(ago).unwrap();
                self.input(Input::Observed(Observation { tenant: acme(), begun, seen: seen(sight) }));
            }
        }
    }

    fn asked(
        &self,
        spec: usize,
        elsewhere: bool,
        deadline: Option<u64>,
    ) -> (Spec, ProviderName, Option<Timestamp>) {
        let provider = ProviderName::new(if elsewhere { "ecs" } else { "process" }).unwrap();
        let deadline = deadline.map(|seconds| after(self.now, Duration::from_secs(seconds)));
        (SPECS[spec].clone(), provider, deadline)
    }

    fn stale(&self, index: usize) -> Option<CallId> {
        let stale: Vec<_> = self.calls.iter().filter(|call| self.alive != Some(**call)).collect();
        (!stale.is_empty()).then(|| *stale[index % stale.len()])
    }

    pub fn command(&mut self, request: Request) {
        self.input(Input::Command(Command { expected: None, request }));
    }

    /// The call's future is gone before its outcome is looked at.
    fn call_ends(&mut self, call: CallId, outcome: Outcome) {
        self.alive = None;
        let outcome = self.with_what_is_retained(outcome);
        self.input(Input::Outcome { call, outcome });
    }

    /// Every other destroy retains something.
    fn with_what_is_retained(&self, outcome: Outcome) -> Outcome {
        let Record::Live(tenant) = &self.record else { return outcome };
        let destroys =
            matches!(&tenant.state, State::Destroying(removal) if removal.removes == Removes::Everything);
        match outcome {
            Outcome::Succeeded { changes, message, retained: None }
                if destroys && self.calls.len().is_multiple_of(2) =>
            {
                Outcome::Succeeded { changes, message, retained: retained(&tenant.provider) }
            }
            other @ (Outcome::Succeeded { .. }
            | Outcome::Failed(_)
            | Outcome::TimedOut(_)
            | Outcome::Lost(_)
            | Outcome::Held(_)) => other,
        }
    }

    /// The engine dies with its call, and the next one takes up what it finds.
    pub fn crash(&mut self) {
        self.alive = None;
        self.input(Input::Recovered);
    }

    /// Another engine takes the tenant: the call is stopped before.
    pub fn hand_over(&mut self) {
        if let Some(call) = self.alive.take() {
            self.input(Input::HandedOver { call });
            self.wake();
        }
    }

    fn wake(&mut self) {
        if self.record.wake_at().is_some_and(|at| at <= self.now) {
            self.input(Input::TimerFired);
        }
    }

    /// Time passes until the tenant is woken; whether it is.
    pub fn let_time_pass(&mut self) -> bool {
        let Some(at) = self.record.wake_at() else { return false };
        self.now = self.now.max(at);
        self.wake();
        true
    }

    /// Nobody asks for anything any more, the platform does what it is asked, and timers fire.
    pub fn go_on_without_commands(&mut self) {
        for _ in 0..100 {
            if let Some(call) = self.alive {
                self.call_ends(call, outcome(Ending::Succeeded));
            } else if !self.let_time_pass() {
                return;
            }
        }
        panic!("it never comes to rest: {:?}", self.record);
    }

    /// Asks for a destroy; of a protected tenant once an update has lifted its protection.
    pub fn destroy(&mut self) {
        // An update to the same spec that is on its way already may be late or cancelled: then it is asked for again.
        for _ in 0..2 {
            if let Record::Live(tenant) = &self.record
                && tenant.is_protected()
            {
                let provider = tenant.provider.clone();
                self.command(Request::Resume);
                self.command(Request::Update { spec: SPECS[0].clone(), provider, deadline: None });
                self.go_on_without_commands();
            }
        }
        self.command(Request::Destroy);
    }

    pub fn come_to_rest(&mut self) {
        self.command(Request::Resume);
        self.go_on_without_commands();
        if let Record::Live(tenant) = &self.record {
            let at_rest = match tenant.state {
                State::Pending | State::Running { .. } => true,
                State::Provisioning(_) | State::Updating { .. } | State::Destroying(_) => false,
            };
            assert!(at_rest, "it does not lead back: {tenant:?}");
        }
    }

    /// Every operation that was opened has settled.
    pub fn nothing_is_left_open(&self) {
        assert_eq!(self.opened, self.settled, "opened and settled");
    }

    /// One step of the machine, as the engine would make it; every rule is looked at.
    fn input(&mut self, input: Input) {
        self.minted += 1;
        let stamp = Stamp {
            now: self.now,
            jitter: u16::try_from(self.minted * 37 % 1000).unwrap(),
            operation: OperationId { epoch: 1, number: self.minted },
        };
        let decision = step(&self.policy, &self.record, stamp, input.clone());
        rules::of_decision(self, &input, &decision);
        if let Decision::Apply(transition) = decision {
            rules::of_transition(self, stamp, &input, &transition);
            self.commit(transition);
            rules::of_record(self);
        }
    }

    fn commit(&mut self, transition: Transition) {
        if let Some(opened) = transition.opened {
            assert!(self.opened.insert(opened.operation), "{} began twice", opened.operation);
        }
        for settlement in &transition.event.settled {
            let id = settlement.operation;
            assert!(self.opened.contains(&id), "{id} settled and never began");
            assert!(self.settled.insert(id), "{id} settled twice");
        }
        self.record = transition.record;
        for effect in transition.effects {
            match effect {
                Effect::StartCall(start) => {
                    assert_eq!(self.alive, None, "call {} starts beside another", start.call);
                    assert!(!self.calls.contains(&start.call), "call {} was there before", start.call);
                    self.alive = Some(start.call);
                    self.calls.push(start.call);
                }
                Effect::StopCall(call) => {
                    assert_eq!(self.alive, Some(call), "a call that is not there is stopped")
                }
                Effect::DropCall(call) => {
                    assert_eq!(self.alive.take(), Some(call), "a call that is not there is dropped");
                }
            }
        }
    }
}

/// What a destroy retains.
pub fn retained(provider: &ProviderName) -> Option<Arc<Retained>> {
    Retained::of(provider.clone(), [("volume data".to_owned(), "vol-1".to_owned())].into())
}

pub fn outcome(ending: Ending) -> Outcome {
    let error = |kind, remedy, code| ProviderError::new(kind, remedy, code, "no");
    let retry = || error(ErrorKind::UpdateFailed, Remedy::Retry, ErrorCode::ProviderUnavailable);
    match ending {
        Ending::Succeeded => Outcome::Succeeded { changes: Vec::new(), message: None, retained: None },
        Ending::Retry { after } => {
            let pause = after.map(Duration::from_secs);
            Outcome::Failed(Arc::new(ProviderError { retry_after: pause, ..retry() }))
        }
        Ending::Permanent => Outcome::Failed(Arc::new(error(
            ErrorKind::InvalidSpec,
            Remedy::Permanent,
            ErrorCode::InvalidConfiguration,
        ))),
        Ending::NeedsPerson => Outcome::Failed(Arc::new(error(
            ErrorKind::ProvisionFailed,
            Remedy::NeedsPerson,
            ErrorCode::PermissionDenied,
        ))),
        Ending::NotFound => Outcome::Failed(Arc::new(ProviderError::tenant_not_found("acme"))),
        Ending::TimedOut => Outcome::TimedOut(Arc::new(retry())),
        Ending::Lost => Outcome::Lost(Arc::new(retry())),
        Ending::Held => Outcome::Held(Arc::new(retry())),
    }
}

pub fn progressed(call: CallId) -> Input {
    let ledger = Ledger {
        version: 1,
        resources: [("web".to_owned(), call.to_string())].into(),
        endpoints: Vec::new(),
        waits: None,
        engine: None,
        facts: serde_json::value::RawValue::NULL.to_owned(),
    };
    Input::Progressed { call, ledger: Arc::new(ledger), step: "on its way".to_owned() }
}

pub fn seen(sight: Sight) -> Seen {
    match sight {
        Sight::Healthy => Seen::Healthy,
        Sight::Unhealthy => Seen::Unhealthy("not ready".to_owned()),
        Sight::Broken => Seen::Broken("exited".to_owned()),
        Sight::Unclear => Seen::Unclear,
    }
}
