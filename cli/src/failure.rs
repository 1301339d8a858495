//! Why a command was not done: what to say to people and programs, and what to do next.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use landlord_api::{Code, Problem, causes_of};
use landlord_client::ClientError;
use landlord_compute::machines::error::{ErrorKind, ProviderError};
use landlord_compute::machines::id::{OperationId, ProviderName, TenantId};
use landlord_compute::machines::tenant::{Rejection, Settled};
use landlord_compute::store::StoreError;
use landlord_compute::{Closed, CommandError, StartError, WaitError};
use serde_json::{Value, json};

use super::exit::{self, Exit};
use super::explained;
use super::hints::Hints;
use super::spec_file::Origin;

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn StdError) -> String {
    let causes = causes_of(error).into_iter();
    std::iter::once(error.to_string()).chain(causes).collect::<Vec<_>>().join(": ")
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("cannot read {file}: {source}")]
    File { file: String, source: io::Error },
    #[error("{origin} is not a valid spec:\n{problem}")]
    Spec { origin: Origin, problem: Box<Problem> },
    #[error("{origin} is of tenant {tenant}, and so is {before}")]
    Twice { origin: Origin, before: Origin, tenant: TenantId },
    #[error("{file}: {message}")]
    Config { file: String, message: String },
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("there is no store {}", .0.display())]
    NoStore(PathBuf),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{in_use}; it was waited for {:.0} s", waited.as_secs_f64())]
    InUse { in_use: StoreError, waited: Duration },
    #[error(transparent)]
    Wait(#[from] WaitError),
    #[error("no tenant {0}")]
    NoneListed(String),
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error(transparent)]
    Server(ClientError),
    #[error(transparent)]
    Platform(#[from] ProviderError),
    #[error("operation {operation} of tenant {tenant} {settled}")]
    NotAsAsked { operation: OperationId, tenant: TenantId, settled: Settled, logs: Option<PathBuf> },
    #[error("{orphans} orphans and {missing} missing tenants were found, and are left")]
    Unclean { orphans: usize, missing: usize, delete: bool, provider: Option<ProviderName> },
    #[error("interrupted; operation {0} is recorded and not over")]
    Interrupted(OperationId),
    /// The server goes on with it.
    #[error("interrupted; operation {0} goes on")]
    Left(OperationId),
    #[error("operation {operation} was not over in time")]
    NotOver {
        operation: OperationId,
        /// Whether somebody goes on with it now.
        attended: bool,
    },
    #[error("no other spec of tenant {0} ran before, as far as its events are kept")]
    NothingEarlier(TenantId),
    #[error("nothing of tenant {0} runs")]
    NoneRuns(TenantId),
    /// Several of them, and for how many things in all.
    #[error("{} of {of} {what}:\n{}", failures.len(), each(failures))]
    Several { failures: Vec<Failure>, of: usize, what: &'static str },
    #[error("{} of {of} tenants are not as asked: {}", failures.len(), names(failures))]
    Unapplied { failures: Vec<(TenantId, Failure)>, of: usize },
    #[error("{}", left_over(left, *unsent, *in_time))]
    LeftSeveral {
        left: Vec<OperationId>,
        unsent: usize,
        /// Whether somebody goes on with them now.
        attended: bool,
        /// Whether it ended before its time was over.
        in_time: bool,
    },
    #[error("{failed} of {of} checks failed")]
    Unwell { failed: usize, of: usize },
    #[error("the engine ended: {0}")]
    Closed(Closed),
    #[error("the demo did not do all that it should")]
    Demo,
    #[error("cannot {doing}: {source}")]
    System { doing: &'static str, source: io::Error },
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// Whoever read the output, such as `head`, has enough. Nothing is wrong.
    #[error("the output is read no further")]
    ReaderGone,
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::File { .. } | Self::Spec { .. } | Self::Twice { .. } => Exit::Usage,
            Self::Config { .. } => Exit::Usage,
            Self::Command(error) => match error {
                CommandError::Invalid(_) | CommandError::Provider(_) => Exit::Usage,
                CommandError::Rejected(Rejection::Protected) => Exit::Protected,
                CommandError::Rejected(_) | CommandError::RequestReused { .. } => Exit::Rejected,
                CommandError::Overloaded(_) => Exit::Overloaded,
                CommandError::Store(_) | CommandError::Closed(_) => Exit::Store,
                CommandError::Defect | _ => Exit::Defect,
            },
            Self::Start(error) => match error {
                StartError::Store(_) | StartError::Elsewhere { .. } => Exit::Store,
                StartError::Registry(_) | StartError::Provider(_) | StartError::Supervisors(_) | _ => {
                    Exit::Defect
                }
            },
            Self::Wait(error) => match error {
                WaitError::Unknown(_) => Exit::NotFound,
                WaitError::Closed { .. } | WaitError::Store(_) => Exit::Store,
                _ => Exit::Defect,
            },
            Self::NoStore(_) | Self::Store(_) | Self::InUse { .. } | Self::Closed(_) => Exit::Store,
            Self::NoneListed(_) => Exit::NotFound,
            Self::Refused(problem) => exit::of(problem.code),
            Self::Server(_) => Exit::Store,
            Self::Platform(error) => match error.kind {
                ErrorKind::TenantNotFound => Exit::NotFound,
                ErrorKind::InvalidSpec => Exit::Usage,
                ErrorKind::ProvisionFailed
                | ErrorKind::UpdateFailed
                | ErrorKind::DestroyFailed
                | ErrorKind::StatusFailed => Exit::Platform,
            },
            Self::Unclean { .. } => Exit::Unclean,
            Self::Unwell { .. } => Exit::Unwell,
            Self::NotAsAsked { .. } | Self::Demo => Exit::Failed,
            Self::Interrupted(_) | Self::Left(_) => Exit::Interrupted,
            Self::NotOver { .. } => Exit::NotOver,
            Self::NothingEarlier(_) | Self::NoneRuns(_) => Exit::NotFound,
            Self::Several { failures, .. } => shared(failures.iter()),
            Self::Unapplied { failures, .. } => shared(failures.iter().map(|(_, failure)| failure)),
            Self::LeftSeveral { in_time: true, .. } => Exit::Interrupted,
            Self::LeftSeveral { in_time: false, .. } => Exit::NotOver,
            Self::System { .. } => Exit::Defect,
            Self::Output(_) => Exit::Output,
            Self::ReaderGone => Exit::Done,
        }
    }

    /// What to do next, where the error does not say it already.
    fn next(&self) -> Option<String> {
        match self {
            Self::NoStore(_) => Some(
                "`landlord-compute provision -f FILE` creates it; name another with --store FILE or LANDLORD_STORE"
                    .to_owned(),
            ),
            Self::NoneListed(_) => Some("`landlord-compute list` shows those that there are".to_owned()),
            Self::Refused(problem) => next(problem),
            Self::NotAsAsked { tenant, logs, .. } => {
                let describe = format!("`landlord-compute describe {tenant}` shows how it is now");
                Some(match logs {
                    Some(logs) => format!("{describe}; the output of its processes is in {}", logs.display()),
                    None => describe,
                })
            }
            Self::Interrupted(operation) => Some(format!(
                "`landlord-compute wait {operation}` goes on with it; `landlord-compute run` does so for all"
            )),
            Self::NotOver { operation, attended: false } => Some(format!(
                "no engine goes on with it now; `landlord-compute wait {operation}` does, and `landlord-compute run` for all"
            )),
            Self::NotOver { operation, attended: true } => {
                Some(format!("`landlord-compute wait {operation}` waits for it"))
            }
            Self::NothingEarlier(tenant) => Some(format!(
                "`landlord-compute events {tenant}` names its specs; `landlord-compute rollback {tenant} --to vN` goes to one"
            )),
            Self::NoneRuns(tenant) => {
                Some(format!("`landlord-compute get {tenant} --at vN` prints a spec that it had"))
            }
            Self::Several { failures, .. } => failures.iter().find_map(Self::next),
            Self::Unapplied { failures, .. } => failures.iter().find_map(|(_, failure)| failure.next()),
            Self::LeftSeveral { attended: true, .. } => {
                Some("what is on its way goes on; the same command again waits for it, and sends the rest".to_owned())
            }
            Self::LeftSeveral { attended: false, .. } => Some(
                "the same command again goes on with all of it, and `landlord-compute run` with what is on its way".to_owned(),
            ),
            Self::Left(operation) => Some(format!("`landlord-compute wait {operation}` waits for it")),
            Self::Spec { origin, .. } => {
                let file = origin.file()?;
                Some(format!("correct it, and try `landlord-compute validate -f {file}`"))
            }
            Self::Platform(error) => match error.kind {
                ErrorKind::TenantNotFound => {
                    Some("`landlord-compute run` notices and repairs what should run".to_owned())
                }
                ErrorKind::InvalidSpec
                | ErrorKind::ProvisionFailed
                | ErrorKind::UpdateFailed
                | ErrorKind::DestroyFailed
                | ErrorKind::StatusFailed => None,
            },
            Self::Server(error) => distrusted(error),
            Self::Start(StartError::Elsewhere { there, .. }) => Some(format!(
                "on the same machine, `--data DIR` names the directory; `landlord-compute serve --lost {}` says that the site is lost",
                there.id
            )),
            Self::InUse { .. } => Some(
                "looking is possible beside it; --wait TIME waits longer for the store; a server that has it on another machine is \
                 asked with --server URL"
                    .to_owned(),
            ),
            Self::Unclean { orphans, missing, delete, provider } => {
                let mut next = Vec::new();
                if *orphans > 0 && !delete {
                    let only = provider.as_ref().map(|name| format!(" --provider {name}")).unwrap_or_default();
                    next.push(format!("`landlord-compute sweep{only} --delete` removes the orphans"));
                }
                if *missing > 0 {
                    next.push("`landlord-compute run` repairs what is missing".to_owned());
                }
                (!next.is_empty()).then(|| next.join("; "))
            }
            Self::Config { .. }
            | Self::Unwell { .. }
            | Self::Usage(_)
            | Self::File { .. }
            | Self::Twice { .. }
            | Self::Command(_)
            | Self::Store(_)
            | Self::Start(_)
            | Self::Wait(_)
            | Self::Closed(_)
            | Self::Demo
            | Self::System { .. }
            | Self::Output(_)
            | Self::ReaderGone => None,
        }
    }

    /// What the server, or the API within this program, says.
    fn problem(&self) -> Option<&Problem> {
        if let Self::Spec { problem, .. } | Self::Refused(problem) = self { Some(problem) } else { None }
    }

    /// The causes below the error that its own words do not repeat.
    fn causes(&self) -> Vec<String> {
        self.problem().map_or_else(|| causes_of(self), |problem| problem.causes.clone())
    }

    /// For people: what is wrong, why, and what to do next, a line each.
    pub(crate) fn text(&self, hints: &Hints) -> String {
        let mut text = hints.complete(&self.to_string());
        for cause in self.causes() {
            text += &format!("\n  cause: {cause}");
        }
        let explanation = self.problem().and_then(|problem| problem.explanation.as_deref());
        if let Some(since) = explanation.and_then(|explanation| explanation.since) {
            text += &format!("\n  since: {}", explained::since(since, Timestamp::now()));
        }
        if let Some(next) = self.next() {
            text += &format!("\n  next: {}", hints.complete(&next));
        }
        text
    }

    /// For programs.
    pub(crate) fn json(&self, hints: &Hints) -> Value {
        let exit = self.exit();
        let mut error = json!({ "code": exit.name(), "exit": exit.code(), "message": self.to_string() });
        let causes = self.causes();
        if !causes.is_empty() {
            error["causes"] = json!(causes);
        }
        if let Some(next) = self.next() {
            error["next"] = json!(hints.complete(&next));
        }
        if let Self::Several { failures, .. } = self {
            let each = failures.iter().map(|failure| failure.json(hints)["error"].clone());
            error["errors"] = each.collect();
        }
        if let Self::Spec { origin, .. } | Self::Twice { origin, .. } = self {
            error["origin"] = json!(origin.to_string());
        }
        if let Some(problem) = self.problem() {
            if let Some(retained) = &problem.retained {
                error["retained"] = json!(retained);
            }
            if let Some(explanation) = &problem.explanation {
                error["explanation"] = json!(explanation);
            }
            if !problem.problems.is_empty() {
                error["problems"] = json!(problem.problems);
            }
        }
        json!({ "error": error })
    }
}

/// Several failures, a paragraph each.
fn each(failures: &[Failure]) -> String {
    let each = failures.iter().map(|failure| {
        let causes = failure.causes().into_iter().map(|cause| format!("\ncause: {cause}"));
        format!("- {failure}{}", causes.collect::<String>()).replace('\n', "\n  ")
    });
    each.collect::<Vec<_>>().join("\n")
}

/// What was begun and is not over, and what was not begun.
fn left_over(left: &[OperationId], unsent: usize, in_time: bool) -> String {
    let mut parts = Vec::new();
    match left {
        [] => {}
        [one] => parts.push(format!("operation {one} is recorded, and is not over")),
        several => parts.push(format!("{} operations are recorded, and are not over", several.len())),
    }
    match unsent {
        0 => {}
        1 => parts.push("for 1 tenant nothing was sent".to_owned()),
        several => parts.push(format!("for {several} tenants nothing was sent")),
    }
    let why = if in_time { "interrupted" } else { "not over in time" };
    std::iter::once(why.to_owned()).chain(parts).collect::<Vec<_>>().join("; ")
}

/// Whom they are about; the first of many.
fn names(failures: &[(TenantId, Failure)]) -> String {
    const MOST: usize = 10;
    let names: Vec<&str> = failures.iter().take(MOST).map(|(tenant, _)| tenant.as_str()).collect();
    let more = if failures.len() > MOST { ", …" } else { "" };
    names.join(", ") + more
}

/// The code of several failures: the one that they share, else that something failed.
fn shared<'f>(failures: impl Iterator<Item = &'f Failure>) -> Exit {
    let mut exits = failures.map(Failure::exit);
    let first = exits.next().unwrap_or(Exit::Defect);
    if exits.all(|exit| exit == first) { first } else { Exit::Failed }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => Self::Refused(problem),
            other @ (ClientError::Unreachable(_) | ClientError::NotUnderstood(_) | _) => Self::Server(other),
        }
    }
}

/// What to do about a certificate that is not trusted.
fn distrusted(error: &ClientError) -> Option<String> {
    let said = format!("{error:?}");
    if said.contains("UnknownIssuer") {
        Some("--ca FILE names the authority that signed the server's certificate".to_owned())
    } else if said.contains("CaUsedAsEndEntity") {
        let made = "the server shows an authority's certificate; one that signs itself is made with `openssl req -x509 -addext \
                    basicConstraints=critical,CA:FALSE …`";
        Some(made.to_owned())
    } else {
        None
    }
}

/// What to do about a request that was not done, where its problem does not say it already.
fn next(problem: &Problem) -> Option<String> {
    match (problem.code, &problem.tenant_id) {
        (Code::TenantNotFound, _) => Some("`landlord-compute list` shows those that there are".to_owned()),
        (Code::TenantGone, Some(tenant)) => {
            let history = format!("`landlord-compute events {tenant}` shows its history");
            Some(match problem.retained {
                Some(_) => format!("`landlord-compute release {tenant}` removes that; {history}"),
                None => history,
            })
        }
        (Code::TokenNotFound, _) => {
            Some("`landlord-compute token list` shows those that there are".to_owned())
        }
        (Code::OperationNotFound, _) => Some("`landlord-compute events` names all operations".to_owned()),
        (Code::NothingRuns, _) => {
            Some("`landlord-compute run` notices and repairs what should run".to_owned())
        }
        (_, _) => None,
    }
}
