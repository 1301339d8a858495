//! Runs this program under Valgrind, and reads what was counted.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::program::{StoreKind, Watch, Work};

/// The first word of a process that is counted.
pub(crate) const CHILD: &str = "--child";

/// How many times the tenants of the smaller run the larger one has.
const TIMES: usize = 4;

/// Why there is no count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValgrindError {
    #[error(
        "valgrind counts the instructions, and it is not installed; install it (on Debian: apt-get install valgrind) \
         and run this again"
    )]
    Missing,
    #[error("valgrind does not start: {0}")]
    Start(std::io::Error),
    #[error("{command} failed ({status}):\n{errors}")]
    Failed { command: String, status: ExitStatus, errors: String },
    #[error(
        "{command} counted nothing that this program finds; its valgrind may be too old or too new (3.19 works)"
    )]
    NoCount { command: String },
    #[error("a folder for what is counted cannot be made or read: {0}")]
    Folder(#[from] std::io::Error),
}

/// What one more transition takes (instructions), or one more idle tenant (bytes of heap).
pub(crate) fn each(work: Work, store: StoreKind, watch: Watch) -> Result<f64, ValgrindError> {
    let (few, many) = (store.tenants(), TIMES * store.tenants());
    let counts = (count(work, store, watch, few)?, count(work, store, watch, many)?);
    let by = match work {
        Work::Lives => (many - few) * work.transitions(),
        Work::Idle => many - few,
    };
    Ok((counts.1 - counts.0) / by as f64)
}

/// Callgrind counts instructions while tenants live, DHAT the bytes that are allocated at the end while they idle.
fn count(work: Work, store: StoreKind, watch: Watch, tenants: usize) -> Result<f64, ValgrindError> {
    let folder = tempfile::tempdir()?;
    let (counts, log) = (folder.path().join("counts"), folder.path().join("log"));
    let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let mut command = Command::new("valgrind");
    match work {
        Work::Lives => command.args(["--tool=callgrind", &option("callgrind-out-file", &counts)]),
        Work::Idle => command.args(["--tool=dhat", &option("dhat-out-file", &counts)]),
    };
    // Threads take turns, and share one heap: else which heap has what is left to chance, and with it what malloc does.
    command.env("MALLOC_ARENA_MAX", "1").arg("--fair-sched=yes");
    command.arg(option("log-file", &log)).arg(std::env::current_exe()?);
    command.args([CHILD, &work.to_string(), &store.to_string(), &watch.to_string(), &tenants.to_string()]);
    command.arg(folder.path());
    let words = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().map_err(|cause| {
        if cause.kind() == ErrorKind::NotFound { ValgrindError::Missing } else { ValgrindError::Start(cause) }
    })?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(ValgrindError::Failed { command: words, status: output.status, errors });
    }
    let counted = match work {
        Work::Lives => number_after("totals:", &std::fs::read_to_string(&counts)?),
        Work::Idle => number_after("At t-end:", &std::fs::read_to_string(&log)?),
    };
    counted.ok_or(ValgrindError::NoCount { command: words })
}

/// The number that follows a name, with or without commas.
fn number_after(name: &str, text: &str) -> Option<f64> {
    let (_, rest) = text.split_once(name)?;
    rest.split_whitespace().next()?.replace(',', "").parse().ok()
}
