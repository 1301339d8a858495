//! What leaves a server that runs: figures and traces, where its configuration or the environment says so.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use landlord_server::Served;
use landlord_telemetry::{Exports, Telemetry};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::configuration::{self, Configuration, LogFormat};
use super::failure::{Failure, with_causes};

/// How often it is looked how far readers of events are behind, and how old operations are.
const LOOKS: Duration = Duration::from_secs(30);

/// What is counted and traced of a server, from before its log begins.
pub(crate) struct Observed {
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) exports: Exports,
    /// For whom the log is written, as the configuration has it.
    pub(crate) log: LogFormat,
}

impl Observed {
    /// By a file and the environment.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn by(file: Option<&Path>) -> Result<Self, Failure> {
        let Configuration { telemetry, log, .. } = configuration::of(file)?;
        let settings = telemetry.settings().map_err(Failure::Usage)?;
        let made = Telemetry::new(&settings).map_err(|error| Failure::Usage(with_causes(&error)))?;
        let (telemetry, exports) = made;
        Ok(Self { telemetry: Arc::new(telemetry), exports, log: log.format })
    }
}

/// Says now and then what takes a look at the store: how far readers of events are behind, and how old operations are.
pub(crate) async fn look(served: Served, telemetry: Arc<Telemetry>, stop: CancellationToken) {
    let mut ticks = interval(LOOKS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match served.lags().await {
            Ok(lags) => telemetry.lags(lags.subscription, lags.webhook, lags.failing),
            Err(error) => tracing::warn!(%error, "how far readers of events are behind cannot be read"),
        }
        match served.oldest_operations().await {
            Ok(ages) => telemetry.oldest_operations(ages),
            Err(error) => tracing::warn!(%error, "how old operations are cannot be read"),
        }
        telemetry.orphans(served.orphans());
    }
}

#[cfg(test)]
mod tests {
    use landlord_compute::clock::SystemClock;
    use landlord_compute::machines::id::Incarnation;
    use landlord_compute::machines::planner::Subject;
    use landlord_compute::provider::{Context, Provider};
    use landlord_telemetry::Settings;
    use landlord_testing::fixtures;

    use super::*;
    use crate::here;

    /// What nobody counts as it happens: it is found by looks at the store, and by sweeps.
    #[tokio::test(start_paused = true)]
    async fn what_looks_and_sweeps_have_found_is_among_the_figures() {
        let provider = fixtures::scripted();
        let engine = fixtures::engine(fixtures::memory(), &provider).start().await.unwrap();
        let (telemetry, _exports) = Telemetry::new(&Settings::default()).unwrap();
        let telemetry = Arc::new(telemetry);
        let engine = Arc::new(engine);
        let served = Served::engine(Arc::clone(&engine));
        let stop = CancellationToken::new();
        let looking = tokio::spawn(look(served.clone(), Arc::clone(&telemetry), stop.clone()));
        let orphans = r#"landlord_orphans{provider="scripted"}"#;
        let figures = async |has: &str| {
            // As long as this takes, time passes.
            while !telemetry.prometheus().contains(has) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            telemetry.prometheus()
        };
        let text = figures("landlord_subscription_lag 0").await;
        assert!(!text.contains(orphans), "nobody has swept: {text}");

        // Something of a tenant is there that no engine was asked for.
        let (name, tenant) = (provider.name(), fixtures::tenant("lost"));
        let subject = Subject {
            engine: engine.store_name(),
            provider: name.clone(),
            tenant,
            incarnation: Incarnation(1),
        };
        let spec = fixtures::spec("lost", "v1").check().unwrap();
        provider.provision(&Context::alone(subject, Arc::new(SystemClock)), &spec).await.unwrap();
        here::client(served).sweep(&name).await.unwrap();
        tokio::time::timeout(LOOKS * 2, figures(&format!("{orphans} 1"))).await.unwrap();
        stop.cancel();
        looking.await.unwrap();
    }
}
