//! What ECS asks of a task definition.

use std::collections::BTreeSet;

use serde_json::Value;

use super::wire::{Refusal, list, text};

/// The memory that Fargate has for so many CPU units: from, to, in steps of, in MiB.
const FARGATE: [(u32, u32, u32, u32); 6] = [
    (512, 1024, 3072, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

/// Whether Fargate has this size.
fn fargate_has(cpu: u32, memory: u32) -> bool {
    match cpu {
        256 => [512, 1024, 2048].contains(&memory),
        512 if memory == 1024 => true,
        _ => FARGATE.iter().any(|(of, from, to, step)| {
            *of == cpu && (*from..=*to).contains(&memory) && (memory - from).is_multiple_of(*step)
        }),
    }
}

/// Letters, digits, `-` and `_`, at most 255 of them.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= 255 && name.chars().all(fits)
}

/// Refuses what ECS refuses.
pub(super) fn check(body: &Value) -> Result<(), Refusal> {
    match text(body, "family") {
        None => return Err(Refusal::client("Family should not be null or empty.")),
        Some(family) if !is_name(family) => {
            let message = "Family contains invalid characters. Up to 255 letters (uppercase and lowercase), \
                           numbers, hyphens, and underscores are allowed.";
            return Err(Refusal::client(message));
        }
        Some(_) => {}
    }
    let containers = list(body, "containerDefinitions");
    if containers.is_empty() {
        return Err(Refusal::client("Container definitions should not be null or empty."));
    }
    let fargate = list(body, "requiresCompatibilities").iter().any(|one| one == "FARGATE");
    if fargate {
        check_fargate(body)?;
    }
    let mut names = BTreeSet::new();
    for container in containers {
        let name = text(container, "name")
            .ok_or_else(|| Refusal::client("Container.name should not be null or empty."))?;
        if text(container, "image").is_none() {
            return Err(Refusal::client("Container.image should not be null or empty."));
        }
        if !is_name(name) || !names.insert(name) {
            return Err(Refusal::client(format!(
                "Invalid container name '{name}'. Container names must be unique and consist of letters, numbers, hyphens, and underscores."
            )));
        }
        let limit = |holder: &Value| !holder["memory"].is_null() || !holder["memoryReservation"].is_null();
        if !limit(container) && !limit(body) {
            return Err(Refusal::client(format!(
                "Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be specified."
            )));
        }
        check_health(&container["healthCheck"])?;
        check_stop(container, fargate)?;
        check_mounts(body, container)?;
        for dependency in list(container, "dependsOn") {
            check_dependency(containers, name, dependency)?;
        }
    }
    if containers.iter().any(|container| waits_for_itself(containers, container)) {
        return Err(Refusal::client("Cycle found in container dependencies."));
    }
    let credentials = containers.iter().any(|container| container["repositoryCredentials"].is_object());
    if credentials && text(body, "executionRoleArn").is_none() {
        return Err(Refusal::client(
            "When you are specifying repository credentials, you must also specify a value for 'executionRoleArn'.",
        ));
    }
    if !containers.iter().any(|container| container["essential"] != false) {
        return Err(Refusal::client(
            "All containers are marked as non-essential. At least one container must be essential.",
        ));
    }
    Ok(())
}

fn check_fargate(body: &Value) -> Result<(), Refusal> {
    if text(body, "networkMode") != Some("awsvpc") {
        return Err(Refusal::client("Fargate only supports network mode 'awsvpc'."));
    }
    let number = |field: &str| text(body, field).and_then(|text| text.parse::<u32>().ok());
    let Some(cpu) = number("cpu") else {
        return Err(Refusal::client("Fargate requires that 'cpu' be defined at the task level."));
    };
    let Some(memory) = number("memory") else {
        return Err(Refusal::client("Fargate requires that 'memory' be defined at the task level."));
    };
    if !fargate_has(cpu, memory) {
        return Err(Refusal::client(format!(
            "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS \
             documentation for the valid values."
        )));
    }
    let containers = list(body, "containerDefinitions");
    let logs = containers.iter().any(|container| container["logConfiguration"]["logDriver"] == "awslogs");
    if logs && text(body, "executionRoleArn").is_none() {
        let message =
            "Fargate requires task definition to have execution role ARN to support log driver awslogs.";
        return Err(Refusal::client(message));
    }
    let secrets = containers.iter().any(|container| !list(container, "secrets").is_empty());
    if secrets && text(body, "executionRoleArn").is_none() {
        return Err(Refusal::client(
            "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
        ));
    }
    Ok(())
}

fn check_health(check: &Value) -> Result<(), Refusal> {
    for (field, from, to) in
        [("interval", 5, 300), ("timeout", 2, 60), ("retries", 1, 10), ("startPeriod", 0, 300)]
    {
        if check[field].as_i64().is_some_and(|value| !(from..=to).contains(&value)) {
            return Err(Refusal::client(format!(
                "The health check {field} value must be between {from} and {to}."
            )));
        }
    }
    Ok(())
}

fn check_stop(container: &Value, fargate: bool) -> Result<(), Refusal> {
    let most = if fargate { 120 } else { i64::MAX };
    match container["stopTimeout"].as_i64() {
        Some(seconds) if !(2..=most).contains(&seconds) => {
            Err(Refusal::client("Invalid setting for container. The stop timeout is out of range."))
        }
        Some(_) | None => Ok(()),
    }
}

/// A reservation is less than the limit, and what is mounted is there.
fn check_mounts(body: &Value, container: &Value) -> Result<(), Refusal> {
    let number = |field: &str| container[field].as_i64();
    if let (Some(limit), Some(reserved)) = (number("memory"), number("memoryReservation"))
        && limit <= reserved
    {
        return Err(Refusal::client(
            "Invalid setting for container. 'memory' must be greater than 'memoryReservation'.",
        ));
    }
    let volumes = list(body, "volumes");
    for mount in list(container, "mountPoints") {
        let named = text(mount, "sourceVolume");
        if !volumes.iter().any(|volume| text(volume, "name") == named) {
            return Err(Refusal::client(format!("Unknown volume '{}'.", named.unwrap_or_default())));
        }
    }
    Ok(())
}

fn check_dependency(containers: &[Value], name: &str, dependency: &Value) -> Result<(), Refusal> {
    let named = text(dependency, "containerName").unwrap_or_default();
    let Some(other) = containers.iter().find(|container| text(container, "name") == Some(named)) else {
        return Err(Refusal::client(format!("Container '{name}' depends on '{named}', which is not there.")));
    };
    match text(dependency, "condition") {
        Some("START") => Ok(()),
        Some("HEALTHY") if other["healthCheck"].is_object() => Ok(()),
        Some("SUCCESS" | "COMPLETE") if other["essential"] == false => Ok(()),
        condition => Err(Refusal::client(format!(
            "Container '{name}' cannot depend on '{named}' with the condition {}.",
            condition.unwrap_or("null")
        ))),
    }
}

fn waits_for_itself(containers: &[Value], container: &Value) -> bool {
    let mut next: Vec<&Value> = list(container, "dependsOn").iter().collect();
    // As many steps as there are containers reach all that is waited for.
    for _ in 0..containers.len() {
        let names: Vec<&str> = next.iter().filter_map(|one| text(one, "containerName")).collect();
        if names.contains(&text(container, "name").unwrap_or_default()) {
            return true;
        }
        let named =
            containers.iter().filter(|one| text(one, "name").is_some_and(|name| names.contains(&name)));
        next = named.flat_map(|one| list(one, "dependsOn")).collect();
    }
    false
}
