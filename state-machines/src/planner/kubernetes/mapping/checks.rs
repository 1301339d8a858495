//! Health checks, as probes of the kubelet.

use serde_json::{Map, Value, json};

use super::problems::Problems;
use super::texts::literal;
use crate::spec::{ContainerSpec, HealthCheckConfig, Scheme, path};

/// The longest time from one check to the next while a container starts, in seconds.
const EAGER: i64 = 2;
/// The fewest failures after which a container is started again: clients are kept away from it earlier.
const PATIENCE: i64 = 3;

/// A container's probes, by the names of their fields; none without a check.
pub(super) fn probes(
    problems: &mut Problems,
    at: &str,
    container: &ContainerSpec,
    deadline_seconds: u32,
) -> Map<String, Value> {
    let of = |problems: &mut Problems, field: &str, check: &HealthCheckConfig| {
        action(problems, &path::field(at, field), check)
    };
    let (ready, alive) = (container.health_check.as_ref(), container.liveness.as_ref());
    let mut probes = Map::new();
    if let Some(check) = ready {
        let action = of(problems, "health_check", check);
        let often = Often {
            period: check.interval_seconds,
            failures: check.unhealthy_threshold,
            successes: check.healthy_threshold,
        };
        probes.insert("readinessProbe".to_owned(), probe(action, check, often));
    }
    // What fails for clients is repaired, too.
    if let Some((check, field)) =
        alive.map(|check| (check, "liveness")).or(ready.map(|check| (check, "health_check")))
    {
        let action = of(&mut Problems::default(), field, check);
        let often = Often { period: check.interval_seconds, failures: failures(check), successes: 1 };
        probes.insert("livenessProbe".to_owned(), probe(action, check, often));
    }
    if let Some((check, field)) =
        ready.map(|check| (check, "health_check")).or(alive.map(|check| (check, "liveness")))
    {
        let action = of(problems, field, check);
        let period = check.interval_seconds.min(EAGER);
        let budget = budget(check, alive, deadline_seconds);
        let often = Often { period, failures: budget.div_euclid(period).max(1), successes: 1 };
        probes.insert("startupProbe".to_owned(), probe(action, check, often));
    }
    probes
}

struct Often {
    period: i64,
    failures: i64,
    successes: i64,
}

/// After how many failures in a row a container is started again.
fn failures(check: &HealthCheckConfig) -> i64 {
    check.unhealthy_threshold.max(PATIENCE)
}

/// For how long a container may fail before it has ever passed, in seconds: for the start period, and then as often as later. One
/// that has none may take as long as its rollout.
fn budget(check: &HealthCheckConfig, alive: Option<&HealthCheckConfig>, deadline_seconds: u32) -> i64 {
    let of = |check: &HealthCheckConfig| check.start_period_seconds;
    match of(check).into_iter().chain(alive.and_then(of)).max() {
        Some(seconds) => seconds.saturating_add(failures(check).saturating_mul(check.interval_seconds)),
        None => deadline_seconds.into(),
    }
}

fn probe(action: (&str, Value), check: &HealthCheckConfig, often: Often) -> Value {
    let (kind, what) = action;
    json!({
        kind: what,
        "periodSeconds": often.period,
        "timeoutSeconds": check.timeout_seconds,
        "failureThreshold": often.failures,
        "successThreshold": often.successes,
    })
}

fn action(problems: &mut Problems, at: &str, check: &HealthCheckConfig) -> (&'static str, Value) {
    // Only a spec that was stored under other rules can lack a port, or have another kind.
    let mut port = || match check.port {
        Some(port) => problems.number(&path::field(at, "port"), port, 1..=u16::MAX),
        None => {
            problems
                .add(path::field(at, "port"), format!("missing; a check of type {} needs one", check.kind));
            0
        }
    };
    match check.kind.as_str() {
        "http" => {
            let scheme = match check.scheme {
                Some(Scheme::Http) | None => "HTTP",
                Some(Scheme::Https) => "HTTPS",
            };
            let header = |(name, value): (&String, &String)| json!({ "name": name, "value": value });
            let headers: Vec<Value> = check.headers.iter().map(header).collect();
            let path = check.http_path.as_deref().unwrap_or("/");
            ("httpGet", json!({ "path": path, "port": port(), "scheme": scheme, "httpHeaders": headers }))
        }
        "tcp" => ("tcpSocket", json!({ "port": port() })),
        "exec" => {
            let command: Vec<String> = check.command.iter().map(|text| literal(text)).collect();
            ("exec", json!({ "command": command }))
        }
        other => {
            problems.add(
                path::field(at, "type"),
                format!("{} is unknown; use http, tcp or exec", path::quoted(other)),
            );
            ("exec", Value::Null)
        }
    }
}
