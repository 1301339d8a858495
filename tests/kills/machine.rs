//! The processes of this machine that a run's specs started, found without the provider.

use std::collections::BTreeMap;
use std::fmt;

use rustix::process::{Pid, Signal, kill_process};

/// Marks every process of a run: it is in the environment of each spec.
pub(super) const RUN: &str = "KILLS_RUN";
/// The number of the spec that a process was started for.
pub(super) const SPEC: &str = "KILLS_SPEC";

/// A living process of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) tenant: String,
    pub(super) container: String,
    pub(super) spec: String,
    /// The container's first process, not a child of it or a health check.
    pub(super) leader: bool,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = if self.leader { "leader" } else { "member" };
        write!(f, "pid {} {role} of {}/{} spec {}", self.pid, self.tenant, self.container, self.spec)
    }
}

/// Every living process of a run. The environment of a zombie is empty, so none is among them.
pub(super) fn processes(run: &str) -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").expect("/proc is there").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    pids.filter_map(|pid| process(run, pid)).collect()
}

fn process(run: &str, pid: Pid) -> Option<Process> {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let variables: BTreeMap<&str, &str> = environ
        .split(|byte| *byte == 0)
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='))
        .collect();
    if variables.get(RUN) != Some(&run) {
        return None;
    }
    let get = |name: &str| variables.get(name).map_or_else(String::new, |value| (*value).to_owned());
    Some(Process {
        pid,
        tenant: get("LANDLORD_TENANT_ID"),
        container: get("LANDLORD_CONTAINER"),
        spec: get(SPEC),
        leader: get("LANDLORD_PID") == pid.to_string(),
    })
}

/// Kills a process as a crash would.
pub(super) fn crash(process: &Process) {
    // It may have ended by itself meanwhile.
    let _gone = kill_process(process.pid, Signal::KILL);
}

/// Ends whatever processes of a run are left when a test ends, however it ends.
pub(super) struct Cleanup {
    pub(super) run: String,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        // Again, for processes that a process started while it was being killed.
        for _ in 0..100 {
            let left = processes(&self.run);
            if left.is_empty() {
                return;
            }
            left.iter().for_each(crash);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
