//! An engine whose lease ends in the middle of a call, and is renewed before another engine takes over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::members::SHARDS;
use landlord_compute::machines::planner::{
    Act, CallError, Goal, Holdings, Kind, Next, Planner, Report, Subject,
};
use landlord_compute::machines::spec::Spec;
use landlord_compute::machines::status::{
    ComputeState, ComputeStatus, Health, ProvisionResult, UpdateResult,
};
use landlord_compute::machines::tenant::{EventKind, Settled};
use landlord_compute::provider::converge::{Api, Converge};
use landlord_compute::provider::{Context, Destroyed, Lease, Provider};
use landlord_compute::store::MemoryOptions;
use landlord_compute::{Engine, Options};
use landlord_testing::store::shared::SharedMemory;

use super::{end, events_until, spec, tenant, without_providers};

/// How many calls a plan makes.
const CALLS: u32 = 3;

/// Plans so many writes, one after the other. Its facts are how many were made.
struct Writes;

impl Planner for Writes {
    const LEDGER_VERSION: u32 = 1;
    type Facts = u32;
    type Call = u32;
    type Reply = ();

    fn next(_: &Subject, goal: Goal<'_>, made: &u32, _: Timestamp) -> Next<u32> {
        match goal {
            Goal::Present { .. } if *made < CALLS => {
                Next::Do(vec![Act { step: "write", call: *made + 1, kind: Kind::Write }])
            }
            Goal::Absent if *made > 0 => Next::Do(vec![Act { step: "remove", call: 0, kind: Kind::Write }]),
            Goal::Present { .. } | Goal::Absent | Goal::Known => Next::Done,
        }
    }

    fn intend(_: &mut u32, _: &u32, _: Timestamp) {}

    fn learn(made: &mut u32, call: &u32, reply: Result<(), CallError>, _: Timestamp) {
        // What fails is over.
        *made = if reply.is_ok() { *call } else { CALLS };
    }

    fn stale(_: &mut u32) {}

    fn holdings(_: &u32) -> Holdings {
        Holdings::default()
    }

    fn report(made: &u32) -> Option<Report> {
        (*made > 0).then(|| Report {
            state: ComputeState::Running,
            containers: Vec::new(),
            health: Health::Healthy,
            metadata: BTreeMap::new(),
        })
    }
}

/// What becomes of the second call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Second {
    /// It is answered, and the lease ends right after it.
    Answered,
    /// The lease ends, and what is left of the request is not sent.
    CutOff,
}

/// A platform that asks while the lease holds.
struct Platform {
    second: Second,
    lease: OnceLock<Lease>,
    /// The calls, and in which try each was made.
    calls: Mutex<Vec<(u32, u32)>>,
}

impl Api for Platform {
    type Planner = Writes;

    async fn call(&self, cx: &Context, call: &u32) -> Result<(), CallError> {
        let lease = self.lease.get().expect("the engine has told it");
        assert!(cx.holds() && lease.holds(), "call {call} was made without a lease");
        let mut calls = self.calls.lock().expect("not poisoned");
        let is_first = !calls.iter().any(|(made, _)| made == call);
        calls.push((*call, cx.work.expect("an operation").attempt));
        match (*call, is_first, self.second) {
            (2, true, Second::Answered) => lease.end(),
            (2, true, Second::CutOff) => {
                lease.end();
                let words = "the connection broke";
                let error = ProviderError::new(
                    ErrorKind::ProvisionFailed,
                    Remedy::Permanent,
                    ErrorCode::ProviderUnavailable,
                    words,
                );
                return Err(CallError::Unknown(error));
            }
            _ => {}
        }
        Ok(())
    }
}

struct Planned(Converge<Arc<Platform>>);

#[async_trait]
impl Provider for Planned {
    fn name(&self) -> ProviderName {
        ProviderName::new("scripted").expect("a valid name")
    }

    fn leased(&self, lease: Lease) {
        let _ = self.0.api().lease.set(lease);
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        self.0.provision(cx, spec).await
    }

    async fn update(&self, cx: &Context, _: &TenantId, spec: &Spec) -> Result<UpdateResult, ProviderError> {
        self.0.update(cx, spec).await
    }

    async fn destroy(&self, cx: &Context, _: &TenantId) -> Result<Destroyed, ProviderError> {
        self.0.destroy(cx).await?;
        Ok(Destroyed::default())
    }

    async fn get_status(&self, cx: &Context, _: &TenantId) -> Result<ComputeStatus, ProviderError> {
        self.0.get_status(cx).await
    }

    async fn validate(&self, _: &Context, _: &Spec) -> Result<(), ProviderError> {
        Ok(())
    }
}

async fn engine(second: Second) -> (Engine, Arc<Platform>) {
    let platform = Platform { second, lease: OnceLock::new(), calls: Mutex::default() };
    let platform = Arc::new(platform);
    let name = ProviderName::new("scripted").expect("a valid name");
    let planned = Planned(Converge::new(name, Arc::clone(&platform), |_, _| Vec::new()));
    let store = SharedMemory::new(MemoryOptions::default());
    let engine = without_providers(store.seat()).provider(planned).start().await.expect("starts");
    // What is committed before the tenant is this engine's, another one may have begun.
    let divided = async {
        while engine.vitals().sharing.is_none_or(|sharing| sharing.shards < usize::from(SHARDS)) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1000), divided).await.expect("it takes all shards");
    (engine, platform)
}

/// Between two calls of a plan, and in the middle of one: nothing is asked until the lease is renewed, and the same try goes on.
#[tokio::test(start_paused = true)]
async fn a_plan_stands_still_while_the_lease_does_not_hold_and_spends_no_try() {
    for (second, expected) in [
        (Second::Answered, vec![(1, 1), (2, 1), (3, 1)]),
        // Whether it happened is not known, so it is asked for again.
        (Second::CutOff, vec![(1, 1), (2, 1), (2, 1), (3, 1)]),
    ] {
        let (engine, platform) = engine(second).await;
        let accepted = engine.tenant(tenant("acme")).provision(spec("acme", "v1"), Options::default()).await;
        assert_eq!(end(accepted.expect("accepted")).await, Settled::Done, "{second:?}");
        assert_eq!(*platform.calls.lock().expect("not poisoned"), expected, "{second:?}");
        let events = events_until(&engine, "acme", |event| !event.settled.is_empty()).await;
        let tries = events.iter().filter(|event| {
            matches!(event.what, EventKind::WillRetry { .. } | EventKind::Retried | EventKind::Recovered)
        });
        assert_eq!(tries.count(), 0, "{second:?}: {events:?}");
    }
}
