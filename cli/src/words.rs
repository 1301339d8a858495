//! What happened, in a line for a person.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use landlord_api::{Doing, EndpointView, FailureView, OperationView, TenantView, Way};
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::status::{ComputeState, Endpoint, EndpointType, Health};
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent, OperationKind, Settled, StopReason};

/// What happened, and what ended with it.
pub(crate) fn event(event: &LifecycleEvent) -> String {
    let mut words = what(&event.what, event.at);
    for settlement in &event.settled {
        let ended = match &settlement.settled {
            // Its reason is in this event, or in the one that began the undo.
            Settled::Failed { undone: true, .. } => "failed, and undone".to_owned(),
            Settled::Failed { error, undone: false } if words.contains(&error.words()) => "failed".to_owned(),
            other @ (Settled::Done
            | Settled::Failed { .. }
            | Settled::Cancelled { .. }
            | Settled::Superseded { .. }) => other.to_string(),
            // What is left is in this event.
            Settled::Abandoned { .. } => "abandoned".to_owned(),
        };
        words += &format!("; operation {} {ended}", settlement.operation);
    }
    words
}

/// What happened, for the progress line: with the try it happened in, from the second on.
pub(crate) fn progress(event: &LifecycleEvent) -> String {
    let what = what(&event.what, event.at);
    in_attempt(&event.tenant_id, event.attempt.unwrap_or(1), &what)
}

/// What a tenant waits for, for the progress line; none where it does not wait for its platform.
pub(crate) fn waiting(tenant: &TenantView, now: Timestamp) -> Option<String> {
    let operation = tenant.operation.as_ref()?;
    let waits = operation.waits.as_ref()?;
    Some(in_attempt(&tenant.tenant_id, operation.attempt, &self::waits(&waits.what, waits.since, now)))
}

fn in_attempt(tenant: &TenantId, attempt: u32, what: &str) -> String {
    match attempt {
        ..=1 => format!("{tenant}: {what}"),
        2.. => format!("{tenant}: {what} (attempt {attempt})"),
    }
}

/// What is waited for, and for how long so far: `waits (2 min so far) until the rollout completes: 0 of 1 running`.
fn waits(what: &str, since: Timestamp, now: Timestamp) -> String {
    match now.as_second() - since.as_second() {
        ..=0 => format!("waits until {what}"),
        seconds => format!("waits ({} so far) until {what}", distance(seconds)),
    }
}

fn what(what: &EventKind, now: Timestamp) -> String {
    match what {
        EventKind::Began { operation_kind, spec, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            match spec {
                Some(spec) if *operation_kind == OperationKind::Restart => {
                    format!("restart of spec {spec} began")
                }
                Some(spec) => format!("{} to spec {spec} began{reason}", operation_kind.name()),
                None => format!("{} began", operation_kind.name()),
            }
        }
        EventKind::AlreadyRunning => "runs this spec already".to_owned(),
        EventKind::Queued { queued, spec: Some(spec) } => {
            format!("update {queued} to spec {spec} waits for its turn")
        }
        EventKind::Queued { queued, spec: None } => format!("restart {queued} waits for its turn"),
        EventKind::Progressed { step } => step.clone(),
        EventKind::Waits { what, since } => waits(what, *since, now),
        EventKind::Succeeded { changes, message: _, retained } => {
            let changes = match changes.as_slice() {
                [] => String::new(),
                changes => format!(": {}", changes.join(", ")),
            };
            let retained = retained
                .as_ref()
                .map(|it| format!("; retained {}", it.lines().join(", ")))
                .unwrap_or_default();
            format!("succeeded{changes}{retained}")
        }
        EventKind::FoundNothing => "found nothing to update, provisions instead".to_owned(),
        EventKind::WillRetry { error, at } => format!("tries again {}: {}", when(now, *at), error.words()),
        EventKind::Retried => "tries again".to_owned(),
        EventKind::Stopping { why } => match why {
            StopReason::Cancelled => "stopping, it was cancelled".to_owned(),
            StopReason::Destroy => "stopping, a destroy follows".to_owned(),
            StopReason::DeadlineExceeded => "stopping, its deadline is over".to_owned(),
        },
        EventKind::Undoing { error: Some(error) } => format!("undoing it: {}", error.words()),
        EventKind::Undoing { error: None } => "undoing it, it was cancelled".to_owned(),
        EventKind::Undone => "undone, everything is as it was before".to_owned(),
        EventKind::RepairFailed { error, next_at } => {
            let next = next_at.map(|at| format!(", the next one {}", when(now, at))).unwrap_or_default();
            match error {
                Some(error) => format!("repair failed{next}: {}", error.words()),
                None => format!("repair cancelled{next}"),
            }
        }
        EventKind::NotUndone { error, next_at } => {
            format!("not undone, a repair follows {}: {}", when(now, *next_at), error.words())
        }
        EventKind::HealthChanged { health, reason: Some(reason) } => {
            format!("{}: {reason}", self::health(*health))
        }
        EventKind::HealthChanged { health, reason: None } => self::health(*health).to_owned(),
        EventKind::Recovered => "the engine was started again and goes on".to_owned(),
        EventKind::HandedOver => "another engine goes on".to_owned(),
        EventKind::Paused => "paused".to_owned(),
        EventKind::Resumed => "resumed".to_owned(),
        EventKind::QueueCancelled => "what waited was cancelled".to_owned(),
        EventKind::Abandoned { reason, left } if left.is_empty() => format!("abandoned: {reason}"),
        EventKind::Abandoned { reason, left } => format!("abandoned: {reason}; left: {}", left.join(", ")),
    }
}

/// How much of a message goes into a line that says where all of it is.
const SHORT: usize = 100;

/// A provider's message, in a line.
pub(crate) fn in_short(message: &str, tenant: &TenantId) -> String {
    let Some((end, _)) = message.char_indices().nth(SHORT) else { return message.to_owned() };
    let begins = &message[..end];
    let end = ["; ", ": ", " "].into_iter().find_map(|between| begins.rfind(between));
    let begins = end.map_or(begins, |end| &begins[..end]);
    format!("{begins} … (`landlord-compute describe {tenant}` says all)")
}

pub(crate) fn health(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
        Health::Unknown => "unknown",
    }
}

pub(crate) fn compute_state(state: ComputeState) -> &'static str {
    match state {
        ComputeState::Running => "running",
        ComputeState::Stopped => "stopped",
        ComputeState::Starting => "starting",
        ComputeState::Stopping => "stopping",
        ComputeState::Failed => "failed",
        ComputeState::Unknown => "unknown",
    }
}

/// Where a tenant answers, as it is typed into a browser, and which container and port that is.
pub(crate) fn endpoint(view: &EndpointView) -> String {
    let Endpoint { container, container_port, .. } = &view.endpoint;
    let url = url(&view.endpoint);
    match (container, container_port, &view.port_name) {
        (Some(container), Some(port), Some(name)) => format!("{url}  ({container}, port {port} {name})"),
        (Some(container), Some(port), None) => format!("{url}  ({container}, port {port})"),
        (Some(container), None, _) => format!("{url}  ({container})"),
        (None, _, _) => url,
    }
}

/// Where a tenant answers, as it is typed into a browser.
pub(crate) fn url(endpoint: &Endpoint) -> String {
    let scheme = match endpoint.kind {
        EndpointType::Http => "http",
        EndpointType::Https => "https",
        EndpointType::Tcp => "tcp",
        EndpointType::Grpc => "grpc",
    };
    endpoint.url.clone().unwrap_or_else(|| format!("{scheme}://{}:{}", endpoint.address, endpoint.port))
}

/// The repairs there were, and when the next one comes; none where there is nothing to say.
pub(crate) fn repair(view: &TenantView, attended: bool, now: Timestamp) -> Option<String> {
    let so_far = match view.repairs {
        0 => None,
        1 => Some("1 without a quiet time since".to_owned()),
        more => Some(format!("{more} without a quiet time between them")),
    };
    let next = view.repair_due.map(|due| match (attended, due <= now) {
        (true, _) => format!("the next one {}", when(now, due)),
        (false, true) => format!("due since {}; `landlord-compute run` makes it", clock(due)),
        (false, false) => format!("due {}; `landlord-compute run` makes it", when(now, due)),
    });
    let words: Vec<String> = so_far.into_iter().chain(next).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// A time on the clock of this machine, for people.
pub(crate) fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time on the clock of this machine, without the day where that is today.
pub(crate) fn short_clock(now: Timestamp, at: Timestamp) -> String {
    let (now, at) = (now.to_zoned(TimeZone::system()), at.to_zoned(TimeZone::system()));
    let format = if now.date() == at.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    at.strftime(format).to_string()
}

/// What went wrong last, as something that is over: `last update failed 5 min ago: …`.
pub(crate) fn last_failure(failure: &FailureView, now: Timestamp) -> String {
    let kind = failure.kind.map_or("operation", OperationKind::name);
    format!("last {kind} failed {}: {}", when(now, failure.at), failure.error.words())
}

/// A time as a distance from now: `in 3 s`, `5 min ago`.
pub(crate) fn when(now: Timestamp, at: Timestamp) -> String {
    let seconds = at.as_second() - now.as_second();
    match seconds {
        0 => "just now".to_owned(),
        1.. => format!("in {}", distance(seconds)),
        ..0 => format!("{} ago", distance(-seconds)),
    }
}

fn distance(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    match seconds {
        DAY.. => format!("{} d", seconds / DAY),
        HOUR.. => format!("{} h", seconds / HOUR),
        MINUTE.. => format!("{} min", seconds / MINUTE),
        _ => format!("{seconds} s"),
    }
}

/// What is on its way, in a few words: `being undone, tries again in 3 s`.
pub(crate) fn operation(operation: &OperationView, now: Timestamp) -> String {
    let way = match operation.direction {
        Way::Forward => "on its way",
        Way::Repair => "being repaired",
        Way::Undo => "being undone",
        Way::Destroy => "being removed",
        Way::Release => "what it retained is being removed",
    };
    let until = operation.until.map(|until| when(now, until)).unwrap_or_default();
    let way = match &operation.waits {
        Some(waits) => format!("{way}, {}", self::waits(&waits.what, waits.since, now)),
        None => way.to_owned(),
    };
    match operation.run {
        Doing::Calling => way,
        Doing::Stopping => format!("{way}, stopping"),
        Doing::Waiting if until.is_empty() => format!("{way}, waits"),
        Doing::Waiting => format!("{way}, tries again {until}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_distances() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let at = |second: i64| when(now, Timestamp::from_second(1_000_000 + second).unwrap());
        assert_eq!([at(0), at(59), at(-60)], ["just now", "in 59 s", "1 min ago"]);
        assert_eq!([at(-3_599), at(-7_200), at(-90_000)], ["59 min ago", "2 h ago", "1 d ago"]);
    }
}
