//! A tenant's record as programs and people get to see it: no command lines, no environment, no provider's facts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landlord_state_machines::id::{Incarnation, OperationId, ProviderName, Revision, SpecVersion, TenantId};
use landlord_state_machines::spec::{PortMapping, Spec};
use landlord_state_machines::status::{Endpoint, Health};
use landlord_state_machines::tenant::{
    Change, Direction, Failure, Removal, RemovalRun, Run, State, StateName, Tenant,
};
use serde::Serialize;

/// A tenant.
#[derive(Debug, Serialize)]
pub struct TenantView<'a> {
    /// Its id.
    pub tenant_id: &'a TenantId,
    /// Its state.
    pub state: StateName,
    /// Its health, as it was last seen.
    pub health: Health,
    /// Whose platform it is on.
    pub provider: &'a ProviderName,
    /// Which of its lives.
    pub incarnation: Incarnation,
    /// How many transitions it has made.
    pub revision: Revision,
    /// What runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<SpecVersion>,
    /// What is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationView>,
    /// The update or restart that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<QueuedView>,
    /// Since when it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Timestamp>,
    /// When the next repair begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair_due: Option<Timestamp>,
    /// What failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<&'a Failure>,
    /// When its last operation settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// Where it answers.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub endpoints: &'a [Endpoint],
    /// What it has on the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<&'a BTreeMap<String, String>>,
}

/// What is on its way for a tenant.
#[derive(Debug, Serialize)]
pub struct OperationView {
    /// Its id.
    pub id: OperationId,
    /// Which way it goes.
    pub direction: Way,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// What it does now.
    pub run: Doing,
    /// Until when it waits, or is given to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The spec it works towards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<SpecVersion>,
    /// When it has to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// Which way an operation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// To a new spec.
    Forward,
    /// Back to the spec that runs.
    Repair,
    /// Back to what was before.
    Undo,
    /// To nothing.
    Destroy,
}

/// What an operation does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// A provider is called.
    Calling,
    /// A call is asked to stop.
    Stopping,
    /// It waits for the next try.
    Waiting,
}

/// An update or a restart that waits for its turn.
#[derive(Debug, Serialize)]
pub struct QueuedView {
    /// Its id.
    pub id: OperationId,
    /// The spec that an update works towards; none: it is a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<SpecVersion>,
    /// When it has to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// One container of a spec.
#[derive(Debug, Serialize)]
pub struct ContainerView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its image.
    pub image: &'a str,
    /// Its ports.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub ports: &'a [PortMapping],
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
                target: next.wish.spec().map(|waiting| waiting.version),
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
pub fn containers(tenant: &Tenant) -> Vec<ContainerView<'_>> {
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
