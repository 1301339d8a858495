//! The keeper: one small process for each tenant, which starts the tenant's programs and outlives the engine.
//!
//! It is the parent of the tenant's launches, and of all that they leave behind: nothing escapes it by going into the
//! background. It writes and rotates their logs, and remembers how they ended. It knows nothing of the tenant's life:
//! the engine decides, and tells it what to do.
//!
//! A keeper is this very program in another mode. So the program has to begin with [`run_if_asked`]:
//!
//! ```
//! landlord_provider_process::keeper::run_if_asked();
//! // The program goes on.
//! ```
//!
//! - `serve` is the keeper, `kept` what it keeps, `takeover` finds what one before it has kept, `spawn` and `launcher` start
//!   a program, `namespace` gives it its volumes and files, `output` carries what it prints, `check` and `health` tell whether it works.
//! - `client` is the engine's side, `start` starts a keeper.
//! - `protocol` is what they say to each other.

mod check;
pub(crate) mod client;
mod connection;
mod forward;
mod health;
mod kept;
mod launcher;
pub(crate) mod namespace;
mod output;
pub(crate) mod protocol;
mod routes;
mod serve;
mod spawn;
mod start;
mod takeover;
#[cfg(test)]
mod tests;

use std::env::VarError;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use start::{await_end, has_views, remove_files, start};

/// Says that this process is to be a keeper, and which: a [`protocol::Setup`] as JSON.
const KEEPER: &str = "LANDLORD_KEEPER";

/// Says that the descriptors of whoever started the engine are closed.
const ALONE: &str = "LANDLORD_KEEPER_ALONE";

/// Says that this process is to be a launcher.
const LAUNCHER: &str = "LANDLORD_LAUNCHER";

/// Says instead that this process only tries whether a launch can have a view of its own of the machine's files.
const TRY_OUT: &str = "try";

/// The program that runs, also when its file was replaced by a newer one.
const SELF: &str = "/proc/self/exe";

/// Whether this program becomes a keeper when it is asked to.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Becomes a keeper, and does not return, if this process was started to be one. Call it first in `main`, before there
/// is a thread.
///
/// The process provider starts its own program again for each tenant. Without this call that would be another engine,
/// so it refuses to start anything then: see [`KeeperProgram`].
pub fn run_if_asked() {
    ASKED.store(true, Ordering::Relaxed);
    if let Some(code) = asked_mode() {
        // Nothing of this process waits to be written.
        std::process::exit(i32::from(code != ExitCode::SUCCESS));
    }
}

/// Runs the mode that the environment asks for.
fn asked_mode() -> Option<ExitCode> {
    match std::env::var(LAUNCHER) {
        Ok(asked) if asked == TRY_OUT => return Some(try_out()),
        Ok(_) | Err(VarError::NotUnicode(_)) => return Some(launcher::run()),
        Err(VarError::NotPresent) => {}
    }
    let setup = std::env::var(KEEPER).ok()?;
    Some(start::become_keeper(&setup))
}

fn try_out() -> ExitCode {
    match namespace::try_out() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody else to tell.
            let _unheard = io::Write::write_all(&mut io::stderr(), format!("{error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// Which program becomes a keeper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeeperProgram {
    /// The program that runs, which calls [`run_if_asked`].
    #[default]
    ThisOne,
    /// Another one, which calls it too.
    Other {
        /// Its path.
        path: PathBuf,
        /// Its arguments; what they mean is its own affair.
        arguments: Vec<OsString>,
    },
}

impl KeeperProgram {
    /// Another program than the one that runs.
    pub fn other(path: impl Into<PathBuf>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self::Other { path: path.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }
}
