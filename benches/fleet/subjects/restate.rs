//! Restate: a virtual object a tenant, each transition kept by one durable node. The service, the driver and how they
//! are started are in benches/restate.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::parameters::Parameters;
use crate::workloads::Workload;

use super::{Subject, Unmeasurable};

/// Puts Restate's server, the service and the driver under target/.
const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/restate/install.sh");
/// Runs a workload on a node that it starts and stops.
const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/restate/run.sh");

/// Installed once a run: what went wrong, if anything did.
static INSTALLATION: OnceLock<Result<(), String>> = OnceLock::new();

pub(crate) fn command(workload: Workload, parameters: &Parameters) -> Result<Command, Unmeasurable> {
    INSTALLATION.get_or_init(install).as_ref().map_err(|why| Unmeasurable {
        subject: Subject::Restate,
        why: why.clone(),
        remedy: "make benches/restate/install.sh succeed (it needs npm)".to_owned(),
    })?;
    let mut command = Command::new(RUN);
    command.arg(workload.to_string()).args(parameters.words());
    Ok(command)
}

fn install() -> Result<(), String> {
    match Command::new(INSTALL).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(cause) => Err(format!("{INSTALL} does not start: {cause}")),
    }
}

/// Its version.
pub(crate) fn version() -> Option<String> {
    const PACKAGE: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/restate/server/node_modules/@restatedev/restate-server/package.json"
    );
    let package: serde_json::Value = serde_json::from_slice(&std::fs::read(PACKAGE).ok()?).ok()?;
    package["version"].as_str().map(str::to_owned)
}
