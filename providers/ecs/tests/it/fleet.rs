//! Many tenants at a time through provision, update and destroy, against the quotas of AWS, on simulated time.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use landlord_compute::clock::TokioClock;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_compute::{CommandError, Engine, ObservePolicy, OperationHandle, Options};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::fake::{Calls, Fake, Pace, QUOTAS};
use super::provider::{provider_of, spec};

/// Until all buckets are full again.
const REFILL: Duration = Duration::from_secs(120);

/// What became of one method for all tenants.
pub(crate) struct Phase {
    pub(crate) method: &'static str,
    pub(crate) calls: BTreeMap<String, Calls>,
    pub(crate) took: Duration,
    pub(crate) failed: Vec<String>,
    /// How long the platform itself works for a tenant after the last call that the quotas held up: no pacing makes it
    /// shorter.
    pub(crate) platform: Duration,
}

impl Phase {
    /// What the quotas themselves allow for the calls that were needed.
    pub(crate) fn allowed(&self) -> Duration {
        let row = |(apis, quota): &(&[&str], super::fake::Quota)| {
            let calls = apis.iter().filter_map(|api| self.calls.get(*api));
            let needed: u64 = calls.map(|calls| calls.made - calls.throttled).sum();
            ((needed as f64 - quota.burst) / quota.refill).max(0.0)
        };
        Duration::from_secs_f64(QUOTAS.iter().map(row).fold(0.0, f64::max))
    }

    /// The shortest time that it can take. The last of N tenants gets its turn when the quotas allow it, and ECS only then
    /// begins to start its task. Beside a fleet's time at the quotas this is nothing; of 200 tenants' it is a seventh, so
    /// that the quotas alone are no measure of how well these are paced.
    pub(crate) fn shortest(&self) -> Duration {
        self.allowed() + self.platform
    }

    pub(crate) fn throttled(&self) -> u64 {
        self.calls.values().map(|calls| calls.throttled).sum()
    }

    /// How many times what the quotas allow it took.
    pub(crate) fn ratio(&self) -> f64 {
        self.took.as_secs_f64() / self.allowed().as_secs_f64()
    }

    /// How many times the shortest time it took.
    pub(crate) fn pacing(&self) -> f64 {
        self.took.as_secs_f64() / self.shortest().as_secs_f64()
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (took, allowed) = (self.took.as_secs_f64(), self.allowed().as_secs_f64());
        let (failed, throttled) = (self.failed.len(), self.throttled());
        writeln!(
            f,
            "{}: {took:.0} s, the quotas allow {allowed:.0} s, ratio {:.3}, with ECS's own {:.0} s {:.3}; {failed} \
             tenants failed, {throttled} calls throttled",
            self.method,
            self.ratio(),
            self.platform.as_secs_f64(),
            self.pacing()
        )?;
        for (api, calls) in &self.calls {
            writeln!(f, "    {api}: {} calls, {} throttled", calls.made, calls.throttled)?;
        }
        match self.failed.first() {
            Some(why) => writeln!(f, "    the first failure: {why}"),
            None => Ok(()),
        }
    }
}

/// Measures one method.
pub(crate) async fn phase(
    fake: &Fake,
    method: &'static str,
    work: impl IntoIterator<Item = impl Future<Output = Result<(), String>>>,
) -> Phase {
    sleep(REFILL).await;
    fake.take_calls();
    let begun = Instant::now();
    let failed = join_all(work).await.into_iter().filter_map(Result::err).collect();
    let (took, calls) = (begun.elapsed(), fake.take_calls());
    Phase { method, took, calls, failed, platform: Duration::ZERO }
}

pub(crate) async fn settled(accepted: Result<OperationHandle, CommandError>) -> Result<(), String> {
    match accepted.map_err(|error| error.to_string())?.await.map_err(|error| error.to_string())? {
        Settled::Done => Ok(()),
        other @ (Settled::Failed { .. }
        | Settled::Cancelled { .. }
        | Settled::Superseded { .. }
        | Settled::Abandoned { .. }) => Err(other.to_string()),
    }
}

/// Provision, update and destroy through the engine.
pub(crate) async fn with_engine(tenants: usize) -> [Phase; 3] {
    let pace = Pace::real();
    let fake = Fake::new(pace);
    let started = Engine::builder(MemoryStore::new(MemoryOptions::default()))
        .observe(ObservePolicy::Off)
        .clock(TokioClock::starting_at(Timestamp::now()))
        .provider(provider_of("test", &fake, json!({}), 1))
        .start();
    let engine = started.await.expect("the engine starts");
    let ids: Vec<String> = (0..tenants).map(|number| format!("tenant-{number}")).collect();
    let handle = |id: &String| engine.tenant(TenantId::new(id).expect("a valid id"));
    let provision = ids.iter().map(|id| async move {
        settled(handle(id).provision(spec(id, "app"), Options::default()).await).await
    });
    let mut provision = phase(&fake, "provision", provision).await;
    // An update and a destroy have their last calls at the end, when old revisions go.
    provision.platform = pace.provisioning + pace.pulling + pace.health;
    let update = ids.iter().map(|id| async move {
        settled(handle(id).update(spec(id, "app-2"), Options::default()).await).await
    });
    let update = phase(&fake, "update", update).await;
    let destroy =
        ids.iter().map(|id| async move { settled(handle(id).destroy(Options::default()).await).await });
    let destroy = phase(&fake, "destroy", destroy).await;
    engine.shutdown(Duration::from_secs(60)).await.expect("the engine ends");
    [provision, update, destroy]
}
