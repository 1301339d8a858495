//! A provider's decisions: what to ask the platform next, from the goal and the facts known.
//!
//! Provision, update, destroy, undo and resuming after a crash are all the same question, asked again after
//! every answer. There is no program counter and no undo list: the facts are all there is to remember.
//!
//! Each planner is behind the feature of its name; the traits and types here need none.

#[cfg(feature = "ecs")]
pub mod ecs;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
#[cfg(feature = "process")]
pub mod process;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::ProviderError;
use crate::id::{Incarnation, ProviderName, Rollout, TenantId};
use crate::spec::Spec;
use crate::status::{ComputeState, ContainerStatus, Endpoint, Health};

/// Whose resources a plan is about; what ownership tags and names are made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// Names the store that remembers these resources, so that two engines never take each other's.
    pub engine: Arc<str>,
    /// The provider that made them, by the operator's name for it: one engine may have several of a kind, on one
    /// platform.
    pub provider: ProviderName,
    /// The tenant.
    pub tenant: TenantId,
    /// Which of its lives.
    pub incarnation: Incarnation,
}

/// What should become true on the platform.
#[derive(Clone, Copy, Debug)]
pub enum Goal<'a> {
    /// Exactly this spec runs and is healthy, and nothing of another spec runs.
    Present {
        /// What should run.
        spec: &'a Spec,
        /// What ran before, where that is known. An undo goes back to it, so that nothing of it may be lost yet.
        applied: Option<&'a Spec>,
        /// For which rollout of it. What runs for another one is not what is wanted.
        rollout: Rollout,
        /// Which method asks; they differ in what they refuse.
        by: Means,
    },
    /// Nothing of the tenant is left.
    Absent,
    /// What runs is known; nothing is changed.
    Known,
}

/// Which method wants a spec to be present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// `provision`: refuses, as a conflict, when another spec runs.
    Provision,
    /// `update`: refuses, as tenant not found, when nothing runs.
    Update,
    /// `provision` of the spec that runs already, to make it whole: refuses neither.
    Repair,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next<C> {
    /// These calls; they do not depend on each other and may run in parallel.
    Do(Vec<Act<C>>),
    /// Nothing until then; the platform works on it. Afterwards the facts count as stale.
    Wait {
        /// When to look again.
        until: Timestamp,
        /// What has to become true, as it follows "waits until". The same words are the same wait.
        why: &'static str,
        /// How far that is, in figures and in the platform's words. Holds nothing that a tenant wrote.
        so_far: Option<String>,
    },
    /// The goal is reached.
    Done,
    /// It cannot be reached.
    Fail(ProviderError),
}

/// One call to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Act<C> {
    /// What it does, for the progress line and the trace.
    pub step: &'static str,
    /// The call as data.
    pub call: C,
    /// Whether it changes anything.
    pub kind: Kind,
}

/// Whether a call changes anything on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only looks.
    Read,
    /// It changes something: what it intends is made durable before it goes out.
    Write,
}

/// Why a call brought no reply.
#[derive(Clone, Debug, PartialEq)]
pub enum CallError {
    /// The platform refused: nothing happened.
    Refused(ProviderError),
    /// No answer: it may have happened.
    Unknown(ProviderError),
}

/// What a tenant has on the platform, for people and for cleanup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// A name for each resource, and the platform's id or state.
    pub resources: BTreeMap<String, String>,
    /// Where the tenant answers.
    pub endpoints: Vec<Endpoint>,
}

/// What the facts say about a tenant that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the tenant does as a whole.
    pub state: ComputeState,
    /// What each container does.
    pub containers: Vec<ContainerStatus>,
    /// What the health checks say.
    pub health: Health,
    /// More for programs.
    pub metadata: BTreeMap<String, String>,
}

/// One provider's decisions. Pure: no IO, no clock, no randomness; `now` comes in.
pub trait Planner {
    /// Which shape [`Planner::Facts`] has; stored with them.
    const LEDGER_VERSION: u32;
    /// All that is known and intended. Persisted between calls.
    type Facts: Default + Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync;
    /// One API call as data.
    type Call: Clone + PartialEq + Debug + Serialize + Send + Sync;
    /// What the platform answers.
    type Reply: Clone + Debug + Send;

    /// What to do next for `goal`, from what is known.
    fn next(subject: &Subject, goal: Goal<'_>, facts: &Self::Facts, now: Timestamp) -> Next<Self::Call>;
    /// Notes what a write is about to do: its names and tokens. Made durable before the write goes out. Noting it twice in a
    /// moment is the same as once, and a read leaves nothing to note.
    fn intend(facts: &mut Self::Facts, call: &Self::Call, now: Timestamp);
    /// Takes in what came back.
    fn learn(
        facts: &mut Self::Facts,
        call: &Self::Call,
        reply: Result<Self::Reply, CallError>,
        now: Timestamp,
    );
    /// Names and ids stay, states become unknown: after a resume and after a wait.
    fn stale(facts: &mut Self::Facts);
    /// Another engine has intended what is here and has no end. It ended without a word, or was ended, so that what it sent last may
    /// have left it until now: it may happen for as long as what is intended now. Default: on this platform nothing happens
    /// late.
    fn taken_over(_facts: &mut Self::Facts, _now: Timestamp) {}
    /// What the tenant holds, by the facts.
    fn holdings(facts: &Self::Facts) -> Holdings;
    /// What the facts say about the tenant; `None` when it has nothing on the platform.
    fn report(facts: &Self::Facts) -> Option<Report>;
}
