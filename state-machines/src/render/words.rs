//! The tenant machine's decisions in a few words, for its page.

use crate::id::OperationId;
use crate::tenant::samples::{CURRENT, DESTROY, NEW, QUEUED, SpecRole};
use crate::tenant::{
    Decision, Effect, EventKind, Method, OperationKind, Rejection, Settled, Settlement, StateName, StopReason,
};

/// A state as the diagram names it.
pub(super) fn state(name: StateName) -> &'static str {
    match name {
        StateName::Pending => "Pending",
        StateName::Provisioning => "Provisioning",
        StateName::Running => "Running",
        StateName::Updating => "Updating",
        StateName::Destroying => "Destroying",
    }
}

pub(super) fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Apply(transition) => format!("**apply** {}", what(&transition.event.what)),
        Decision::Join(id) => format!("join {}", operation(*id)),
        Decision::Ignore => "ignore".to_owned(),
        Decision::Reject(why) => format!("reject {}", rejection(why)),
    }
}

fn rejection(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::NotProvisioned => "NotProvisioned",
        Rejection::Conflict => "Conflict",
        Rejection::UpdateWaits { .. } => "UpdateWaits",
        Rejection::ProviderMismatch { .. } => "ProviderMismatch",
        Rejection::Paused => "Paused",
        Rejection::BeingDestroyed { .. } => "BeingDestroyed",
        Rejection::Protected => "Protected",
        Rejection::NothingToCancel => "NothingToCancel",
        Rejection::NotCancellable => "NotCancellable",
        Rejection::NothingToRetry => "NothingToRetry",
        Rejection::DestroyFirst => "DestroyFirst",
        Rejection::BeingReleased { .. } => "BeingReleased",
        Rejection::MayUseIt => "MayUseIt",
        Rejection::Lives => "Lives",
        Rejection::RevisionMismatch { .. } => "RevisionMismatch",
    }
}

fn what(what: &EventKind) -> &'static str {
    match what {
        EventKind::Began { operation_kind, .. } => match operation_kind {
            OperationKind::Provision => "began a provision",
            OperationKind::Update => "began an update",
            OperationKind::Restart => "began a restart",
            OperationKind::Repair => "began a repair",
            OperationKind::Destroy => "began a destroy",
            OperationKind::Release => "began a release",
        },
        EventKind::AlreadyRunning => "already running",
        EventKind::Queued { spec: Some(_), .. } => "queued",
        EventKind::Queued { spec: None, .. } => "queued a restart",
        EventKind::Progressed { .. } => "progressed",
        EventKind::Waits { .. } => "waits",
        EventKind::Succeeded { .. } => "succeeded",
        EventKind::FoundNothing => "found nothing",
        EventKind::WillRetry { .. } => "will retry",
        EventKind::Retried => "retried",
        EventKind::Stopping { why } => match why {
            StopReason::Cancelled => "stopping, cancelled",
            StopReason::Destroy => "stopping for a destroy",
            StopReason::DeadlineExceeded => "stopping, out of time",
        },
        EventKind::Undoing { error: Some(_) } => "undoing a failure",
        EventKind::Undoing { error: None } => "undoing what was cancelled",
        EventKind::Undone => "undone",
        EventKind::RepairFailed { next_at: Some(_), .. } => "repair failed, the next is due later",
        EventKind::RepairFailed { next_at: None, .. } => "repair failed",
        EventKind::NotUndone { .. } => "not undone, a repair is due later",
        EventKind::HealthChanged { .. } => "health changed",
        EventKind::Recovered => "recovered",
        EventKind::HandedOver => "handed over",
        EventKind::Paused => "paused",
        EventKind::Resumed => "resumed",
        EventKind::QueueCancelled => "queue cancelled",
        EventKind::Abandoned { .. } => "abandoned",
    }
}

fn operation(id: OperationId) -> &'static str {
    match id {
        CURRENT => "its operation",
        QUEUED => "the queued operation",
        DESTROY => "the destroy",
        NEW => "the new operation",
        OperationId { .. } => "another operation",
    }
}

pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::StartCall(start) => {
            let method = match start.method {
                Method::Provision => "provision",
                Method::Update => "update",
                Method::Destroy => "destroy",
                Method::Release => "release",
            };
            match &start.spec {
                Some(spec) => {
                    let anew = if start.rollout == start.applied_rollout { "" } else { ", anew" };
                    format!("call {method} with {}{anew}", SpecRole::of(spec).words())
                }
                None => format!("call {method}"),
            }
        }
        Effect::StopCall(_) => "stop the call".to_owned(),
        Effect::DropCall(_) => "drop the call".to_owned(),
    }
}

pub(super) fn settlement(settlement: &Settlement) -> String {
    let how = match &settlement.settled {
        Settled::Done => "done".to_owned(),
        Settled::Failed { undone: true, .. } => "failed, and undone".to_owned(),
        Settled::Failed { undone: false, .. } => "failed".to_owned(),
        Settled::Cancelled { left } if left.is_empty() => "cancelled".to_owned(),
        Settled::Cancelled { .. } => "cancelled, with something left".to_owned(),
        Settled::Superseded { by } => format!("superseded by {}", operation(*by)),
        Settled::Abandoned { left } if left.is_empty() => "abandoned".to_owned(),
        Settled::Abandoned { .. } => "abandoned, with something left".to_owned(),
    };
    format!("{}: {how}", operation(settlement.operation))
}
