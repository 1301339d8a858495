//! Every metric there is, in one table: what is exported, and the page about it, are made of it.

use std::fmt::Write;

/// A metric. Its name begins with `landlord_`, and no label of it is a tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in OTLP. Prometheus shows the unit and `_total` of a counter after it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// In what it is counted.
    pub unit: Unit,
    /// By what it is told apart.
    pub labels: &'static [&'static str],
    /// What it says, as a sentence without its full stop.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the program ends.
    Counter,
    /// It is as it is now.
    Gauge,
    /// It counts how large things were.
    Histogram,
}

/// In what a metric is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Things,
    /// Seconds.
    Seconds,
}

impl Kind {
    /// What it is called in Prometheus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Metric {
    const fn new(
        name: &'static str,
        kind: Kind,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind, unit: Unit::Things, labels, help }
    }

    const fn seconds(self) -> Self {
        Self { unit: Unit::Seconds, ..self }
    }

    /// What Prometheus calls it, in its `# TYPE`.
    pub fn family(&self) -> String {
        match self.unit {
            Unit::Things => self.name.to_owned(),
            Unit::Seconds => format!("{}_seconds", self.name),
        }
    }

    /// What a query asks Prometheus for.
    pub fn series(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.family()),
            Kind::Gauge | Kind::Histogram => self.family(),
        }
    }
}

use Kind::{Counter, Gauge, Histogram};

/// All of them, in the order in which they are exported.
pub const CATALOGUE: [&Metric; 37] = [
    &TENANTS,
    &TRANSITIONS,
    &OPERATIONS,
    &OPERATION_DURATION,
    &OPERATION_OLDEST,
    &RETRIES,
    &UNDOS,
    &REPAIRS,
    &WAITS,
    &CALL_DURATION,
    &CALLS_RUNNING,
    &LOOKS,
    &ORPHANS,
    &CALLS_IN_FLIGHT,
    &COMMIT_TRANSITIONS,
    &COMMIT_DURATION,
    &COMMIT_FAILURES,
    &COMMIT_WAITING,
    &COMMANDS,
    &ACTORS,
    &EVENTS,
    &SUBSCRIBERS,
    &SUBSCRIBER_LAG,
    &SHARDS,
    &LEASE,
    &TAIL_LAG,
    &SUBSCRIPTION_LAG,
    &WEBHOOK_LAG,
    &WEBHOOKS_FAILING,
    &BUDGET_RATE,
    &BUDGET_LIMIT,
    &BUDGET_WAITING,
    &BUDGET_THROTTLED,
    &TRACED,
    &EXPORTED,
    &DROPPED,
    &SPANS_WAITING,
];

pub(crate) const TENANTS: Metric =
    Metric::new("landlord_tenants", Gauge, &["provider", "state", "health"], "Living tenants");
pub(crate) const TRANSITIONS: Metric = Metric::new(
    "landlord_transitions",
    Counter,
    &["provider", "kind"],
    "Transitions that became durable, by what happened: the kinds of events",
);
pub(crate) const OPERATIONS: Metric = Metric::new(
    "landlord_operations",
    Counter,
    &["provider", "kind", "result"],
    "Operations that settled; a result undone is a failure after which everything was as before",
);
pub(crate) const OPERATION_DURATION: Metric = Metric::new(
    "landlord_operation_duration",
    Histogram,
    &["provider", "kind", "result"],
    "How long operations took from when they were accepted until they settled",
)
.seconds();
pub(crate) const OPERATION_OLDEST: Metric = Metric::new(
    "landlord_operation_oldest",
    Gauge,
    &["provider"],
    "How long ago the oldest operation on its way was accepted, but for tenants that are paused, as of the last minute",
)
.seconds();
pub(crate) const RETRIES: Metric =
    Metric::new("landlord_retries", Counter, &["provider"], "Calls that failed and are made again later");
pub(crate) const UNDOS: Metric =
    Metric::new("landlord_undos", Counter, &["provider"], "Operations that began to be undone");
pub(crate) const REPAIRS: Metric =
    Metric::new("landlord_repairs", Counter, &["provider"], "Repairs that began");
pub(crate) const WAITS: Metric = Metric::new(
    "landlord_waits",
    Counter,
    &["provider"],
    "Times that a call said what it waits for on its platform",
);
pub(crate) const CALL_DURATION: Metric = Metric::new(
    "landlord_call_duration",
    Histogram,
    &["provider", "method", "outcome"],
    "How long calls of providers took once they had their turn; one that had not to be waited for took none",
)
.seconds();
pub(crate) const CALLS_RUNNING: Metric =
    Metric::new("landlord_calls_running", Gauge, &["provider"], "Calls of providers that have their turn");
pub(crate) const LOOKS: Metric = Metric::new(
    "landlord_looks",
    Counter,
    &["provider", "outcome"],
    "Looks at running tenants that the engine made, by whether their platform answered",
);
pub(crate) const ORPHANS: Metric = Metric::new(
    "landlord_orphans",
    Gauge,
    &["provider"],
    "Lives of tenants that held something that belongs to nobody, as the last sweep of the provider found; without a sweep nothing",
);
pub(crate) const CALLS_IN_FLIGHT: Metric = Metric::new(
    "landlord_calls_in_flight",
    Gauge,
    &[],
    "Calls of providers that wait for their turn, run, or wait for their outcome to be committed",
);
pub(crate) const COMMIT_TRANSITIONS: Metric = Metric::new(
    "landlord_commit_transitions",
    Histogram,
    &[],
    "How many transitions a commit of the store made durable",
);
pub(crate) const COMMIT_DURATION: Metric = Metric::new(
    "landlord_commit_duration",
    Histogram,
    &[],
    "How long the store took for a commit that was waited for",
)
.seconds();
pub(crate) const COMMIT_FAILURES: Metric = Metric::new(
    "landlord_commit_failures",
    Counter,
    &[],
    "Commits that the store did not make, or of which that is not known; they are tried again",
);
pub(crate) const COMMIT_WAITING: Metric =
    Metric::new("landlord_commit_waiting", Gauge, &[], "Transitions that wait for the commit before theirs");
pub(crate) const COMMANDS: Metric =
    Metric::new("landlord_commands_waiting", Gauge, &[], "Commands that were not answered yet");
pub(crate) const ACTORS: Metric = Metric::new("landlord_actors", Gauge, &[], "Tenants with an actor");
pub(crate) const EVENTS: Metric = Metric::new(
    "landlord_events",
    Gauge,
    &[],
    "The position of the last published event: how many there were in the life of the store",
);
pub(crate) const SUBSCRIBERS: Metric =
    Metric::new("landlord_subscribers", Gauge, &[], "Subscribers to the events of all tenants");
pub(crate) const SUBSCRIBER_LAG: Metric = Metric::new(
    "landlord_subscriber_lag",
    Gauge,
    &[],
    "How many events the slowest subscriber to all tenants has still to get",
);
pub(crate) const SHARDS: Metric = Metric::new(
    "landlord_shards",
    Gauge,
    &[],
    "Of how many of the 1,024 shards this engine makes the tenants' calls, where it shares its store",
);
pub(crate) const LEASE: Metric = Metric::new(
    "landlord_lease",
    Gauge,
    &[],
    "Whether this engine's lease holds, where it shares its store: 1, or 0 while it asks platforms for nothing",
);
pub(crate) const TAIL_LAG: Metric = Metric::new(
    "landlord_tail_lag",
    Gauge,
    &[],
    "How many of the events that were there a second ago this engine has still to read, where it shares its store",
);
pub(crate) const SUBSCRIPTION_LAG: Metric = Metric::new(
    "landlord_subscription_lag",
    Gauge,
    &[],
    "How many events the slowest named subscription has not acknowledged, as of the last minute",
);
pub(crate) const WEBHOOK_LAG: Metric = Metric::new(
    "landlord_webhook_lag",
    Gauge,
    &[],
    "How many events the slowest webhook has not delivered, as of the last minute",
);
pub(crate) const WEBHOOKS_FAILING: Metric = Metric::new(
    "landlord_webhooks_failing",
    Gauge,
    &[],
    "Webhooks whose last delivery failed, as of the last minute",
);
pub(crate) const BUDGET_RATE: Metric = Metric::new(
    "landlord_budget_rate",
    Gauge,
    &["provider", "budget"],
    "Requests that a platform is sent in a second, at most, now; of several accounts the slowest's",
);
pub(crate) const BUDGET_LIMIT: Metric = Metric::new(
    "landlord_budget_limit",
    Gauge,
    &["provider", "budget"],
    "The same while the platform does not throttle",
);
pub(crate) const BUDGET_WAITING: Metric =
    Metric::new("landlord_budget_waiting", Gauge, &["provider", "budget"], "Requests that wait for a budget");
pub(crate) const BUDGET_THROTTLED: Metric = Metric::new(
    "landlord_budget_throttled",
    Counter,
    &["provider", "budget"],
    "Times that a platform asked for fewer requests",
);
pub(crate) const TRACED: Metric =
    Metric::new("landlord_telemetry_spans", Counter, &[], "Spans that ended and were to be exported");
pub(crate) const EXPORTED: Metric = Metric::new(
    "landlord_telemetry_exported",
    Counter,
    &["signal"],
    "Spans, and points of metrics, that the receiver took",
);
pub(crate) const DROPPED: Metric = Metric::new(
    "landlord_telemetry_dropped",
    Counter,
    &["signal", "reason"],
    "Spans, and points of metrics, that were dropped because the receiver was too slow, away, or refused them",
);
pub(crate) const SPANS_WAITING: Metric =
    Metric::new("landlord_telemetry_spans_waiting", Gauge, &[], "Spans that wait to be exported");

/// The page about them, `METRICS.md`.
pub fn page() -> String {
    let mut page = "# Metrics\n\n\
        What `landlord-telemetry` exports. The names are those of Prometheus; in OTLP they have neither the unit nor `_total`.\n\
        No label is a tenant's id, so the number of series does not grow with the tenants. `provider` is the name of a registered\n\
        provider, or `other`.\n\n\
        | name | kind | labels | says |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for metric in CATALOGUE {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a text cannot fail.
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            metric.series(),
            metric.kind.name(),
            labels.join(", "),
            metric.help
        );
    }
    page
}
