//! A tenant's record as programs and people get to see it: no command lines, no environment, no provider's facts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landlord_compute::machines::id::{
    Incarnation, OperationId, ProviderName, Revision, SpecVersion, TenantId,
};
use landlord_compute::machines::spec::{PortMapping, Spec};
use landlord_compute::machines::status::{Endpoint, Health};
use landlord_compute::machines::tenant::{
    Change, Direction, Failure, Removal, RemovalRun, Run, State, StateName, Tenant,
};
use serde::Serialize;

use super::words;

/// A tenant.
#[derive(Debug, Serialize)]
pub(crate) struct TenantView<'a> {
    pub(crate) tenant_id: &'a TenantId,
    pub(crate) state: StateName,
    pub(crate) health: Health,
    pub(crate) provider: &'a ProviderName,
    pub(crate) incarnation: Incarnation,
    pub(crate) revision: Revision,
    /// What runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spec: Option<SpecVersion>,
    /// What is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operation: Option<OperationView>,
    /// The update that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<QueuedView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paused: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repair_due: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_failure: Option<&'a Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) settled_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) endpoints: &'a [Endpoint],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resources: Option<&'a BTreeMap<String, String>>,
}

/// What is on its way for a tenant.
#[derive(Debug, Serialize)]
pub(crate) struct OperationView {
    pub(crate) id: OperationId,
    pub(crate) direction: Way,
    pub(crate) attempt: u32,
    pub(crate) run: Doing,
    /// Until when it waits, or is given to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<SpecVersion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline: Option<Timestamp>,
}

/// Which way an operation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    Forward,
    Repair,
    Undo,
    Destroy,
}

/// What an operation does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Doing {
    Calling,
    Stopping,
    Waiting,
}

impl OperationView {
    /// What is on its way, in a few words: `being undone, tries again in 3 s`.
    pub(crate) fn text(&self, now: Timestamp) -> String {
        let way = match self.direction {
            Way::Forward => "on its way",
            Way::Repair => "being repaired",
            Way::Undo => "being undone",
            Way::Destroy => "being removed",
        };
        let until = self.until.map(|until| words::when(now, until)).unwrap_or_default();
        match self.run {
            Doing::Calling => way.to_owned(),
            Doing::Stopping => format!("{way}, stopping"),
            Doing::Waiting if until.is_empty() => format!("{way}, waits"),
            Doing::Waiting => format!("{way}, tries again {until}"),
        }
    }
}

/// An update that waits for its turn.
#[derive(Debug, Serialize)]
pub(crate) struct QueuedView {
    pub(crate) id: OperationId,
    pub(crate) target: SpecVersion,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline: Option<Timestamp>,
}

/// One container of a spec.
#[derive(Debug, Serialize)]
pub(crate) struct ContainerView<'a> {
    pub(crate) name: &'a str,
    pub(crate) image: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) ports: &'a [PortMapping],
}

impl<'a> From<&'a Tenant> for TenantView<'a> {
    fn from(tenant: &'a Tenant) -> Self {
        let ledger = tenant.ledger.as_deref();
        Self {
            tenant_id: &tenant.id,
            state: tenant.state.name(),
            health: tenant.health,
            provider: &tenant.provider,
            incarnation: tenant.incarnation,
            revision: tenant.revision,
            spec: tenant.applied().map(|applied| applied.version),
            operation: match &tenant.state {
                State::Pending | State::Running { .. } => None,
                State::Provisioning(change) | State::Updating { change, .. } => Some(change.into()),
                State::Destroying(removal) => Some(removal.into()),
            },
            next: tenant.next.as_ref().map(|next| QueuedView {
                id: next.operation,
                target: next.target.version,
                deadline: next.deadline,
            }),
            paused: tenant.paused,
            repair_due: tenant.repair.due,
            last_failure: tenant.last_failure.as_deref(),
            settled_at: tenant.settled_at,
            endpoints: ledger.map(|ledger| ledger.endpoints.as_slice()).unwrap_or_default(),
            resources: ledger.map(|ledger| &ledger.resources),
        }
    }
}

impl From<&Change> for OperationView {
    fn from(change: &Change) -> Self {
        let (direction, deadline) = match &change.direction {
            Direction::Forward { deadline } => (Way::Forward, *deadline),
            Direction::Repair => (Way::Repair, None),
            Direction::Undo(_) => (Way::Undo, None),
        };
        let (run, until) = match &change.run {
            Run::Calling(_) => (Doing::Calling, None),
            Run::Stopping { until, .. } => (Doing::Stopping, Some(*until)),
            Run::Waiting { until } => (Doing::Waiting, Some(*until)),
        };
        Self {
            id: change.operation,
            direction,
            attempt: change.attempt,
            run,
            until,
            target: Some(change.target.version),
            deadline,
        }
    }
}

impl From<&Removal> for OperationView {
    fn from(removal: &Removal) -> Self {
        let (run, until) = match &removal.run {
            RemovalRun::Calling(_) => (Doing::Calling, None),
            RemovalRun::Waiting { until } => (Doing::Waiting, Some(*until)),
        };
        Self {
            id: removal.operation,
            direction: Way::Destroy,
            attempt: removal.attempt,
            run,
            until,
            target: None,
            deadline: None,
        }
    }
}

/// The containers of what runs, or else of what should.
pub(crate) fn containers(tenant: &Tenant) -> Vec<ContainerView<'_>> {
    let spec: Option<&Spec> = tenant.applied().or_else(|| tenant.target()).map(|versioned| &versioned.spec);
    spec.map(|spec| {
        spec.containers
            .iter()
            .map(|container| ContainerView {
                name: &container.name,
                image: &container.image,
                ports: &container.ports,
            })
            .collect()
    })
    .unwrap_or_default()
}
