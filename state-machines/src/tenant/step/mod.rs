//! The tenant machine: the sole place where a tenant's state changes.
//!
//! One module for each configuration says what every input does there; [`draft`] writes a transition down.

mod changing;
mod draft;
mod pending;
mod removing;
mod running;
mod unborn;

use super::input::{Command, Input, Request, Stamp};
use super::policy::Policy;
use super::{Decision, Record, Rejection, State, Tenant, Tombstone};
use crate::id::Revision;

/// Decides what `input` does to `record`. Pure: the same arguments always give the same decision.
///
/// Rejected, ignored and joined inputs change nothing and emit nothing.
pub fn step(policy: &Policy, record: &Record, stamp: Stamp, input: Input) -> Decision {
    if let Input::Command(Command { expected: Some(expected), .. }) = &input
        && *expected != record.revision()
    {
        return Decision::Reject(Rejection::RevisionMismatch {
            expected: *expected,
            actual: record.revision(),
        });
    }
    match record {
        Record::Absent(id) => unborn::step(id, Revision(0), 0, stamp, input),
        Record::Gone(Tombstone { id, incarnation, revision }) => {
            unborn::step(id, *revision, incarnation.0, stamp, input)
        }
        Record::Live(tenant) => match &tenant.state {
            State::Pending => pending::step(tenant, stamp, input),
            State::Provisioning(change) => changing::step(policy, tenant, None, change, stamp, input),
            State::Running { applied } => running::step(policy, tenant, applied, stamp, input),
            State::Updating { applied, change } => {
                changing::step(policy, tenant, Some(applied), change, stamp, input)
            }
            State::Destroying(removal) => removing::step(policy, tenant, removal, stamp, input),
        },
    }
}

/// What a paused tenant, or one of another provider, answers to a request for a spec.
fn spec_refusal(tenant: &Tenant, request: &Request) -> Option<Rejection> {
    match request {
        Request::Provision { provider, .. } | Request::Update { provider, .. } => {
            if *provider != tenant.provider {
                Some(Rejection::ProviderMismatch { provider: tenant.provider.clone() })
            } else if tenant.paused.is_some() {
                Some(Rejection::Paused)
            } else {
                None
            }
        }
        Request::Destroy
        | Request::Cancel
        | Request::Retry
        | Request::Pause
        | Request::Resume
        | Request::Reclaim { .. }
        | Request::Abandon { .. } => None,
    }
}
