//! `describe`: all that is known of a tenant.

use jiff::Timestamp;
use landlord_api::{ContainerView, OperationView, SpecView, TenantDocument};
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::spec::{HealthCheckConfig, ResourceRequirements};
use landlord_compute::machines::status::Health;
use landlord_compute::machines::tenant::Settled;
use serde::Serialize;

use super::attended::note;
use super::events::Steps;
use super::explained;
use super::failure::Failure;
use super::place::Place;
use super::screen::{Screen, hanging, list, pairs};
use super::words;

/// All that is known of a tenant, and where its logs are on this machine.
#[derive(Serialize)]
struct Described {
    #[serde(flatten)]
    known: TenantDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<std::path::PathBuf>,
}

/// Shows all that is known of a tenant.
pub(crate) async fn describe(screen: &Screen, place: &Place, id: &TenantId) -> Result<(), Failure> {
    let known = place.look().await?.tenant(id).await?;
    let described = Described { logs: place.logs(&known.tenant.provider, id), known };
    screen.show(&described, || described.text())
}

impl Described {
    fn text(&self) -> String {
        let now = Timestamp::now();
        let mut text = match &self.known.explanation {
            Some(explanation) => explained::text(explanation, now) + "\n",
            None => String::new(),
        };
        text += &pairs(self.facts(now).into_iter().map(|(name, value)| [name.to_owned(), value]));
        text += "\nOPERATIONS, the latest\n";
        text += &list(
            ["  ID", "KIND", "SPEC", "ASKED FOR", "ENDED", "REASON"],
            self.known.operations.iter().map(|operation| {
                [
                    format!("  {}", operation.id),
                    operation.kind.name().to_owned(),
                    operation.target.map_or("-".to_owned(), |spec| spec.to_string()),
                    words::short_clock(now, operation.accepted_at),
                    operation.settled.as_ref().map_or("-", ended).to_owned(),
                    operation.reason.clone().unwrap_or_default(),
                ]
            }),
        );
        text += "\nEVENTS, the latest\n";
        let mut steps = Steps::default();
        for event in self.known.events.iter().filter(|event| steps.is_news(event)) {
            let at = words::short_clock(now, event.at);
            text += &hanging(&format!("  {at}  "), &words::event(event));
        }
        text
    }

    /// A line each.
    fn facts(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let view = &self.known.tenant;
        let mut lines = vec![
            ("tenant", view.tenant_id.to_string()),
            ("state", view.state.to_string()),
            ("health", self.health(now)),
            ("provider", view.provider.to_string()),
            ("life", view.incarnation.to_string()),
            ("revision", view.revision.to_string()),
            ("spec", view.spec.map_or("none runs".to_owned(), |spec| spec.to_string())),
        ];
        for container in &self.known.containers {
            lines.extend(about(container));
        }
        if let Some(spec) = &self.known.spec {
            lines.extend(asked_for(spec));
        }
        lines.extend(self.on_its_way(now));
        lines.extend(view.endpoints.iter().map(|endpoint| ("endpoint", words::endpoint(endpoint))));
        for (name, id) in view.resources.iter().flatten() {
            lines.push(("resource", format!("{name}: {id}")));
        }
        if let Some(failure) = &view.last_failure {
            let text = words::last_failure(failure, now);
            lines.push((
                "failure",
                format!("{text} (operation {}, {})", failure.operation, failure.error.code),
            ));
        }
        match &self.known.message {
            // It is about this very spec.
            Some(message) => lines.push(("limits", message.clone())),
            None => lines.extend(self.known.not_enforced.iter().map(|limit| ("limits", limit.clone()))),
        }
        lines.extend(self.logs.as_ref().map(|logs| ("logs", logs.display().to_string())));
        lines
    }

    fn health(&self, now: Timestamp) -> String {
        let health = words::health(self.known.tenant.health);
        match (self.known.tenant.health, note(&self.known.engine, now, self.known.tenant.settled_at)) {
            (Health::Unknown, _) | (_, None) => health.to_owned(),
            (Health::Healthy | Health::Unhealthy, Some(note)) => format!("was {health}; {note}"),
        }
    }

    fn on_its_way(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let view = &self.known.tenant;
        let mut lines = Vec::new();
        if let Some(operation) = &view.operation {
            // What it waits for has a line of its own.
            let way = words::operation(&OperationView { waits: None, ..operation.clone() }, now);
            let mut line = format!("{}, try {}, {way}", operation.id, operation.attempt);
            if let Some(deadline) = operation.deadline {
                line += &format!(", deadline {}", words::when(now, deadline));
            }
            lines.push(("operation", line));
            if let Some(waits) = &operation.waits {
                let since = words::when(now, waits.since);
                lines.push(("waits", format!("until {}", waits.what)));
                lines.push(("", format!("since {} ({since})", words::short_clock(now, waits.since))));
            }
        }
        if let Some(next) = &view.next {
            let waits = match next.target {
                Some(spec) => format!("update {} to spec {spec}", next.id),
                None => format!("restart {}", next.id),
            };
            lines.push(("queued", waits));
        }
        if let Some(paused) = view.paused {
            let resume = format!("`landlord-compute resume {}` lets it go on", view.tenant_id);
            lines.push(("paused", format!("{}; {resume}", words::when(now, paused))));
        }
        if view.protected {
            let lift = "an update to a spec with deletion_protection: false lifts that";
            lines.push(("protected", format!("a destroy is refused; {lift}")));
        }
        lines.extend(words::repair(view, self.known.engine.now(), now).map(|line| ("repair", line)));
        lines
    }
}

/// How an operation ended, in a word.
fn ended(settled: &Settled) -> &'static str {
    match settled {
        Settled::Done => "done",
        Settled::Failed { undone: true, .. } => "failed, undone",
        Settled::Failed { undone: false, .. } => "failed",
        Settled::Cancelled { .. } => "cancelled",
        Settled::Superseded { .. } => "superseded",
        Settled::Abandoned { .. } => "abandoned",
    }
}

/// One container, a line for each thing.
fn about(container: &ContainerView) -> Vec<(&'static str, String)> {
    let ContainerView { name, image, ports, health_check, resources, env } = container;
    let mut lines = vec![("container", format!("{name}, image {image}"))];
    for port in ports {
        let named = port.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let host = port.host_port.map(|host| format!(", host port {host}")).unwrap_or_default();
        lines.push(("  port", format!("{} {}{named}{host}", port.container_port, port.protocol)));
    }
    lines.extend(health_check.as_ref().map(|check| ("  check", self::check(check))));
    lines.extend(resources.as_ref().map(|resources| ("  resources", self::resources(resources))));
    if !env.is_empty() {
        lines.push(("  env", env.join(", ")));
    }
    lines
}

fn check(check: &HealthCheckConfig) -> String {
    let HealthCheckConfig { kind, http_path, port, interval_seconds, timeout_seconds, .. } = check;
    let path = http_path.as_deref().unwrap_or_default();
    let port = port.map(|port| format!(" on port {port}")).unwrap_or_default();
    let path = if path.is_empty() { String::new() } else { format!(" {path}") };
    format!(
        "{kind}{path}{port}, every {interval_seconds} s, fails after {timeout_seconds} s; healthy after {} in a row, \
         unhealthy after {}",
        check.healthy_threshold, check.unhealthy_threshold
    )
}

fn resources(resources: &ResourceRequirements) -> String {
    let ResourceRequirements { cpu, memory, storage, requests } = resources;
    let storage = storage.map(|storage| format!(", {storage} MB of storage")).unwrap_or_default();
    let requests = requests.as_ref().map(|requests| {
        let (cpu, memory) = (requests.cpu.unwrap_or(*cpu), requests.memory.unwrap_or(*memory));
        format!("; set aside: {cpu} millicores, {memory} MB")
    });
    format!("{cpu} millicores, {memory} MB of memory{storage}{}", requests.unwrap_or_default())
}

/// What the spec asks for beside its containers.
fn asked_for(spec: &SpecView) -> Vec<(&'static str, String)> {
    let mut lines = vec![("resources", resources(&spec.resources))];
    for secret in &spec.secrets {
        let carried = secret.env_var.as_ref().map(|name| format!(" as {name}")).unwrap_or_default();
        lines.push(("secret", format!("{} from {}{carried}", secret.name, secret.source)));
    }
    lines.extend(spec.labels.iter().map(|(name, value)| ("label", format!("{name}={value}"))));
    if !spec.provider_config.is_empty() {
        lines.push(("config", format!("provider_config gives {}", spec.provider_config.join(", "))));
    }
    lines
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_is_known_has_a_line() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let later = (now + SignedDuration::from_secs(30)).to_string();
        let known = json!({
            "tenant": {
                "tenant_id": "acme", "state": "updating", "health": "healthy", "provider": "process",
                "incarnation": 2, "revision": 7, "spec": 1, "paused": now.to_string(), "protected": true,
                "operation": {
                    "id": "1-9", "direction": "forward", "attempt": 2, "run": "waiting", "until": later,
                    "target": 2, "deadline": later,
                },
                "next": { "id": "1-10", "target": 3 },
                "resources": { "web/1-1": "pid 7" },
            },
            "spec": {
                "resources": { "cpu": 100, "memory": 64 },
                "networking": { "public_ip": false },
                "secrets": [{ "name": "key", "source": "env:KEY", "env_var": "API_KEY" }],
                "labels": { "team": "blue" },
                "provider_config": ["stop_grace_seconds"],
            },
            "containers": [{
                "name": "web", "image": "web:1", "env": ["GREETING", "TONE"],
                "ports": [{ "container_port": 80, "protocol": "tcp", "name": "http", "host_port": 8080 }],
                "resources": { "cpu": 50, "memory": 32, "requests": { "cpu": 10 } },
            }],
            "not_enforced": ["storage: nothing limits it"],
            "engine": { "state": "looks_after" },
            "operations": [], "events": [], "cursor": "local.7",
        });
        let logs = Some("/var/lib/landlord/logs/acme".into());
        let described = Described { known: serde_json::from_value(known).unwrap(), logs };
        let lines: Vec<String> =
            described.facts(now).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        for line in [
            "life: 2",
            "revision: 7",
            "spec: v1",
            "container: web, image web:1",
            "  port: 80 tcp (http), host port 8080",
            "  resources: 50 millicores, 32 MB of memory; set aside: 10 millicores, 32 MB",
            "  env: GREETING, TONE",
            "resources: 100 millicores, 64 MB of memory",
            "secret: key from env:KEY as API_KEY",
            "label: team=blue",
            "config: provider_config gives stop_grace_seconds",
            "queued: update 1-10 to spec v3",
            "resource: web/1-1: pid 7",
            "limits: storage: nothing limits it",
            "logs: /var/lib/landlord/logs/acme",
        ] {
            assert!(lines.iter().any(|it| it == line), "{line:?} is not in {lines:#?}");
        }
        for (name, words) in [
            ("operation: 1-9, try 2, ", "deadline in 30 s"),
            ("paused: ", "`landlord-compute resume acme` lets it go on"),
            ("protected: ", "deletion_protection: false lifts that"),
        ] {
            let is_it = |line: &String| line.starts_with(name) && line.contains(words);
            assert!(lines.iter().any(is_it), "{name} {words} is not in {lines:#?}");
        }
    }
}
