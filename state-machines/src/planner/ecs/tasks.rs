//! What a service's tasks say.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::call::{Deployment, Serves, Service, Task, TaskHealth, TaskLife};
use super::facts::{Steady, Watched, after};
use super::learn::is;
use crate::status::{Endpoint, EndpointType};

/// How long tasks have to run where others of the same deployment have failed before.
const PROVEN: SignedDuration = SignedDuration::from_secs(15);

/// ECS's codes for a task that ended by itself.
const FAILED: [&str; 2] = ["TaskFailedToStart", "EssentialContainerExited"];

/// ECS's code for a task that the service's scheduler stopped, and what its words have in them where the task was at fault:
/// `Task failed container health checks`, `Task failed ELB health checks in (…)`.
const SCHEDULER: &str = "ServiceSchedulerInitiated";
const FAILED_CHECKS: &str = "health checks";

/// The most words of ECS's that are kept.
const WORDS: usize = 1000;

impl Steady {
    /// Whether it has lasted long enough to count.
    pub(super) fn is_proven(&self, now: Timestamp) -> bool {
        self.failures == 0 || now >= after(self.since, PROVEN)
    }
}

impl Service {
    /// Whether a task is of the deployment that the service goes towards, and runs.
    pub fn runs(&self, task: &Task) -> bool {
        let of = |primary: &Deployment| is(&task.definition, &primary.definition);
        task.life == TaskLife::Running && self.primary().is_some_and(of)
    }

    /// The deployment that the service goes towards.
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.primary)
    }
}

/// How many tasks of this definition run and pass their checks, where these containers have some.
pub(super) fn serving(tasks: &[Task], definition: &str, checked: &BTreeSet<String>) -> u32 {
    count(tasks, definition, |health| passes(health, !checked.is_empty()))
}

/// How many run, and no check of theirs has ended yet.
pub(super) fn unchecked(tasks: &[Task], definition: &str, checked: &BTreeSet<String>) -> u32 {
    count(tasks, definition, |health| health == TaskHealth::Unknown && !checked.is_empty())
}

fn count(tasks: &[Task], definition: &str, with: impl Fn(TaskHealth) -> bool) -> u32 {
    let counts = |task: &&Task| {
        task.life == TaskLife::Running && is(&task.definition, definition) && with(task.health)
    };
    u32::try_from(tasks.iter().filter(counts).count()).unwrap_or(u32::MAX)
}

/// Whether what runs with this health is ready. Without a check ECS says nothing more than that it runs.
pub(super) fn passes(health: TaskHealth, checked: bool) -> bool {
    match health {
        TaskHealth::Healthy => true,
        TaskHealth::Unhealthy => false,
        TaskHealth::Unknown => !checked,
    }
}

/// Whether the service's scheduler stopped it because it was one too many. It stops one whose checks fail, too.
pub(super) fn is_retired(task: &Task) -> bool {
    match &task.life {
        TaskLife::Stopped { code, reason } => {
            code.as_deref() == Some(SCHEDULER) && !reason.contains(FAILED_CHECKS)
        }
        TaskLife::Starting | TaskLife::Running | TaskLife::Stopping => false,
    }
}

/// The tasks of this definition that ended by themselves, of those made since then.
pub(super) fn failures<'a>(tasks: &'a [Task], definition: &str, since: Option<Timestamp>) -> Vec<&'a Task> {
    let failed = |task: &&Task| match &task.life {
        TaskLife::Stopped { code: Some(code), .. } => {
            FAILED.contains(&code.as_str())
                && is(&task.definition, definition)
                && since.is_none_or(|since| task.created.is_none_or(|created| created >= since))
        }
        TaskLife::Stopped { code: None, .. }
        | TaskLife::Starting
        | TaskLife::Running
        | TaskLife::Stopping => false,
    };
    tasks.iter().filter(failed).collect()
}

/// How far the clocks of ECS and of the engine may be apart.
const CLOCKS: SignedDuration = SignedDuration::from_secs(60);

/// Since when a deployment works on what was asked for last: since it was made, or since an older one was asked for more.
pub(super) fn since(primary: &Deployment, watched: Option<&Watched>) -> Option<Timestamp> {
    match (primary.created, watched) {
        (Some(created), Some(watched)) if after(created, CLOCKS) < watched.since => Some(watched.since),
        (created, _) => created,
    }
}

/// Why a deployment was given up, with what ECS says of its tasks: of those that failed, else of any that stopped and was not
/// one too many.
pub(super) fn words(why: &str, failures: &[&Task], all: &[Task]) -> String {
    let of_failures: BTreeSet<String> = failures.iter().filter_map(|task| said(task)).collect();
    let said = match of_failures.is_empty() {
        false => of_failures,
        true => all.iter().filter(|task| !is_retired(task)).filter_map(said).collect(),
    };
    let words = [why.to_owned()].into_iter().chain(said).collect::<Vec<_>>().join("; ");
    words.chars().take(WORDS).collect()
}

/// What ECS says of a task that stopped.
pub(super) fn said(task: &Task) -> Option<String> {
    let TaskLife::Stopped { reason, .. } = &task.life else { return None };
    let ended =
        task.containers.iter().filter_map(|container| match (container.exit_code, &container.reason) {
            (Some(code), Some(reason)) => {
                Some(format!("container {} ended with code {code}: {reason}", container.name))
            }
            (Some(code), None) if code != 0 => {
                Some(format!("container {} ended with code {code}", container.name))
            }
            // The task's words are its container's.
            (None, Some(words)) if words == reason => None,
            (None, Some(reason)) => Some(format!("container {}: {reason}", container.name)),
            (Some(_) | None, None) => None,
        });
    Some([reason.clone()].into_iter().chain(ended).collect::<Vec<_>>().join(", "))
}

/// Where a tenant with these tasks answers.
pub(super) fn endpoints(serves: &[Serves], tasks: &[Task]) -> Vec<Endpoint> {
    let running = || tasks.iter().filter(|task| task.life == TaskLife::Running);
    let mut all: Vec<Endpoint> = Vec::new();
    for place in serves {
        match place {
            Serves::At(endpoint) => all.push(endpoint.clone()),
            Serves::Task { port, kind, container } => {
                let addresses: BTreeSet<&String> =
                    running().filter_map(|task| task.address.as_ref()).collect();
                all.extend(addresses.into_iter().map(|address| Endpoint {
                    kind: *kind,
                    address: address.clone(),
                    port: *port,
                    url: Some(format!("{}://{address}:{port}", scheme(*kind))),
                    container: Some(container.clone()),
                    container_port: Some(*port),
                }));
            }
        }
    }
    all
}

fn scheme(kind: EndpointType) -> &'static str {
    match kind {
        EndpointType::Http => "http",
        EndpointType::Https => "https",
        EndpointType::Tcp => "tcp",
        EndpointType::Grpc => "grpc",
    }
}
