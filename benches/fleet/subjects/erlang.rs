//! Erlang/OTP: a gen_statem a tenant under 64 supervisors (erlang/*.erl), driven by Erlang processes.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::parameters::Parameters;
use crate::workloads::Workload;

use super::{Subject, Unmeasurable};

/// Where its modules are, and where they are compiled to.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/fleet/subjects/erlang");
const COMPILED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/erlang");

/// Compiled once a run: what went wrong, if anything did.
static COMPILATION: OnceLock<Result<(), String>> = OnceLock::new();

pub(crate) fn command(
    subject: Subject,
    workload: Workload,
    parameters: &Parameters,
) -> Result<Command, Unmeasurable> {
    let unmeasurable = |why: &String| Unmeasurable {
        subject,
        why: why.clone(),
        remedy: "install Erlang/OTP (benches/erlang.sh does, on Debian)".to_owned(),
    };
    COMPILATION.get_or_init(compile).as_ref().map_err(unmeasurable)?;
    let mut command = Command::new("erl");
    // Two schedulers, as the others have two workers; room for two million tenants and their calls.
    command
        .args(["+S", "2:2", "+P", "4000000", "-noshell", "-noinput", "-pa", COMPILED, "-s", "fleet", "main"]);
    if workload == Workload::Latency {
        // By default the load is packed on as few schedulers as can take it, and queues there.
        command.args(["+scl", "false"]);
    }
    command.arg("-extra").arg(workload.to_string()).args(parameters.words());
    Ok(command)
}

fn compile() -> Result<(), String> {
    let failed = |cause: std::io::Error| format!("its modules cannot be compiled: {cause}");
    std::fs::create_dir_all(COMPILED).map_err(failed)?;
    let mut erlc = Command::new("erlc");
    erlc.args(["-Werror", "-o", COMPILED]).args(modules(Path::new(SOURCES)).map_err(failed)?);
    match erlc.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Err("there is no erlc".to_owned()),
        Err(cause) => Err(failed(cause)),
    }
}

fn modules(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut modules = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "erl") {
            modules.push(path);
        }
    }
    Ok(modules)
}
