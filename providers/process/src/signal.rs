//! Sends signals to processes that may have ended.

use std::io;

use landlord_state_machines::planner::process::Stop;
use rustix::process::Signal;

use super::find::Seen;
use super::procfs::{self, Identity};

/// Sends SIGTERM to the first process of a launch, or to all where that is gone; SIGKILL to all.
pub(super) fn signal(seen: &Seen, stop: Stop) -> io::Result<()> {
    match (stop, seen.leader) {
        (Stop::Term, Some(leader)) => send([leader], Signal::TERM),
        (Stop::Term, None) => send(seen.processes(), Signal::TERM),
        (Stop::Kill, _) => send(seen.processes(), Signal::KILL),
    }
}

/// Sends a signal to each of these processes. Each is held and looked at again first, so that one whose pid was taken
/// over since is not touched; one that is gone is a success. One that may not be signalled keeps no other alive.
pub(super) fn send(processes: impl IntoIterator<Item = Identity>, signal: Signal) -> io::Result<()> {
    let mut refused = Ok(());
    for identity in processes {
        let sent = procfs::hold(identity).and_then(|held| held.map_or(Ok(false), |held| held.signal(signal)));
        if let Err(error) = sent {
            refused = Err(error);
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use landlord_state_machines::planner::process::{ExitCause, ProcessLife};
    use rustix::process::Pid;

    use super::*;
    use crate::tags::{Key, Owner, Tags};
    use crate::testing::{Bench, tags, until};

    #[tokio::test]
    async fn one_that_ignores_sigterm_is_killed_with_its_grandchildren() {
        let bench = Bench::new();
        let script =
            "trap '' TERM; sh -c 'sleep 600 & wait' & setsid sleep 610 & echo ready; sleep 620; sleep 630";
        bench.start(bench.script(script)).await;
        bench.until_alive("all processes", 5).await;
        bench.signal(Stop::Term).await;
        // The one in a session of its own was started with SIGTERM ignored, too.
        assert_eq!(bench.alive().await, 5);
        bench.signal(Stop::Kill).await;
        bench.until_alive("the end", 0).await;
        assert!(
            matches!(bench.life().await, Some(ProcessLife::Files(exit)) if exit.cause == ExitCause::Signal(9))
        );
    }

    #[tokio::test]
    async fn sigterm_lets_a_process_finish() {
        let bench = Bench::new();
        bench
            .start(bench.script("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done"))
            .await;
        until("the start", || bench.printed() == "stdout F ready\n");
        bench.signal(Stop::Term).await;
        bench.until_alive("the end", 0).await;
        until("its last line", || bench.printed() == "stdout F ready\nstdout F bye\n");
    }

    #[tokio::test]
    async fn a_reused_pid_is_not_touched() {
        let bench = Bench::new();
        let mut stranger = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&stranger);
        let identity = procfs::stat(pid).unwrap().unwrap().identity;

        // A record of a process that had this pid before.
        let ours = tags("acme", "web", "1-1");
        let key = Key { owner: Owner::of(&bench.subject), ..ours.key };
        let ours = Tags { key, ..ours };
        let files = bench.machine.state.launch_of(&ours);
        files.create_record(&ours, &procfs::boot_id().unwrap()).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let earlier =
            stat.replace(&format!(" {} ", identity.started), &format!(" {} ", identity.started - 1));
        assert_ne!(stat, earlier);
        let mut record = std::fs::OpenOptions::new().append(true).open(files.record()).unwrap();
        write!(record, "LANDLORD_STAT={earlier}").unwrap();

        assert!(matches!(bench.life().await, Some(ProcessLife::Files(_))));
        bench.signal(Stop::Kill).await;
        let mut seen = bench.seen().await.unwrap();
        seen.leader = Some(Identity { started: identity.started - 1, ..identity });
        signal(&seen, Stop::Kill).unwrap();
        assert!(procfs::is_alive(identity), "another's process was killed");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
