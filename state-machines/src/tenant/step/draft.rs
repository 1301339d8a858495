//! A transition being written down, and the moves that several configurations share.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::effect::OperationKind;
use super::super::event::StopReason;
use super::super::policy::{Policy, after};
use super::super::{
    Call, Change, Decision, Direction, Effect, EventKind, Failure, LifecycleEvent, Method, OpenedOperation,
    Queued, Record, Removal, RemovalRun, Removes, Retained, Rolled, Run, Settled, Settlement, Stamp, State,
    StateName, Tenant, Tombstone, Transition, UndoCause, Versioned, Why, Wish,
};
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::id::{CallId, OperationId, Rollout, SpecVersion};
use crate::spec::{Spec, changes};

/// A transition being written down: the tenant as it will be, and what goes with it.
pub(super) struct Draft {
    pub(super) tenant: Tenant,
    pub(super) stamp: Stamp,
    from: StateName,
    before: Option<(OperationId, u32)>,
    opened: Option<OpenedOperation>,
    spec: Option<Versioned>,
    settled: Vec<Settlement>,
    effects: Vec<Effect>,
}

impl Draft {
    /// A transition of `tenant`, to its next revision.
    pub(super) fn of(tenant: &Tenant, stamp: Stamp) -> Self {
        let mut next = tenant.clone();
        next.revision = tenant.revision.next();
        Self::from(next, tenant.state.name(), stamp)
    }

    /// A transition to `tenant`, which has its new revision already.
    pub(super) fn from(tenant: Tenant, from: StateName, stamp: Stamp) -> Self {
        let before = tenant.operation().zip(tenant.attempt());
        Self {
            tenant,
            stamp,
            from,
            before,
            opened: None,
            spec: None,
            settled: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// The tenant lives on.
    pub(super) fn apply(self, about: Option<OperationId>, what: EventKind) -> Decision {
        let to = Some(self.tenant.state.name());
        self.finish(to, about, what, |tenant| Record::Live(Arc::new(tenant)))
    }

    /// The tenant is gone, and has left this on purpose.
    pub(super) fn bury(
        self,
        about: OperationId,
        what: EventKind,
        retained: Option<Arc<Retained>>,
    ) -> Decision {
        self.finish(None, Some(about), what, |tenant| {
            Record::Gone(Tombstone {
                id: tenant.id,
                incarnation: tenant.incarnation,
                revision: tenant.revision,
                retained,
            })
        })
    }

    fn finish(
        self,
        to: Option<StateName>,
        about: Option<OperationId>,
        what: EventKind,
        record: impl FnOnce(Tenant) -> Record,
    ) -> Decision {
        let now = self.tenant.operation().zip(self.tenant.attempt());
        let attempt = [now, self.before]
            .into_iter()
            .flatten()
            .find(|(operation, _)| Some(*operation) == about)
            .map(|(_, attempt)| attempt);
        let event = LifecycleEvent {
            tenant_id: self.tenant.id.clone(),
            incarnation: self.tenant.incarnation,
            revision: self.tenant.revision,
            at: self.stamp.now,
            from: self.from,
            to,
            operation: about,
            attempt,
            what,
            settled: self.settled,
        };
        Decision::Apply(Transition {
            record: record(self.tenant),
            event: Arc::new(event),
            opened: self.opened,
            spec: self.spec,
            effects: self.effects,
        })
    }

    /// An operation ends.
    pub(super) fn settle(&mut self, operation: OperationId, settled: Settled) {
        self.tenant.settled_at = Some(self.stamp.now);
        // Mostly there is one, and events stay in memory: no room is reserved for more.
        self.settled.reserve_exact(1);
        self.settled.push(Settlement { operation, settled });
    }

    /// The update or restart that waits, if one does, ends.
    pub(super) fn settle_queue(&mut self, settled: Settled) {
        if let Some(queued) = self.tenant.next.take() {
            self.settle(queued.operation, settled);
        }
    }

    /// Opens the operation that this input asked for, or that follows from it; returns its event.
    pub(super) fn open(&mut self, kind: OperationKind, spec: Option<SpecVersion>) -> EventKind {
        self.opened = Some(OpenedOperation { operation: self.stamp.operation, kind, target: spec });
        EventKind::Began { operation_kind: kind, spec, reason: None }
    }

    /// Numbers a spec that was not known before.
    pub(super) fn number(&mut self, spec: Spec) -> Versioned {
        self.tenant.latest_spec.0 += 1;
        let versioned = Versioned { version: self.tenant.latest_spec, spec };
        self.spec = Some(versioned.clone());
        versioned
    }

    /// Notes what went wrong.
    pub(super) fn note(&mut self, operation: OperationId, error: &Arc<ProviderError>) {
        self.tenant.last_failure =
            Some(Arc::new(Failure { at: self.stamp.now, operation, error: Arc::clone(error) }));
    }

    fn effect(&mut self, effect: Effect) {
        // Mostly there is one.
        self.effects.reserve_exact(1);
        self.effects.push(effect);
    }

    /// Makes the call that the tenant now has.
    fn ask(&mut self) {
        if let Some(start) = self.tenant.asks() {
            self.effect(Effect::StartCall(start));
        }
    }

    /// Asks a call to stop.
    pub(super) fn stop_call(&mut self, call: CallId) {
        self.effect(Effect::StopCall(call));
    }

    /// Drops a call where it stands.
    pub(super) fn drop_call(&mut self, call: CallId) {
        self.effect(Effect::DropCall(call));
    }

    /// The id of a call that this transition starts.
    fn fresh_call(&self) -> CallId {
        CallId(self.tenant.revision.0)
    }

    /// Calls the provider for `change`, by the method that its direction needs, or by `method`.
    pub(super) fn call(&mut self, applied: Option<&Rolled>, change: Change, method: Method) {
        let call = Call { id: self.fresh_call(), method };
        self.put(applied, Change { run: Run::Calling(call), ..change });
        self.ask();
    }

    /// The change goes on as given.
    pub(super) fn put(&mut self, applied: Option<&Rolled>, change: Change) {
        self.tenant.state = match applied {
            None => State::Provisioning(change),
            Some(applied) => State::Updating { applied: applied.clone(), change },
        };
    }

    /// Begins a provision; returns its event.
    pub(super) fn provision(&mut self, spec: Spec, deadline: Option<Timestamp>) -> EventKind {
        let target = self.number(spec).rolled(Rollout::default());
        let began = self.open(OperationKind::Provision, Some(target.version));
        let change = Change {
            operation: self.stamp.operation,
            target,
            direction: Direction::Forward { deadline },
            attempt: 1,
            run: Run::Waiting { until: self.stamp.now },
        };
        self.call(None, change, Method::Provision);
        began
    }

    /// Begins an update or a restart; no other operation is on its way. An update starts nothing anew that stays the
    /// same.
    pub(super) fn begin(&mut self, applied: &Rolled, queued: Queued) {
        let target = match queued.wish {
            Wish::Update(versioned) => versioned.rolled(applied.rollout),
            Wish::Restart => applied.versioned().rolled(Rollout(self.tenant.revision.0)),
        };
        let change = Change {
            operation: queued.operation,
            target,
            direction: Direction::Forward { deadline: queued.deadline },
            attempt: 1,
            run: Run::Waiting { until: self.stamp.now },
        };
        self.call(Some(applied), change, Method::Update);
    }

    /// An update that changes nothing but the tenant's protection, of which no platform knows: it is done as it begins. What
    /// is on its way to what runs, a repair or an undo, goes on.
    pub(super) fn protect(mut self, applied: &Rolled, on_its_way: Option<&Change>, spec: Spec) -> Decision {
        let operation = self.stamp.operation;
        let changes = changes(&applied.spec, &spec);
        self.settle_queue(Settled::Superseded { by: operation });
        let runs = self.number(spec).rolled(applied.rollout);
        let _ = self.open(OperationKind::Update, Some(runs.version));
        match on_its_way {
            None => self.tenant.state = State::Running { applied: runs },
            Some(change) => {
                let target = match change.target.version == applied.version {
                    true => runs.versioned().rolled(change.target.rollout),
                    false => change.target.clone(),
                };
                self.put(Some(&runs), Change { target, ..change.clone() });
            }
        }
        self.settle(operation, Settled::Done);
        self.apply(Some(operation), EventKind::Succeeded { changes, message: None, retained: None })
    }

    /// The tenant runs `applied`; what waited begins, unless the tenant is paused.
    pub(super) fn rest(&mut self, applied: Rolled) {
        match (self.tenant.paused, self.tenant.next.take()) {
            (None, Some(queued)) => self.begin(&applied, queued),
            (None, None) => self.tenant.state = State::Running { applied },
            (Some(_), next) => {
                self.tenant.next = next;
                self.tenant.state = State::Running { applied };
            }
        }
    }

    /// The removal begins or is tried again.
    pub(super) fn remove(&mut self, operation: OperationId, removes: Removes, attempt: u32) {
        let run = RemovalRun::Calling(self.fresh_call());
        self.tenant.state = State::Destroying(Removal { operation, removes, attempt, run });
        self.ask();
    }

    /// When to try again after `failures` failures in a row.
    pub(super) fn retry_at(&self, policy: &Policy, failures: u32, error: &ProviderError) -> Timestamp {
        let pause = policy.retry.pause(failures, self.stamp.jitter);
        after(self.stamp.now, pause.max(error.retry_after.unwrap_or_default()))
    }

    /// The tenant goes on; deadlines move by the time it was paused.
    pub(super) fn resume(&mut self, since: Timestamp) {
        let paused_for = Duration::try_from(self.stamp.now.duration_since(since)).unwrap_or_default();
        self.tenant.paused = None;
        if let Some(deadline) = self.tenant.next.as_mut().and_then(|queued| queued.deadline.as_mut()) {
            *deadline = after(*deadline, paused_for);
        }
        if let State::Provisioning(change) | State::Updating { change, .. } = &mut self.tenant.state
            && let Direction::Forward { deadline: Some(deadline) } = &mut change.direction
        {
            *deadline = after(*deadline, paused_for);
        }
    }
}

/// The method that a change's direction needs.
pub(super) fn method(applied: Option<&Rolled>, direction: &Direction) -> Method {
    match (direction, applied) {
        (Direction::Forward { .. }, None) | (Direction::Repair, _) => Method::Provision,
        (Direction::Forward { .. } | Direction::Undo(_), Some(_)) => Method::Update,
        (Direction::Undo(_), None) => Method::Destroy,
    }
}

/// What an operation settles as when its undo is over.
pub(super) fn settlement(because: &UndoCause, undone: bool, left: Vec<String>) -> Settled {
    match because {
        UndoCause::Failed(error) => Settled::Failed { error: Arc::clone(error), undone },
        UndoCause::Cancelled => Settled::Cancelled { left },
    }
}

/// Why a call is asked to stop, for the event.
pub(super) fn stop_reason(why: Why) -> StopReason {
    match why {
        Why::Cancel => StopReason::Cancelled,
        Why::Destroy(_) => StopReason::Destroy,
        Why::Deadline => StopReason::DeadlineExceeded,
    }
}

/// An operation ran out of time.
pub(super) fn deadline_exceeded(applied: Option<&Rolled>) -> Arc<ProviderError> {
    let kind = if applied.is_some() { ErrorKind::UpdateFailed } else { ErrorKind::ProvisionFailed };
    Arc::new(ProviderError::new(
        kind,
        Remedy::Permanent,
        ErrorCode::ProviderTimeout,
        "not done by its deadline; give it more time",
    ))
}

/// A call whose end nobody knows.
pub(super) fn lost(method: Method) -> Arc<ProviderError> {
    let kind = match method {
        Method::Provision => ErrorKind::ProvisionFailed,
        Method::Update => ErrorKind::UpdateFailed,
        Method::Destroy | Method::Release => ErrorKind::DestroyFailed,
    };
    Arc::new(ProviderError::new(
        kind,
        Remedy::Retry,
        ErrorCode::UnknownError,
        "the engine stopped during the call; what it did is looked up before anything else",
    ))
}
