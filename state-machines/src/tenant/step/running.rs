//! A tenant that runs, and on which nothing is on its way.

use std::time::Duration;

use jiff::Timestamp;

use super::super::effect::OperationKind;
use super::super::input::{Command, Input, Request, Stamp};
use super::super::policy::{Policy, RepairPolicy, after};
use super::super::{
    Change, Decision, Direction, Method, Queued, Rejection, Repair, Run, Settled, Tenant, Versioned, What,
};
use super::draft::Draft;
use super::spec_refusal;
use crate::observation::{Observation, Seen};
use crate::result::Health;

pub(super) fn step(
    policy: &Policy,
    tenant: &Tenant,
    applied: &Versioned,
    stamp: Stamp,
    input: Input,
) -> Decision {
    match input {
        Input::Command(Command { request, .. }) => command(tenant, applied, stamp, request),
        Input::Observed(observation) => observed(policy, tenant, applied, stamp, observation),
        Input::TimerFired => match (tenant.repair.due, tenant.paused, &policy.repair) {
            (Some(due), None, RepairPolicy::On { .. }) if due <= stamp.now => repair(tenant, applied, stamp),
            // It was switched off since the repair became due.
            (Some(due), None, RepairPolicy::Off) if due <= stamp.now => {
                health(tenant, stamp, tenant.health, None, None)
            }
            (Some(_) | None, Some(_) | None, RepairPolicy::On { .. } | RepairPolicy::Off) => Decision::Ignore,
        },
        Input::Outcome { .. } | Input::Progressed { .. } | Input::Recovered => Decision::Ignore,
    }
}

fn command(tenant: &Tenant, applied: &Versioned, stamp: Stamp, request: Request) -> Decision {
    if let Some(refusal) = spec_refusal(tenant, &request) {
        return Decision::Reject(refusal);
    }
    match request {
        Request::Provision { spec, .. } if spec == applied.spec => {
            let mut draft = Draft::of(tenant, stamp);
            draft.open(OperationKind::Provision, Some(applied));
            draft.settle(stamp.operation, Settled::Done);
            draft.apply(Some(stamp.operation), What::AlreadyRunning)
        }
        Request::Provision { .. } => Decision::Reject(Rejection::Conflict),
        Request::Update { spec, deadline, .. } => {
            let mut draft = Draft::of(tenant, stamp);
            let target = if spec == applied.spec { applied.clone() } else { draft.number(spec) };
            let began = draft.open(OperationKind::Update, Some(&target));
            draft.update(applied, Queued { operation: stamp.operation, target, deadline });
            draft.apply(Some(stamp.operation), began)
        }
        Request::Destroy => {
            let mut draft = Draft::of(tenant, stamp);
            draft.settle_queue(Settled::Superseded { by: stamp.operation });
            let began = draft.open(OperationKind::Destroy, None);
            draft.remove(stamp.operation, 1);
            draft.apply(Some(stamp.operation), began)
        }
        // Only while it is paused does an update wait behind nothing.
        Request::Cancel => match &tenant.next {
            None => Decision::Reject(Rejection::NothingToCancel),
            Some(queued) => {
                let mut draft = Draft::of(tenant, stamp);
                draft.settle_queue(Settled::Cancelled { left: Vec::new() });
                draft.apply(Some(queued.operation), What::QueueCancelled)
            }
        },
        Request::Retry => Decision::Reject(Rejection::NothingToRetry),
        Request::Pause => Draft::pause(tenant, stamp),
        Request::Resume => match tenant.paused {
            None => Decision::Ignore,
            Some(since) => {
                let mut draft = Draft::of(tenant, stamp);
                draft.resume(since);
                draft.rest(applied.clone());
                let about = draft.tenant.operation();
                draft.apply(about, What::Resumed)
            }
        },
        Request::Reclaim { .. } => Decision::Reject(Rejection::Lives),
        Request::Abandon { .. } => Decision::Reject(Rejection::DestroyFirst),
    }
}

fn observed(
    policy: &Policy,
    tenant: &Tenant,
    applied: &Versioned,
    stamp: Stamp,
    observation: Observation,
) -> Decision {
    if tenant.settled_at.is_some_and(|settled_at| observation.begun < settled_at) {
        return Decision::Ignore;
    }
    match observation.seen {
        Seen::Unclear => Decision::Ignore,
        Seen::Healthy => health(tenant, stamp, Health::Healthy, None, None),
        Seen::Unhealthy(reason) => health(tenant, stamp, Health::Unhealthy, Some(reason), tenant.repair.due),
        Seen::Broken(reason) => match &policy.repair {
            RepairPolicy::Off => health(tenant, stamp, Health::Unhealthy, Some(reason), None),
            RepairPolicy::On { backoff, quiet } => {
                let due = tenant.repair.due.unwrap_or_else(|| {
                    let pause = match tenant.repair.recent(*quiet, stamp.now) {
                        0 => Duration::ZERO,
                        count => backoff.pause(count, stamp.jitter),
                    };
                    after(tenant.repair.last.unwrap_or(stamp.now), pause).max(stamp.now)
                });
                if due <= stamp.now && tenant.paused.is_none() {
                    repair(tenant, applied, stamp)
                } else {
                    health(tenant, stamp, Health::Unhealthy, Some(reason), Some(due))
                }
            }
        },
    }
}

fn health(
    tenant: &Tenant,
    stamp: Stamp,
    health: Health,
    reason: Option<String>,
    due: Option<Timestamp>,
) -> Decision {
    if tenant.health == health && tenant.repair.due == due {
        return Decision::Ignore;
    }
    let mut draft = Draft::of(tenant, stamp);
    draft.tenant.health = health;
    draft.tenant.repair.due = due;
    draft.apply(None, What::HealthChanged { health, reason })
}

fn repair(tenant: &Tenant, applied: &Versioned, stamp: Stamp) -> Decision {
    let mut draft = Draft::of(tenant, stamp);
    draft.tenant.health = Health::Unhealthy;
    draft.tenant.repair.due = None;
    let began = draft.open(OperationKind::Repair, Some(applied));
    let change = Change {
        operation: stamp.operation,
        target: applied.clone(),
        direction: Direction::Repair,
        attempt: 1,
        run: Run::Waiting { until: stamp.now },
    };
    draft.call(Some(applied), change, Method::Provision);
    draft.apply(Some(stamp.operation), began)
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
