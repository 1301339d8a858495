//! What process 1 has to do, as which `run` is started in a container.
//!
//! The kernel makes it the parent of every process whose own parent has ended, and those stay as zombies until it reads
//! how they ended. A process that starts others for itself cannot read that of all: it would take it from whoever waits
//! for one, such as a helper that asks for credentials. So the engine is a child of process 1, which does nothing else.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, getpid, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Failure;
use super::signals::Signals;

/// Whether this is process 1.
pub(crate) fn is_called_for() -> bool {
    getpid().is_init()
}

/// Runs this program again, hands on the signals that end it and SIGHUP, and reads how everything ended that ends
/// here. Returns what the program ended with.
pub(crate) async fn run() -> Result<ExitCode, Failure> {
    let listen = |source| Failure::System { doing: "listen for signals", source };
    let mut children = signal(SignalKind::child()).map_err(listen)?;
    let mut hangups = signal(SignalKind::hangup()).map_err(listen)?;
    let mut signals = Signals::listen()?;
    let mut words = std::env::args_os();
    let program = Command::new("/proc/self/exe")
        .arg0(words.next().unwrap_or_default())
        .args(words)
        // What a terminal sends comes here, and from here once.
        .process_group(0)
        .spawn()
        .map_err(|source| Failure::System { doing: "start the engine's process", source })?;
    let program = Pid::from_child(&program);
    loop {
        if let Some(ended) = read_all(program)? {
            return Ok(ended);
        }
        let signal = tokio::select! {
            _ = children.recv() => continue,
            _ = hangups.recv() => rustix::process::Signal::HUP,
            signal = signals.next() => signal,
        };
        // It may have ended.
        let _ended = kill_process(program, signal);
    }
}

/// Reads how all children ended that have; what the program ended with, if it has.
fn read_all(program: Pid) -> Result<Option<ExitCode>, Failure> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((child, status))) if child == program => {
                return Ok(Some(code(ExitStatus::from_raw(status.as_raw()))));
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Ok(None),
            Err(error) => {
                return Err(Failure::System { doing: "wait for the engine's process", source: error.into() });
            }
        }
    }
}

/// As a shell has it.
fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
