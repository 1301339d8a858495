//! A tenant's record as programs and people get to see it: no command lines, no environment, no provider's facts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landlord_state_machines::id::{Incarnation, OperationId, ProviderName, Revision, SpecVersion, TenantId};
use landlord_state_machines::spec::{
    ContainerSpec, HealthCheckConfig, NetworkConfig, PortMapping, ResourceRequirements, Spec,
};
use landlord_state_machines::status::{Endpoint, Health};
use landlord_state_machines::tenant::{
    Change, Direction, Failure, Removal, RemovalRun, Removes, Run, State, StateName, Tenant,
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
    pub operation: Option<OperationView<'a>>,
    /// The update or restart that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<QueuedView>,
    /// Since when it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Timestamp>,
    /// Whether its spec protects it: a destroy is refused until an update has lifted that.
    #[serde(skip_serializing_if = "is_false")]
    pub protected: bool,
    /// How many repairs there were without a quiet time between them.
    #[serde(skip_serializing_if = "is_zero")]
    pub repairs: u32,
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointView<'a>>,
    /// What it has on the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<&'a BTreeMap<String, String>>,
}

/// Where a tenant answers, with the name that its spec gives the port.
#[derive(Debug, Serialize)]
pub struct EndpointView<'a> {
    /// Where.
    #[serde(flatten)]
    pub endpoint: &'a Endpoint,
    /// What the spec calls the container's port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_name: Option<&'a str>,
}

/// What is on its way for a tenant.
#[derive(Clone, Debug, Serialize)]
pub struct OperationView<'a> {
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
    /// What its call waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<WaitingView<'a>>,
    /// The spec it works towards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<SpecVersion>,
    /// When it has to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// What a call waits for on its platform.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WaitingView<'a> {
    /// What has to become true, as it follows "waits until".
    pub what: &'a str,
    /// Since when.
    pub since: Timestamp,
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
    /// To nothing of what was retained, either.
    Release,
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

/// What a spec says that cannot hold a secret: no command lines, no values of the environment, no provider's
/// configuration. Containers are [`containers`].
#[derive(Debug, Serialize)]
pub struct SpecView<'a> {
    /// What the whole tenant may use.
    pub resources: &'a ResourceRequirements,
    /// How it is reached.
    pub networking: &'a NetworkConfig,
    /// Where its secrets come from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretView<'a>>,
    /// The caller's own labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: &'a BTreeMap<String, String>,
    /// Which fields of `provider_config` it gives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provider_config: Vec<&'a str>,
}

/// A secret's name, source and environment variable. Its key and its value are not shown.
#[derive(Debug, Serialize)]
pub struct SecretView<'a> {
    /// Its name.
    pub name: &'a str,
    /// What kind of place it comes from.
    pub source: &'a str,
    /// The environment variable that carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_var: Option<&'a str>,
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
    /// Its health check, without the command of an exec check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheckConfig>,
    /// Its share of the tenant's resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<&'a ResourceRequirements>,
    /// The names in its environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<&'a str>,
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
            last_failure: tenant.last_failure.as_deref(),
            settled_at: tenant.settled_at,
            endpoints: ledger.into_iter().flat_map(|it| &it.endpoints).map(|it| named(tenant, it)).collect(),
            resources: ledger.map(|ledger| &ledger.resources),
        }
    }
}

/// What the call in flight waits for. What an earlier one waited for is over.
fn waits(tenant: &Tenant) -> Option<WaitingView<'_>> {
    let waiting = tenant.ledger.as_deref()?.waits.as_ref()?;
    (tenant.call() == Some(waiting.call)).then_some(WaitingView { what: &waiting.what, since: waiting.since })
}

fn changing<'a>(change: &Change, waits: Option<WaitingView<'a>>) -> OperationView<'a> {
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

fn removing<'a>(removal: &Removal, waits: Option<WaitingView<'a>>) -> OperationView<'a> {
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
fn named<'a>(tenant: &'a Tenant, endpoint: &'a Endpoint) -> EndpointView<'a> {
    let container = endpoint
        .container
        .as_ref()
        .zip(shown(tenant))
        .and_then(|(name, spec)| spec.containers.iter().find(|container| container.name == *name));
    let port = container.zip(endpoint.container_port).and_then(|(container, number)| {
        container.ports.iter().find(|port| port.container_port == i64::from(number) && port.protocol != "udp")
    });
    EndpointView { endpoint, port_name: port.and_then(|port| port.name.as_deref()) }
}

/// The containers of what runs, or else of what should.
pub fn containers(tenant: &Tenant) -> Vec<ContainerView<'_>> {
    shown(tenant).into_iter().flat_map(|spec| &spec.containers).map(ContainerView::from).collect()
}

/// The rest of what runs, or else of what should.
pub fn spec(tenant: &Tenant) -> Option<SpecView<'_>> {
    let spec = shown(tenant)?;
    let config = spec.provider_config.as_ref().and_then(|config| config.as_object());
    Some(SpecView {
        resources: &spec.resources,
        networking: &spec.networking,
        secrets: spec
            .secrets
            .iter()
            .map(|secret| SecretView {
                name: &secret.name,
                source: &secret.source,
                env_var: secret.env_var.as_deref(),
            })
            .collect(),
        labels: &spec.labels,
        provider_config: config.into_iter().flat_map(|config| config.keys().map(String::as_str)).collect(),
    })
}

fn shown(tenant: &Tenant) -> Option<&Spec> {
    tenant.applied().or_else(|| tenant.target()).map(|versioned| &versioned.spec)
}

impl<'a> From<&'a ContainerSpec> for ContainerView<'a> {
    fn from(container: &'a ContainerSpec) -> Self {
        let without_command =
            |check: &HealthCheckConfig| HealthCheckConfig { command: Vec::new(), ..check.clone() };
        Self {
            name: &container.name,
            image: &container.image,
            ports: &container.ports,
            health_check: container.health_check.as_ref().map(without_command),
            resources: container.resources.as_ref(),
            env: container.env.keys().map(String::as_str).collect(),
        }
    }
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}
