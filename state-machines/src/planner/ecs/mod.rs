//! A tenant as a service of AWS ECS.
//!
//! A tenant has one service and the revisions of one family of task definitions, which share a name
//! ([`Site`]). Both carry tags that say whose they are, so that a lost ledger leaves nothing unknown.
//!
//! - `next` decides, and `deploy` for what has to run, with `told` for its settings; `effect` says it beforehand; `learn` takes in, `view` shows;
//!   `wanted` reads the spec; `facts` is what is remembered; `tasks` reads what a service's tasks say.
//! - ECS shows what was done a while later, so a look counts only some time after the last write. A write of unknown
//!   outcome is waited for until it can no longer happen. A create has a token, so that asking again makes no second one.
//! - A deployment that fails ends the method with ECS's words; one that ECS rolled back by itself has failed, too. The
//!   undo is the same plan with the spec before, or with nothing.

mod arn;
mod call;
mod config;
mod definition;
mod deploy;
mod effect;
mod facts;
mod fields;
mod figures;
mod learn;
mod mapping;
mod next;
#[cfg(test)]
mod page;
mod site;
pub mod tags;
mod tasks;
#[cfg(test)]
mod tests;
mod token;
mod told;
mod validate;
mod view;
mod wanted;

use jiff::Timestamp;

use crate::planner::{CallError, Goal, Holdings, Next, Planner, Report, Subject};
use crate::render::diagram_of;

pub use facts::EcsFacts;

pub use call::{
    Count, Create, DELETED_AT_ONCE, DefinitionStatus, Deployment, EcsCall, EcsReply, FoundDefinition, Launch,
    LoadBalancer, Network, Register, Rollout, Search, Serves, Service, Setting, Settings, Shown, Task,
    TaskContainer, TaskHealth, TaskLife, Update,
};
pub use config::{
    AssumeRole, CapacityProvider, CircuitBreaker, CpuArchitecture, EcsConfig, EcsConfigError, EfsVolume,
    LaunchType, ServiceRegistry, TargetGroup,
};
pub use definition::{
    AppProtocol, Container, ContainerCheck, ContainerPort, Definition, Efs, EfsPart, Ending, Log, Mount,
    NetworkMode, Until, Volume,
};
pub use effect::{Deploys, deploys};
pub use fields::support;
pub use site::{Place, Site};
pub use validate::{NOT_ENFORCED, check, problems};
pub use wanted::{Source, Wanted};

/// The diagram of this planner, in Mermaid: what a deployment goes through. Taken from its page, which a test
/// compares with the code.
pub fn diagram() -> &'static str {
    diagram_of(include_str!("../../../ecs.md"))
}

/// The planner.
#[derive(Clone, Copy, Debug)]
pub struct EcsPlanner;

impl Planner for EcsPlanner {
    const LEDGER_VERSION: u32 = 1;
    type Facts = EcsFacts;
    type Call = EcsCall;
    type Reply = EcsReply;

    fn next(subject: &Subject, goal: Goal<'_>, facts: &EcsFacts, now: Timestamp) -> Next<EcsCall> {
        next::next(subject, goal, facts, now)
    }

    fn intend(facts: &mut EcsFacts, call: &EcsCall, now: Timestamp) {
        learn::intend(facts, call, now);
    }

    fn learn(facts: &mut EcsFacts, call: &EcsCall, reply: Result<EcsReply, CallError>, now: Timestamp) {
        learn::learn(facts, call, reply, now);
    }

    fn stale(facts: &mut EcsFacts) {
        learn::stale(facts);
    }

    fn taken_over(facts: &mut EcsFacts, now: Timestamp) {
        facts.pending.iter_mut().for_each(|pending| pending.since = now);
    }

    fn holdings(facts: &EcsFacts) -> Holdings {
        view::holdings(facts)
    }

    fn report(facts: &EcsFacts) -> Option<Report> {
        view::report(facts)
    }
}
