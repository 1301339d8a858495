//! Services and tasks as ECS shows them.

use serde_json::{Value, json};

use super::home::{Deployment, Now, Rollout, Service, ServiceStatus};
use super::tags;
use super::task::{Checks, Life, Part, Task};

/// How many of these tasks run, and how many are on their way.
fn counts<'a>(tasks: impl Iterator<Item = &'a Task>, now: &Now) -> (usize, usize) {
    let (mut running, mut pending) = (0, 0);
    for task in tasks {
        match task.life(now.at, &now.pace) {
            Life::Running => running += 1,
            Life::Provisioning | Life::Pending => pending += 1,
            Life::Stopping | Life::Stopped => {}
        }
    }
    (running, pending)
}

fn deployment(service: &Service, one: &Deployment, now: &Now) -> Value {
    let (running, pending) = counts(service.tasks.iter().filter(|task| task.deployment == one.id), now);
    let mut shown = json!({
        "id": one.id,
        "status": if one.primary { "PRIMARY" } else { "ACTIVE" },
        "taskDefinition": one.definition,
        "desiredCount": if one.primary { one.desired } else { 0 },
        "runningCount": running,
        "pendingCount": pending,
        "failedTasks": one.failed,
        "rolloutState": match one.rollout {
            Rollout::InProgress => "IN_PROGRESS",
            Rollout::Completed => "COMPLETED",
            Rollout::Failed => "FAILED",
        },
        "rolloutStateReason": one.reason,
        "createdAt": now.stamp(one.created),
        "updatedAt": now.stamp(one.updated),
    });
    for name in ["launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration"] {
        if let Some(value) = service.settings.get(name) {
            shown[name] = value.clone();
        }
    }
    shown
}

/// A service.
pub(super) fn service(service: &Service, now: &Now, cluster: &str, with_tags: bool) -> Value {
    let mut shown = Value::Object(service.settings.clone());
    let (running, pending) = counts(service.tasks.iter(), now);
    let status = match service.status {
        ServiceStatus::Active => "ACTIVE",
        ServiceStatus::Draining { .. } => "DRAINING",
        ServiceStatus::Inactive { .. } => "INACTIVE",
    };
    let events: Vec<Value> = service
        .events
        .iter()
        .enumerate()
        .rev()
        .take(100)
        .map(|(number, (at, message))| {
            json!({ "id": format!("{}-{number}", service.name), "createdAt": now.stamp(*at), "message": message })
        })
        .collect();
    let current = service.journeys.iter().rev().find(|journey| journey.finished.is_none());
    let fields = json!({
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": cluster,
        "status": status,
        "taskDefinition": service.definition,
        "desiredCount": service.desired,
        "runningCount": running,
        "pendingCount": pending,
        "deployments": service.deployments.iter().map(|one| deployment(service, one, now)).collect::<Vec<_>>(),
        "events": events,
        "createdAt": now.stamp(service.created),
        "placementConstraints": [],
        "placementStrategy": [],
        "currentServiceDeployment": current.map(|journey| journey.arn.clone()),
    });
    for (name, value) in fields.as_object().into_iter().flatten() {
        shown[name] = value.clone();
    }
    if with_tags {
        shown["tags"] = tags::shown(&service.tags);
    }
    shown
}

fn checks(checks: Checks) -> &'static str {
    match checks {
        Checks::Unknown => "UNKNOWN",
        Checks::Healthy => "HEALTHY",
        Checks::Unhealthy => "UNHEALTHY",
    }
}

/// A task of a service.
pub(super) fn task(task: &Task, service: &Service, now: &Now, cluster: &str, with_tags: bool) -> Value {
    let life = task.life(now.at, &now.pace);
    let last = match life {
        Life::Provisioning => "PROVISIONING",
        Life::Pending => "PENDING",
        Life::Running => "RUNNING",
        Life::Stopping => "DEPROVISIONING",
        Life::Stopped => "STOPPED",
    };
    let health = checks(task.checks(now.at, &now.pace, service.sick));
    let arn = format!("{}/{}", cluster.replacen(":cluster/", ":task/", 1), task.id);
    let container = |Part { name, image, essential }: &Part| {
        let has_ended = !essential && life == Life::Running;
        let mut shown = json!({
            "name": name,
            "image": image,
            "taskArn": arn,
            "containerArn": format!("{arn}/{name}").replacen(":task/", ":container/", 1),
            "lastStatus": match life {
                Life::Provisioning | Life::Pending => "PENDING",
                Life::Running if has_ended => "STOPPED",
                Life::Running => "RUNNING",
                Life::Stopping | Life::Stopped => "STOPPED",
            },
            "healthStatus": if *essential { health } else { "UNKNOWN" },
            "networkBindings": [],
            "networkInterfaces": [{ "privateIpv4Address": task.address }],
        });
        if has_ended {
            shown["exitCode"] = json!(0);
        }
        if let Some(end) = task.end.as_ref().filter(|_| matches!(life, Life::Stopped | Life::Stopping)) {
            match &end.container {
                Some((ended, code)) if ended == name => shown["exitCode"] = json!(code),
                Some(_) => shown["exitCode"] = json!(143),
                None if end.ran => shown["exitCode"] = json!(143),
                None => {}
            }
            if let Some(words) = &end.words {
                shown["reason"] = json!(words);
            }
        }
        shown
    };
    let mut shown = json!({
        "taskArn": arn,
        "clusterArn": cluster,
        "taskDefinitionArn": task.definition,
        "lastStatus": last,
        "desiredStatus": if task.end.is_some() { "STOPPED" } else { "RUNNING" },
        "healthStatus": health,
        "group": format!("service:{}", service.name),
        "startedBy": task.deployment,
        "createdAt": now.stamp(task.created),
        "containers": task.containers.iter().map(container).collect::<Vec<_>>(),
        "attachments": [{
            "id": task.id,
            "type": "ElasticNetworkInterface",
            "status": if life == Life::Provisioning { "PRECREATED" } else { "ATTACHED" },
            "details": if life == Life::Provisioning {
                json!([])
            } else {
                json!([{ "name": "privateIPv4Address", "value": task.address }])
            },
        }],
    });
    if let Some(end) = &task.end {
        shown["stopCode"] = json!(end.code);
        shown["stoppedReason"] = json!(end.reason);
        shown["stoppingAt"] = now.stamp(end.at);
    }
    if let Some(at) = task.stopped(now) {
        shown["stoppedAt"] = now.stamp(at);
    }
    let propagates = service.settings.get("propagateTags").is_some_and(|from| from == "SERVICE");
    if with_tags {
        shown["tags"] = if propagates { tags::shown(&service.tags) } else { json!([]) };
    }
    shown
}
