//! What is told of a tenant: a snapshot of every configuration, and of lives of which the events tell more.

use std::fmt::Write;
use std::sync::Arc;

use jiff::Timestamp;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{Incarnation, OperationId, ProviderName, Revision, TenantId};
use landlord_state_machines::observation::{Observation, Seen};
use landlord_state_machines::render::fold;
use landlord_state_machines::tenant::samples::configurations;
use landlord_state_machines::tenant::{
    Attention, Command, Decision, Explanation, Input, LifecycleEvent, Outcome, Past, Policy, Record, Request,
    Stamp, StateName, explain, step,
};

fn snapshot(name: &str, text: String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/explained");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn told(explanation: Option<&Explanation>) -> String {
    let Some(Explanation { why, since, tried, next, todo }) = explanation else {
        return "  it plainly runs\n".to_owned();
    };
    let mut text = format!("  {why}\n");
    if let Some(since) = since {
        writeln!(text, "    since {since}").unwrap();
    }
    for tried in tried {
        writeln!(text, "    tried {tried}").unwrap();
    }
    for coming in next {
        let at = coming.at.map(|at| format!("{at} ")).unwrap_or_default();
        writeln!(text, "    next  {at}{}", coming.what).unwrap();
    }
    for advice in todo {
        writeln!(text, "    to do `{}` {}", advice.command, advice.what).unwrap();
    }
    text
}

#[test]
fn every_configuration_is_explained() {
    for state in [
        None,
        Some(StateName::Pending),
        Some(StateName::Provisioning),
        Some(StateName::Running),
        Some(StateName::Updating),
        Some(StateName::Destroying),
    ] {
        let all = configurations().into_iter().filter(|each| each.state() == state && !each.name.repair_off);
        let all = all.map(|each| {
            let explained = explain(&each.record, &Past::default(), Attention::Engine);
            (format!("# {}", each.name), told(explained.as_ref()))
        });
        let mut text = String::new();
        for (names, told) in fold(all) {
            writeln!(text, "{}\n{told}", names.join("\n")).unwrap();
        }
        snapshot(state.map_or("no_life", StateName::as_str), text);
    }
}

/// Whatever a tenant does not do by itself, somebody is told how it is done; and only what is well is not explained.
#[test]
fn nobody_is_left_without_an_answer() {
    for each in configurations() {
        let Some(told) = explain(&each.record, &Past::default(), Attention::Nobody) else {
            assert!(each.name.base == "running, healthy" && !each.name.paused, "{}", each.name);
            continue;
        };
        assert!(!told.why.is_empty() && !told.todo.is_empty(), "{}", each.name);
        let runs_an_engine = told.todo.iter().any(|advice| advice.command == "landlord-compute serve");
        let needs_one = told.next.iter().any(|coming| coming.at.is_some()) && !each.name.paused;
        assert!(runs_an_engine || !needs_one, "{}: {told:?}", each.name);
    }
}

/// Nobody is told of repairs that do not come.
#[test]
fn where_repairs_are_off_none_is_promised() {
    let off = configurations().into_iter().filter(|each| each.name.repair_off);
    let running = off.filter(|each| each.state() == Some(StateName::Running));
    let mut unhealthy = 0;
    for each in running {
        let told = told(explain(&each.record, &Past::default(), Attention::EngineWithoutRepairs).as_ref());
        let promises =
            ["is repaired", "a repair begins", "the next repair", "repair 1 begins", "repair 2 begins"];
        assert!(!promises.iter().any(|promise| told.contains(promise)), "{}: {told}", each.name);
        unhealthy += usize::from(told.contains("repairs are switched off"));
    }
    assert!(unhealthy > 0);
}

/// A tenant's life, event by event.
struct Life {
    record: Record,
    past: Past,
    now: i64,
    operations: u64,
}

const POLICY: u32 = 3;

impl Life {
    fn new() -> Self {
        let record = Record::Absent(TenantId::new("acme").unwrap());
        Self { record, past: Past::default(), now: 1_800_000_000, operations: 0 }
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_second(self.now).unwrap()
    }

    fn takes(&mut self, input: Input) -> Arc<LifecycleEvent> {
        self.now += 10;
        self.operations += 1;
        let operation = OperationId { epoch: 1, number: self.operations };
        let policy = Policy { attempts: POLICY, ..Policy::default() };
        let stamp = Stamp { now: self.at(), jitter: 999, operation };
        let Decision::Apply(transition) = step(&policy, &self.record, stamp, input.clone()) else {
            panic!("{input:?} does nothing")
        };
        self.past.note(&transition.event);
        self.record = transition.record;
        transition.event
    }

    fn asked(&mut self, request: Request) {
        self.takes(Input::Command(Command { expected: None, request }));
    }

    fn provision(&mut self, image: &str) {
        let request = Request::Provision { spec: spec(image), provider: provider(), deadline: None };
        self.asked(request);
    }

    fn update(&mut self, image: &str) {
        self.asked(Request::Update { spec: spec(image), provider: provider(), deadline: None });
    }

    fn ends(&mut self, outcome: Outcome) {
        let call = self.record.call().expect("a call");
        self.takes(Input::Outcome { call, outcome });
    }

    fn succeeds(&mut self) {
        self.ends(Outcome::Succeeded { changes: Vec::new(), message: None, retained: None });
    }

    /// The call gets to a step, and fails there.
    fn fails_at(&mut self, step: &str, remedy: Remedy, message: &str) {
        let call = self.record.call().expect("a call");
        let ledger = ledger();
        self.takes(Input::Progressed { call, ledger, step: step.to_owned() });
        self.ends(Outcome::Failed(error(remedy, message)));
    }

    /// The call waits for its platform.
    fn waits(&mut self, what: &str) {
        let call = self.record.call().expect("a call");
        let waits = serde_json::json!({ "call": call, "what": what, "since": self.at() });
        let ledger = serde_json::json!({ "version": 1, "waits": waits, "facts": null });
        let ledger = serde_json::from_str(&ledger.to_string()).unwrap();
        self.takes(Input::Progressed { call, ledger: Arc::new(ledger), step: what.to_owned() });
    }

    fn later(&mut self) {
        self.now += 100;
        self.takes(Input::TimerFired);
    }

    fn seen(&mut self, seen: Seen) {
        let (tenant, begun) = (TenantId::new("acme").unwrap(), self.at());
        self.takes(Input::Observed(Observation { tenant, begun, seen }));
    }

    fn told(&self) -> String {
        told(explain(&self.record, &self.past, Attention::Engine).as_ref())
    }
}

fn provider() -> ProviderName {
    ProviderName::new("process").unwrap()
}

fn spec(image: &str) -> landlord_state_machines::spec::Spec {
    let text = format!(
        "{{tenant_id: acme, provider_type: process, containers: [{{name: web, image: {image}}}], \
         resources: {{cpu: 256, memory: 256}}}}"
    );
    landlord_state_machines::spec::TenantComputeSpec::from_yaml(&text).unwrap().check().unwrap()
}

fn ledger() -> Arc<landlord_state_machines::ledger::Ledger> {
    let text = r#"{ "version": 1, "resources": { "web": "pid 4711" }, "facts": null }"#;
    Arc::new(serde_json::from_str(text).unwrap())
}

fn error(remedy: Remedy, message: &str) -> Arc<ProviderError> {
    let error = ProviderError::new(ErrorKind::ProvisionFailed, remedy, ErrorCode::UnknownError, message);
    Arc::new(error.with_platform("exit status 1"))
}

#[test]
fn a_provision_that_fails_and_is_undone() {
    let mut life = Life::new();
    let mut text = String::new();
    let mut tell = |life: &Life, of: &str| writeln!(text, "# {of}\n{}", life.told()).unwrap();
    life.provision("web:1");
    tell(&life, "it begins");
    life.waits("the rollout completes: 0 of 1 running");
    tell(&life, "it waits for its platform");
    life.fails_at("make the network", Remedy::Retry, "no answer");
    tell(&life, "one try failed");
    life.later();
    life.fails_at("start web", Remedy::Retry, "no memory");
    tell(&life, "another one failed otherwise");
    life.later();
    life.takes(Input::Recovered);
    tell(&life, "the engine ended, and that was the last one");
    life.fails_at("stop web", Remedy::NeedsPerson, "not allowed");
    tell(&life, "the undo fails");
    life.later();
    life.succeeds();
    tell(&life, "it is undone");
    life.asked(Request::Destroy);
    life.fails_at("remove the network", Remedy::Retry, "it is in use");
    tell(&life, "the destroy fails");
    life.asked(Request::Abandon { reason: "never mind".to_owned() });
    tell(&life, "it is abandoned");
    snapshot("a_provision_that_fails", text);
}

/// A line for each kind of failure, and not for each try.
#[test]
fn what_fails_alike_is_counted() {
    let mut life = Life::new();
    life.provision("web:1");
    for _ in 0..2 {
        life.fails_at("start web", Remedy::Retry, "no memory");
        life.later();
    }
    let told = life.told();
    assert!(told.contains("2 tries failed so at the step"), "{told}");
    assert_eq!(told.matches("    tried ").count(), 1, "{told}");
}

#[test]
fn an_update_that_fails_and_one_that_waited() {
    let mut life = Life::new();
    let mut text = String::new();
    let mut tell = |life: &Life, of: &str| writeln!(text, "# {of}\n{}", life.told()).unwrap();
    life.provision("web:1");
    life.succeeds();
    tell(&life, "it runs");
    life.update("web:2");
    life.update("web:3");
    tell(&life, "another update waits");
    life.fails_at("start web", Remedy::Permanent, "no such image");
    tell(&life, "it failed for good");
    life.succeeds();
    tell(&life, "the one that waited is on its way");
    life.fails_at("start web", Remedy::Retry, "too busy");
    life.asked(Request::Pause);
    tell(&life, "it is paused");
    life.asked(Request::Resume);
    life.asked(Request::Cancel);
    tell(&life, "it is cancelled");
    life.succeeds();
    tell(&life, "it is undone");
    snapshot("an_update_that_fails", text);
}

#[test]
fn what_breaks_and_is_repaired() {
    let mut life = Life::new();
    let mut text = String::new();
    let mut tell = |life: &Life, of: &str| writeln!(text, "# {of}\n{}", life.told()).unwrap();
    life.provision("web:1");
    life.succeeds();
    life.seen(Seen::Unhealthy("web: not ready".to_owned()));
    tell(&life, "a check fails");
    life.seen(Seen::Broken("web: exited with 1".to_owned()));
    tell(&life, "it breaks");
    life.fails_at("start web", Remedy::Permanent, "no such image");
    tell(&life, "the repair fails");
    life.asked(Request::Pause);
    tell(&life, "it is paused");
    life.asked(Request::Resume);
    life.later();
    life.succeeds();
    tell(&life, "it is repaired, for the second time");
    life.seen(Seen::Broken("deployment acme: spec.replicas was changed by somebody".to_owned()));
    tell(&life, "it is made another by somebody");
    snapshot("what_breaks", text);
}

#[test]
fn a_provider_that_is_not_there_holds_a_tenant() {
    let mut life = Life::new();
    life.provision("web:1");
    let message = "its provider is not registered";
    let held = ProviderError::new(
        ErrorKind::ProvisionFailed,
        Remedy::NeedsPerson,
        ErrorCode::ProviderUnavailable,
        message,
    );
    life.ends(Outcome::Held(Arc::new(held.clone())));
    let provision = life.told();
    life.asked(Request::Destroy);
    life.ends(Outcome::Held(Arc::new(held)));
    snapshot("held", format!("# a provision\n{provision}\n# a destroy\n{}", life.told()));
}

/// Of a tenant that lives on for long, no more is kept than of one that has just begun.
#[test]
fn the_past_stays_small() {
    let mut life = Life::new();
    life.provision("web:1");
    life.asked(Request::Destroy);
    life.now += 100;
    life.takes(Input::TimerFired);
    for n in 0..100 {
        life.ends(Outcome::Failed(error(Remedy::Retry, &format!("no answer to request {n}"))));
        life.later();
    }
    let told = life.told();
    assert_eq!(told.matches("    tried ").count(), 5, "{told}");
    assert!(told.contains("96 tries failed otherwise"), "{told}");
}

/// What was destroyed says when, and what it left.
#[test]
fn what_is_gone_says_since_when() {
    let mut life = Life::new();
    life.provision("web:1");
    life.succeeds();
    life.asked(Request::Destroy);
    life.succeeds();
    let explained = explain(&life.record, &life.past, Attention::Engine).expect("it does not run");
    assert_eq!((explained.why.as_str(), explained.since), ("It is gone: it was destroyed.", Some(life.at())));
    let Record::Gone(tombstone) = &life.record else { panic!("it lives") };
    assert_eq!((tombstone.incarnation, tombstone.revision), (Incarnation(1), Revision(4)));
}
