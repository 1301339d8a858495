//! A tenant's record as programs and people get to see it: no command lines, no environment, no provider's facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{Incarnation, OperationId, ProviderName, Revision, SpecVersion, TenantId};
use landlord_state_machines::status::{Endpoint, Health};
use landlord_state_machines::tenant::{
    Change, Direction, Explanation, Failure, LifecycleEvent, OperationKind, Removal, RemovalRun, Removes,
    Run, State, StateName, Tenant,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::{labels, shown};
use crate::{Attended, ContainerView, Cursor, OperationDocument, SpecView};

/// A page of the living tenants.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TenantsDocument {
    /// Ordered by id.
    pub tenants: Vec<TenantView>,
    /// Who looks after them.
    pub engine: Attended,
    /// After which tenant the next page begins; absent in the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<TenantId>,
}

/// All that is known of a tenant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TenantDocument {
    /// Its record.
    pub tenant: TenantView,
    /// What runs, or should.
    pub spec: Option<SpecView>,
    /// The containers of that.
    pub containers: Vec<ContainerView>,
    /// Limits of its spec that its provider does not keep.
    pub not_enforced: Vec<String>,
    /// Who looks after it.
    pub engine: Attended,
    /// Why it is where it is, for a person; absent where it plainly runs and is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
    /// The operations that its record and its latest events name, oldest first.
    pub operations: Vec<OperationDocument>,
    /// Its latest events.
    pub events: Vec<Arc<LifecycleEvent>>,
    /// Where its latest event stands, or the latest of all: subscribe from here to miss nothing.
    pub cursor: Cursor,
    /// What its provider said when it last did something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TenantView {
    /// Its id.
    pub tenant_id: TenantId,
    /// Its state.
    pub state: StateName,
    /// Its health, as it was last seen.
    pub health: Health,
    /// Whose platform it is on.
    pub provider: ProviderName,
    /// The labels of what runs, or else of what should.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The engine that makes its calls, where several share the store; absent also while none has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u64>,
    /// Which of its lives.
    pub incarnation: Incarnation,
    /// How many transitions it has made.
    pub revision: Revision,
    /// What runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<SpecVersion>,
    /// What is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationView>,
    /// The update or restart that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<QueuedView>,
    /// Since when it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Timestamp>,
    /// Whether its spec protects it: a destroy is refused until an update has lifted that.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protected: bool,
    /// How many repairs there were without a quiet time between them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repairs: u32,
    /// When the next repair begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair_due: Option<Timestamp>,
    /// What failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailureView>,
    /// When its last operation settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// Where it answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointView>,
    /// What it has on the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<BTreeMap<String, String>>,
}

/// Where a tenant answers, with the name that its spec gives the port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointView {
    /// Where.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// What the spec calls the container's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_name: Option<String>,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailureView {
    /// When.
    pub at: Timestamp,
    /// During which operation.
    pub operation: OperationId,
    /// What that operation did, as far as it is still known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<OperationKind>,
    /// What.
    pub error: Arc<ProviderError>,
}

/// What is on its way for a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What its call waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<WaitingView>,
    /// The spec it works towards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<SpecVersion>,
    /// When it has to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// What a call waits for on its platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingView {
    /// What has to become true, as it follows "waits until".
    pub what: String,
    /// Since when.
    pub since: Timestamp,
}

/// Which way an operation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// To nothing of what was retained, either.
    Release,
}

/// What an operation does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QueuedView {
    /// Its id.
    pub id: OperationId,
    /// The spec that an update works towards; none: it is a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<SpecVersion>,
    /// When it has to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

impl From<&Tenant> for TenantView {
    fn from(tenant: &Tenant) -> Self {
        let ledger = tenant.ledger.as_deref();
        Self {
            tenant_id: tenant.id.clone(),
            state: tenant.state.name(),
            health: tenant.health,
            provider: tenant.provider.clone(),
            labels: labels(tenant).cloned().unwrap_or_default(),
            owner: None,
            incarnation: tenant.incarnation,
            revision: tenant.revision,
            spec: tenant.applied().map(|applied| applied.version),
            operation: match &tenant.state {
                State::Pending | State::Running { .. } => None,
                State::Provisioning(change) | State::Updating { change, .. } => {
                    Some(changing(change, waits(tenant)))
                }
                State::Destroying(removal) => Some(removing(removal, waits(tenant))),
            },
            next: tenant.next.as_ref().map(|next| QueuedView {
                id: next.operation,
                target: next.wish.spec().map(|waiting| waiting.version),
                deadline: next.deadline,
            }),
            paused: tenant.paused,
            protected: tenant.is_protected(),
            repairs: tenant.repair.count,
            repair_due: tenant.repair.due,
            last_failure: tenant.last_failure.as_deref().map(FailureView::from),
            settled_at: tenant.settled_at,
            endpoints: ledger.into_iter().flat_map(|it| &it.endpoints).map(|it| named(tenant, it)).collect(),
            resources: ledger.map(|ledger| ledger.resources.clone()),
        }
    }
}

impl From<&Failure> for FailureView {
    fn from(failure: &Failure) -> Self {
        let Failure { at, operation, error } = failure;
        Self { at: *at, operation: *operation, kind: None, error: Arc::clone(error) }
    }
}

/// What the call in flight waits for. What an earlier one waited for is over.
fn waits(tenant: &Tenant) -> Option<WaitingView> {
    let waiting = tenant.ledger.as_deref()?.waits.as_ref()?;
    (tenant.call() == Some(waiting.call))
        .then(|| WaitingView { what: waiting.what.to_string(), since: waiting.since })
}

fn changing(change: &Change, waits: Option<WaitingView>) -> OperationView {
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
    OperationView {
        id: change.operation,
        direction,
        attempt: change.attempt,
        run,
        until,
        waits,
        target: Some(change.target.version),
        deadline,
    }
}

fn removing(removal: &Removal, waits: Option<WaitingView>) -> OperationView {
    let (run, until) = match &removal.run {
        RemovalRun::Calling(_) => (Doing::Calling, None),
        RemovalRun::Waiting { until } => (Doing::Waiting, Some(*until)),
    };
    OperationView {
        id: removal.operation,
        direction: match &removal.removes {
            Removes::Everything => Way::Destroy,
            Removes::Retained { .. } => Way::Release,
        },
        attempt: removal.attempt,
        run,
        until,
        waits,
        target: None,
        deadline: None,
    }
}

/// An endpoint with its port's name: in what runs, or else in what should.
fn named(tenant: &Tenant, endpoint: &Endpoint) -> EndpointView {
    let container = endpoint
        .container
        .as_ref()
        .zip(shown(tenant))
        .and_then(|(name, spec)| spec.containers.iter().find(|container| container.name == *name));
    let port = container.zip(endpoint.container_port).and_then(|(container, number)| {
        container.ports.iter().find(|port| port.container_port == i64::from(number) && port.protocol != "udp")
    });
    EndpointView { endpoint: endpoint.clone(), port_name: port.and_then(|port| port.name.clone()) }
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}
