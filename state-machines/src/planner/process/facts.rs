//! All that the process planner knows and intends. It is the ledger.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Binding, Exit, ExitCause, LaunchId, Manifest, Port, Process, Routing, Stop, Thief, Volumes};
use crate::error::ProviderError;
use crate::spec::Role;

/// What is known of a tenant's processes, and what was intended with them. Holds no environment and no secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessFacts {
    /// The machine that the launches are on, where it has a name that stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) machine: Option<String>,
    /// The highest number that a launch was ever given; the next launch gets the one after it.
    pub(super) generation: u64,
    /// Every launch that has, or may have, processes or files.
    pub(super) launches: BTreeMap<LaunchId, Launch>,
    /// The tenant's keeper.
    #[serde(default, skip_serializing_if = "Keeper::is_absent")]
    pub(super) keeper: Keeper,
    /// What the keeper listens on, as far as it has said so.
    #[serde(default, skip_serializing_if = "is_first")]
    pub(super) routing: Routing,
    /// The number of the last routing that was intended. Where that is not the known one, it may still happen.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) intended: u64,
    /// How many connections the keeper has had to cut.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) cut: u64,
    /// The tenant's host ports that another has, each with its holder, when last looked at.
    #[serde(skip)]
    pub(super) taken: BTreeMap<u16, String>,
    /// When the routes were last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) routed: Option<Timestamp>,
    /// The persistent volumes, as far as the machine has said so.
    #[serde(default, skip_serializing_if = "has_none")]
    pub(super) volumes: Volumes,
    /// The number of the volumes that were last intended. Where that is not the known one, they may still happen.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) volumes_intended: u64,
    /// Whether the machine was asked since this was last stale.
    pub(super) looked: bool,
    /// Ports found free for launches that are about to start, by what these are called.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) reserved: BTreeMap<String, Vec<Port>>,
    /// A call that brought no reply: it ends the method; the next one starts by looking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trouble: Option<ProviderError>,
}

/// The process that starts a tenant's launches and outlives the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Keeper {
    /// There is none, and nothing is left of one.
    #[default]
    Absent,
    /// Its start was intended; whether it happened is not known.
    Intended {
        /// When a look first did not show it. Only a second look, at least the settle time later, closes it.
        missed: Option<Timestamp>,
    },
    /// It lived when it was last looked at.
    Lives,
    /// There is none; files of one may be left.
    Dead,
}

impl Keeper {
    fn is_absent(&self) -> bool {
        *self == Self::Absent
    }
}

/// One start of a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Launch {
    pub(super) manifest: Manifest,
    /// How many starts of the same container and configuration crashed before it.
    pub(super) restarts: u32,
    pub(super) run: Run,
    /// Who listens on its host ports.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub(super) binding: Binding,
    /// How many connections the keeper has open to it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) connections: u32,
    /// Who had a port of it before it was ready; none once it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) thief: Option<Thief>,
}

fn is_unknown(binding: &Binding) -> bool {
    *binding == Binding::Unknown
}

fn is_first(routing: &Routing) -> bool {
    *routing == Routing::default()
}

fn has_none(volumes: &Volumes) -> bool {
    *volumes == Volumes::default()
}

fn is_none(number: &u64) -> bool {
    *number == 0
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Launch {
    /// A launch with this run, of which nothing else is known.
    pub(super) fn of(manifest: Manifest, restarts: u32, run: Run) -> Self {
        Self { manifest, restarts, run, binding: Binding::Unknown, connections: 0, thief: None }
    }

    /// Whether it was to end by itself, and has done so without a failure.
    pub(super) fn has_completed(&self) -> bool {
        match &self.run {
            Run::Dead { exit, orphans: false, .. } => {
                self.manifest.role == Role::Init && exit.cause == ExitCause::Code(0)
            }
            Run::Dead { orphans: true, .. } | Run::Starting { .. } | Run::Live(_) | Run::Stopping { .. } => {
                false
            }
        }
    }

    /// Whether it has died because another process had its port.
    pub(super) fn was_robbed(&self) -> bool {
        match &self.run {
            Run::Dead { death: Death::NeverReady | Death::Crashed, .. } => self.thief.is_some(),
            Run::Dead { death: Death::Stopped, .. }
            | Run::Starting { .. }
            | Run::Live(_)
            | Run::Stopping { .. } => false,
        }
    }

    /// Whether it listens on its host ports itself.
    pub(super) fn is_direct(&self) -> bool {
        match self.binding {
            Binding::Direct => true,
            Binding::Forwarded => false,
            Binding::Unknown => !self.manifest.kept,
        }
    }
}

/// How far a launch is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Run {
    /// Its start was intended; whether it happened is not known.
    Starting {
        /// When a look first did not show it. Only a second look, at least the settle time later, closes it.
        missed: Option<Timestamp>,
    },
    /// Its first process lives.
    Live(Live),
    /// It has been, or is about to be, told to end; some process of it may be left.
    Stopping {
        leader: Option<Process>,
        stop: Stop,
        /// When the signal is known to have been sent.
        sent: Option<Timestamp>,
        /// Why it may not go on, where it failed its health check.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ails: Option<Ailment>,
    },
    /// Its first process has ended.
    Dead {
        exit: Exit,
        death: Death,
        /// Whether other processes of it are left.
        orphans: bool,
        /// Why it was ended, where it had failed its health check.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ails: Option<String>,
    },
}

/// Why a launch that lives may not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ailment {
    /// What its health check says.
    pub(super) why: String,
    /// Whether it was ever ready.
    pub(super) was_ready: bool,
}

/// A launch whose first process lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Live {
    pub(super) leader: Process,
    /// When it was first known to live.
    pub(super) since: Timestamp,
    /// Whether it ever passed its checks often enough. Assumed of a launch that was found and is not in the ledger.
    pub(super) ready: bool,
    pub(super) health: Streak,
    /// Whether it was checked since the facts were last stale.
    pub(super) fresh: bool,
}

/// Why a launch is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Death {
    /// We ended it.
    Stopped,
    /// It ended by itself or failed its health check, after it had been ready or before this method looked.
    Crashed,
    /// It ended by itself or failed its health check before it was ready, and this method has to say so.
    NeverReady,
}

/// The last checks in a row that came out the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Streak {
    /// None ran yet.
    Unchecked,
    /// So many passed, the last one then.
    Passing { times: u32, at: Timestamp },
    /// So many failed, the last one then, for this reason.
    Failing { times: u32, at: Timestamp, why: String },
}
