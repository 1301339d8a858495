//! A tenant as objects of a Kubernetes cluster.
//!
//! A tenant has a Deployment or a StatefulSet, and what that needs, in a namespace of its own or in a shared one ([`Place`]).
//! All of it carries labels that say whose it is, so that a lost ledger leaves nothing unknown.
//!
//! - `next` decides, with `make` for what has to be there; `learn` takes in, `view` shows; `wanted` and `mapping` read the spec; `facts` is
//!   what is remembered; `ready` and `failing` judge a rollout, `drift` an object, `rest` a tenant that nobody works on.
//! - What is not there is created, so that nobody's object of that name is changed. What is there is changed by server-side
//!   apply and deleted for its uid only: what was deleted meanwhile does not come back, and its successor is left alone.
//! - A look is always of what is. Only a write of unknown outcome may come late; it is waited for where it would be wrong.
//! - The pods say whether a rollout is over. The controller says so while old ones still serve.

mod call;
mod config;
mod drift;
mod facts;
mod failing;
mod fields;
mod kind;
mod learn;
mod make;
mod mapping;
mod next;
mod object;
#[cfg(test)]
mod page;
mod pod;
mod preview;
mod ready;
mod remnants;
mod rest;
pub mod tags;
#[cfg(test)]
mod tests;
mod view;
mod wanted;
mod words;

use jiff::Timestamp;

use crate::planner::{CallError, Goal, Holdings, Next, Planner, Report, Subject};
use crate::render::diagram_of;

pub use call::{
    Awaited, Delete, Entrance, FieldConflict, Instead, KubernetesCall, KubernetesReply, Look, MANAGER, Make,
    Place, Propagation, Running, SCALER, SecretSource, Sharing, Survey, Words,
};
pub use config::{
    ClusterSource, Drift, Exposes, Gateway, KubernetesConfig, KubernetesConfigError, Namespaces, PodSecurity,
    SecretsFrom, StoreKind, TaintEffect, Toleration,
};
pub use facts::KubernetesFacts;
pub use fields::support;
pub use kind::{ObjectId, ObjectIdError, ObjectKind};
pub use mapping::{NOT_ENFORCED, check, faults, problems};
pub use next::path_of;
pub use object::{Condition, Object};
pub use pod::{ContainerState, Ended, Phase, Pod, PodContainer};
pub use preview::{Before, Foreseen, Foresees, between, foresee};
pub use rest::{Alteration, Altered, at_rest};
pub use wanted::{Count, ServedBy, Serves, TakesOver, Wanted};
pub use words::taken;

/// The diagram of this planner, in Mermaid: what a rollout goes through. Taken from its page, which a test compares with
/// the code.
pub fn diagram() -> &'static str {
    diagram_of(include_str!("../../../kubernetes.md"))
}

/// The planner.
#[derive(Clone, Copy, Debug)]
pub struct KubernetesPlanner;

impl Planner for KubernetesPlanner {
    const LEDGER_VERSION: u32 = 1;
    type Facts = KubernetesFacts;
    type Call = KubernetesCall;
    type Reply = KubernetesReply;

    fn next(
        subject: &Subject,
        goal: Goal<'_>,
        facts: &KubernetesFacts,
        now: Timestamp,
    ) -> Next<KubernetesCall> {
        next::next(subject, goal, facts, now)
    }

    fn intend(facts: &mut KubernetesFacts, call: &KubernetesCall, now: Timestamp) {
        learn::intend(facts, call, now);
    }

    fn learn(
        facts: &mut KubernetesFacts,
        call: &KubernetesCall,
        reply: Result<KubernetesReply, CallError>,
        now: Timestamp,
    ) {
        learn::learn(facts, call, reply, now);
    }

    fn stale(facts: &mut KubernetesFacts) {
        learn::stale(facts);
    }

    fn taken_over(facts: &mut KubernetesFacts, now: Timestamp) {
        facts.pending.iter_mut().for_each(|pending| pending.since = now);
    }

    fn holdings(facts: &KubernetesFacts) -> Holdings {
        view::holdings(facts)
    }

    fn report(facts: &KubernetesFacts) -> Option<Report> {
        view::report(facts)
    }
}
