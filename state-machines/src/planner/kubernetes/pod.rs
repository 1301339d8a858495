//! A pod as a look shows it. What a tenant may have written is left where it is: the output of probes and hooks, and
//! termination messages.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tags;

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Which life of that name.
    pub uid: String,
    /// The content of the template that it was made from ([`tags::CONTENT`]).
    pub content: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was told to go, where it was.
    pub deleting: Option<Timestamp>,
    /// How far it is.
    pub phase: Phase,
    /// Why it is over or where it is, in a word of the platform, such as `Evicted`.
    pub reason: Option<String>,
    /// The node that it is on.
    pub node: Option<String>,
    /// Whether it takes requests.
    pub ready: bool,
    /// Why it is on no node, in the scheduler's words.
    pub unschedulable: Option<String>,
    /// Its containers; those that run before the others first.
    pub containers: Vec<PodContainer>,
}

/// How far a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Not all of its containers have run yet.
    Pending,
    /// They run, or are started again.
    Running,
    /// It is over, and went well.
    Succeeded,
    /// It is over.
    Failed,
    /// The node cannot be asked.
    Unknown,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodContainer {
    /// Its name.
    pub name: String,
    /// Whether it runs before the others.
    pub init: bool,
    /// Whether it takes requests.
    pub ready: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// What it does.
    pub state: ContainerState,
    /// How it ended the last time.
    pub last: Option<Ended>,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerState {
    /// It does not run, for this reason.
    Waiting {
        /// A word of the platform, such as `ImagePullBackOff`.
        reason: String,
        /// The platform's words. Empty where the tenant may have written them.
        message: String,
    },
    /// It runs.
    Running,
    /// It is over.
    Terminated(Ended),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its exit status.
    pub exit_code: i32,
    /// A word of the platform, such as `OOMKilled`.
    pub reason: String,
}

/// The reasons to wait whose message is the platform's own.
const PLATFORMS_WORDS: [&str; 12] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
    "ContainerCreating",
    "PodInitializing",
];
/// What a hook's failure begins with; its command and its output follow.
const HOOK: &str = "PostStartHookError";

impl Pod {
    /// Takes an answer of the API server in. `None` where it has no name or no uid.
    pub fn read(body: &Value) -> Option<Self> {
        let Raw { metadata, spec, status } = Raw::deserialize(body).ok()?;
        let scheduled = status.conditions.iter().find(|it| it.kind == "PodScheduled");
        let unschedulable = scheduled.filter(|it| it.status == "False" && it.reason == "Unschedulable");
        let ready = status.conditions.iter().any(|it| it.kind == "Ready" && it.status == "True");
        let containers = |of: Vec<RawContainer>, init| of.into_iter().map(move |one| one.read(init));
        let phase = match status.phase.as_str() {
            "Running" => Phase::Running,
            "Succeeded" => Phase::Succeeded,
            "Failed" => Phase::Failed,
            "Unknown" => Phase::Unknown,
            _ => Phase::Pending,
        };
        Some(Self {
            name: metadata.name?,
            uid: metadata.uid?,
            content: metadata.labels.get(tags::CONTENT).cloned(),
            created: metadata.created,
            deleting: metadata.deleting,
            phase,
            reason: status.reason,
            node: spec.node,
            ready,
            unschedulable: unschedulable.map(|it| it.message.clone()),
            containers: containers(status.init, true).chain(containers(status.containers, false)).collect(),
        })
    }

    /// Whether it is over: it will not run again.
    pub fn is_over(&self) -> bool {
        match self.phase {
            Phase::Succeeded | Phase::Failed => true,
            Phase::Pending | Phase::Running | Phase::Unknown => false,
        }
    }
}

#[derive(Deserialize)]
struct Raw {
    metadata: RawMetadata,
    #[serde(default)]
    spec: RawSpec,
    #[serde(default)]
    status: RawStatus,
}

#[derive(Deserialize)]
struct RawMetadata {
    name: Option<String>,
    uid: Option<String>,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
    #[serde(rename = "creationTimestamp")]
    created: Option<Timestamp>,
    #[serde(rename = "deletionTimestamp")]
    deleting: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
struct RawSpec {
    #[serde(rename = "nodeName")]
    node: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawStatus {
    phase: String,
    reason: Option<String>,
    conditions: Vec<RawCondition>,
    #[serde(rename = "initContainerStatuses")]
    init: Vec<RawContainer>,
    #[serde(rename = "containerStatuses")]
    containers: Vec<RawContainer>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawContainer {
    name: String,
    ready: bool,
    #[serde(rename = "restartCount")]
    restarts: u32,
    state: RawState,
    #[serde(rename = "lastState")]
    last: RawState,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawState {
    waiting: Option<RawWaiting>,
    running: Option<RawRunning>,
    terminated: Option<RawEnded>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawWaiting {
    reason: String,
    message: String,
}

#[derive(Deserialize)]
struct RawRunning {}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawEnded {
    #[serde(rename = "exitCode")]
    exit_code: i32,
    reason: String,
}

impl RawContainer {
    fn read(self, init: bool) -> PodContainer {
        let Self { name, ready, restarts, state, last } = self;
        let state = match (state.terminated, state.running, state.waiting) {
            (Some(ended), _, _) => ContainerState::Terminated(ended.read()),
            (None, Some(RawRunning {}), _) => ContainerState::Running,
            (None, None, Some(waiting)) => waiting.read(),
            (None, None, None) => {
                ContainerState::Waiting { reason: "ContainerCreating".to_owned(), message: String::new() }
            }
        };
        PodContainer { name, init, ready, restarts, state, last: last.terminated.map(RawEnded::read) }
    }
}

impl RawWaiting {
    fn read(self) -> ContainerState {
        let Self { reason, message } = self;
        if reason.starts_with(HOOK) {
            return ContainerState::Waiting { reason: HOOK.to_owned(), message: String::new() };
        }
        let message = if PLATFORMS_WORDS.contains(&reason.as_str()) { message } else { String::new() };
        ContainerState::Waiting { reason, message }
    }
}

impl RawEnded {
    fn read(self) -> Ended {
        // A reason of the platform is a word; a hook's has what it printed.
        let reason = self.reason.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        Ended { exit_code: self.exit_code, reason: reason.to_owned() }
    }
}
