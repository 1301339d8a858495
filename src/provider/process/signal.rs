//! Tells the processes of a launch to end.

use std::io;

use landlord_state_machines::planner::process::Stop;
use rustix::process::Signal;

use super::find::Seen;
use super::procfs;

/// Sends a signal to every process of a launch that was seen. Each is held and looked at again first, so that one
/// whose pid was taken over since is not touched; one that is gone is a success.
pub(super) fn signal(seen: &Seen, stop: Stop) -> io::Result<()> {
    let signal = match stop {
        Stop::Term => Signal::TERM,
        Stop::Kill => Signal::KILL,
    };
    // One that may not be signalled keeps no other alive.
    let mut refused = Ok(());
    for identity in seen.processes() {
        let sent = procfs::hold(identity).and_then(|held| held.map_or(Ok(false), |held| held.signal(signal)));
        if let Err(error) = sent {
            refused = Err(error);
        }
    }
    refused
}
