//! The driver: what it refuses, when it stops, and what it leaves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{Incarnation, ProviderName, TenantId};
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::planner::process::{ProcessCall, ProcessPlanner, ProcessReply};
use landlord_state_machines::planner::{
    Act, CallError, Goal, Holdings, Kind, Next, Planner, Report, Subject,
};
use landlord_state_machines::spec::{ContainerSpec, ResourceRequirements, Spec, TenantComputeSpec, changes};
use landlord_state_machines::status::{ComputeState, Health, UpdateStatus};
use tokio_util::sync::CancellationToken;

use landlord_compute::clock::TokioClock;
use landlord_compute::provider::converge::{Api, Converge};
use landlord_compute::provider::{CheckpointError, Context, Journal, UndoBy};
use landlord_provider_process::faults::Processes;
use landlord_testing::faults::Model;

/// A machine in memory that counts what is asked of it.
#[derive(Default)]
struct Machine {
    processes: Mutex<Processes>,
    calls: AtomicUsize,
}

impl Api for Machine {
    type Planner = ProcessPlanner;

    async fn call(&self, cx: &Context, call: &ProcessCall) -> Result<ProcessReply, CallError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut processes = self.processes.lock().unwrap();
        processes.answer(&cx.subject, call, cx.now()).map_err(CallError::Refused)
    }
}

fn provider() -> Converge<Machine> {
    Converge::new(ProviderName::new("model").unwrap(), Machine::default(), changes)
}

fn subject() -> Subject {
    let tenant = TenantId::new("acme").unwrap();
    Subject {
        engine: "engine".into(),
        provider: ProviderName::new("model").unwrap(),
        tenant,
        incarnation: Incarnation(1),
    }
}

fn alone() -> Context {
    Context::alone(subject(), Arc::new(TokioClock::starting_at(Timestamp::UNIX_EPOCH)))
}

fn spec(behaviour: &str, version: &str) -> Spec {
    let web = ContainerSpec {
        name: "web".to_owned(),
        image: "host".to_owned(),
        args: vec![behaviour.to_owned(), version.to_owned()],
        ..ContainerSpec::default()
    };
    TenantComputeSpec {
        tenant_id: "acme".to_owned(),
        provider_type: "model".to_owned(),
        containers: vec![web],
        resources: ResourceRequirements { cpu: 1000, memory: 1024, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    }
    .check()
    .unwrap()
}

fn holds(provider: &Converge<Machine>, cx: &Context, spec: Option<&Spec>) -> Result<(), String> {
    provider.api().processes.lock().unwrap().holds_exactly(&cx.subject, spec, cx.now())
}

#[tokio::test(start_paused = true)]
async fn a_life_from_provision_to_destroy() {
    let provider = provider();
    let mut cx = alone();
    let (one, two) = (spec("fine", "1"), spec("fine", "2"));

    assert_eq!(provider.get_status(&cx).await.unwrap_err().kind, ErrorKind::TenantNotFound);
    assert_eq!(provider.update(&cx, &one).await.unwrap_err().kind, ErrorKind::TenantNotFound);

    let first = provider.provision(&cx, &one).await.unwrap();
    let again = provider.provision(&cx, &one).await.unwrap();
    assert_eq!(first.resource_ids, again.resource_ids);
    assert_eq!(provider.provision(&cx, &two).await.unwrap_err().code, ErrorCode::Conflict);
    holds(&provider, &cx, Some(&one)).unwrap();

    let status = provider.get_status(&cx).await.unwrap();
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));

    cx.applied = Some(one.clone());
    assert_eq!(provider.update(&cx, &one).await.unwrap().status, UpdateStatus::NoChanges);
    let updated = provider.update(&cx, &two).await.unwrap();
    assert_eq!(updated.status, UpdateStatus::Success);
    assert_eq!(updated.changes, ["containers[web].args: changed"]);
    holds(&provider, &cx, Some(&two)).unwrap();

    provider.destroy(&cx).await.unwrap();
    provider.destroy(&cx).await.unwrap();
    holds(&provider, &cx, None).unwrap();
    assert_eq!(cx.ledger().unwrap().left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_lost_ledger_costs_nothing() {
    let provider = provider();
    let first = provider.provision(&alone(), &spec("fine", "1")).await.unwrap();
    let again = provider.provision(&alone(), &spec("fine", "1")).await.unwrap();
    assert_eq!(first.resource_ids, again.resource_ids);

    let cx = alone();
    provider.update(&cx, &spec("fine", "2")).await.unwrap();
    holds(&provider, &cx, Some(&spec("fine", "2"))).unwrap();

    provider.destroy(&alone()).await.unwrap();
    holds(&provider, &cx, None).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_crash_fails_early_in_the_platforms_words_and_is_undone() {
    let provider = provider();
    let mut cx = alone();
    let error = provider.provision(&cx, &spec("crash", "1")).await.unwrap_err();
    assert_eq!((error.kind, error.remedy), (ErrorKind::ProvisionFailed, Remedy::Retry));
    assert_eq!(error.platform.as_deref(), Some("exited with code 1"));
    holds(&provider, &cx, None).unwrap();

    let applied = spec("fine", "1");
    provider.provision(&cx, &applied).await.unwrap();
    cx.applied = Some(applied.clone());
    let error = provider.update(&cx, &spec("crash", "2")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UpdateFailed);
    holds(&provider, &cx, Some(&applied)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_undone_is_named() {
    let provider = provider();
    let cx = alone();
    provider.provision(&cx, &spec("fine", "1")).await.unwrap();
    // Nobody says what ran before.
    let error = provider.update(&cx, &spec("crash", "2")).await.unwrap_err();
    assert!(error.message.contains("not undone: the spec that ran before is not known"), "{error}");
    assert!(error.message.contains("web/1-1: pid 1001"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn under_the_engine_a_failure_leaves_the_ledger_and_undoes_nothing() {
    let provider = provider();
    let mut cx = alone();
    cx.undo = UndoBy::Engine;
    provider.provision(&cx, &spec("crash", "1")).await.unwrap_err();
    assert_eq!(cx.ledger().unwrap().left(), ["web/1-1: ended, files left"]);
}

#[tokio::test(start_paused = true)]
async fn cancellation_stops_a_provision_and_not_a_destroy() {
    let provider = provider();
    let cx = alone();
    let spec = spec("fine", "1");
    // The process still settles when the cancel comes.
    let (result, ()) = tokio::join!(provider.provision(&cx, &spec), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        cx.cancel.cancel();
    });
    let error = result.unwrap_err();
    assert!(error.message.contains("cancelled"), "{error}");
    holds(&provider, &cx, None).unwrap();

    let mut uncancelled = cx.clone();
    uncancelled.cancel = CancellationToken::new();
    provider.provision(&uncancelled, &spec).await.unwrap();
    provider.destroy(&cx).await.unwrap();
    holds(&provider, &cx, None).unwrap();
}

#[tokio::test(start_paused = true)]
async fn alone_the_deadline_stops_a_provision() {
    let provider = provider();
    let mut cx = alone();
    cx.deadline = Some(cx.now() + SignedDuration::from_millis(300));
    let error = provider.provision(&cx, &spec("fine", "1")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ProviderTimeout);
    holds(&provider, &cx, None).unwrap();
}

/// Another engine has taken the store.
struct Fenced;

#[async_trait]
impl Journal for Fenced {
    async fn write(&self, _ledger: Arc<Ledger>, _step: &str) -> Result<(), CheckpointError> {
        Err(CheckpointError::Fenced)
    }
}

#[tokio::test(start_paused = true)]
async fn i1_without_a_durable_intent_there_is_no_write() {
    let provider = provider();
    let clock = Arc::new(TokioClock::starting_at(Timestamp::UNIX_EPOCH));
    let cx = Context::journaled(subject(), clock, None, Arc::new(Fenced));
    provider.provision(&cx, &spec("fine", "1")).await.unwrap_err();
    assert_eq!(provider.api().calls.load(Ordering::Relaxed), 1, "only the look");
    holds(&provider, &cx, None).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_newer_ledger_is_refused_and_nothing_is_called() {
    let provider = provider();
    let cx = alone();
    let facts = serde_json::value::to_raw_value("?").unwrap();
    let ledger = |version| Ledger {
        version,
        resources: Default::default(),
        endpoints: Vec::new(),
        waits: None,
        engine: None,
        facts: facts.clone(),
    };
    cx.checkpoint(ledger(2), "newer").await.unwrap();
    let error = provider.provision(&cx, &spec("fine", "1")).await.unwrap_err();
    assert!(error.message.contains("has version 2"), "{error}");
    cx.checkpoint(ledger(1), "unreadable").await.unwrap();
    let error = provider.destroy(&cx).await.unwrap_err();
    assert_eq!((error.kind, error.remedy), (ErrorKind::DestroyFailed, Remedy::NeedsPerson));
    assert_eq!(provider.api().calls.load(Ordering::Relaxed), 0);
}

/// A planner that writes for ever and learns nothing.
struct Stubborn;

impl Planner for Stubborn {
    const LEDGER_VERSION: u32 = 1;
    type Facts = ();
    type Call = ();
    type Reply = ();
    fn next(_: &Subject, goal: Goal<'_>, (): &(), _: Timestamp) -> Next<()> {
        let kind = match goal {
            Goal::Known => Kind::Read,
            Goal::Present { .. } | Goal::Absent => Kind::Write,
        };
        Next::Do(vec![Act { step: "push", call: (), kind }])
    }
    fn intend((): &mut (), (): &(), _: Timestamp) {}
    fn learn((): &mut (), (): &(), _: Result<(), CallError>, _: Timestamp) {}
    fn stale((): &mut ()) {}
    fn holdings((): &()) -> Holdings {
        Holdings::default()
    }
    fn report((): &()) -> Option<Report> {
        None
    }
}

/// A platform that takes its time.
struct Sluggish(Duration);

impl Api for Sluggish {
    type Planner = Stubborn;
    async fn call(&self, _: &Context, (): &()) -> Result<(), CallError> {
        tokio::time::sleep(self.0).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_goes_in_circles_is_refused() {
    let provider = Converge::new(ProviderName::new("model").unwrap(), Sluggish(Duration::ZERO), changes);
    let error: ProviderError = provider.destroy(&alone()).await.unwrap_err();
    assert!(error.message.contains("without getting further: push"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_status_is_answered_within_five_seconds() {
    let provider =
        Converge::new(ProviderName::new("model").unwrap(), Sluggish(Duration::from_secs(60)), changes);
    let cx = alone();
    let before = cx.now();
    assert_eq!(provider.get_status(&cx).await.unwrap_err().code, ErrorCode::ProviderTimeout);
    assert_eq!(cx.now().duration_since(before), SignedDuration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_the_tenant_is_seen_to_have_changed() {
    let provider = Arc::new(provider());
    let cx = alone();
    // Its checks pass after 3 s; until then the plan waits between two looks.
    let (slow, calls) = (spec("slow", "1"), || provider.api().calls.load(Ordering::Relaxed));
    let provisioning = {
        let (provider, cx, slow) = (Arc::clone(&provider), cx.clone(), slow.clone());
        tokio::spawn(async move { provider.provision(&cx, &slow).await })
    };
    let waits = Duration::from_millis(1);
    let mut made = calls();
    loop {
        tokio::time::sleep(waits).await;
        if made > 0 && made == calls() {
            break;
        }
        made = calls();
    }
    cx.ring();
    let before = cx.now();
    while calls() == made {
        assert!(cx.now().duration_since(before) <= SignedDuration::from_millis(1), "it waits all the same");
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    // What rang once does not make it look for ever.
    let looked = calls();
    tokio::time::sleep(waits).await;
    assert!(calls() <= looked + 2, "{} more calls", calls() - looked);
    provisioning.await.unwrap().unwrap();
    holds(&provider, &cx, Some(&slow)).unwrap();
}
