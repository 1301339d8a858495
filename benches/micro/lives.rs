//! Tenants whose lives are decided by the machine, outside of an engine.

use std::sync::Arc;

use jiff::Timestamp;
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::spec::Spec;
use landlord_compute::machines::tenant::{
    Command, Decision, Input, Outcome, Policy, Record, Request, Stamp, Transition, step,
};
use landlord_compute::store::{OperationRecord, Write};

use crate::spec::spec;

pub(crate) fn checked(tenant: &TenantId, image: &str) -> Spec {
    spec(tenant.as_str(), image).check().expect("valid")
}

pub(crate) fn tenant(n: usize) -> TenantId {
    TenantId::new(&format!("tenant-{n}")).expect("valid")
}

pub(crate) fn provision(spec: Spec) -> Input {
    let provider = spec.provider().clone();
    command(Request::Provision { spec, provider, deadline: None })
}

pub(crate) fn update(spec: Spec) -> Input {
    let provider = spec.provider().clone();
    command(Request::Update { spec, provider, deadline: None })
}

pub(crate) fn destroy() -> Input {
    command(Request::Destroy)
}

fn command(request: Request) -> Input {
    Input::Command(Command { expected: None, request })
}

/// The call in flight worked.
pub(crate) fn succeeded(record: &Record) -> Input {
    let call = record.call().expect("a call is in flight");
    Input::Outcome {
        call,
        outcome: Outcome::Succeeded { changes: Vec::new(), message: None, retained: None },
    }
}

/// What the machine decides; it changes the tenant.
pub(crate) fn decide(policy: &Policy, record: &Record, operation: u64, input: Input) -> Transition {
    let operation = OperationId { epoch: 1, number: operation };
    let stamp = Stamp { now: Timestamp::UNIX_EPOCH, jitter: 500, operation };
    match step(policy, record, stamp, input) {
        Decision::Apply(transition) => transition,
        other @ (Decision::Join(_) | Decision::Ignore | Decision::Reject(_)) => {
            panic!("not applied: {other:?}")
        }
    }
}

/// The write of a transition from `before`, as the engine makes it.
pub(crate) fn write(before: &Record, transition: Transition) -> Write {
    let Transition { record, event, opened, spec, effects: _ } = transition;
    let opened = opened.map(|opened| {
        Arc::new(OperationRecord {
            asked: None,
            id: opened.operation,
            tenant: event.tenant_id.clone(),
            incarnation: event.incarnation,
            kind: opened.kind,
            target: opened.target,
            accepted_at: event.at,
            request_id: None,
            reason: None,
            trace: None,
            settled: None,
        })
    });
    let spec = spec.map(|versioned| (versioned.version, versioned.spec));
    Write { expected: before.revision(), record, event, opened, spec, noted: None }
}
