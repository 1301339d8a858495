//! Telemetry over an engine, with a receiver of OTLP in this process: what leaves, and what happens when it cannot.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod away;
mod metrics;
mod page;
mod receiver;
mod secrets;
mod traces;

use std::sync::Arc;
use std::time::Duration;

use landlord_compute::{Engine, ObservePolicy};
use landlord_telemetry::{Exports, Settings, Telemetry};
use landlord_testing::scripted::Scripted;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

use receiver::Receiver;

/// How long anything is waited for that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Telemetry that exports, and an engine's thread that it listens to.
struct Exporting {
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
    exports: JoinHandle<()>,
    _listening: DefaultGuard,
}

impl Exporting {
    /// To this address, with every operation traced that its caller does not leave out.
    fn to(address: &str) -> Self {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", address),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20sentinel-header"),
            ("OTEL_TRACES_SAMPLER", "parentbased_always_on"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000"),
        ];
        let find =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Self::with(&Settings::default().over_by(find).expect("valid"))
    }

    fn with(settings: &Settings) -> Self {
        let (telemetry, exports): (Telemetry, Exports) = Telemetry::new(settings).expect("set up");
        let listening = listen(&telemetry);
        let stop = CancellationToken::new();
        let exports = tokio::spawn(exports.run(stop.clone(), Duration::from_secs(2)));
        Self { telemetry: Arc::new(telemetry), stop, exports, _listening: listening }
    }

    /// Sends what is left.
    async fn end(self) {
        self.stop.cancel();
        self.exports.await.expect("no panic");
    }
}

/// Gives what this thread traces to telemetry.
fn listen(telemetry: &Telemetry) -> DefaultGuard {
    // While there is only one subscriber, a span that another test's thread meets first is switched off for all.
    static ANOTHER: std::sync::OnceLock<tracing::Dispatch> = std::sync::OnceLock::new();
    ANOTHER.get_or_init(|| tracing::Dispatch::new(tracing_subscriber::registry()));
    tracing::subscriber::set_default(tracing_subscriber::registry().with(telemetry.layer()))
}

/// An engine that this watches.
async fn engine(
    telemetry: &Telemetry,
    store: impl landlord_compute::store::Store,
    provider: &Scripted,
) -> Arc<Engine> {
    let engine = Engine::builder(store).observe(ObservePolicy::Off).provider(provider.clone());
    let engine = engine.watched_by(telemetry.watcher()).start().await.expect("starts");
    let engine = Arc::new(engine);
    telemetry.asks(&engine);
    engine
}
