//! What process 1 has to do, as which a program is started in a container.
//!
//! The kernel makes it the parent of every process whose own parent has ended, such as a tenant's whose keeper was
//! killed. Those stay as zombies until it reads how they ended. A program that starts processes for itself cannot read
//! that of all: it would take it from whoever waits for one, such as a helper that asks for credentials. So the program
//! that hosts the provider becomes a child of process 1, which does nothing else.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Why process 1 could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("process 1 cannot {doing}: {source}")]
pub struct InitError {
    /// What it had to do.
    pub doing: &'static str,
    /// Why it could not.
    pub source: io::Error,
}

/// If this is process 1: runs this program again as a child, hands SIGINT, SIGTERM and SIGHUP on to it, and reads how
/// everything ended that ends here. Returns what the child ended with, as a shell has it, for `main` to end with. If
/// this is any other process, it does nothing: `None`.
///
/// Call it in `main` before there is a thread, after [`keeper::run_if_asked`](crate::keeper::run_if_asked). A program
/// whose container has an init of its own does not need it.
///
/// # Errors
/// When the child cannot be started or waited for.
pub fn run_if_process_1() -> Result<Option<ExitCode>, InitError> {
    if !getpid().is_init() {
        return Ok(None);
    }
    let failed = |doing| move |source| InitError { doing, source };
    let listened = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM]);
    let mut signals = listened.map_err(failed("listen for signals"))?;
    let mut words = std::env::args_os();
    let child = Command::new("/proc/self/exe")
        .arg0(words.next().unwrap_or_default())
        .args(words)
        // What a terminal sends comes here, and from here once.
        .process_group(0)
        .spawn()
        .map_err(failed("start the program"))?;
    let child = Pid::from_child(&child);
    loop {
        if let Some(ended) = read_all(child).map_err(failed("wait for the program"))? {
            return Ok(Some(ended));
        }
        for signal in signals.wait() {
            let signal = match signal {
                SIGHUP => Signal::HUP,
                SIGINT => Signal::INT,
                SIGTERM => Signal::TERM,
                _ => continue,
            };
            // It may have ended.
            let _ended = kill_process(child, signal);
        }
    }
}

/// Reads how all children ended that have; what this one ended with, if it has.
fn read_all(program: Pid) -> io::Result<Option<ExitCode>> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((child, status))) if child == program => {
                return Ok(Some(code(ExitStatus::from_raw(status.as_raw()))));
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// As a shell has it.
fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
