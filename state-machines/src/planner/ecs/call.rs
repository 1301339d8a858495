//! What is asked of ECS, and what it answers, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::config::{CapacityProvider, CircuitBreaker, LaunchType, ServiceRegistry};
use super::definition::Definition;
use super::site::{Place, Site};
use crate::error::ProviderError;
use crate::id;
use crate::planner::Subject;
use crate::status::{Endpoint, EndpointType};

/// One thing to ask. The subject comes with the call's context.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EcsCall {
    /// Read: finds the subject's service or family by its tags, everywhere that the operator's configuration leads
    /// to. For a tenant without a ledger.
    Locate(Search),
    /// Read, `DescribeServices` with tags. An INACTIVE service counts as none. Where there is no such cluster, the answer is
    /// [`EcsReply::NoCluster`].
    DescribeService {
        /// Which.
        site: Site,
        /// Whose it should be. Not sent to ECS; its answer is read with it.
        subject: Subject,
    },
    /// Read, `ListTaskDefinitions`, all pages: the revisions of the site's family that have this status.
    ListDefinitions(Site, DefinitionStatus),
    /// Read, `DescribeTaskDefinition` with tags.
    DescribeDefinition {
        /// Where.
        place: Place,
        /// Its ARN, or `family:revision`.
        definition: String,
        /// Whose it should be. Not sent to ECS; its answer is read with it.
        subject: Subject,
    },
    /// Read, `ListTasks` and `DescribeTasks`: the service's tasks that should run, and those that stopped lately.
    FindTasks {
        /// The service.
        site: Site,
        /// Where the tenant answers. Not sent to ECS; its answer is read with it.
        serves: Vec<Serves>,
        /// The containers that have a health check. Not sent to ECS either.
        checked: BTreeSet<String>,
        /// Why the deployment is given up, where it is. Not sent to ECS either.
        giving_up: Option<String>,
    },
    /// Write, `RegisterTaskDefinition`.
    RegisterDefinition(Box<Register>),
    /// Write, `CreateService`.
    CreateService(Box<Create>),
    /// Write, `UpdateService`.
    UpdateService(Box<Update>),
    /// Write, `TagResource` on a service.
    TagService {
        /// Where.
        place: Place,
        /// The service.
        arn: String,
        /// What to set.
        tags: BTreeMap<String, String>,
    },
    /// Write, `UntagResource` on a service.
    UntagService {
        /// Where.
        place: Place,
        /// The service.
        arn: String,
        /// Which to remove.
        keys: BTreeSet<String>,
    },
    /// Write, `TagResource` on a task definition.
    TagDefinition {
        /// Where.
        place: Place,
        /// Its ARN.
        arn: String,
        /// What to set.
        tags: BTreeMap<String, String>,
        /// The hash of what it says, which is among these.
        content: String,
        /// The caller's tags that it has then. Not sent to ECS; the ledger keeps them.
        labels: BTreeMap<String, String>,
    },
    /// Write, `UntagResource` on a task definition.
    UntagDefinition {
        /// Where.
        place: Place,
        /// Its ARN.
        arn: String,
        /// Which to remove.
        keys: BTreeSet<String>,
        /// The caller's tags that it has then. Not sent to ECS; the ledger keeps them.
        labels: BTreeMap<String, String>,
    },
    /// Write, `StopServiceDeployment` with a rollback.
    StopDeployment {
        /// Where.
        place: Place,
        /// The service deployment's ARN.
        deployment: String,
    },
    /// Write, `DeleteService` with force: its tasks are stopped. It is a success when there is no service, or when it
    /// drains already.
    DeleteService(Site),
    /// Write, `DeregisterTaskDefinition`. It is a success when that is not active, or not there.
    DeregisterDefinition {
        /// Where.
        place: Place,
        /// Its ARN.
        arn: String,
    },
    /// Write, `DeleteTaskDefinitions`, at most 10. It is a success when one is being deleted already, or is not there.
    DeleteDefinitions {
        /// Where.
        place: Place,
        /// Their ARNs.
        arns: BTreeSet<String>,
    },
}

/// What a tenant is looked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Search {
    /// Its service only, because a status has to be quick.
    Service,
    /// Also by task definitions that have no service.
    Everything,
}

/// Where a tenant answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serves {
    /// On a port of each task.
    Task {
        /// The container.
        container: String,
        /// Its port.
        port: u16,
        /// What is spoken there.
        kind: EndpointType,
    },
    /// At a place that stays: a load balancer, a name.
    At(Endpoint),
}

/// The most task definitions that one call deletes.
pub const DELETED_AT_ONCE: usize = 10;

/// A revision to register.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Register {
    /// Where; its name is the family.
    pub site: Site,
    /// What it says. Never written anywhere, because environments may hold secrets.
    #[serde(skip)]
    pub definition: Definition,
    /// The hash of it, which is among the tags too.
    pub content: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A service to create.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Create {
    /// Where, and its name.
    pub site: Site,
    /// The client token: the same for the same intention, at most 36 letters and digits.
    pub token: String,
    /// What its tasks are made from.
    pub definition: String,
    /// How it runs them.
    pub settings: Settings,
    /// Its tags; tasks get them too.
    pub tags: BTreeMap<String, String>,
    /// For which rollout of the spec. Not sent to ECS; the ledger keeps it.
    #[serde(skip_serializing_if = "id::Rollout::is_first")]
    pub rollout: id::Rollout,
}

/// What a service is changed to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Update {
    /// Which.
    pub site: Site,
    /// What its tasks are made from.
    pub definition: String,
    /// How it runs them; the ledger keeps it all.
    pub settings: Settings,
    /// Which of these ECS is told. What is not among them stays as it is there.
    pub told: BTreeSet<Setting>,
    /// Whether it deploys even if nothing differs.
    pub force: bool,
    /// For which rollout of the spec. Not sent to ECS; the ledger keeps it.
    #[serde(skip_serializing_if = "id::Rollout::is_first")]
    pub rollout: id::Rollout,
    /// The rollout of what it takes the place of. Not sent to ECS.
    #[serde(skip_serializing_if = "id::Rollout::is_first")]
    pub from: id::Rollout,
    /// The ids of the service's deployments before it, by which its own is told from them. Not sent to ECS.
    pub known: BTreeSet<String>,
}

/// How a service runs its tasks: the settings that ECS can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How many tasks.
    pub desired_count: Count,
    /// On what.
    pub launch: Launch,
    /// The tasks' own network interfaces (network mode `awsvpc`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The target groups.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub load_balancers: BTreeSet<LoadBalancer>,
    /// The service discovery services.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub registries: BTreeSet<ServiceRegistry>,
    /// The circuit breaker.
    pub circuit_breaker: CircuitBreaker,
    /// In per cent of the desired tasks.
    pub minimum_healthy_percent: u32,
    /// In per cent of the desired tasks.
    pub maximum_percent: u32,
    /// In seconds; only with target groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period_seconds: Option<u32>,
}

/// How many tasks a service should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Count {
    /// This many. ECS is told when the service is made and when this number changes; who scales the service in between, such
    /// as an autoscaler, is not contradicted.
    Of(u32),
    /// As many as somebody else says, such as an autoscaler. ECS is told when the service is made, and never again.
    Scaled {
        /// How many a new service begins with.
        first: u32,
    },
}

impl Count {
    /// How many a new service begins with.
    pub fn first(self) -> u32 {
        match self {
            Self::Of(count) | Self::Scaled { first: count } => count,
        }
    }
}

/// What an update may tell ECS of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// Its task definition.
    Definition,
    /// [`Settings::desired_count`].
    Count,
    /// [`Settings::launch`].
    Launch,
    /// [`Settings::network`].
    Network,
    /// [`Settings::load_balancers`].
    LoadBalancers,
    /// [`Settings::registries`].
    Registries,
    /// The circuit breaker and the two percentages.
    Deployment,
    /// [`Settings::grace_period_seconds`].
    GracePeriod,
}

/// The settings that ECS shows of a service; `None` where it shows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// As in [`Settings`].
    pub desired_count: u32,
    /// As in [`Settings`].
    pub launch: Option<Launch>,
    /// As in [`Settings`].
    pub network: Option<Network>,
    /// As in [`Settings`].
    pub load_balancers: Option<BTreeSet<LoadBalancer>>,
    /// As in [`Settings`].
    pub registries: Option<BTreeSet<ServiceRegistry>>,
    /// As in [`Settings`].
    pub circuit_breaker: Option<CircuitBreaker>,
    /// As in [`Settings`].
    pub minimum_healthy_percent: Option<u32>,
    /// As in [`Settings`].
    pub maximum_percent: Option<u32>,
    /// As in [`Settings`].
    pub grace_period_seconds: Option<u32>,
}

/// What tasks run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Launch {
    /// A launch type.
    Type(LaunchType),
    /// The cluster's capacity providers, each with its share.
    Providers(BTreeSet<CapacityProvider>),
}

/// The network interfaces of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// At least one.
    pub subnets: BTreeSet<String>,
    /// None: the default one of the network.
    pub security_groups: BTreeSet<String>,
    /// Whether they get a public address.
    pub assign_public_ip: bool,
}

/// A target group of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Its ARN.
    pub target_group_arn: String,
    /// The container.
    pub container_name: String,
    /// Its port.
    pub container_port: u16,
}

/// Which revisions of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DefinitionStatus {
    /// Services can use it.
    Active,
    /// It is deregistered, and can be deleted.
    Inactive,
}

/// What ECS answers. Each reply says itself what it is about.
#[derive(Clone, Debug, PartialEq)]
pub enum EcsReply {
    /// To [`EcsCall::Locate`].
    Located(Option<Site>),
    /// To [`EcsCall::DescribeService`], [`EcsCall::CreateService`], [`EcsCall::UpdateService`] and [`EcsCall::DeleteService`]: the
    /// service as it is then.
    Service(Option<Box<Service>>),
    /// To [`EcsCall::DescribeService`]: there is no such cluster, in AWS's words.
    NoCluster(ProviderError),
    /// To [`EcsCall::ListDefinitions`]: the ARNs.
    Definitions(DefinitionStatus, BTreeSet<String>),
    /// To [`EcsCall::DescribeDefinition`]; none: there is no such one, or it is being deleted.
    Definition(Option<FoundDefinition>),
    /// To [`EcsCall::FindTasks`].
    Tasks(Vec<Task>),
    /// To [`EcsCall::RegisterDefinition`]: the new revision's ARN.
    Registered(String),
    /// To [`EcsCall::TagService`], [`EcsCall::UntagService`], [`EcsCall::TagDefinition`] and [`EcsCall::UntagDefinition`].
    Tagged,
    /// To [`EcsCall::StopDeployment`].
    Stopped,
    /// To [`EcsCall::DeregisterDefinition`].
    Deregistered(String),
    /// To [`EcsCall::DeleteDefinitions`].
    Deleted(BTreeSet<String>),
}

/// A service as ECS describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its ARN.
    pub arn: String,
    /// Whether it is being deleted: it drains.
    pub draining: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How it runs its tasks, as far as it says.
    pub shown: Shown,
    /// How many of them run.
    pub running: u32,
    /// Its deployments; the one that is PRIMARY first.
    pub deployments: Vec<Deployment>,
    /// The ARN of the service deployment that is going on, where ECS says so.
    pub current_deployment: Option<String>,
    /// The text of its latest event.
    pub event: Option<String>,
}

/// A deployment of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its id; the tasks that it starts name it.
    pub id: String,
    /// Whether it is the one that the service goes towards.
    pub primary: bool,
    /// The ARN of the task definition.
    pub definition: String,
    /// How far it is.
    pub rollout: Rollout,
    /// How many of its tasks run.
    pub running: u32,
    /// How many of them are being brought up.
    pub pending: u32,
    /// How many of its tasks failed to start or to become healthy.
    pub failed_tasks: u32,
    /// When ECS made it.
    pub created: Option<Timestamp>,
}

/// How far a deployment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// It goes on.
    InProgress,
    /// Its tasks run in the number wanted, and the old ones are gone.
    Completed,
    /// It was given up, for this reason.
    Failed(String),
}

/// A task definition as ECS describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDefinition {
    /// Its ARN.
    pub arn: String,
    /// Its status.
    pub status: DefinitionStatus,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A task of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its ARN.
    pub arn: String,
    /// The ARN of its task definition.
    pub definition: String,
    /// How far it is.
    pub life: TaskLife,
    /// When ECS made it.
    pub created: Option<Timestamp>,
    /// What its health checks say together.
    pub health: TaskHealth,
    /// The private address of its network interface.
    pub address: Option<String>,
    /// Its containers.
    pub containers: Vec<TaskContainer>,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskLife {
    /// It is being brought up.
    Starting,
    /// It runs.
    Running,
    /// It is being stopped.
    Stopping,
    /// It is over.
    Stopped {
        /// ECS's code for why, such as `TaskFailedToStart`.
        code: Option<String>,
        /// ECS's words for why.
        reason: String,
    },
}

/// What health checks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskHealth {
    /// They pass.
    Healthy,
    /// They fail.
    Unhealthy,
    /// There are none, or none has ended yet: which of these, the task definition says.
    Unknown,
}

/// A container of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskContainer {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// How it ended.
    pub exit_code: Option<i32>,
    /// ECS's words for how it ended.
    pub reason: Option<String>,
    /// What its own check says.
    pub health: TaskHealth,
    /// Where its ports are on the host, by container port, where the network mode gives it others.
    pub host_ports: BTreeMap<u16, u16>,
}

impl fmt::Display for DefinitionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        })
    }
}
