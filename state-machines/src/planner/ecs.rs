//! A tenant as a service of AWS ECS.
//!
//! A tenant has one service and the revisions of one family of task definitions, which share a name
//! ([`Site`]). Both carry tags that say whose they are, so that a lost ledger leaves nothing unknown.

mod arn;
mod call;
mod config;
mod definition;
mod mapping;
mod site;
pub mod tags;
mod validate;
mod wanted;

pub use call::{
    Call, Create, DELETED_AT_ONCE, DefinitionStatus, Deployment, FoundDefinition, Launch, LoadBalancer,
    Network, Register, Reply, Rollout, Serves, Service, Settings, Shown, Task, TaskContainer, TaskHealth,
    TaskLife, Update,
};
pub use config::{
    AssumeRole, CapacityProvider, CircuitBreaker, Config, ConfigError, LaunchType, ServiceRegistry,
    TargetGroup,
};
pub use definition::{Container, ContainerCheck, ContainerPort, Definition, Log, NetworkMode};
pub use site::{Place, Site};
pub use validate::{NOT_ENFORCED, check, problems};
pub use wanted::{Source, Wanted};
