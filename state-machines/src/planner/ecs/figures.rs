//! How far that is what is waited for, in figures and in ECS's words.

use std::collections::BTreeSet;

use super::call::{Deployment, Service, Task, TaskLife};
use super::tasks::{is_retired, said, serving, unchecked};

/// ECS's code for a task that never ran.
const FAILED_TO_START: &str = "TaskFailedToStart";
/// The most characters of ECS's words.
const WORDS: usize = 300;

/// What was seen of the failed tasks of a deployment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failing {
    deployment: String,
    /// How many ECS had counted by then.
    counted: u32,
    failed: Failed,
}

/// Tasks that failed.
#[derive(Clone, Debug, PartialEq)]
struct Failed {
    count: usize,
    /// Whether none of them ever ran.
    to_start: bool,
    /// What ECS says of the latest.
    words: Option<String>,
}

impl Failing {
    /// The deployment's failures, of all tasks that were found.
    pub(super) fn of(deployment: &Deployment, failures: &[&Task], found: &[Task]) -> Self {
        let (id, counted) = (deployment.id.clone(), deployment.failed_tasks);
        Self { deployment: id, counted, failed: Failed::of(failures, found) }
    }

    /// Whether it is of this deployment, and nothing failed since.
    pub(super) fn is_of(&self, deployment: &Deployment) -> bool {
        self.deployment == deployment.id && self.counted == deployment.failed_tasks
    }
}

impl Failed {
    /// Where none of them failed by themselves, what ECS says of any that it stopped.
    fn of(failures: &[&Task], found: &[Task]) -> Self {
        let latest = failures.iter().copied().max_by_key(|task| task.created);
        let stopped =
            found.iter().filter(|task| matches!(task.life, TaskLife::Stopped { .. }) && !is_retired(task));
        let told = latest.or_else(|| stopped.max_by_key(|task| task.created)).and_then(said);
        let to_start = |task: &&Task| match &task.life {
            TaskLife::Stopped { code, .. } => code.as_deref() == Some(FAILED_TO_START),
            TaskLife::Starting | TaskLife::Running | TaskLife::Stopping => false,
        };
        Self {
            count: failures.len(),
            to_start: !failures.is_empty() && failures.iter().all(to_start),
            words: told.filter(|words| !words.is_empty()),
        }
    }
}

/// A deployment that goes on: `0 of 1 running, 3 tasks failed to start: CannotPullContainerError: …`.
pub(super) fn rollout(
    service: &Service,
    deployment: &Deployment,
    failed: usize,
    failing: Option<&Failing>,
) -> String {
    let Deployment { running, pending, .. } = *deployment;
    let seen = failing.map(|failing| &failing.failed).filter(|seen| seen.count.max(failed) > 0);
    let failed = match seen {
        Some(seen) => Failed { count: seen.count.max(failed), ..seen.clone() },
        None => Failed { count: failed, to_start: false, words: None },
    };
    told(service, &Brought { running, unchecked: 0, pending }, &failed)
}

/// A deployment that ECS calls complete and that has fewer tasks than wanted, or some that failed.
pub(super) fn tasks(
    service: &Service,
    deployment: &Deployment,
    found: &[Task],
    failures: &[&Task],
    checked: &BTreeSet<String>,
) -> String {
    let failed = match failures {
        [] => Failed { count: 0, to_start: false, words: None },
        [..] => Failed::of(failures, found),
    };
    let definition = &deployment.definition;
    let unchecked = unchecked(found, definition, checked);
    let running = serving(found, definition, checked) + unchecked;
    let brought_up = Brought { running, unchecked, pending: deployment.pending };
    told(service, &brought_up, &failed)
}

/// What is left of a service that drains; none where no task is.
pub(super) fn left(service: &Service) -> Option<String> {
    match service.running {
        0 => None,
        1 => Some("1 task runs".to_owned()),
        more => Some(format!("{more} tasks run")),
    }
}

/// How many tasks are how far.
struct Brought {
    running: u32,
    /// Of these.
    unchecked: u32,
    pending: u32,
}

fn told(service: &Service, brought: &Brought, failed: &Failed) -> String {
    let Brought { running, unchecked, pending } = *brought;
    let mut text = format!("{running} of {} running", service.shown.desired_count);
    if unchecked > 0 {
        text += &format!(", {unchecked} with a health check that has not ended yet");
    }
    if pending > 0 {
        text += &format!(", {pending} pending");
    }
    let how = if failed.to_start { "failed to start" } else { "failed" };
    match failed.count {
        0 => {}
        1 => text += &format!(", 1 task {how}"),
        more => text += &format!(", {more} tasks {how}"),
    }
    // ECS says "unable" of what it cannot do. What else happens to a service is in the figures.
    let unable = || service.event.as_deref().filter(|event| event.contains("unable"));
    match failed.words.as_deref().or_else(unable) {
        Some(words) => format!("{text}: {}", short(words)),
        None => text,
    }
}

fn short(words: &str) -> String {
    match words.char_indices().nth(WORDS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}
