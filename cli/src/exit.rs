//! What the program ends with: a code for scripts, and what to say to people and programs.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use landlord_compute::machines::error::{ErrorKind, ProviderError};
use landlord_compute::machines::id::{OperationId, ProviderName, TenantId};
use landlord_compute::machines::spec::{Invalid, SpecError};
use landlord_compute::machines::tenant::{Rejection, Retained, Settled};
use landlord_compute::store::StoreError;
use landlord_compute::{Closed, CommandError, StartError, SweepError, WaitError};
use serde_json::{Value, json};

use super::hints::Hints;
use super::spec_file::STDIN;
use super::words;

/// The exit codes. `--help` lists them from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    Rejected,
    NotFound,
    Store,
    Overloaded,
    Platform,
    Unclean,
    WouldChange,
    Protected,
    Defect,
    Output,
    Interrupted,
}

impl Exit {
    const ALL: [Self; 14] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Rejected,
        Self::NotFound,
        Self::Store,
        Self::Overloaded,
        Self::Platform,
        Self::Unclean,
        Self::WouldChange,
        Self::Protected,
        Self::Defect,
        Self::Output,
        Self::Interrupted,
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Rejected => 3,
            Self::NotFound => 4,
            Self::Store => 5,
            Self::Overloaded => 6,
            Self::Platform => 7,
            Self::Unclean => 8,
            Self::WouldChange => 9,
            Self::Protected => 10,
            Self::Defect => 70,
            Self::Output => 74,
            Self::Interrupted => 130,
        }
    }

    /// Its name in JSON errors.
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "invalid",
            Self::Rejected => "rejected",
            Self::NotFound => "not_found",
            Self::Store => "store",
            Self::Overloaded => "overloaded",
            Self::Platform => "platform",
            Self::Unclean => "unclean",
            Self::WouldChange => "would_change",
            Self::Protected => "protected",
            Self::Defect => "defect",
            Self::Output => "output",
            Self::Interrupted => "interrupted",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Done => "what was asked for is so",
            Self::Failed => "the operation ended otherwise: failed, cancelled, superseded, abandoned",
            Self::Usage => "the command line or the spec is not valid",
            Self::Rejected => "the tenant's state does not allow it",
            Self::NotFound => "there is no such tenant or operation, or none that the filter asks for",
            Self::Store => "the store is missing, in use by another engine, or cannot be used",
            Self::Overloaded => "too much is on its way already",
            Self::Platform => "the platform did not say how the tenant is, or what it holds",
            Self::Unclean => "a sweep found what should not be so, and it still is",
            Self::WouldChange => "what was planned would change something; it is no error",
            Self::Protected => "the tenant is protected from deletion",
            Self::Defect => "a defect of landlord-compute",
            Self::Output => "the output could not be written",
            Self::Interrupted => "Ctrl-C: the operation is recorded and goes on when an engine runs",
        }
    }

    /// The end of `--help`.
    pub(crate) fn help() -> String {
        let mut help = String::from(
            "RUST_LOG=info shows the engine's log on stderr; NO_COLOR=1 means no colours.\n\nExit codes:",
        );
        for exit in Self::ALL {
            help += &format!("\n  {:>3}  {:<12} {}", exit.code(), exit.name(), exit.meaning());
        }
        help
    }
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("cannot read {file}: {source}")]
    File { file: String, source: io::Error },
    #[error("{file} is not a valid spec:\n{source}")]
    Spec { file: String, source: SpecError },
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
    #[error("there is no operation {0} in this store")]
    NoOperation(OperationId),
    #[error("there is no tenant {0} in this store")]
    NoTenant(TenantId),
    #[error("tenant {tenant} is gone: it was destroyed{}", words::still_there(retained.as_deref()))]
    Gone { tenant: TenantId, retained: Option<Arc<Retained>> },
    #[error("no tenant {0}")]
    NoneListed(String),
    #[error("tenant {tenant} is run by provider {provider}, which this program does not have")]
    NoProvider { tenant: TenantId, provider: String },
    #[error("provider {provider}, which runs tenant {tenant}, does not keep logs; ask the platform for them")]
    NoLogs { tenant: TenantId, provider: String },
    #[error(transparent)]
    Platform(#[from] ProviderError),
    #[error("operation {operation} of tenant {tenant} {settled}")]
    NotAsAsked { operation: OperationId, tenant: TenantId, settled: Settled, logs: Option<PathBuf> },
    #[error(transparent)]
    Sweep(#[from] SweepError),
    #[error("{orphans} orphans and {missing} missing tenants were found, and are left")]
    Unclean { orphans: usize, missing: usize, delete: bool, provider: Option<ProviderName> },
    #[error("interrupted; operation {0} is recorded and not over")]
    Interrupted(OperationId),
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
            Self::Usage(_) | Self::File { .. } | Self::Spec { .. } => Exit::Usage,
            Self::Config { .. } => Exit::Usage,
            Self::Command(error) => match error {
                CommandError::Invalid(_) | CommandError::Provider(_) => Exit::Usage,
                CommandError::Rejected(Rejection::Protected) => Exit::Protected,
                CommandError::Rejected(_) => Exit::Rejected,
                CommandError::Overloaded(_) => Exit::Overloaded,
                CommandError::Store(_) | CommandError::Closed(_) => Exit::Store,
                CommandError::Defect | _ => Exit::Defect,
            },
            Self::Start(error) => match error {
                StartError::Store(_) => Exit::Store,
                StartError::Registry(_) | StartError::Supervisors(_) | _ => Exit::Defect,
            },
            Self::Wait(error) => match error {
                WaitError::Unknown(_) => Exit::NotFound,
                WaitError::Closed { .. } | WaitError::Store(_) => Exit::Store,
                _ => Exit::Defect,
            },
            Self::NoStore(_) | Self::Store(_) | Self::InUse { .. } | Self::Closed(_) => Exit::Store,
            Self::NoOperation(_) | Self::NoTenant(_) | Self::Gone { .. } | Self::NoneListed(_) => {
                Exit::NotFound
            }
            Self::NoProvider { .. } | Self::NoLogs { .. } => Exit::Platform,
            Self::Platform(error) => match error.kind {
                ErrorKind::TenantNotFound => Exit::NotFound,
                ErrorKind::InvalidSpec => Exit::Usage,
                ErrorKind::ProvisionFailed
                | ErrorKind::UpdateFailed
                | ErrorKind::DestroyFailed
                | ErrorKind::StatusFailed => Exit::Platform,
            },
            Self::Sweep(error) => match error {
                SweepError::Registry(_) => Exit::Usage,
                SweepError::CannotList(_) | SweepError::Platform { .. } => Exit::Platform,
                SweepError::Store(_) => Exit::Store,
                _ => Exit::Defect,
            },
            Self::Unclean { .. } => Exit::Unclean,
            Self::NotAsAsked { .. } | Self::Demo => Exit::Failed,
            Self::Interrupted(_) => Exit::Interrupted,
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
            Self::NoTenant(_) | Self::NoneListed(_) => {
                Some("`landlord-compute list` shows those that there are".to_owned())
            }
            Self::Gone { tenant, retained } => {
                let history = format!("`landlord-compute events {tenant}` shows its history");
                Some(match retained {
                    Some(_) => format!("`landlord-compute release {tenant}` removes that; {history}"),
                    None => history,
                })
            }
            Self::NoOperation(_) => Some("`landlord-compute events` names all operations".to_owned()),
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
            Self::Spec { file, .. } => {
                let file = if file == STDIN { "-" } else { file };
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
            Self::InUse { .. } => {
                Some("looking is possible beside it; --wait TIME waits longer for the store".to_owned())
            }
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
            | Self::Usage(_)
            | Self::File { .. }
            | Self::Sweep(_)
            | Self::Command(_)
            | Self::Store(_)
            | Self::Start(_)
            | Self::Wait(_)
            | Self::NoProvider { .. }
            | Self::NoLogs { .. }
            | Self::Closed(_)
            | Self::Demo
            | Self::System { .. }
            | Self::Output(_)
            | Self::ReaderGone => None,
        }
    }

    /// What is wrong with a spec, one by one.
    fn problems(&self) -> Option<&Invalid> {
        if let Self::Spec { source: SpecError::Invalid(invalid), .. }
        | Self::Command(CommandError::Invalid(invalid)) = self
        {
            Some(invalid)
        } else {
            None
        }
    }

    /// The causes below the error that its own words do not repeat.
    fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut said = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let words = error.to_string();
            if !said.contains(&words) {
                causes.push(words.clone());
            }
            said = words;
            cause = error.source();
        }
        causes
    }

    /// For people: what is wrong, why, and what to do next, a line each.
    pub(crate) fn text(&self, hints: &Hints) -> String {
        let mut text = hints.complete(&self.to_string());
        for cause in self.causes() {
            text += &format!("\n  cause: {cause}");
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
        if let Self::Gone { retained: Some(retained), .. } = self {
            error["retained"] = json!(retained);
        }
        if let Some(invalid) = self.problems() {
            error["problems"] = invalid
                .problems()
                .iter()
                .map(|problem| json!({ "path": problem.path, "message": problem.message }))
                .collect();
        }
        json!({ "error": error })
    }
}
