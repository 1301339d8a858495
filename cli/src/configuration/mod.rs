//! What a server is told by its file: where it listens, how patient and how large it is, and its providers.

mod postgres;
mod read;
mod telemetry;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SpanRelativeTo;
use landlord_compute::machines::id::ProviderName;
use landlord_compute::machines::tenant::{Backoff, Policy, RepairPolicy};
use landlord_compute::{Limits, ObservePolicy};
use landlord_server::{Bounds, CertificateError, Certificates, Deliveries, Rate, Security};
use landlord_store_sqlite::SqliteOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

pub(crate) use postgres::Postgres;
pub(crate) use read::{Draft, read};
pub(crate) use telemetry::{Log, LogFormat, Telemetry};

use super::failure::Failure;
use super::store_at::StoreAt;

/// Where a store is, when nobody says it.
pub(crate) const STORE: &str = "landlord.db";

/// What a span of time looks like.
const SPAN: &str = "^[0-9]{1,9}(ms|s|m|h|d)( ?[0-9]{1,9}(ms|s|m|h|d))*$";

/// The example for `serve --help`.
const EXAMPLE: &str = include_str!("../../../ops/landlord.toml");

pub(crate) fn example() -> String {
    let lines = EXAMPLE.lines().map(|line| format!("  {line}\n"));
    format!("A configuration for --config, with its defaults:\n\n{}", lines.collect::<String>())
}

/// What a file and the environment say.
pub(crate) fn of(file: Option<&Path>) -> Result<Configuration, Failure> {
    let Draft { sound, problems } = read(file);
    problems.or(sound, file)
}

/// A span of time, as people write it: `90s`, `5m`, `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let custom = |error: &dyn std::fmt::Display| serde::de::Error::custom(error);
        let span: jiff::Span = String::deserialize(from)?.parse().map_err(|error| custom(&error))?;
        let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|error| custom(&error))?;
        Duration::try_from(span).map(Self).map_err(|_| custom(&"a span of time is not negative"))
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": SPAN })
    }
}

/// All of it. What is not given has its default.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Configuration {
    /// The store's file, or the URL of its database. `--store` goes before it.
    pub(crate) store: Option<StoreAt>,
    /// The directory for what belongs to a store in a database. `--data` goes before it.
    pub(crate) data: Option<PathBuf>,
    /// How long what is on its way may take to come to a rest when the server ends. Tenants go on running.
    pub(crate) shutdown: Span,
    /// A TCP port beside the socket, for whoever has a token.
    pub(crate) listen: Option<Listen>,
    /// How a store in a database is reached.
    pub(crate) postgres: Postgres,
    /// What clients may do.
    pub(crate) requests: Requests,
    /// How much the engine takes on.
    pub(crate) limits: EngineLimits,
    /// What follows when a platform fails.
    pub(crate) retry: Retry,
    /// What follows when a running tenant breaks.
    pub(crate) repair: Repair,
    /// How running tenants are looked after.
    pub(crate) look: Look,
    /// What is kept of the past.
    pub(crate) retention: Retention,
    /// How events are sent to receivers.
    pub(crate) webhooks: Webhooks,
    /// Where traces and metrics go.
    pub(crate) telemetry: Telemetry,
    /// How the log is written.
    pub(crate) log: Log,
    /// What tenants can run on, by the names that specs give as `provider_type`. Without this section: local processes.
    pub(crate) providers: Option<BTreeMap<String, Section>>,
}

/// A TCP port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listen {
    /// Such as `0.0.0.0:8443`, or `[::]:8443`.
    #[schemars(with = "String", regex(pattern = r"^(\[[0-9a-fA-F:.]+\]|[0-9.]+):[0-9]{1,5}$"))]
    pub(crate) address: SocketAddr,
    /// The certificate and those that signed it, as PEM. It is read again when it changes.
    pub(crate) certificate: Option<PathBuf>,
    /// The certificate's key, as PEM.
    pub(crate) key: Option<PathBuf>,
    /// No TLS. Only for a loopback address.
    #[serde(default)]
    pub(crate) plain: bool,
    /// The only names of hosts, beside the loopback's, that requests may be for: such as `compute.example.com` of a proxy that
    /// is before it. Without it: any over TLS, the loopback's alone without.
    #[serde(default)]
    pub(crate) names: Vec<String>,
}

/// What clients may do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Requests {
    /// Connections at a time, over the socket and over TCP each.
    #[schemars(range(min = 1))]
    pub(crate) connections: usize,
    /// How long a client may take for the head of a request.
    pub(crate) head: Span,
    /// The most bytes of a request's head.
    #[schemars(range(min = 8192))]
    pub(crate) head_bytes: usize,
    /// The most headers of a request.
    #[schemars(range(min = 16, max = 1024))]
    pub(crate) headers: usize,
    /// With one token, in a second.
    pub(crate) per_second: NonZeroU32,
    /// With one token, at once after a pause.
    pub(crate) burst: NonZeroU32,
}

/// How much the engine takes on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EngineLimits {
    /// Commands that were not answered yet.
    #[schemars(range(min = 1))]
    pub(crate) commands: usize,
    /// Messages that wait for one tenant.
    #[schemars(range(min = 1))]
    pub(crate) per_tenant: u32,
    /// Calls of providers that wait or run.
    #[schemars(range(min = 1))]
    pub(crate) calls: usize,
    /// Tenants that are kept in memory while they are idle.
    #[schemars(range(min = 1))]
    pub(crate) live_tenants: usize,
    /// How long a tenant is idle before it is no longer kept in memory.
    pub(crate) idle: Span,
}

/// What follows when a platform fails.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retry {
    /// How often it is asked before an operation is undone.
    #[schemars(range(min = 1))]
    pub(crate) attempts: u32,
    /// The pause after the first failure; the next ones double.
    pub(crate) first: Span,
    /// The longest pause.
    pub(crate) cap: Span,
    /// How long a call that should stop may go on.
    pub(crate) stop_grace: Span,
}

/// What follows when a running tenant breaks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Repair {
    /// Whether it is repaired.
    pub(crate) enabled: bool,
    /// The pause after the first repair; the next ones double.
    pub(crate) first: Span,
    /// The longest pause.
    pub(crate) cap: Span,
    /// After this long without one, the count starts again.
    pub(crate) quiet: Span,
}

/// How running tenants are looked after.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Look {
    /// Whether they are.
    pub(crate) enabled: bool,
    /// The pause between two rounds through all of them.
    pub(crate) every: Span,
    /// How many are asked for in a second, at most.
    #[schemars(range(min = 1))]
    pub(crate) per_second: u32,
}

/// What is kept of the past.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retention {
    /// How many events, with the operations that they ended.
    pub(crate) events: NonZeroU64,
    /// For how long older ones wait for a subscription or a webhook that has not had them.
    pub(crate) waits: Span,
}

/// How events are sent to receivers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Webhooks {
    /// Whether also to addresses that are not on the internet: of private networks, of this machine.
    pub(crate) private_addresses: bool,
    /// Authorities that receivers' certificates may be signed by, as PEM, beside those that this machine trusts.
    pub(crate) ca: Option<PathBuf>,
    /// The pause after the first failure; the next ones double.
    pub(crate) first: Span,
    /// The longest pause.
    pub(crate) cap: Span,
}

/// A provider. Beside its kind, what that kind's configuration holds: `landlord-compute providers NAME` shows it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct Section {
    /// What kind it is; without it, the kind of the section's name.
    pub(crate) kind: Option<String>,
    #[serde(flatten)]
    pub(crate) config: Map<String, Value>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            store: None,
            data: None,
            shutdown: Span(Duration::from_secs(30)),
            listen: None,
            postgres: Postgres::default(),
            requests: Requests::default(),
            limits: EngineLimits::default(),
            retry: Retry::default(),
            repair: Repair::default(),
            look: Look::default(),
            retention: Retention::default(),
            webhooks: Webhooks::default(),
            telemetry: Telemetry::default(),
            log: Log::default(),
            providers: None,
        }
    }
}

impl Default for Requests {
    fn default() -> Self {
        let (bounds, rate) = (Bounds::default(), Rate::default());
        Self {
            connections: bounds.connections,
            head: Span(bounds.head),
            head_bytes: bounds.head_bytes,
            headers: bounds.headers,
            per_second: rate.per_second,
            burst: rate.burst,
        }
    }
}

impl Default for EngineLimits {
    fn default() -> Self {
        let Limits { commands, per_tenant, calls, live_tenants, idle, .. } = Limits::default();
        Self { commands, per_tenant, calls, live_tenants, idle: Span(idle) }
    }
}

impl Default for Retry {
    fn default() -> Self {
        let Policy { attempts, retry, stop_grace, .. } = Policy::default();
        Self { attempts, first: Span(retry.first), cap: Span(retry.cap), stop_grace: Span(stop_grace) }
    }
}

impl Default for Repair {
    fn default() -> Self {
        let of = |enabled, backoff: Backoff, quiet| Self {
            enabled,
            first: Span(backoff.first),
            cap: Span(backoff.cap),
            quiet: Span(quiet),
        };
        match Policy::default().repair {
            RepairPolicy::On { backoff, quiet } => of(true, backoff, quiet),
            RepairPolicy::Off => {
                let pauses = Backoff { first: Duration::ZERO, cap: Duration::ZERO };
                of(false, pauses, Duration::ZERO)
            }
        }
    }
}

impl Default for Look {
    fn default() -> Self {
        match ObservePolicy::default() {
            ObservePolicy::On { every, per_second } => Self { enabled: true, every: Span(every), per_second },
            ObservePolicy::Off => Self { enabled: false, every: Span(Duration::ZERO), per_second: 1 },
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        const EVENTS: NonZeroU64 = NonZeroU64::new(1_000_000).unwrap();
        Self { events: EVENTS, waits: Span(SqliteOptions::new(STORE).waits) }
    }
}

impl Default for Webhooks {
    fn default() -> Self {
        let Deliveries { private_addresses, authorities, retry, .. } = Deliveries::default();
        Self { private_addresses, ca: authorities, first: Span(retry.first), cap: Span(retry.cap) }
    }
}

impl Configuration {
    /// How patient the machine is.
    pub(crate) fn policy(&self) -> Policy {
        let Retry { attempts, first, cap, stop_grace } = self.retry;
        let Repair { enabled, first: repair_first, cap: repair_cap, quiet } = self.repair;
        let repair = match enabled {
            true => RepairPolicy::On {
                backoff: Backoff { first: repair_first.0, cap: repair_cap.0 },
                quiet: quiet.0,
            },
            false => RepairPolicy::Off,
        };
        let retry = Backoff { first: first.0, cap: cap.0 };
        Policy { attempts, retry, stop_grace: stop_grace.0, repair }
    }

    /// How much the engine takes on.
    pub(crate) fn limits(&self) -> Limits {
        let EngineLimits { commands, per_tenant, calls, live_tenants, idle } = self.limits;
        let limits = Limits::default().commands(commands).per_tenant(per_tenant).calls(calls);
        limits.live_tenants(live_tenants).idle(idle.0)
    }

    /// How running tenants are looked after.
    pub(crate) fn observe(&self) -> ObservePolicy {
        let Look { enabled, every, per_second } = self.look;
        if enabled { ObservePolicy::On { every: every.0, per_second } } else { ObservePolicy::Off }
    }

    /// How events are sent to receivers.
    pub(crate) fn deliveries(&self) -> Deliveries {
        let Webhooks { private_addresses, ca, first, cap } = &self.webhooks;
        let mut deliveries = Deliveries::default();
        deliveries.private_addresses = *private_addresses;
        deliveries.authorities.clone_from(ca);
        deliveries.retry = Backoff { first: first.0, cap: cap.0 };
        deliveries
    }

    /// What connections may do.
    pub(crate) fn bounds(&self) -> Bounds {
        let Requests { connections, head, head_bytes, headers, per_second: _, burst: _ } = self.requests;
        let mut bounds = Bounds::default();
        bounds.connections = connections;
        bounds.head = head.0;
        (bounds.head_bytes, bounds.headers) = (head_bytes, headers);
        bounds
    }

    /// What the holder of a token may do.
    pub(crate) fn rate(&self) -> Rate {
        Rate::new(self.requests.per_second, self.requests.burst)
    }

    /// The providers' sections, with their names and kinds.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&str, &str, &Section)> {
        let sections = self.providers.iter().flatten();
        sections.map(|(name, section)| (name.as_str(), section.kind.as_deref().unwrap_or(name), section))
    }

    /// What has changed that only the next start takes up, by section.
    pub(crate) fn needs_a_start(&self, new: &Self) -> Vec<&'static str> {
        let Self {
            store,
            data,
            shutdown: _,
            listen,
            postgres,
            requests,
            limits,
            retry,
            repair,
            look,
            retention,
            webhooks,
            telemetry,
            log,
            providers,
        } = self;
        let rate_aside = |requests: &Requests| {
            let Requests { connections, head, head_bytes, headers, per_second: _, burst: _ } = *requests;
            (connections, head, head_bytes, headers)
        };
        let changed = [
            ("store", *store != new.store),
            ("data", *data != new.data),
            ("postgres", *postgres != new.postgres),
            ("listen", *listen != new.listen),
            ("requests (but for its rates)", rate_aside(requests) != rate_aside(&new.requests)),
            ("limits", *limits != new.limits),
            ("retry", *retry != new.retry),
            ("repair", *repair != new.repair),
            ("look", *look != new.look),
            ("retention", *retention != new.retention),
            ("webhooks", *webhooks != new.webhooks),
            ("telemetry", *telemetry != new.telemetry),
            ("log", *log != new.log),
            ("providers", *providers != new.providers),
        ];
        changed.into_iter().filter_map(|(what, changed)| changed.then_some(what)).collect()
    }

    /// Paths are from the folder of the file.
    fn place_in(&mut self, folder: &Path) {
        let listen = self.listen.iter_mut().flat_map(|listen| [&mut listen.certificate, &mut listen.key]);
        for path in listen.chain([&mut self.data, &mut self.webhooks.ca]).flatten() {
            *path = folder.join(&path);
        }
        match &mut self.store {
            Some(StoreAt::File(file)) => *file = folder.join(&file),
            Some(StoreAt::Database(_)) | None => {}
        }
        self.postgres.place_in(folder);
        self.telemetry.place_in(folder);
    }

    /// What no schema says.
    fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut say = |path: &str, message: String| problems.push((path.to_owned(), message));
        if let Some(listen) = &self.listen
            && let Err(message) = listen.way()
        {
            say("listen", message);
        }
        for (path, message) in self.telemetry.problems() {
            say(path, message);
        }
        for (path, first, cap) in [
            ("retry", self.retry.first, self.retry.cap),
            ("repair", self.repair.first, self.repair.cap),
            ("webhooks", self.webhooks.first, self.webhooks.cap),
        ] {
            if first.0 > cap.0 {
                say(path, "`first` is longer than `cap`".to_owned());
            }
        }
        for name in self.providers.iter().flatten().map(|(name, _)| name) {
            if let Err(error) = ProviderName::new(name) {
                say(&format!("providers.{name}"), error.to_string());
            }
        }
        problems
    }
}

/// Who can read what goes over the port.
enum Way<'l> {
    Tls { certificate: &'l Path, key: &'l Path },
    Plain,
}

impl Listen {
    fn way(&self) -> Result<Way<'_>, String> {
        match (&self.certificate, &self.key, self.plain) {
            (Some(certificate), Some(key), false) => Ok(Way::Tls { certificate, key }),
            (None, None, true) if self.address.ip().is_loopback() => Ok(Way::Plain),
            (None, None, true) => {
                Err("`plain` is for a loopback address alone: tokens would go over it in the clear"
                    .to_owned())
            }
            (_, _, true) => Err("`plain` and a certificate exclude each other".to_owned()),
            (None, _, false) | (_, None, false) => {
                Err("`certificate` and `key` are missing; on a loopback address `plain = true` does without"
                    .to_owned())
            }
        }
    }

    /// The same, with its certificate.
    pub(crate) fn security(&self) -> Result<Security, CertificateError> {
        match self.way() {
            Ok(Way::Tls { certificate, key }) => Ok(Security::Tls(Certificates::read(certificate, key)?)),
            // What is wrong with it was said when it was read.
            Ok(Way::Plain) | Err(_) => Ok(Security::PlainOnLoopback),
        }
    }
}
