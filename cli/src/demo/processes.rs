//! The processes that an engine's tenants run, found without asking the engine or its provider: by the tags in
//! their environment.

use std::fs;
use std::io;
use std::time::Duration;

use landlord_compute::machines::id::TenantId;
use rustix::process::{Pid, Signal, kill_process};

/// How often the sweep looks at most, how many looks in a row must find nothing, and the pause between two.
const LOOKS: u32 = 40;
const QUIET: u32 = 3;
const PAUSE: Duration = Duration::from_millis(50);

/// The processes of an engine's tenants; of one tenant, where one is given. A zombie does not count.
pub(super) fn find(engine: &str, tenant: Option<&TenantId>) -> io::Result<Vec<Pid>> {
    let mut wanted = vec![format!("LANDLORD_ENGINE_ID={engine}")];
    wanted.extend(tenant.map(|tenant| format!("LANDLORD_TENANT_ID={tenant}")));
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        // What has ended meanwhile, or is another user's, cannot be read. A zombie's environment is empty.
        if let (Some(pid), Ok(environ)) = (pid, fs::read(entry.path().join("environ"))) {
            let has =
                |variable: &String| environ.split(|byte| *byte == 0).any(|one| one == variable.as_bytes());
            if wanted.iter().all(has) {
                found.push(pid);
            }
        }
    }
    Ok(found)
}

/// Kills them at once.
pub(super) fn kill(pids: &[Pid]) {
    for pid in pids {
        // A process that has ended by itself needs no signal.
        let _ = kill_process(*pid, Signal::KILL);
    }
}

/// Kills what an engine's tenants still run when the demo ends, however it ends.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) engine: String,
}

impl Drop for Sweep {
    fn drop(&mut self) {
        // A process that was just being started may show itself a little later.
        let mut quiet = 0;
        for _ in 0..LOOKS {
            match find(&self.engine, None) {
                Ok(left) if left.is_empty() => quiet += 1,
                Ok(left) => {
                    kill(&left);
                    quiet = 0;
                }
                Err(_) => return,
            }
            if quiet == QUIET {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}
