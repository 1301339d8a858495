//! What is asked of the machine, and what it answers, as data.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Binding, Check, Exit, LaunchId, Manifest, Port, Process, Protocol, Route, Thief};
use crate::spec::{ContainerSpec, ResourceRequirements, SecretReference, VolumeSpec};

/// One thing to ask of the machine. The subject comes with the call's context.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessCall {
    /// Read: every launch of the subject's engine and tenant, in any of its lives, that still has a process or
    /// files. A zombie is not a process.
    Find,
    /// Write: make sure that the tenant has a keeper, which starts its launches and outlives the engine. It is a
    /// success when there is one.
    Keep,
    /// Read: ports of the host for launches that are about to start. Refused, and says who has it, where one that the
    /// spec fixes is not free.
    ReservePorts(ReservePorts),
    /// Write: start a container through the keeper. Refused means that neither a process nor a file is left of it.
    Start(Box<Start>),
    /// Read: whether it lives and passes its check.
    Probe(Probe),
    /// Write: what the keeper listens on, and where it forwards to: exactly this. New connections go there at once.
    /// Refused, and says who has it, where an address is not free.
    Route(Routing),
    /// Write: a signal to a launch: SIGTERM to its first process, or, when that is gone, to all of it; SIGKILL to all of
    /// it. A process whose pid or start time differs gets none. It is a success when there is no process left.
    Signal(Signal),
    /// Write: remove the files of a launch that has no process any more. It is a success when there are none.
    Clear {
        /// The launch.
        launch: LaunchId,
        /// Its container's name.
        container: String,
    },
    /// Write: the persistent volumes that the tenant has: exactly these. One that is there already keeps what is in it.
    Hold(Volumes),
    /// Write: end the keeper and remove its files, and those of launches that have no process any more. It is a success
    /// when there is nothing of all that.
    Dismiss {
        /// The launches, each with its container's name.
        launches: BTreeMap<LaunchId, String>,
    },
}

/// The persistent volumes of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volumes {
    /// Counts them: one that arrives after a later one is ignored.
    pub number: u64,
    /// By name.
    pub held: BTreeMap<String, Retention>,
}

/// Until when a persistent volume is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// It goes with its tenant.
    WithTenant,
    /// Until somebody releases it: it outlives its tenant.
    Retained,
    /// The spec that runs does not have it any more. It goes before another operation starts a launch, or with its tenant.
    Dropped,
    /// An earlier life of the tenant has left it and did not retain it: it goes before anything starts. Only looks say this.
    Left,
}

/// What a keeper listens on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// Counts them: one that arrives after a later one is ignored.
    pub number: u64,
    /// Its addresses, sorted. Where several have one address, clients go to each in turn.
    pub routes: Vec<Route>,
}

impl Routing {
    /// Whether an address has several launches.
    pub fn has_replicas(&self) -> bool {
        let address = |route: &Route| (route.host_port, route.protocol);
        let mut pairs = self.routes.windows(2);
        pairs.any(|pair| matches!(pair, [one, other] if address(one) == address(other)))
    }
}

/// Ports to find for launches that are about to start; no port is given twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReservePorts {
    /// By what the launch is called: see [`Manifest::name`].
    pub wanted: BTreeMap<String, Vec<WantedPort>>,
}

/// A port of a container that is about to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WantedPort {
    /// The port's number in the spec.
    pub container_port: u16,
    /// What it speaks.
    pub protocol: Protocol,
    /// The port's name in the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which port of the host it is.
    pub host: HostPort,
}

/// Which port of the host stands for a container's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HostPort {
    /// The one that the spec names. Nobody else may have it.
    Fixed(u16),
    /// The one that the tenant has for it already: its keeper, a launch of it, or another replica has it.
    Kept(u16),
    /// Any that is free; rather the one that it had before.
    Free {
        /// That one.
        before: Option<u16>,
    },
}

/// Everything that starting a container needs. Secrets are references; their values are fetched by the IO.
#[derive(Clone, PartialEq, Serialize)]
pub struct Start {
    /// The id that its processes are tagged with.
    pub launch: LaunchId,
    /// The rest of the tag.
    pub manifest: Manifest,
    /// What to run. Never written anywhere, because its environment may hold secrets.
    #[serde(skip)]
    pub container: ContainerSpec,
    /// Where the values of its secret environment variables and of its secret files come from.
    #[serde(skip)]
    pub secrets: Vec<SecretReference>,
    /// The tenant's volumes that it mounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeSpec>,
    /// Its limits: the container's own, else the tenant's.
    pub resources: ResourceRequirements,
    /// The directory that it begins in.
    pub working_dir: String,
    /// Who it runs as, where that is not the engine's user.
    pub user: Option<String>,
    /// Whether it may not gain rights by running another program.
    pub no_new_privileges: bool,
}

impl Start {
    /// Whether the spec says that a port is to be this one of the host. Its program may listen on that itself.
    pub fn fixes(&self, host_port: u16) -> bool {
        self.container.ports.iter().any(|port| port.host_port == Some(host_port.into()))
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("launch", &self.launch)
            .field("manifest", &self.manifest)
            .field("volumes", &self.volumes)
            .field("resources", &self.resources)
            .field("working_dir", &self.working_dir)
            .field("user", &self.user)
            .field("no_new_privileges", &self.no_new_privileges)
            .finish_non_exhaustive()
    }
}

/// A look at one launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// The launch.
    pub launch: LaunchId,
    /// Its first process.
    pub leader: Process,
    /// What is looked at.
    pub check: Check,
    /// Whether it counts as one of the checks in a row. Who only looks must not make a launch fail sooner.
    pub counts: bool,
}

/// A signal to a launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signal {
    /// The launch.
    pub launch: LaunchId,
    /// Its first process, where it still lived when last looked at.
    pub leader: Option<Process>,
    /// Which signal.
    pub stop: Stop,
    /// Why it may not go on, where it fails its health check; none where it is not wanted any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ails: Option<String>,
}

/// How firmly a launch is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// SIGTERM: it may finish what it does.
    Term,
    /// SIGKILL.
    Kill,
}

/// What the machine answers. Each reply says itself what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessReply {
    /// To [`ProcessCall::Find`].
    Found(Found),
    /// To [`ProcessCall::Keep`]: the keeper lives.
    Kept {
        /// What it listens on: what the one before it did, as far as that is free.
        routing: Routing,
        /// Who listens on the host ports of the launches that it has taken over.
        bindings: BTreeMap<LaunchId, Binding>,
    },
    /// To [`ProcessCall::Hold`].
    Held {
        /// Which, or a later one.
        number: u64,
    },
    /// To [`ProcessCall::Dismiss`]: there is no keeper, and nothing of the launches.
    Dismissed,
    /// To [`ProcessCall::ReservePorts`]: all that were wanted, by what their launches are called.
    Ports(BTreeMap<String, Vec<Port>>),
    /// To [`ProcessCall::Start`]: the launch's first process.
    Started {
        /// The launch.
        launch: LaunchId,
        /// Its first process.
        leader: Process,
    },
    /// To [`ProcessCall::Start`]: nothing was started, as another process has taken a port since it was found free.
    Robbed {
        /// The launch.
        launch: LaunchId,
        /// Who has the port.
        thief: Thief,
    },
    /// To [`ProcessCall::Probe`].
    Probed {
        /// The launch.
        launch: LaunchId,
        /// What was seen.
        probed: Probed,
        /// Who has a port of it, where it was never ready and that is known.
        thief: Option<Thief>,
    },
    /// To [`ProcessCall::Route`].
    Routed {
        /// Which, or a later one.
        number: u64,
    },
    /// To [`ProcessCall::Signal`]: it was sent to all that lived.
    Signalled {
        /// The launch.
        launch: LaunchId,
        /// What lives of it a moment later, where the machine has seen that.
        life: Option<ProcessLife>,
    },
    /// To [`ProcessCall::Clear`].
    Cleared {
        /// The launch.
        launch: LaunchId,
    },
}

/// All that is left of the tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Names the machine that was looked at, where it has a name that stays.
    pub machine: Option<String>,
    /// Whether its keeper lives.
    pub keeper: bool,
    /// What that listens on.
    pub routing: Routing,
    /// How many connections it has had to cut.
    pub cut: u64,
    /// The host ports that it should listen on and another has, each with its holder.
    pub taken: BTreeMap<u16, String>,
    /// Its persistent volumes.
    pub volumes: Volumes,
    /// By launch id.
    pub launches: BTreeMap<LaunchId, FoundLaunch>,
}

/// A launch that has processes or files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLaunch {
    /// What it is, as its tag or its files say.
    pub manifest: Manifest,
    /// What lives of it.
    pub life: ProcessLife,
    /// Who listens on its host ports.
    pub binding: Binding,
    /// How many connections the keeper has open to it.
    pub connections: u32,
    /// Who has, or had at its end, a port of it, where it was never ready and that is known.
    pub thief: Option<Thief>,
}

/// What lives of a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessLife {
    /// Its first process lives.
    Leader(Process),
    /// The first process ended, others of the launch live.
    Orphans(Exit),
    /// No process is left, only files.
    Files(Exit),
}

/// What a probe saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It lives and the check passed.
    Passed {
        /// How often in a row, this time included.
        times: u32,
    },
    /// It lives and the check failed.
    Failed {
        /// How often in a row, this time included.
        times: u32,
        /// Why.
        why: String,
    },
    /// Its first process is not there any more.
    Gone(Exit),
}
