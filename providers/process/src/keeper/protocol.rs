//! What an engine and a keeper say to each other: a line of JSON each way, over a socket in the tenant's directory.
//!
//! An engine may be newer than the keeper that it finds. So every request names the version of the protocol that it
//! needs, a keeper refuses what is newer than itself, and a version that was released is never changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landlord_state_machines::id::{Incarnation, ProviderName, TenantId};
use landlord_state_machines::planner::process::{
    Binding, ExitCause, LaunchId, Manifest, Process, Route, Routing, Stop, Thief,
};
use serde::{Deserialize, Serialize};

use super::namespace::Mounts;
use crate::cgroup::{Limits, TenantGroup};
use crate::logs::LogLimits;
use crate::user::Identity;

/// The newest version that this build speaks.
pub(crate) const VERSION: u32 = 6;

/// The socket's name in the tenant's directory.
pub(crate) const SOCKET: &str = "keeper.sock";

/// Names the file that one keeper of a tenant locks for as long as it lives.
pub(crate) const LOCK: &str = "keeper.lock";

/// Whose keeper it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ward {
    /// The engine, by name.
    pub(crate) engine: String,
    /// The provider, by the operator's name.
    pub(crate) provider: ProviderName,
    /// The tenant.
    pub(crate) tenant: TenantId,
    /// Which of its lives.
    pub(crate) incarnation: Incarnation,
}

/// What a keeper is started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Whose keeper it is.
    pub(crate) ward: Ward,
    /// The tenant's directory: records of launches, the socket.
    pub(crate) dir: PathBuf,
    /// Where its logs go.
    pub(crate) logs: PathBuf,
    /// How much of them is kept.
    pub(crate) log_limits: LogLimits,
    /// Where its groups of processes are; none where none may be made.
    pub(crate) group: Option<TenantGroup>,
}

/// One request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The version of the protocol that it belongs to.
    pub(crate) version: u32,
    /// What is asked.
    pub(crate) request: Request,
}

/// What every version of a request says.
#[derive(Debug, Deserialize)]
pub(crate) struct Newer {
    /// The version of the protocol that it belongs to.
    pub(crate) version: u32,
}

/// What an engine asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Every launch that the keeper knows.
    Find,
    /// Start a program.
    Launch(Box<Launch>),
    /// Check a launch now, and say what its checks show.
    Check {
        /// Which.
        launch: LaunchId,
        /// Whether this counts as one of the checks in a row. Between two checks at its interval, one that was ready is only
        /// looked at otherwise.
        counts: bool,
        /// Whether the answer may be [`Answer::Robbed`], which engines of older builds do not know.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        tells_thieves: bool,
    },
    /// Listen and forward: exactly this. Several routes with one address take turns, since version 4.
    Route(Routing),
    /// End a launch. Answered at once, whether it is known or not.
    Stop {
        /// Which.
        launch: LaunchId,
        /// How.
        stop: Stop,
    },
    /// End a launch that the keeper knows, and say what is left of it. Answered when its first process has ended, and
    /// after a moment if it has not.
    StopAndSee {
        /// Which.
        launch: LaunchId,
        /// How.
        stop: Stop,
    },
    /// Forget a launch of which nothing is left.
    Forget {
        /// Which.
        launch: LaunchId,
    },
    /// Tell of every change from now on, with [`Answer::Changed`], until the connection ends.
    Watch,
    /// End, once no launch is left.
    End,
    /// Forget all launches, of which no process is left, and end. Since version 5.
    Dismiss,
}

impl Request {
    /// The version of the protocol that it came with.
    pub(crate) fn version(&self) -> u32 {
        match self {
            // One that does not know of headers would check without them.
            Self::Launch(launch) if !launch.headers.is_empty() => 6,
            // One that does not know of mounts would start the program without them.
            Self::Launch(launch) if !launch.manifest.replica.is_first() => 4,
            Self::Launch(launch) if launch.program.mounts.is_some() => 3,
            // One that knows of no replicas would listen for the first alone.
            Self::Route(routing) if routing.has_replicas() => 4,
            Self::Find
            | Self::Launch(_)
            | Self::Check { .. }
            | Self::Route(_)
            | Self::Stop { .. }
            | Self::Forget { .. }
            | Self::Watch
            | Self::End => 1,
            Self::StopAndSee { .. } => 2,
            Self::Dismiss => 5,
        }
    }
}

/// A program to start. Holds values of secrets; it is never written anywhere, and does not print.
#[derive(Serialize, Deserialize)]
pub(crate) struct Launch {
    /// Its id.
    pub(crate) launch: LaunchId,
    /// What it is.
    pub(crate) manifest: Manifest,
    /// What runs.
    pub(crate) program: Program,
    /// The command of its exec check.
    pub(crate) check: Option<Program>,
    /// What its http check sends, by name. Since version 6.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    /// Addresses that nobody else may take until it is forwarded to.
    pub(crate) hold: Vec<Route>,
}

impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launch").field("launch", &self.launch).finish_non_exhaustive()
    }
}

/// How a program is run.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Program {
    /// Its path, as it sees it, and its arguments.
    pub(crate) words: Vec<String>,
    /// Its whole environment.
    pub(crate) environment: Vec<(String, String)>,
    /// The directory that it begins in.
    pub(crate) working_dir: PathBuf,
    /// Its root directory, where that is not the machine's.
    pub(crate) root: Option<PathBuf>,
    /// Who it runs as, where that is not the engine's user.
    pub(crate) user: Option<Identity>,
    /// What it finds that others do not; none where it sees what the keeper sees. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mounts: Option<Mounts>,
    /// Whether it may not gain rights by running another program.
    pub(crate) no_new_privileges: bool,
    /// What its group may use.
    pub(crate) limits: Limits,
    /// The size of each file that it writes, in bytes.
    pub(crate) file_size: Option<u64>,
    /// Private writable memory of each process, in bytes; only where no group can keep the limit.
    pub(crate) data_size: Option<u64>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").finish_non_exhaustive()
    }
}

/// What a keeper answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// To [`Request::Find`].
    Found {
        /// Whose keeper it is.
        ward: Ward,
        /// What it keeps.
        launches: Vec<Kept>,
        /// What it listens on.
        routing: Routing,
        /// How many connections it has had to cut.
        cut: u64,
        /// The host ports that it should listen on and another has, each with its holder. Keepers of older builds do not say.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        taken: BTreeMap<u16, String>,
    },
    /// To [`Request::Launch`]: the program runs, or has ended already.
    Launched(Process),
    /// To [`Request::Check`]: it lives.
    Checked(Streak),
    /// To [`Request::Check`], where that says that it may be: it lives, was never ready, and another has its port.
    Robbed(Thief),
    /// To [`Request::Route`].
    Routed {
        /// Which, or a later one that had come before it.
        number: u64,
    },
    /// To [`Request::StopAndSee`].
    Stopped {
        /// Whether the keeper sees every process of the launch.
        whole: bool,
        /// What lives of it.
        life: Life,
    },
    /// To the others: it is done.
    Done,
    /// To [`Request::Watch`], again and again: something of this tenant changed.
    Changed,
    /// It was not done, and nothing is left of it.
    Refused(Refusal),
}

/// Why a keeper did not do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    /// The engine is newer than the keeper.
    #[error(
        "the tenant's keeper is of an older build, which speaks version {0} of the protocol; end the keeper's process: the \
         engine starts one of its own build, and the tenant's programs go on"
    )]
    Version(u32),
    /// The request is not understood.
    #[error("the keeper does not understand the request: {0}")]
    Request(String),
    /// The program could not be executed.
    #[error("its program could not be executed: {0}")]
    Program(String),
    /// The system refused something on the way to the program.
    #[error("{0}")]
    System(String),
    /// A launch of this id is known already.
    #[error("launch {0} was started already")]
    Known(LaunchId),
    /// A launch is left.
    #[error("launch {0} still runs")]
    Busy(LaunchId),
    /// An address is somebody else's.
    #[error("host port {port} is held by {holder}; end that, or ask for another port")]
    Taken {
        /// The port.
        port: u16,
        /// Who has it.
        holder: String,
    },
    /// There is no such launch, or it has ended.
    #[error("launch {0} does not run")]
    Gone(LaunchId),
}

/// One launch as its keeper knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Its id.
    pub(crate) launch: LaunchId,
    /// What it is.
    pub(crate) manifest: Manifest,
    /// Whether the keeper sees every process of it: it started it, or the launch has a group.
    pub(crate) whole: bool,
    /// What lives of it.
    pub(crate) life: Life,
    /// What its checks show.
    pub(crate) streak: Streak,
    /// Whether they ever passed often enough.
    pub(crate) was_ready: bool,
    /// Who listens on its host ports.
    pub(crate) binding: Binding,
    /// How many connections are forwarded to it.
    pub(crate) connections: u32,
    /// Who has, or had at its end, a private port of it, where it was never ready. Keepers of older builds do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thief: Option<Thief>,
}

/// The last checks in a row that came out the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Streak {
    /// None ran yet.
    Unchecked,
    /// So many passed.
    Passing(u32),
    /// So many failed, the last one for this reason.
    Failing(u32, String),
}

/// What lives of a launch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Life {
    /// Its first process.
    Leader {
        /// That process.
        leader: Process,
        /// How many others there are.
        others: usize,
    },
    /// Its first process has ended.
    Ended {
        /// How.
        cause: ExitCause,
        /// The names of the processes that it left.
        left: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tags;

    fn launching(headers: &[(&str, &str)]) -> Request {
        let tags = tags("acme", "web", "1-1");
        let program = Program {
            words: vec!["/bin/true".to_owned()],
            environment: Vec::new(),
            working_dir: PathBuf::from("/"),
            root: None,
            user: None,
            mounts: None,
            no_new_privileges: true,
            limits: Limits::default(),
            file_size: None,
            data_size: None,
        };
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (launch, manifest, hold) = (tags.key.launch, tags.manifest, Vec::new());
        Request::Launch(Box::new(Launch { launch, manifest, program, check: None, headers, hold }))
    }

    /// A keeper of the build before starts what it can start whole, and nothing else.
    #[test]
    fn a_launch_is_of_the_oldest_version_that_can_start_it() {
        let plain = launching(&[]);
        assert_eq!(plain.version(), 1);
        assert!(!serde_json::to_string(&plain).unwrap().contains("headers"));
        assert_eq!(launching(&[("X-Probe", "word")]).version(), 6);
    }
}
