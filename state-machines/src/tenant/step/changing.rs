//! A tenant being provisioned (nothing is applied), updated, restarted or repaired (something is), or changed back.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::effect::OperationKind;
use super::super::input::{Outcome, Request, Stamp};
use super::super::policy::{Backoff, Policy, RepairPolicy, after};
use super::super::{
    Call, Change, Decision, Direction, EventKind, Method, Queued, Rejection, Removes, Repair, Rolled, Run,
    Settled, State, Tenant, UndoCause, Why, Wish,
};
use super::admit::{Admitted, admit};
use super::draft::{Draft, deadline_exceeded, lost, method, settlement, stop_reason};
use super::removing;
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::id::CallId;
use crate::spec::Spec;
use crate::status::Health;

/// What is looked at here.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) policy: &'a Policy,
    pub(super) tenant: &'a Tenant,
    /// What runs, and what an undo goes back to; nothing while provisioning.
    pub(super) applied: Option<&'a Rolled>,
    pub(super) change: &'a Change,
    pub(super) stamp: Stamp,
}

impl At<'_> {
    pub(super) fn asked(self, request: Request) -> Decision {
        let Self { tenant, change, stamp, .. } = self;
        if let Run::Stopping { why: Why::Destroy(by), .. } = change.run {
            return removing::asked_before(by, request);
        }
        admit(tenant, stamp, request, |admitted| match admitted {
            Admitted::Provision { spec, .. } if spec == change.target.spec => {
                Decision::Join(change.operation)
            }
            Admitted::Provision { .. } => Decision::Reject(Rejection::Conflict),
            Admitted::Update { spec, deadline } => self.update(spec, deadline),
            Admitted::Restart { deadline } => self.restart(deadline),
            Admitted::Destroy => self.destroy(),
            Admitted::Cancel => self.cancel(),
            Admitted::Retry => match (&change.run, &change.direction, tenant.paused) {
                (Run::Waiting { .. }, Direction::Forward { .. } | Direction::Repair, Some(_)) => {
                    Decision::Reject(Rejection::Paused)
                }
                (Run::Waiting { .. }, Direction::Forward { .. } | Direction::Repair, None)
                | (Run::Waiting { .. }, Direction::Undo(_), _) => self.call_again(1, EventKind::Retried),
                (Run::Calling(_) | Run::Stopping { .. }, _, _) => Decision::Reject(Rejection::NothingToRetry),
            },
            Admitted::Resume { since } => {
                let mut draft = self.draft();
                draft.resume(since);
                draft.apply(Some(change.operation), EventKind::Resumed)
            }
        })
    }

    pub(super) fn outcome(self, call: CallId, outcome: Outcome) -> Decision {
        match &self.change.run {
            Run::Calling(current) if current.id == call => self.answered(*current, outcome),
            Run::Stopping { call: current, why, .. } if current.id == call => self.stopped(*why, None),
            Run::Calling(_) | Run::Stopping { .. } | Run::Waiting { .. } => Decision::Ignore,
        }
    }

    pub(super) fn timer(self) -> Decision {
        let Self { policy, tenant, applied, change, stamp } = self;
        let paused = tenant.paused.is_some();
        let late = match change.direction {
            Direction::Forward { deadline: Some(deadline) } => !paused && deadline <= stamp.now,
            Direction::Forward { deadline: None } | Direction::Repair | Direction::Undo(_) => false,
        };
        match (&change.run, &change.direction) {
            (Run::Calling(call), _) if late => {
                let mut draft = self.draft();
                draft.stop_call(call.id);
                let until = after(stamp.now, policy.stop_grace);
                self.stopping(draft, *call, Why::Deadline, until)
            }
            (Run::Calling(_), _) => Decision::Ignore,
            (Run::Stopping { call, why, until }, _) if *until <= stamp.now => self.stopped(*why, Some(*call)),
            (Run::Stopping { .. }, _) => Decision::Ignore,
            (Run::Waiting { .. }, _) if late => {
                self.turn_back(self.draft(), UndoCause::Failed(deadline_exceeded(applied)))
            }
            (Run::Waiting { .. }, Direction::Forward { .. } | Direction::Repair) if paused => {
                Decision::Ignore
            }
            (Run::Waiting { until }, Direction::Forward { .. } | Direction::Repair | Direction::Undo(_)) => {
                if *until <= stamp.now {
                    self.call_again(change.attempt, EventKind::Retried)
                } else {
                    Decision::Ignore
                }
            }
        }
    }

    /// The same try begins again where the tenant is from now on.
    pub(super) fn handed_over(self, call: CallId) -> Decision {
        let Self { change, stamp, .. } = self;
        match &change.run {
            Run::Calling(current) if current.id == call => {
                let mut draft = self.draft();
                let run = Run::Waiting { until: stamp.now };
                draft.put(self.applied, Change { run, ..change.clone() });
                draft.apply(Some(change.operation), EventKind::HandedOver)
            }
            Run::Stopping { call: current, why, .. } if current.id == call => self.stopped(*why, None),
            Run::Calling(_) | Run::Stopping { .. } | Run::Waiting { .. } => Decision::Ignore,
        }
    }

    pub(super) fn recovered(self) -> Decision {
        let Self { policy, tenant, change, stamp, .. } = self;
        match (&change.run, &change.direction) {
            (Run::Waiting { .. }, _) => Decision::Ignore,
            (Run::Stopping { why, .. }, _) => self.stopped(*why, None),
            (Run::Calling(_), Direction::Undo(_)) => {
                self.call_again(change.attempt + 1, EventKind::Recovered)
            }
            // A crash loop spends the budget like any other failure.
            (Run::Calling(call), Direction::Forward { .. } | Direction::Repair)
                if change.attempt >= policy.attempts =>
            {
                self.turn_back(self.draft(), UndoCause::Failed(lost(call.method)))
            }
            (Run::Calling(_), Direction::Forward { .. } | Direction::Repair) => match tenant.paused {
                None => self.call_again(change.attempt + 1, EventKind::Recovered),
                Some(_) => {
                    let mut draft = self.draft();
                    let run = Run::Waiting { until: stamp.now };
                    draft.put(self.applied, Change { attempt: change.attempt + 1, run, ..change.clone() });
                    draft.apply(Some(change.operation), EventKind::Recovered)
                }
            },
        }
    }

    /// An update while something is on its way: it waits, and takes the place of one that waited already.
    fn update(self, spec: Spec, deadline: Option<Timestamp>) -> Decision {
        let Self { tenant, applied, change, stamp, .. } = self;
        match (&tenant.next, applied, &change.direction, &change.run) {
            // Both lead to what runs, and may fail for as long as the platform does.
            (_, Some(applied), Direction::Repair | Direction::Undo(_), _)
                if spec.differs_in_protection_alone(&applied.spec) =>
            {
                return self.draft().protect(applied, Some(change), spec);
            }
            (Some(Queued { operation, wish: Wish::Update(waiting), .. }), _, _, _)
                if waiting.spec == spec =>
            {
                return Decision::Join(*operation);
            }
            (
                None,
                Some(_),
                Direction::Forward { .. } | Direction::Repair,
                Run::Calling(_) | Run::Waiting { .. },
            ) if change.target.spec == spec => return Decision::Join(change.operation),
            (Some(_) | None, Some(_) | None, _, _) => {}
        }
        let mut draft = self.draft();
        draft.settle_queue(Settled::Superseded { by: stamp.operation });
        let target = if spec == change.target.spec {
            change.target.versioned()
        } else {
            match applied {
                Some(applied) if spec == applied.spec => applied.versioned(),
                Some(_) | None => draft.number(spec),
            }
        };
        let began = draft.open(OperationKind::Update, Some(target.version));
        self.follow(draft, Wish::Update(target), deadline, began)
    }

    /// A restart while something is on its way: it waits, but takes the place of no update. One that is on its way may
    /// have read the secrets before they changed, so only one that waits is joined.
    fn restart(self, deadline: Option<Timestamp>) -> Decision {
        match &self.tenant.next {
            Some(Queued { operation, wish: Wish::Restart, .. }) => Decision::Join(*operation),
            Some(Queued { operation, wish: Wish::Update(_), .. }) => {
                Decision::Reject(Rejection::UpdateWaits { by: *operation })
            }
            None => {
                let mut draft = self.draft();
                let runs = self.applied.map(|applied| applied.version);
                let began = draft.open(OperationKind::Restart, runs);
                self.follow(draft, Wish::Restart, deadline, began)
            }
        }
    }

    /// What was asked for begins, where it is the way out of an undo that fails and waits. Else it waits.
    fn follow(self, mut draft: Draft, wish: Wish, deadline: Option<Timestamp>, began: EventKind) -> Decision {
        let Self { applied, change, stamp, .. } = self;
        let spec = wish.spec().map(|versioned| versioned.version);
        let queued = Queued { operation: stamp.operation, wish, deadline };
        match (applied, &change.direction, &change.run) {
            (Some(applied), Direction::Undo(because), Run::Waiting { .. })
                if self.is_way_out(applied, &queued.wish) =>
            {
                draft.settle(change.operation, settlement(because, false, self.left()));
                draft.begin(applied, queued);
                draft.apply(Some(stamp.operation), began)
            }
            (_, Direction::Forward { .. } | Direction::Repair | Direction::Undo(_), _) => {
                draft.tenant.next = Some(queued);
                draft.apply(Some(change.operation), EventKind::Queued { queued: stamp.operation, spec })
            }
        }
    }

    fn destroy(self) -> Decision {
        let Self { policy, change, stamp, .. } = self;
        let mut draft = self.draft();
        draft.settle_queue(Settled::Superseded { by: stamp.operation });
        let began = draft.open(OperationKind::Destroy, None);
        match &change.run {
            Run::Waiting { .. } => {
                draft.settle(change.operation, Settled::Superseded { by: stamp.operation });
                draft.remove(stamp.operation, Removes::Everything, 1);
                draft.apply(Some(stamp.operation), began)
            }
            Run::Calling(call) => {
                match change.direction {
                    Direction::Forward { .. } | Direction::Repair => draft.stop_call(call.id),
                    // An undo is never told to stop; it gets its grace, and its outcome no longer matters.
                    Direction::Undo(_) => {}
                }
                let until = after(stamp.now, policy.stop_grace);
                self.stopping(draft, *call, Why::Destroy(stamp.operation), until)
            }
            Run::Stopping { call, until, .. } => {
                self.stopping(draft, *call, Why::Destroy(stamp.operation), *until)
            }
        }
    }

    fn cancel(self) -> Decision {
        let Self { policy, change, stamp, .. } = self;
        match (&change.direction, &change.run) {
            (Direction::Undo(_), _) | (_, Run::Stopping { .. }) => Decision::Join(change.operation),
            (Direction::Forward { .. } | Direction::Repair, Run::Waiting { .. }) => {
                let mut draft = self.draft();
                draft.settle_queue(Settled::Cancelled { left: Vec::new() });
                self.turn_back(draft, UndoCause::Cancelled)
            }
            (Direction::Forward { .. } | Direction::Repair, Run::Calling(call)) => {
                let mut draft = self.draft();
                draft.settle_queue(Settled::Cancelled { left: Vec::new() });
                draft.stop_call(call.id);
                let until = after(stamp.now, policy.stop_grace);
                self.stopping(draft, *call, Why::Cancel, until)
            }
        }
    }

    /// A call that was asked to stop is over, whatever came of it, or is dropped because its grace is.
    fn stopped(self, why: Why, dropped: Option<Call>) -> Decision {
        let mut draft = self.draft();
        if let Some(call) = dropped {
            draft.drop_call(call.id);
        }
        match why {
            Why::Cancel => self.turn_back(draft, UndoCause::Cancelled),
            Why::Deadline => self.turn_back(draft, UndoCause::Failed(deadline_exceeded(self.applied))),
            Why::Destroy(destroy) => {
                draft.settle(self.change.operation, Settled::Superseded { by: destroy });
                draft.remove(destroy, Removes::Everything, 1);
                draft.apply(
                    Some(destroy),
                    EventKind::Began { operation_kind: OperationKind::Destroy, spec: None, reason: None },
                )
            }
        }
    }

    fn answered(self, call: Call, outcome: Outcome) -> Decision {
        let Self { policy, applied, change, .. } = self;
        match (verdict(call.method, outcome), &change.direction) {
            (Verdict::Did { changes, message }, Direction::Forward { .. }) => {
                let mut draft = self.draft();
                draft.tenant.repair = Repair::default();
                self.arrived(draft, EventKind::Succeeded { changes, message, retained: None })
            }
            (Verdict::Did { changes, message }, Direction::Repair) => {
                let mut draft = self.draft();
                draft.tenant.repair = self.repaired();
                self.arrived(draft, EventKind::Succeeded { changes, message, retained: None })
            }
            (Verdict::Did { .. }, Direction::Undo(because)) => self.undone(because),
            (Verdict::NotThere, _) => {
                let mut draft = self.draft();
                draft.call(applied, change.clone(), Method::Provision);
                draft.apply(Some(change.operation), EventKind::FoundNothing)
            }
            (Verdict::Again(error), Direction::Forward { .. } | Direction::Repair)
                if change.attempt < policy.attempts =>
            {
                self.wait(1, error)
            }
            (
                Verdict::Again(error) | Verdict::Never(error),
                Direction::Forward { .. } | Direction::Repair,
            ) => self.turn_back(self.draft(), UndoCause::Failed(error)),
            (Verdict::Again(error), Direction::Undo(because)) => {
                self.undo_failed(because, error, change.attempt >= policy.attempts)
            }
            (Verdict::Never(error), Direction::Undo(because)) => self.undo_failed(because, error, true),
            (Verdict::Held(error), _) => self.wait(0, error),
        }
    }

    fn draft(self) -> Draft {
        Draft::of(self.tenant, self.stamp)
    }

    /// What a person would have to clean up if the undo went no further.
    fn left(self) -> Vec<String> {
        self.tenant.ledger.as_ref().map(|ledger| ledger.left()).unwrap_or_default()
    }

    /// How the repairs stand after one more.
    fn repaired(self) -> Repair {
        let recent = match &self.policy.repair {
            RepairPolicy::Off => self.tenant.repair.count,
            RepairPolicy::On { quiet, .. } => self.tenant.repair.recent(*quiet, self.stamp.now),
        };
        Repair { count: recent + 1, last: Some(self.stamp.now), due: None }
    }

    fn stopping(self, mut draft: Draft, call: Call, why: Why, until: Timestamp) -> Decision {
        let run = Run::Stopping { call, why, until };
        draft.put(self.applied, Change { run, ..self.change.clone() });
        draft.apply(Some(self.change.operation), EventKind::Stopping { why: stop_reason(why) })
    }

    fn call_again(self, attempt: u32, what: EventKind) -> Decision {
        let mut draft = self.draft();
        let change = Change { attempt, ..self.change.clone() };
        draft.call(self.applied, change, method(self.applied, &self.change.direction));
        draft.apply(Some(self.change.operation), what)
    }

    /// `spent` is how many tries this one counts as: a call that was never made costs none.
    fn wait(self, spent: u32, error: Arc<ProviderError>) -> Decision {
        let mut draft = self.draft();
        let until = draft.retry_at(self.policy, self.change.attempt, &error);
        draft.note(self.change.operation, &error);
        let attempt = self.change.attempt + spent;
        draft.put(self.applied, Change { attempt, run: Run::Waiting { until }, ..self.change.clone() });
        draft.apply(Some(self.change.operation), EventKind::WillRetry { error, at: until })
    }

    /// The target runs.
    fn arrived(self, mut draft: Draft, what: EventKind) -> Decision {
        draft.tenant.health = Health::Healthy;
        draft.tenant.last_failure = None;
        draft.settle(self.change.operation, Settled::Done);
        draft.rest(self.change.target.clone());
        draft.apply(Some(self.change.operation), what)
    }

    /// Whether an undo that fails is given up for this. A restart is only of what runs, so that it waits until an update
    /// is undone.
    fn is_way_out(self, applied: &Rolled, wish: &Wish) -> bool {
        match wish {
            Wish::Update(_) => true,
            Wish::Restart => self.change.target.restarts(applied),
        }
    }

    /// A call that undoes has failed, perhaps for the `last` time.
    fn undo_failed(self, because: &UndoCause, error: Arc<ProviderError>, last: bool) -> Decision {
        let Self { tenant, applied, change, .. } = self;
        let operation = change.operation;
        match (applied, &tenant.next, tenant.paused) {
            (Some(applied), Some(queued), None) if self.is_way_out(applied, &queued.wish) => {
                let version = queued.wish.spec().map_or(applied.version, |waiting| waiting.version);
                let operation_kind = queued.wish.kind();
                let began = EventKind::Began { operation_kind, spec: Some(version), reason: None };
                let mut draft = self.draft();
                draft.note(operation, &error);
                draft.settle(operation, settlement(because, false, self.left()));
                draft.rest(applied.clone());
                draft.apply(Some(queued.operation), began)
            }
            (Some(applied), Some(_) | None, Some(_) | None) => match &self.policy.repair {
                // A restart goes back to the spec that it came from: a repair does what is left to do.
                RepairPolicy::On { backoff, .. } if last && change.target.restarts(applied) => {
                    let mut draft = self.draft();
                    draft.note(operation, &error);
                    let next_at = self.repair_later(&mut draft, backoff);
                    draft.settle(operation, settlement(because, false, Vec::new()));
                    draft.rest(applied.clone());
                    draft.apply(Some(operation), EventKind::NotUndone { error, next_at })
                }
                RepairPolicy::On { .. } | RepairPolicy::Off => self.wait(1, error),
            },
            (None, Some(_) | None, Some(_) | None) => self.wait(1, error),
        }
    }

    /// What runs is broken, and is repaired after a pause; says when.
    fn repair_later(self, draft: &mut Draft, backoff: &Backoff) -> Timestamp {
        let repair = self.repaired();
        let at = after(self.stamp.now, backoff.pause(repair.count, self.stamp.jitter));
        draft.tenant.repair = Repair { due: Some(at), ..repair };
        draft.tenant.health = Health::Unhealthy;
        at
    }

    /// The undo is over.
    fn undone(self, because: &UndoCause) -> Decision {
        let mut draft = self.draft();
        let operation = self.change.operation;
        match self.applied {
            Some(applied) => {
                draft.settle(operation, settlement(because, true, Vec::new()));
                draft.tenant.health = Health::Healthy;
                draft.tenant.repair.due = None;
                draft.rest(applied.clone());
            }
            None => {
                draft.settle(operation, settlement(because, true, Vec::new()));
                if let Some(queued) = draft.tenant.next.take() {
                    let error = never_provisioned(&queued.wish, because);
                    draft.settle(queued.operation, Settled::Failed { error, undone: true });
                }
                draft.tenant.health = Health::Unknown;
                draft.tenant.ledger = None;
                draft.tenant.state = State::Pending;
            }
        }
        draft.apply(Some(operation), EventKind::Undone)
    }

    /// It goes no further: a change is undone, a repair comes again later.
    fn turn_back(self, mut draft: Draft, because: UndoCause) -> Decision {
        let operation = self.change.operation;
        let error = match &because {
            UndoCause::Failed(error) => Some(Arc::clone(error)),
            UndoCause::Cancelled => None,
        };
        if let Some(error) = &error {
            draft.note(operation, error);
        }
        match (&self.change.direction, self.applied) {
            (Direction::Repair, Some(applied)) => {
                let next_at = match &self.policy.repair {
                    RepairPolicy::On { backoff, .. } => Some(self.repair_later(&mut draft, backoff)),
                    RepairPolicy::Off => {
                        draft.tenant.repair = self.repaired();
                        draft.tenant.health = Health::Unhealthy;
                        None
                    }
                };
                draft.settle(operation, settlement(&because, false, Vec::new()));
                draft.rest(applied.clone());
                draft.apply(Some(operation), EventKind::RepairFailed { error, next_at })
            }
            (Direction::Repair, None) | (Direction::Forward { .. } | Direction::Undo(_), Some(_) | None) => {
                let direction = Direction::Undo(because);
                let method = method(self.applied, &direction);
                let change = Change { direction, attempt: 1, ..self.change.clone() };
                draft.call(self.applied, change, method);
                draft.apply(Some(operation), EventKind::Undoing { error })
            }
        }
    }
}

/// What a call's outcome means.
enum Verdict {
    Did {
        changes: Vec<String>,
        message: Option<String>,
    },
    /// An update found nothing to update.
    NotThere,
    Again(Arc<ProviderError>),
    Never(Arc<ProviderError>),
    Held(Arc<ProviderError>),
}

fn verdict(method: Method, outcome: Outcome) -> Verdict {
    match outcome {
        // What the undo of a provision leaves on purpose is what was there before it.
        Outcome::Succeeded { changes, message, retained: _ } => Verdict::Did { changes, message },
        Outcome::TimedOut(error) | Outcome::Lost(error) => Verdict::Again(error),
        Outcome::Held(error) => Verdict::Held(error),
        Outcome::Failed(error) => match (method, error.kind, error.remedy) {
            (Method::Update, ErrorKind::TenantNotFound, _) => Verdict::NotThere,
            (Method::Destroy | Method::Release, ErrorKind::TenantNotFound, _) => {
                Verdict::Did { changes: Vec::new(), message: None }
            }
            (_, _, Remedy::Retry) => Verdict::Again(error),
            (_, _, Remedy::Permanent | Remedy::NeedsPerson) => Verdict::Never(error),
        },
    }
}

/// What an update or a restart settles as that waited for a provision which never came to be.
fn never_provisioned(wish: &Wish, because: &UndoCause) -> Arc<ProviderError> {
    let kind = wish.kind().name();
    let why = match because {
        UndoCause::Failed(error) => error.to_string(),
        UndoCause::Cancelled => "it was cancelled".to_owned(),
    };
    Arc::new(ProviderError::new(
        ErrorKind::TenantNotFound,
        Remedy::Permanent,
        ErrorCode::ResourceNotFound,
        format!("there is nothing to {kind}, because the provision did not succeed: {why}"),
    ))
}
