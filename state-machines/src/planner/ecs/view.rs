//! The facts as people and the engine see them.

use std::collections::{BTreeMap, BTreeSet};

use super::call::{Count, DefinitionStatus, Rollout, Service, Task, TaskContainer, TaskHealth, TaskLife};
use super::facts::{EcsFacts, Held, Look, Whereabouts, Whose, Write};
use super::learn::{is, short_name};
use super::tasks;
use crate::planner::{Holdings, Report};
use crate::status::{ComputeState, ContainerStatus, Health};

/// The service and its task definitions, and where the tenant answers.
pub(super) fn holdings(facts: &EcsFacts) -> Holdings {
    let mut resources = BTreeMap::new();
    match (&facts.service, &facts.at) {
        (Held::None, _) => {}
        (Held::There(arn), _) => {
            resources.insert("service".to_owned(), arn.clone());
        }
        (Held::Asked, Whereabouts::At(site)) => {
            resources.insert("service".to_owned(), format!("{}, asked for", site.name));
        }
        (Held::Asked, Whereabouts::Unknown | Whereabouts::Nowhere) => {}
    }
    for (arn, revision) in &facts.revisions {
        if revision.whose.as_ref().is_some_and(Whose::is_its) {
            let name = short_name(arn);
            let state = match revision.status {
                DefinitionStatus::Active => arn.clone(),
                DefinitionStatus::Inactive => format!("{arn}, deregistered"),
            };
            resources.insert(format!("task definition {name}"), state);
        }
    }
    for pending in &facts.pending {
        if let (Write::Register(content), Whereabouts::At(site)) = (&pending.write, &facts.at) {
            let short: String = content.chars().take(8).collect();
            resources
                .insert(format!("task definition of content {short}"), format!("{}, asked for", site.name));
        }
    }
    Holdings { resources, endpoints: facts.endpoints.clone() }
}

/// `None` when there is no service of the tenant's.
pub(super) fn report(facts: &EcsFacts) -> Option<Report> {
    let (Look::Is(service), Held::There(_)) = (&facts.seen.service, &facts.service) else { return None };
    let tasks = facts.seen.tasks.as_deref().unwrap_or_default();
    let state = state(service, tasks);
    // No task is what was asked for, or what somebody may ask for.
    let may_stop = facts.settings.as_ref().is_some_and(|settings| match settings.desired_count {
        Count::Of(count) => count == 0,
        Count::Scaled { .. } => true,
    });
    let health = match state {
        ComputeState::Stopped if may_stop => Health::Healthy,
        ComputeState::Running
        | ComputeState::Starting
        | ComputeState::Stopping
        | ComputeState::Stopped
        | ComputeState::Failed
        | ComputeState::Unknown => health(service, state, tasks, &facts.checked),
    };
    Some(Report {
        state,
        containers: containers(state, tasks, &facts.checked),
        health,
        metadata: metadata(service),
    })
}

fn state(service: &Service, found: &[Task]) -> ComputeState {
    let Some(primary) = service.primary() else { return ComputeState::Unknown };
    let enough = service.running >= service.shown.desired_count;
    let failures = tasks::failures(found, &primary.definition, primary.created);
    match (service.draining, service.shown.desired_count, &primary.rollout) {
        (true, _, _) => ComputeState::Stopping,
        (false, 0, _) if service.running > 0 => ComputeState::Stopping,
        (false, 0, _) => ComputeState::Stopped,
        (false, 1.., Rollout::Failed(_)) if !enough => ComputeState::Failed,
        (false, 1.., Rollout::InProgress) if !enough => ComputeState::Starting,
        (false, 1.., Rollout::Completed) if !enough => match failures.is_empty() {
            true => ComputeState::Starting,
            false => ComputeState::Failed,
        },
        (false, 1.., Rollout::InProgress | Rollout::Completed | Rollout::Failed(_)) => ComputeState::Running,
    }
}

fn health(service: &Service, state: ComputeState, found: &[Task], checked: &BTreeSet<String>) -> Health {
    let definition = service.primary().map_or("", |primary| primary.definition.as_str());
    let running =
        found.iter().filter(|task| task.life == TaskLife::Running && is(&task.definition, definition));
    let said: Vec<TaskHealth> = running.map(|task| task.health).collect();
    match state {
        ComputeState::Running if said.contains(&TaskHealth::Unhealthy) => Health::Unhealthy,
        ComputeState::Running if said.contains(&TaskHealth::Healthy) => Health::Healthy,
        // Without a check ECS says nothing more than that it runs.
        ComputeState::Running if checked.is_empty() && rolled_out(service) => Health::Healthy,
        ComputeState::Failed => Health::Unhealthy,
        ComputeState::Running
        | ComputeState::Starting
        | ComputeState::Stopping
        | ComputeState::Stopped
        | ComputeState::Unknown => Health::Unknown,
    }
}

fn rolled_out(service: &Service) -> bool {
    service.primary().is_some_and(|primary| primary.rollout == Rollout::Completed)
}

/// Each container once: as in a task that runs rather than in one that does not.
fn containers(state: ComputeState, found: &[Task], checked: &BTreeSet<String>) -> Vec<ContainerStatus> {
    let names: BTreeSet<&String> =
        found.iter().flat_map(|task| &task.containers).map(|container| &container.name).collect();
    names.into_iter().filter_map(|name| container(name, state, found, checked)).collect()
}

fn container(
    name: &str,
    state: ComputeState,
    found: &[Task],
    checked: &BTreeSet<String>,
) -> Option<ContainerStatus> {
    let rank = |life: &TaskLife| match life {
        TaskLife::Running => 3,
        TaskLife::Starting => 2,
        TaskLife::Stopping => 1,
        TaskLife::Stopped { .. } => 0,
    };
    let of_name = |task: &&Task| task.containers.iter().any(|container| container.name == name);
    // The newest of those that say most.
    let task = found.iter().filter(of_name).max_by_key(|task| (rank(&task.life), task.created))?;
    let shown = task.containers.iter().find(|container| container.name == name)?;
    let ended = found.iter().filter(of_name).filter(|task| crashed(task, name)).count();
    let completed = has_completed(task, shown);
    Some(ContainerStatus {
        name: name.to_owned(),
        state: match (&task.life, shown.running) {
            (TaskLife::Running, true) => ComputeState::Running,
            (TaskLife::Running | TaskLife::Starting, false) if completed => ComputeState::Stopped,
            (TaskLife::Running | TaskLife::Starting, false) | (TaskLife::Starting, true) => {
                ComputeState::Starting
            }
            (TaskLife::Stopping, true | false) => ComputeState::Stopping,
            (TaskLife::Stopped { .. }, true | false) if tasks::is_retired(task) => ComputeState::Stopped,
            (TaskLife::Stopped { .. }, true | false) => match state {
                ComputeState::Stopped | ComputeState::Stopping => ComputeState::Stopped,
                ComputeState::Running
                | ComputeState::Starting
                | ComputeState::Failed
                | ComputeState::Unknown => ComputeState::Failed,
            },
        },
        ready: task.life == TaskLife::Running
            && (completed || shown.running && tasks::passes(shown.health, checked.contains(name))),
        restart_count: u32::try_from(ended).unwrap_or(u32::MAX),
        message: if completed { Some("has completed".to_owned()) } else { message(task, shown) },
    })
}

/// Whether a container has ended as it was to: only with an init container's end does a task go on.
fn has_completed(task: &Task, container: &TaskContainer) -> bool {
    let goes_on = matches!(task.life, TaskLife::Running | TaskLife::Starting);
    goes_on && !container.running && container.exit_code == Some(0)
}

/// Whether a task is over because this container of it ended.
fn crashed(task: &Task, name: &str) -> bool {
    match &task.life {
        TaskLife::Stopped { .. } if tasks::is_retired(task) => false,
        TaskLife::Stopped { .. } => {
            let it = task.containers.iter().find(|container| container.name == name);
            it.is_some_and(|container| container.exit_code.is_some_and(|code| code != 0))
        }
        TaskLife::Starting | TaskLife::Running | TaskLife::Stopping => false,
    }
}

fn message(task: &Task, container: &TaskContainer) -> Option<String> {
    match (&task.life, &container.reason, container.exit_code) {
        (TaskLife::Stopped { reason, .. }, None, Some(code)) => Some(format!("{reason}, exit code {code}")),
        (TaskLife::Stopped { reason, .. }, None, None) => Some(reason.clone()),
        // What keeps a container from starting is its task's reason, too.
        (TaskLife::Stopped { reason, .. }, Some(why), _) if reason.contains(why) => Some(reason.clone()),
        (TaskLife::Stopped { reason, .. }, Some(why), _) => Some(format!("{reason}: {why}")),
        (TaskLife::Starting | TaskLife::Running | TaskLife::Stopping, why, _) => why.clone(),
    }
}

fn metadata(service: &Service) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::from([
        ("service_arn".to_owned(), service.arn.clone()),
        ("desired_count".to_owned(), service.shown.desired_count.to_string()),
        ("running_count".to_owned(), service.running.to_string()),
    ]);
    if let Some(primary) = service.primary() {
        let rollout = match &primary.rollout {
            Rollout::InProgress => "IN_PROGRESS".to_owned(),
            Rollout::Completed => "COMPLETED".to_owned(),
            Rollout::Failed(why) => format!("FAILED: {why}"),
        };
        metadata.insert("task_definition".to_owned(), primary.definition.clone());
        metadata.insert("rollout_state".to_owned(), rollout);
    }
    if let Some(event) = &service.event {
        metadata.insert("last_event".to_owned(), event.clone());
    }
    metadata
}
