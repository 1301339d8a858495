//! What an engine intended on a platform and did not see the end of, when the next engine goes on.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_compute::clock::TokioClock;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::planner::{
    Act, CallError, Goal, Holdings, Kind, Next, Planner, Report, Subject,
};
use landlord_compute::machines::spec::{Spec, changes};
use landlord_compute::machines::status::{ComputeStatus, ProvisionResult, UpdateResult};
use landlord_compute::provider::converge::{Api, Converge};
use landlord_compute::provider::{Context, Destroyed};
use landlord_compute::{Options, Provider, ProviderName, TenantId};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{end, events_until, live, memory, spec, tenant, without_providers};

/// Writes once, and notes when that was intended and how often it was another engine's.
struct OneWrite;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Facts {
    intended: Option<Timestamp>,
    taken_over: u32,
    done: bool,
}

impl Planner for OneWrite {
    const LEDGER_VERSION: u32 = 1;
    type Facts = Facts;
    type Call = ();
    type Reply = ();

    fn next(_: &Subject, _: Goal<'_>, facts: &Facts, _: Timestamp) -> Next<()> {
        match facts.done {
            true => Next::Done,
            false => Next::Do(vec![Act { step: "write", call: (), kind: Kind::Write }]),
        }
    }

    fn intend(facts: &mut Facts, (): &(), now: Timestamp) {
        facts.intended.get_or_insert(now);
    }

    fn learn(facts: &mut Facts, (): &(), reply: Result<(), CallError>, _: Timestamp) {
        facts.done = reply.is_ok();
    }

    fn stale(_: &mut Facts) {}

    fn taken_over(facts: &mut Facts, now: Timestamp) {
        facts.taken_over += 1;
        facts.intended = Some(now);
    }

    fn holdings(_: &Facts) -> Holdings {
        Holdings::default()
    }

    fn report(_: &Facts) -> Option<Report> {
        None
    }
}

/// A platform that answers as often as it is allowed to.
#[derive(Clone)]
struct Platform(Arc<Converge<Allowed>>);

struct Allowed(Semaphore);

impl Api for Allowed {
    type Planner = OneWrite;

    async fn call(&self, _: &Context, (): &()) -> Result<(), CallError> {
        self.0.acquire().await.expect("open").forget();
        Ok(())
    }
}

impl Platform {
    fn new() -> Self {
        let name = ProviderName::new("scripted").expect("a valid name");
        Self(Arc::new(Converge::new(name, Allowed(Semaphore::new(0)), changes)))
    }
}

#[async_trait]
impl Provider for Platform {
    fn name(&self) -> ProviderName {
        ProviderName::new("scripted").expect("a valid name")
    }

    fn kind(&self) -> Cow<'static, str> {
        "scripted".into()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        let provisioned = self.0.provision(cx, spec).await?;
        // The first try of a tenant that is called so fails after all it did.
        match (cx.subject.tenant.as_str(), cx.work.map(|work| work.attempt)) {
            ("again", Some(1)) => Err(ProviderError::new(
                ErrorKind::ProvisionFailed,
                Remedy::Retry,
                ErrorCode::UnknownError,
                "once more",
            )),
            (_, _) => Ok(provisioned),
        }
    }

    async fn update(&self, cx: &Context, _: &TenantId, spec: &Spec) -> Result<UpdateResult, ProviderError> {
        self.0.update(cx, spec).await
    }

    async fn destroy(&self, cx: &Context, _: &TenantId) -> Result<Destroyed, ProviderError> {
        self.0.destroy(cx).await.map(|()| Destroyed::default())
    }

    async fn get_status(&self, cx: &Context, _: &TenantId) -> Result<ComputeStatus, ProviderError> {
        self.0.get_status(cx).await
    }

    async fn validate(&self, _: &Context, _: &Spec) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// What the ledger of a tenant says at last.
async fn facts(engine: &landlord_compute::Engine, id: &str) -> Facts {
    let tenant = live(engine, id).await;
    serde_json::from_str(tenant.ledger.as_ref().expect("written").facts.get()).expect("the planner's facts")
}

/// A write whose answer the engine did not live to see may come late. For how long, counts from when the next engine goes on.
#[tokio::test(start_paused = true)]
async fn what_another_engine_intended_is_late_from_the_take_over() {
    let (store, platform) = (memory(), Platform::new());
    // Time goes on from one engine to the next.
    let clock = TokioClock::starting_at("2026-01-01T12:00:00Z".parse().expect("a valid time"));
    let builder = || without_providers(store.clone()).clock(clock).provider(platform.clone());
    let first = builder().start().await.expect("starts");
    let acme = first.tenant(tenant("acme"));
    let operation = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    let id = operation.id().expect("an operation began");
    let progressed = |event: &landlord_compute::LifecycleEvent| {
        matches!(event.what, landlord_compute::EventKind::Progressed { .. })
    };
    events_until(&first, "acme", progressed).await;
    let intended = facts(&first, "acme").await.intended.expect("noted before it went out");
    drop((acme, first));
    tokio::time::sleep(Duration::from_secs(60)).await;

    platform.0.api().0.add_permits(1);
    let second = builder().start().await.expect("starts");
    end(second.operation(id).await.expect("known")).await;
    let known = facts(&second, "acme").await;
    assert_eq!(known.taken_over, 1);
    let late = known.intended.expect("still noted").duration_since(intended);
    assert!(late.as_secs() >= 60, "counted from the take-over: {late:?}");
}

/// What the engine intended itself it has seen the end of, or counts from there.
#[tokio::test(start_paused = true)]
async fn another_try_of_the_same_engine_takes_nothing_over() {
    let (store, platform) = (memory(), Platform::new());
    platform.0.api().0.add_permits(2);
    let engine = without_providers(store).provider(platform).start().await.expect("starts");
    let again = engine.tenant(tenant("again"));
    end(again.provision(spec("again", "v1"), Options::default()).await.expect("accepted")).await;
    assert_eq!(facts(&engine, "again").await.taken_over, 0);
}
