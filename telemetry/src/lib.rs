#![doc = include_str!("../README.md")]

pub mod catalogue;
mod histogram;
mod lags;
mod looked;
mod meter;
mod otlp;
mod prometheus;
mod sample;
mod sampler;
mod settings;
mod watcher;

pub use otlp::SenderError;
pub use prometheus::CONTENT_TYPE;
pub use sampler::{Sampler, SamplerError};
pub use settings::{Headers, Settings, SettingsError};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use landlord_compute::telemetry::{TRACE_TARGET, Watcher};
use landlord_compute::{Engine, ProviderName};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{Sampler as SdkSampler, SdkTracer, SdkTracerProvider};
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use lags::Lags;
use looked::Looked;
use meter::Meter;
use otlp::{Metrics, Sender, Spans, Tally};
use sample::{Family, Sources, sample};
use watcher::Watches;

/// Counts and traces one engine. What leaves the program does so while [`Exports::run`] runs.
pub struct Telemetry {
    watches: Arc<Watches>,
    sampled: Arc<Sampled>,
    tracer: Option<SdkTracer>,
    registry: Registry,
}

/// What is sampled.
#[derive(Default)]
struct Sampled {
    meter: Arc<Meter>,
    engine: OnceLock<Weak<Engine>>,
    lags: Lags,
    looked: Looked,
    tally: Arc<Tally>,
}

impl Sampled {
    fn now(&self) -> Vec<Family> {
        let engine = self.engine.get().and_then(Weak::upgrade);
        let vitals = engine.map(|engine| engine.vitals());
        let Self { meter, engine: _, lags, looked, tally } = self;
        sample(&Sources { meter, vitals: vitals.as_ref(), lags, looked, tally })
    }
}

/// Whether a span leaves the program.
enum Wanted {
    Always,
    /// Where it is within one that does.
    Within,
    Never,
}

fn wanted(metadata: &Metadata<'_>) -> Wanted {
    match metadata.is_span() && *metadata.level() <= Level::INFO {
        true if metadata.target() == TRACE_TARGET && metadata.name() != "request" => Wanted::Always,
        true if metadata.target().starts_with("landlord_") => Wanted::Within,
        true | false => Wanted::Never,
    }
}

/// What sends spans and metrics away.
pub struct Exports {
    spans: Option<Spans>,
    metrics: Option<Metrics>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("traces", &self.tracer.is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Exports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spans, metrics) = (self.spans.is_some(), self.metrics.is_some());
        f.debug_struct("Exports").field("spans", &spans).field("metrics", &metrics).finish()
    }
}

impl Telemetry {
    /// Needs no runtime yet. Where a receiver is at `https://`, the authorities of this machine are read.
    ///
    /// # Errors
    /// [`SenderError`].
    pub fn new(settings: &Settings) -> Result<(Self, Exports), SenderError> {
        let sampled = Arc::new(Sampled::default());
        let tally = &sampled.tally;
        let on = |uri: &Option<http::Uri>| uri.clone().filter(|_| settings.enabled);
        let (traces, metrics) = (on(&settings.traces), on(&settings.metrics));
        let tls = [&traces, &metrics].into_iter().flatten().any(|uri| uri.scheme_str() == Some("https"));
        let sender = match (&traces, &metrics) {
            (None, None) => None,
            (Some(_), _) | (_, Some(_)) => {
                Some(Sender::new(settings.headers.clone(), settings.timeout, tls)?)
            }
        };
        let resource = otlp::resource(settings);
        let (mut tracer, mut spans) = (None, None);
        if let (Some(sender), Some(to)) = (&sender, traces) {
            let (ending, ended) = otlp::queue(Arc::clone(tally));
            let provider = SdkTracerProvider::builder()
                .with_span_processor(ending)
                // It was decided before the span was made.
                .with_sampler(SdkSampler::AlwaysOn)
                .with_resource(resource.clone())
                .build();
            tracer = Some(provider.tracer(env!("CARGO_PKG_NAME")));
            let (sender, resource, tally) = (sender.clone(), resource.clone(), Arc::clone(tally));
            spans = Some(Spans { ended, sender, to, resource, tally });
        }
        let metrics = sender.zip(metrics).map(|(sender, to)| {
            let (sampled, tally) = (Arc::clone(&sampled), Arc::clone(tally));
            let sample = Arc::new(move || sampled.now());
            Metrics { sample, sender, to, resource, every: settings.interval, tally }
        });
        // Where no span leaves, those of a caller that samples are made for the log's sake.
        let sampler = if tracer.is_some() { settings.sampler } else { Sampler::callers() };
        let watches = Arc::new(Watches { meter: Arc::clone(&sampled.meter), sampler });
        let scraped = Arc::clone(&sampled);
        let registry = prometheus::registry(move || scraped.now());
        Ok((Self { watches, sampled, tracer, registry }, Exports { spans, metrics }))
    }

    /// For [`EngineBuilder::watched_by`](landlord_compute::EngineBuilder::watched_by) of one engine.
    pub fn watcher(&self) -> Arc<dyn Watcher> {
        Arc::<Watches>::clone(&self.watches)
    }

    /// The layer that makes spans of the engine and its providers leave the program; none where they do not. Events, which may
    /// hold what a platform says, are no part of it.
    pub fn layer<S>(&self) -> Option<impl Layer<S> + Send + Sync + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        // The engine makes spans of what is traced alone. What a provider makes within is part of a trace only there.
        let within =
            dynamic_filter_fn(|metadata: &Metadata<'_>, context: &Context<'_, S>| match wanted(metadata) {
                Wanted::Always => true,
                Wanted::Within => context.lookup_current().is_some(),
                Wanted::Never => false,
            });
        let ours = within
            .with_callsite_filter(|metadata| match wanted(metadata) {
                Wanted::Always => Interest::always(),
                Wanted::Within => Interest::sometimes(),
                Wanted::Never => Interest::never(),
            })
            .with_max_level_hint(Level::INFO);
        let tracer = self.tracer.clone()?;
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // Spans find their parents by tracing alone. OpenTelemetry's own current span would be set whenever one is entered.
            .with_context_activation(false);
        Some(layer.with_filter(ours))
    }

    /// What this engine holds is asked for with every scrape and export from now on, as long as it lives.
    pub fn asks(&self, engine: &Arc<Engine>) {
        // Only the first engine is.
        let _ = self.sampled.engine.set(Arc::downgrade(engine));
    }

    /// How many events the slowest named subscription and the slowest webhook are behind, and how many webhooks fail. It is
    /// exported until it is said again.
    pub fn lags(&self, subscription: u64, webhook: u64, failing: u64) {
        self.sampled.lags.say(subscription, webhook, failing);
    }

    /// How long ago the oldest operation on its way was accepted, at each provider that has one. It is exported until it is said
    /// again.
    pub fn oldest_operations(&self, ages: BTreeMap<ProviderName, Duration>) {
        self.sampled.looked.say_oldest(ages);
    }

    /// How many orphans the last sweep of each provider found. It is exported until it is said again.
    pub fn orphans(&self, orphans: BTreeMap<ProviderName, u64>) {
        self.sampled.looked.say_orphans(orphans);
    }

    /// All metrics in the text format of Prometheus, of type [`CONTENT_TYPE`].
    pub fn prometheus(&self) -> String {
        prometheus::text(&self.registry)
    }
}

impl Exports {
    /// Sends spans and metrics until `stop`, and then for at most `last` what is left. Within a tokio runtime.
    pub async fn run(self, stop: CancellationToken, last: Duration) {
        let mut tasks = JoinSet::new();
        if let Some(spans) = self.spans {
            tasks.spawn(spans.run(stop.clone()));
        }
        if let Some(metrics) = self.metrics {
            tasks.spawn(metrics.run(stop.clone()));
        }
        stop.cancelled().await;
        // Tasks that are not over by then are dropped.
        let _ = tokio::time::timeout(last, async { while tasks.join_next().await.is_some() {} }).await;
    }
}
