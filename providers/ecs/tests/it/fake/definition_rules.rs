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
