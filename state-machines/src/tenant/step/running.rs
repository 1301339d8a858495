//! A tenant that runs, and on which nothing is on its way.

use std::time::Duration;

use jiff::Timestamp;

use super::super::effect::OperationKind;
use super::super::input::{Request, Stamp};
use super::super::policy::{Policy, RepairPolicy, after};
use super::super::{
    Change, Decision, Direction, EventKind, Method, Queued, Rejection, Removes, Repair, Rolled, Run, Settled,
    Tenant, Wish,
};
use super::admit::{Admitted, admit};
use super::draft::Draft;
use crate::observation::{Observation, Seen};
use crate::status::Health;

/// What is looked at here.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) policy: &'a Policy,
    pub(super) tenant: &'a Tenant,
    /// What runs.
    pub(super) applied: &'a Rolled,
    pub(super) stamp: Stamp,
}

impl At<'_> {
    pub(super) fn asked(self, request: Request) -> Decision {
        let Self { tenant, applied, stamp, .. } = self;
        admit(tenant, stamp, request, |admitted| match admitted {
            Admitted::Provision { spec, .. } if spec == applied.spec => {
                let mut draft = self.draft();
                draft.open(OperationKind::Provision, Some(applied.version));
                draft.settle(stamp.operation, Settled::Done);
                draft.apply(Some(stamp.operation), EventKind::AlreadyRunning)
            }
            Admitted::Provision { .. } => Decision::Reject(Rejection::Conflict),
            Admitted::Update { spec, .. } if spec.differs_in_protection_alone(&applied.spec) => {
                self.draft().protect(applied, None, spec)
            }
            Admitted::Update { spec, deadline } => {
                let mut draft = self.draft();
                let target = if spec == applied.spec { applied.versioned() } else { draft.number(spec) };
                let began = draft.open(OperationKind::Update, Some(target.version));
                let wish = Wish::Update(target);
                draft.begin(applied, Queued { operation: stamp.operation, wish, deadline });
                draft.apply(Some(stamp.operation), began)
            }
            Admitted::Restart { deadline } => {
                let mut draft = self.draft();
                let began = draft.open(OperationKind::Restart, Some(applied.version));
                draft.begin(applied, Queued { operation: stamp.operation, wish: Wish::Restart, deadline });
                draft.apply(Some(stamp.operation), began)
            }
            Admitted::Destroy => {
                let mut draft = self.draft();
                draft.settle_queue(Settled::Superseded { by: stamp.operation });
                let began = draft.open(OperationKind::Destroy, None);
                draft.remove(stamp.operation, Removes::Everything, 1);
                draft.apply(Some(stamp.operation), began)
            }
            // Only while it is paused does an update or a restart wait behind nothing.
            Admitted::Cancel => match &tenant.next {
                None => Decision::Reject(Rejection::NothingToCancel),
                Some(queued) => {
                    let mut draft = self.draft();
                    draft.settle_queue(Settled::Cancelled { left: Vec::new() });
                    draft.apply(Some(queued.operation), EventKind::QueueCancelled)
                }
            },
            Admitted::Retry => Decision::Reject(Rejection::NothingToRetry),
            Admitted::Resume { since } => {
                let mut draft = self.draft();
                draft.resume(since);
                draft.rest(applied.clone());
                let about = draft.tenant.operation();
                draft.apply(about, EventKind::Resumed)
            }
        })
    }

    pub(super) fn timer(self) -> Decision {
        let Self { policy, tenant, stamp, .. } = self;
        match (tenant.repair.due, tenant.paused, &policy.repair) {
            (Some(due), None, RepairPolicy::On { .. }) if due <= stamp.now => self.repair(None),
            // It was switched off since the repair became due.
            (Some(due), None, RepairPolicy::Off) if due <= stamp.now => {
                self.health(tenant.health, None, None)
            }
            (Some(_) | None, Some(_) | None, RepairPolicy::On { .. } | RepairPolicy::Off) => Decision::Ignore,
        }
    }

    pub(super) fn observed(self, observation: Observation) -> Decision {
        let Self { policy, tenant, stamp, .. } = self;
        if tenant.settled_at.is_some_and(|settled_at| observation.begun < settled_at) {
            return Decision::Ignore;
        }
        match observation.seen {
            Seen::Unclear => Decision::Ignore,
            Seen::Healthy => self.health(Health::Healthy, None, None),
            Seen::Unhealthy(reason) => self.health(Health::Unhealthy, Some(reason), tenant.repair.due),
            Seen::Broken(reason) => match &policy.repair {
                RepairPolicy::Off => self.health(Health::Unhealthy, Some(reason), None),
                RepairPolicy::On { backoff, quiet } => {
                    let due = tenant.repair.due.unwrap_or_else(|| {
                        let pause = match tenant.repair.recent(*quiet, stamp.now) {
                            0 => Duration::ZERO,
                            count => backoff.pause(count, stamp.jitter),
                        };
                        after(tenant.repair.last.unwrap_or(stamp.now), pause).max(stamp.now)
                    });
                    if due <= stamp.now && tenant.paused.is_none() {
                        self.repair(Some(reason))
                    } else {
                        self.health(Health::Unhealthy, Some(reason), Some(due))
                    }
                }
            },
        }
    }

    fn draft(self) -> Draft {
        Draft::of(self.tenant, self.stamp)
    }

    fn health(self, health: Health, reason: Option<String>, due: Option<Timestamp>) -> Decision {
        if self.tenant.health == health && self.tenant.repair.due == due {
            return Decision::Ignore;
        }
        let mut draft = self.draft();
        draft.tenant.health = health;
        draft.tenant.repair.due = due;
        draft.apply(None, EventKind::HealthChanged { health, reason })
    }

    /// The repair begins; `reason` is what was seen just now.
    fn repair(self, reason: Option<String>) -> Decision {
        let Self { applied, stamp, .. } = self;
        let mut draft = self.draft();
        draft.tenant.health = Health::Unhealthy;
        draft.tenant.repair.due = None;
        let (operation_kind, spec) = (OperationKind::Repair, Some(applied.version));
        let _ = draft.open(operation_kind, spec);
        let change = Change {
            operation: stamp.operation,
            target: applied.clone(),
            direction: Direction::Repair,
            attempt: 1,
            run: Run::Waiting { until: stamp.now },
        };
        draft.call(Some(applied), change, Method::Provision);
        draft.apply(Some(stamp.operation), EventKind::Began { operation_kind, spec, reason })
    }
}

impl Repair {
    /// How many repairs there were without a quiet time since.
    pub(super) fn recent(&self, quiet: Duration, now: Timestamp) -> u32 {
        match self.last {
            Some(last) if after(last, quiet) > now => self.count,
            Some(_) | None => 0,
        }
    }
}
