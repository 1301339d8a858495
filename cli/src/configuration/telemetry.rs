//! Where traces, metrics and lines of the log go.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use landlord_telemetry::{Headers, Sampler, Settings};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Span;

/// Where traces and metrics go. OpenTelemetry's own variables (`OTEL_…`) go before this.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    /// A receiver of OTLP over HTTP, such as `http://localhost:4318`. Without one nothing is sent; `/metrics` is there all the
    /// same.
    pub(crate) endpoint: Option<String>,
    /// A file with the headers of requests to it, as `OTEL_EXPORTER_OTLP_HEADERS` has them: `name=value`, with a comma between two.
    pub(crate) headers_file: Option<PathBuf>,
    /// What the program is called.
    pub(crate) service_name: String,
    /// Which operations are traced.
    pub(crate) sampler: SamplerName,
    /// Which share of them, where the sampler takes a share.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) sampler_ratio: f64,
    /// How often metrics are sent.
    pub(crate) interval: Span,
    /// How long a request to the receiver may take.
    pub(crate) timeout: Span,
    /// Where `/metrics` is shown without a token: a loopback address.
    #[schemars(with = "Option<String>", regex(pattern = r"^(\[[0-9a-fA-F:.]+\]|[0-9.]+):[0-9]{1,5}$"))]
    pub(crate) metrics_address: Option<SocketAddr>,
}

/// Which operations are traced, by OpenTelemetry's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SamplerName {
    AlwaysOn,
    AlwaysOff,
    Traceidratio,
    ParentbasedAlwaysOn,
    ParentbasedAlwaysOff,
    ParentbasedTraceidratio,
}

impl SamplerName {
    fn name(self) -> &'static str {
        match self {
            Self::AlwaysOn => "always_on",
            Self::AlwaysOff => "always_off",
            Self::Traceidratio => "traceidratio",
            Self::ParentbasedAlwaysOn => "parentbased_always_on",
            Self::ParentbasedAlwaysOff => "parentbased_always_off",
            Self::ParentbasedTraceidratio => "parentbased_traceidratio",
        }
    }
}

/// How the log is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// For people or for programs. `--log-format` goes before it.
    pub(crate) format: LogFormat,
}

/// For whom the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON document a line.
    Json,
}

impl Default for Telemetry {
    fn default() -> Self {
        let Settings { service_name, interval, timeout, .. } = Settings::default();
        Self {
            endpoint: None,
            headers_file: None,
            service_name,
            sampler: SamplerName::ParentbasedTraceidratio,
            sampler_ratio: 0.01,
            interval: Span(interval),
            timeout: Span(timeout),
            metrics_address: None,
        }
    }
}

impl Telemetry {
    /// What is exported, by this and by the environment.
    ///
    /// # Errors
    /// What cannot be understood of them, and where it stands.
    pub(crate) fn settings(&self) -> Result<Settings, String> {
        let mut settings = Settings::default();
        if let Some(endpoint) = &self.endpoint {
            settings =
                settings.endpoint("telemetry.endpoint", endpoint).map_err(|error| error.to_string())?;
        }
        if let Some(file) = &self.headers_file {
            settings.headers = headers(file)?;
        }
        settings.service_name.clone_from(&self.service_name);
        let ratio = self.sampler_ratio.to_string();
        let sampler = Sampler::named(self.sampler.name(), Some(&ratio));
        settings.sampler = sampler.map_err(|error| format!("telemetry.sampler: {error}"))?;
        (settings.interval, settings.timeout) = (self.interval.0, self.timeout.0);
        settings.over_by(|name| std::env::var(name).ok()).map_err(|error| error.to_string())
    }

    /// What no schema says.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.metrics_address.is_some_and(|address| !address.ip().is_loopback()) {
            let message = "is not a loopback address: over others /metrics is asked for with a token, where `listen` is";
            problems.push(("telemetry.metrics_address", message.to_owned()));
        }
        for (path, span) in [("telemetry.interval", self.interval), ("telemetry.timeout", self.timeout)] {
            if span.0 < Duration::from_millis(1) {
                problems.push((path, "is no time at all".to_owned()));
            }
        }
        problems
    }

    pub(super) fn place_in(&mut self, folder: &Path) {
        if let Some(file) = &mut self.headers_file {
            *file = folder.join(&file);
        }
    }
}

/// The headers in a file, which is not shown where it is wrong.
fn headers(file: &Path) -> Result<Headers, String> {
    let name = format!("telemetry.headers_file: {}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    Headers::parse(&name, text.trim()).map_err(|error| error.to_string())
}
