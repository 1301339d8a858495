//! How a launch's first process ended, in words that hold no secret.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use landlord_state_machines::planner::process::{Exit, ExitCause};

use super::launches::Launches;
use super::secrets::redact;
use super::tags::Key;

/// How much of a last line is shown.
const LINE_LENGTH: usize = 300;

/// How a launch ended whose first process is gone. The last line is told only by the engine that started it: no
/// other knows which words in it are secret.
pub(super) fn of(key: &Key, launches: &Launches) -> io::Result<Exit> {
    let Some(ending) = launches.ending(key) else {
        return Ok(Exit { cause: ExitCause::Unseen, last_line: None });
    };
    let last_line = ending.files.last_line()?.map(|line| cut(&redact(&line, &ending.secrets)));
    Ok(Exit { cause: cause(ending.status), last_line })
}

fn cause(status: ExitStatus) -> ExitCause {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitCause::Code(code),
        (None, Some(signal)) => ExitCause::Signal(signal),
        // Neither: only a stopped or continued process is like this, and those are not waited for.
        (None, None) => ExitCause::Unseen,
    }
}

fn cut(line: &str) -> String {
    line.chars().filter(|char| !char.is_control()).take(LINE_LENGTH).collect()
}
