//! A health check that is a command, run with the environment and the root directory of its launch.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret;
use tokio::time::{sleep, timeout};

use super::environment::Environment;
use super::launches::Launches;
use super::probe::Verdict;
use super::procfs::{self, Identity};
use super::program::Root;
use super::tags::{CHECK, Key, LEADER, Variables};

/// How often a check is looked at while it runs.
const EVERY: Duration = Duration::from_millis(5);

/// Why a check did not run.
#[derive(Debug, thiserror::Error)]
enum ExecError {
    #[error("the launch ended")]
    Gone,
    #[error(
        "the launch's environment holds no check; its program may have overwritten it: update the tenant"
    )]
    NoCheck,
    /// Which program is not said: a command may hold a secret.
    #[error("its program cannot be run: {0}")]
    Program(io::Error),
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Runs the launch's check and kills what is left of it afterwards. What it prints is not kept: it may hold a
/// secret.
pub(super) async fn exec(launches: &Launches, key: &Key, leader: Identity, within: Duration) -> Verdict {
    match timeout(within, run(launches, key, leader)).await {
        Ok(Ok(status)) if status.success() => Verdict::Passed,
        Ok(Ok(status)) => Verdict::Failed(format!("exec check: {status}")),
        Ok(Err(error)) => Verdict::Failed(format!("exec check: {error}")),
        Err(_) => Verdict::Failed(format!("exec check: not done within {within:?}")),
    }
}

async fn run(launches: &Launches, key: &Key, leader: Identity) -> Result<ExitStatus, ExecError> {
    let check = Check { launches, child: Some(command(launches, key, leader)?.spawn()?) };
    check.ended().await
}

/// The check as a command of a group of its own. It carries the launch's tags, as a process that is not its first:
/// so a check that a crash of the engine leaves behind ends with its launch.
fn command(launches: &Launches, key: &Key, leader: Identity) -> Result<Command, ExecError> {
    let mut environment = environment(launches, key, leader)?;
    let directory = std::fs::read_link(format!("/proc/{}/root", leader.pid()))?;
    // Both were read by pid: only this check proves that they are the launch's.
    if procfs::hold(leader)?.is_none() {
        return Err(ExecError::Gone);
    }
    environment.retain(|(name, _)| name != LEADER);
    environment.push((LEADER.to_owned(), leader.pid().to_string().into()));
    let get = |wanted: &str| environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);

    let root = if directory == Path::new("/") { Root::Host } else { Root::Directory(directory) };
    let check = get(CHECK).and_then(|check| serde_json::from_str::<Vec<String>>(check.expose_secret()).ok());
    let check = check.ok_or(ExecError::NoCheck)?;
    let (program, arguments) = check.split_first().ok_or(ExecError::NoCheck)?;
    let path = get("PATH").map(ExposeSecret::expose_secret).unwrap_or_default();
    let located = root.locate(program, path, Path::new("/")).map_err(ExecError::Program)?;
    let mut words = root.enter().map_err(ExecError::Program)?;
    words.push(located.into());
    words.extend(arguments.iter().map(Into::into));
    let (first, rest) = words.split_first().ok_or(ExecError::NoCheck)?;

    let mut command = Command::new(first);
    command
        .args(rest)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value.expose_secret())))
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command)
}

/// The launch's environment as it was given; of a launch of an earlier engine, as its process shows it.
fn environment(launches: &Launches, key: &Key, leader: Identity) -> Result<Environment, ExecError> {
    if let Some(environment) = launches.environment(key) {
        return Ok(environment);
    }
    let environ = procfs::environ(leader.pid)?.ok_or(ExecError::Gone)?;
    let variables = Variables::of_environ(&environ);
    Ok(variables.iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
}

/// A check that runs; its whole group is killed when this is dropped.
struct Check<'a> {
    launches: &'a Launches,
    child: Option<Child>,
}

impl Check<'_> {
    async fn ended(mut self) -> Result<ExitStatus, ExecError> {
        let Some(child) = &mut self.child else { return Err(ExecError::Gone) };
        // Looked at and not waited for: until its end is read, its pid is its own, and its group can be killed.
        while procfs::stat(Pid::from_child(child))?.is_some_and(|stat| stat.alive) {
            sleep(EVERY).await;
        }
        kill_group(child);
        let status = child.wait()?;
        self.child = None;
        Ok(status)
    }
}

impl Drop for Check<'_> {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            kill_group(&child);
            self.launches.adopt_stray(child);
        }
    }
}

/// Kills the group of a child that has not been read yet, so that its pid cannot be another's. It fails only when
/// nobody of the group is left.
fn kill_group(child: &Child) {
    let _nobody_left = kill_process_group(Pid::from_child(child), Signal::KILL);
}

#[cfg(test)]
mod tests {
    use landlord_state_machines::planner::process::{Check, Probed};
    use landlord_state_machines::spec::HealthCheckConfig;

    use crate::testing::{Bench, until};

    /// A launch with this check.
    async fn probed(bench: &Bench, check: &str) -> landlord_state_machines::planner::process::Process {
        let mut start = bench.command(&["sleep", "60"]);
        start.container.env = [("COLOUR".to_owned(), "blue".to_owned())].into();
        let command = ["/bin/sh", "-c", check].map(str::to_owned).into();
        start.container.health_check = Some(HealthCheckConfig { command, ..HealthCheckConfig::default() });
        bench.start(start).await
    }

    #[tokio::test]
    async fn a_check_runs_with_the_environment_of_its_launch_also_after_a_restart() {
        let mut bench = Bench::new();
        let leader = probed(&bench, "test \"$COLOUR\" = blue").await;
        assert_eq!(bench.probe(leader, Check::Exec).await, Probed::Passed);
        bench.restart();
        assert_eq!(bench.probe(leader, Check::Exec).await, Probed::Passed);
    }

    #[tokio::test]
    async fn a_check_that_fails_says_how() {
        let bench = Bench::new();
        let leader = probed(&bench, "exit 4").await;
        assert_eq!(
            bench.probe(leader, Check::Exec).await,
            Probed::Failed("exec check: exit status: 4".into())
        );
    }

    #[tokio::test]
    async fn a_check_is_killed_with_its_group_when_its_time_is_over() {
        let bench = Bench::new();
        let leader = probed(&bench, "sleep 50 & sleep 51").await;
        assert_eq!(
            bench.probe(leader, Check::Exec).await,
            Probed::Failed("exec check: not done within 1s".into())
        );
        until("the end of the check", || bench.alive() == 1);
    }

    #[tokio::test]
    async fn a_launch_that_ended_is_gone() {
        let bench = Bench::new();
        let leader = bench.start(bench.script("exit 5")).await;
        until("the end", || bench.alive() == 0);
        for check in [Check::Alive, Check::Exec] {
            assert!(
                matches!(bench.probe(leader, check).await, Probed::Gone(exit) if exit.to_string() == "exited with code 5")
            );
        }
    }
}
