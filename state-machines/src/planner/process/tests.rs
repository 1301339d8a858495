//! What the page does not show: names, fingerprints, and what is never written down.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::facts::{Launch, Live, Run, Streak};
use super::wanted::Wanted;
use super::{
    Exit, ExitCause, Found, LaunchId, Probed, Process, ProcessCall, ProcessLife, ProcessPlanner,
    ProcessReply, Start, Thief,
};
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::id::{Incarnation, ProviderName, Rollout, TenantId};
use crate::planner::{Act, CallError, Goal, Means, Next, Planner, Subject};
use crate::spec::{
    ContainerSpec, FileSpec, HealthCheckConfig, MountSpec, Replicas, ResourceRequirements, Role,
    SecretReference, Spec, TenantComputeSpec, UpdateConfig, VolumeSpec,
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn subject() -> Subject {
    let tenant = TenantId::new("acme").unwrap();
    Subject {
        engine: "engine".into(),
        provider: ProviderName::new("process").unwrap(),
        tenant,
        incarnation: Incarnation(2),
    }
}

fn spec(change: impl FnOnce(&mut TenantComputeSpec)) -> Spec {
    let web = ContainerSpec {
        name: "web".to_owned(),
        image: "host".to_owned(),
        command: vec!["server".to_owned()],
        env: BTreeMap::from([("TOKEN".to_owned(), "hunter2".to_owned())]),
        ..ContainerSpec::default()
    };
    let mut spec = TenantComputeSpec {
        tenant_id: "acme".to_owned(),
        provider_type: "process".to_owned(),
        containers: vec![web],
        resources: ResourceRequirements { cpu: 1000, memory: 1024, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    };
    change(&mut spec);
    spec.check().unwrap()
}

/// A look that shows a keeper and no launch.
fn kept() -> Found {
    Found { keeper: true, ..Found::default() }
}

fn next(spec: &Spec, facts: &super::ProcessFacts, now: Timestamp) -> Next<ProcessCall> {
    let goal = Goal::Present { spec, applied: None, rollout: Rollout::default(), by: Means::Provision };
    ProcessPlanner::next(&subject(), goal, facts, now)
}

/// The facts after a look that showed nothing, and the start that is then planned.
fn first_start(spec: &Spec) -> (super::ProcessFacts, Start) {
    let mut facts = super::ProcessFacts::default();
    ProcessPlanner::learn(&mut facts, &ProcessCall::Find, Ok(ProcessReply::Found(kept())), NOW);
    match next(spec, &facts, NOW) {
        Next::Do(mut acts) => match acts.remove(0).call {
            ProcessCall::Start(start) => (facts, *start),
            other @ (ProcessCall::Find
            | ProcessCall::Keep
            | ProcessCall::Dismiss { .. }
            | ProcessCall::Route(_)
            | ProcessCall::ReservePorts(_)
            | ProcessCall::Probe(_)
            | ProcessCall::Signal(_)
            | ProcessCall::Hold(_)
            | ProcessCall::Clear { .. }) => panic!("{other:?}"),
        },
        other @ (Next::Wait { .. } | Next::Done | Next::Fail(_)) => panic!("{other:?}"),
    }
}

#[test]
fn a_fingerprint_is_the_same_for_ever() {
    let (_, start) = first_start(&spec(|_| {}));
    assert_eq!(start.manifest.fingerprint.to_string(), "475c024044fb6260e39977161f7f6d6c");
}

#[test]
fn a_fingerprint_covers_all_that_a_process_is_started_with() {
    let fingerprint = |change: fn(&mut TenantComputeSpec)| first_start(&spec(change)).1.manifest.fingerprint;
    let same = fingerprint(|_| {});
    assert_eq!(same, fingerprint(|spec| spec.labels = BTreeMap::from([("a".to_owned(), "b".to_owned())])));
    for change in [
        (|spec| spec.containers[0].args = vec!["-v".to_owned()]) as fn(&mut TenantComputeSpec),
        |spec| {
            spec.containers[0].env.clear();
        },
        |spec| spec.resources.memory = 2048,
        |spec| {
            spec.secrets = vec![SecretReference {
                name: "a".into(),
                source: "file".into(),
                key: "b".into(),
                env_var: Some("A".into()),
                ..SecretReference::default()
            }]
        },
        |spec| spec.provider_config = Some(serde_json::json!({ "stop_grace_seconds": 1 })),
    ] {
        assert_ne!(same, fingerprint(change));
    }
}

#[test]
fn a_container_has_the_secrets_and_volumes_that_are_for_it() {
    let secret = |name: &str, env_var: Option<&str>, containers: &[&str]| SecretReference {
        name: name.into(),
        source: "file".into(),
        key: "/b".into(),
        env_var: env_var.map(str::to_owned),
        containers: containers.iter().copied().map(str::to_owned).collect(),
    };
    let start = |change: &dyn Fn(&mut TenantComputeSpec)| first_start(&spec(|spec| change(spec))).1;
    let other = ContainerSpec { name: "worker".to_owned(), ..spec(|_| {}).containers[0].clone() };
    let own = start(&|spec| {
        spec.containers[0].files = vec![FileSpec {
            path: "/etc/web/key".to_owned(),
            secret: Some("key".to_owned()),
            ..FileSpec::default()
        }];
        spec.containers.push(other.clone());
        spec.secrets = vec![
            secret("all", Some("ALL"), &[]),
            secret("mine", Some("MINE"), &["web"]),
            secret("theirs", Some("THEIRS"), &["worker"]),
            secret("key", Some("KEY"), &["worker"]),
        ];
    });
    let names: Vec<_> = own.secrets.iter().map(|own| (own.name.as_str(), own.env_var.as_deref())).collect();
    assert_eq!(names, [("all", Some("ALL")), ("mine", Some("MINE")), ("key", None)]);

    // What is another's is none of its fingerprint, and naming it is the same as naming nobody.
    let same = start(&|spec| spec.secrets = vec![secret("a", Some("A"), &[])]).manifest.fingerprint;
    let named = start(&|spec| {
        spec.containers.push(other.clone());
        spec.secrets = vec![secret("a", Some("A"), &["web"]), secret("b", Some("B"), &["worker"])];
    });
    assert_eq!(named.manifest.fingerprint, same);

    let volume =
        |persistent, retain, size_mb| VolumeSpec { name: "data".into(), size_mb, persistent, retain };
    let mounting = |volume: VolumeSpec| {
        let mount = MountSpec { volume: "data".into(), path: "/data".into(), read_only: false };
        let spec = spec(|spec| {
            spec.containers[0].mounts = vec![mount];
            spec.volumes = vec![volume];
        });
        let wanted = Wanted::all(&spec, Rollout::default()).unwrap().remove(0);
        (wanted.volumes, wanted.fingerprint)
    };
    let kept = mounting(volume(true, false, None));
    assert_eq!(kept.0, [volume(true, false, None)]);
    assert_eq!(kept.1, mounting(volume(true, true, Some(5))).1);
    assert_ne!(kept.1, mounting(volume(false, false, None)).1);
}

#[test]
fn i9_no_environment_in_the_ledger_or_in_a_printed_call() {
    let (mut facts, start) = first_start(&spec(|_| {}));
    let call = ProcessCall::Start(Box::new(start));
    ProcessPlanner::intend(&mut facts, &call, NOW);
    for text in [
        serde_json::to_string(&facts).unwrap(),
        serde_json::to_string(&call).unwrap(),
        format!("{facts:?}"),
        format!("{call:?}"),
    ] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let read: super::ProcessFacts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    assert_eq!(read, facts);
}

#[test]
fn noting_an_intent_twice_is_the_same_as_once() {
    let (mut facts, start) = first_start(&spec(|_| {}));
    let call = ProcessCall::Start(Box::new(start));
    ProcessPlanner::intend(&mut facts, &call, NOW);
    let once = facts.clone();
    ProcessPlanner::intend(&mut facts, &call, NOW);
    assert_eq!(facts, once);
}

#[test]
fn a_start_without_an_answer_is_closed_by_two_looks_a_settle_time_apart() {
    let spec = spec(|_| {});
    let (mut facts, start) = first_start(&spec);
    let (launch, manifest) = (start.launch, start.manifest.clone());
    let call = ProcessCall::Start(Box::new(start));
    let error = ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Retry, ErrorCode::ProviderTimeout, "");
    ProcessPlanner::intend(&mut facts, &call, NOW);
    ProcessPlanner::learn(&mut facts, &call, Err(CallError::Unknown(error)), NOW);
    let later = |millis| NOW + SignedDuration::from_millis(millis);
    let look = |facts: &mut super::ProcessFacts, now| {
        ProcessPlanner::stale(facts);
        ProcessPlanner::learn(facts, &ProcessCall::Find, Ok(ProcessReply::Found(kept())), now);
    };

    look(&mut facts, later(5000));
    assert!(matches!(next(&spec, &facts, later(5000)), Next::Wait { until, .. } if until == later(6000)));
    look(&mut facts, later(6000));
    match next(&spec, &facts, later(6000)) {
        Next::Do(acts) => match &acts[0].call {
            ProcessCall::Start(again) => assert_eq!(again.launch, LaunchId { generation: 2, ..launch }),
            other @ (ProcessCall::Find
            | ProcessCall::Keep
            | ProcessCall::Dismiss { .. }
            | ProcessCall::Route(_)
            | ProcessCall::ReservePorts(_)
            | ProcessCall::Probe(_)
            | ProcessCall::Signal(_)
            | ProcessCall::Hold(_)
            | ProcessCall::Clear { .. }) => panic!("{other:?}"),
        },
        other @ (Next::Wait { .. } | Next::Done | Next::Fail(_)) => panic!("{other:?}"),
    }

    // It turns up after all: it is ours, and runs what is wanted.
    let life = ProcessLife::Leader(Process { pid: 1, start_time: 1 });
    let found =
        super::FoundLaunch { manifest, life, binding: super::Binding::Unknown, connections: 0, thief: None };
    let found = Found { launches: BTreeMap::from([(launch, found)]), ..kept() };
    ProcessPlanner::learn(&mut facts, &ProcessCall::Find, Ok(ProcessReply::Found(found)), later(6000));
    assert_eq!(
        ProcessPlanner::holdings(&facts).resources,
        BTreeMap::from([("web/2-1".into(), "pid 1".into())])
    );
}

/// The facts of a launch that lives on the machine `there`.
fn live_there(spec: &Spec) -> super::ProcessFacts {
    let (mut facts, start) = first_start(spec);
    facts.machine = Some("there".to_owned());
    let leader = Process { pid: 1, start_time: 1 };
    let health = Streak::Passing { times: 1, at: NOW };
    let run = Run::Live(Live { leader, since: NOW, ready: true, health, fresh: true });
    facts.launches.insert(start.launch, Launch::of(start.manifest, 0, run));
    ProcessPlanner::stale(&mut facts);
    facts
}

/// Takes in that a machine with this name runs nothing of the tenant.
fn sees_nothing_on(facts: &mut super::ProcessFacts, machine: Option<&str>) {
    let found = Found { machine: machine.map(str::to_owned), ..kept() };
    ProcessPlanner::learn(facts, &ProcessCall::Find, Ok(ProcessReply::Found(found)), NOW);
}

#[test]
fn a_launch_of_another_machine_is_not_gone() {
    let spec = spec(|_| {});
    let mut facts = live_there(&spec);
    let launches = facts.launches.clone();
    sees_nothing_on(&mut facts, Some("here"));
    assert_eq!(facts.launches, launches);
    let update = Goal::Present { spec: &spec, applied: None, rollout: Rollout::default(), by: Means::Update };
    for goal in [update, Goal::Absent, Goal::Known] {
        match ProcessPlanner::next(&subject(), goal, &facts, NOW) {
            Next::Fail(error) => {
                assert_eq!(error.remedy, Remedy::NeedsPerson);
                assert!(error.message.contains("machine there") && error.message.contains("machine here"));
            }
            other @ (Next::Do(_) | Next::Wait { .. } | Next::Done) => panic!("{other:?}"),
        }
    }

    // Where they are, or where no machine has a name that stays, what is not seen is gone.
    for machine in [Some("there"), None] {
        let mut facts = live_there(&spec);
        sees_nothing_on(&mut facts, machine);
        let has_died = |launch: &Launch| matches!(launch.run, Run::Dead { .. });
        assert!(facts.trouble.is_none() && facts.launches.values().all(has_died), "{facts:?}");
    }
}

#[test]
fn what_has_no_launch_moves_to_the_machine_that_it_is_seen_from() {
    let spec = spec(|_| {});
    let mut facts = super::ProcessFacts::default();
    sees_nothing_on(&mut facts, Some("there"));
    ProcessPlanner::stale(&mut facts);
    sees_nothing_on(&mut facts, Some("here"));
    let start = match next(&spec, &facts, NOW) {
        Next::Do(acts) => acts[0].call.clone(),
        other @ (Next::Wait { .. } | Next::Done | Next::Fail(_)) => panic!("{other:?}"),
    };
    ProcessPlanner::intend(&mut facts, &start, NOW);
    assert_eq!(facts.launches.len(), 1);
    ProcessPlanner::stale(&mut facts);
    sees_nothing_on(&mut facts, Some("here"));
    assert_eq!(facts.trouble, None, "its launch was started here");
}

#[test]
fn volumes_of_another_machine_are_not_made_anew_here() {
    let spec = spec(|_| {});
    let mut facts = super::ProcessFacts::default();
    let volumes =
        super::Volumes { number: 1, held: [("data".to_owned(), super::Retention::WithTenant)].into() };
    let there = Found { machine: Some("there".to_owned()), volumes, ..kept() };
    ProcessPlanner::learn(&mut facts, &ProcessCall::Find, Ok(ProcessReply::Found(there)), NOW);
    ProcessPlanner::stale(&mut facts);
    sees_nothing_on(&mut facts, Some("here"));
    match next(&spec, &facts, NOW) {
        Next::Fail(error) => {
            assert_eq!(error.remedy, Remedy::NeedsPerson);
            assert!(error.message.contains("its volumes are on machine there"), "{}", error.message);
        }
        other @ (Next::Do(_) | Next::Wait { .. } | Next::Done) => panic!("{other:?}"),
    }
}

/// The plan for a launch of this age, which was never ready and whose check came out like this.
fn checked(start_period: Option<i64>, age: SignedDuration, health: Streak) -> Next<ProcessCall> {
    checked_until(None, start_period, age, health)
}

/// The same for an update's deadline, in seconds.
fn checked_until(
    deadline: Option<i64>,
    start_period: Option<i64>,
    age: SignedDuration,
    health: Streak,
) -> Next<ProcessCall> {
    let spec = spec(|spec| {
        spec.update = Some(UpdateConfig { deadline_seconds: deadline, ..UpdateConfig::default() });
        spec.containers[0].health_check = Some(HealthCheckConfig {
            kind: "exec".to_owned(),
            command: vec!["check".to_owned()],
            interval_seconds: 5,
            timeout_seconds: 1,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            start_period_seconds: start_period,
            ..HealthCheckConfig::default()
        });
    });
    let (mut facts, start) = first_start(&spec);
    let leader = Process { pid: 1, start_time: 1 };
    let run = Run::Live(Live { leader, since: NOW, ready: false, health, fresh: true });
    facts.launches.insert(start.launch, Launch::of(start.manifest, 0, run));
    next(&spec, &facts, NOW + age)
}

#[test]
fn failures_within_the_start_period_end_no_launch() {
    // It is told to end, and says why; then the method fails.
    let ends = |next| match next {
        Next::Do(acts) => {
            matches!(&acts[0].call, ProcessCall::Signal(signal) if signal.ails.as_deref() == Some("no"))
        }
        Next::Wait { .. } | Next::Done | Next::Fail(_) => false,
    };
    // Two failures and two successes at an interval of 5 s take 20 s.
    let at = |start_period, seconds| {
        let age = SignedDuration::from_secs(seconds);
        checked(start_period, age, Streak::Failing { times: 99, at: NOW + age, why: "no".to_owned() })
    };
    assert!(matches!(at(None, 19), Next::Wait { .. }));
    assert!(ends(at(None, 20)));
    assert!(matches!(at(Some(60), 79), Next::Wait { .. }));
    assert!(ends(at(Some(60), 80)));
}

/// Why a launch is told to end; none: it goes on.
fn ails(next: &Next<ProcessCall>) -> Option<&str> {
    match next {
        Next::Do(acts) => match &acts[0].call {
            ProcessCall::Signal(signal) => signal.ails.as_deref(),
            ProcessCall::Find
            | ProcessCall::Keep
            | ProcessCall::Dismiss { .. }
            | ProcessCall::Route(_)
            | ProcessCall::ReservePorts(_)
            | ProcessCall::Start(_)
            | ProcessCall::Probe(_)
            | ProcessCall::Hold(_)
            | ProcessCall::Clear { .. } => None,
        },
        Next::Wait { .. } | Next::Done | Next::Fail(_) => None,
    }
}

/// Its checks alone would give it 20 s, or with the start period 80 s.
#[test]
fn a_launch_that_is_not_ready_by_the_deadline_ends() {
    for start_period in [None, Some(60)] {
        let failing = |deadline, seconds| {
            let age = SignedDuration::from_secs(seconds);
            let health = Streak::Failing { times: 99, at: NOW + age, why: "no".to_owned() };
            checked_until(Some(deadline), start_period, age, health)
        };
        for deadline in [7, 90] {
            assert_eq!(ails(&failing(deadline, deadline - 1)), None);
            assert_eq!(ails(&failing(deadline, deadline)), Some("no"));
        }
    }
    let passing = |deadline| {
        let age = SignedDuration::from_secs(30);
        checked_until(deadline, None, age, Streak::Passing { times: 1, at: NOW + age })
    };
    assert_eq!(ails(&passing(Some(30))), Some("it passes, but not often enough within 30 s"));
    assert_eq!((ails(&passing(Some(31))), ails(&passing(None))), (None, None));
}

/// What has worked may fail for as long as its check says, whatever the deadline was.
#[test]
fn a_deadline_is_for_what_starts() {
    let spec = spec(|spec| {
        spec.update = Some(UpdateConfig { deadline_seconds: Some(1), ..UpdateConfig::default() });
    });
    let (mut facts, start) = first_start(&spec);
    let leader = Process { pid: 1, start_time: 1 };
    let late = NOW + SignedDuration::from_secs(3600);
    let health = Streak::Passing { times: 1, at: late };
    let run = Run::Live(Live { leader, since: NOW, ready: true, health, fresh: true });
    facts.launches.insert(start.launch, Launch::of(start.manifest, 0, run));
    assert_eq!(ails(&next(&spec, &facts, late)), None);
}

#[test]
fn a_launch_that_starts_is_checked_soon_and_then_less_and_less_often() {
    let pause =
        |age: SignedDuration, health: fn(Timestamp) -> Streak| match checked(None, age, health(NOW + age)) {
            Next::Wait { until, .. } => until.duration_since(NOW + age).as_millis(),
            other @ (Next::Do(_) | Next::Done | Next::Fail(_)) => panic!("{other:?}"),
        };
    for (age, expected) in [(0, 50), (100, 50), (400, 100), (2000, 500), (4000, 1000), (19_000, 1000)] {
        let age = SignedDuration::from_millis(age);
        assert_eq!(pause(age, |at| Streak::Failing { times: 1, at, why: String::new() }), expected, "{age}");
        assert_eq!(pause(age, |at| Streak::Passing { times: 1, at }), expected, "{age}");
    }
}

#[test]
fn a_number_of_replicas_changes_no_fingerprint_and_only_main_containers() {
    let with = |replicas| {
        let spec = spec(|spec| {
            let init =
                ContainerSpec { name: "first".to_owned(), role: Role::Init, ..spec.containers[0].clone() };
            let sidecar = ContainerSpec { name: "help".to_owned(), role: Role::Sidecar, ..init.clone() };
            spec.containers.extend([init, sidecar]);
            spec.replicas = replicas;
        });
        let wanted = Wanted::all(&spec, Rollout::default()).unwrap();
        wanted.into_iter().map(|one| (one.name(), one.fingerprint)).collect::<Vec<_>>()
    };
    let one = with(None);
    assert_eq!(with(Some(Replicas::Auto)), one);
    let three = with(Some(Replicas::Count(3)));
    let names: Vec<&str> = three.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["web", "web#2", "web#3", "first", "help"]);
    assert!(one.iter().all(|known| three.contains(known)), "{one:?} {three:?}");
}

#[test]
fn a_wrong_provider_config_is_an_invalid_spec() {
    let spec = spec(|spec| spec.provider_config = Some(serde_json::json!({ "grace": 1 })));
    let mut facts = super::ProcessFacts::default();
    ProcessPlanner::learn(&mut facts, &ProcessCall::Find, Ok(ProcessReply::Found(kept())), NOW);
    match next(&spec, &facts, NOW) {
        Next::Fail(error) => assert_eq!(error.kind, ErrorKind::InvalidSpec, "{error}"),
        other @ (Next::Do(_) | Next::Wait { .. } | Next::Done) => panic!("{other:?}"),
    }
}

fn thief() -> Thief {
    Thief { port: 20_001, holder: "nc (pid 7)".to_owned() }
}

fn starts(launch: LaunchId) -> ProcessReply {
    ProcessReply::Started { launch, leader: Process { pid: 1, start_time: 1 } }
}

/// Does what is planned, with a machine where every launch that `starts` ends at once because another process has its
/// port.
fn robbed_each_time(
    spec: &Spec,
    mut facts: super::ProcessFacts,
    starts: fn(LaunchId) -> ProcessReply,
) -> (super::ProcessFacts, Vec<&'static str>, ProviderError) {
    let mut steps = Vec::new();
    loop {
        let acts = match next(spec, &facts, NOW) {
            Next::Do(acts) => acts,
            Next::Fail(error) => return (facts, steps, error),
            other @ (Next::Wait { .. } | Next::Done) => panic!("{other:?} after {steps:?}"),
        };
        for Act { step, call, .. } in acts {
            steps.push(step);
            ProcessPlanner::intend(&mut facts, &call, NOW);
            let exit = Exit::of(ExitCause::Code(101));
            let reply = match &call {
                ProcessCall::Start(start) => starts(start.launch),
                ProcessCall::Probe(probe) => ProcessReply::Probed {
                    launch: probe.launch,
                    probed: Probed::Gone(exit),
                    thief: Some(thief()),
                },
                other @ (ProcessCall::Find
                | ProcessCall::Keep
                | ProcessCall::Dismiss { .. }
                | ProcessCall::Route(_)
                | ProcessCall::ReservePorts(_)
                | ProcessCall::Signal(_)
                | ProcessCall::Hold(_)
                | ProcessCall::Clear { .. }) => panic!("{other:?}"),
            };
            ProcessPlanner::learn(&mut facts, &call, Ok(reply), NOW);
        }
    }
}

#[test]
fn a_launch_whose_port_another_took_is_started_anew_and_has_not_crashed() {
    let spec = spec(|spec| {
        spec.containers[0].health_check = Some(HealthCheckConfig {
            kind: "exec".to_owned(),
            command: vec!["check".to_owned()],
            interval_seconds: 5,
            timeout_seconds: 1,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            ..HealthCheckConfig::default()
        });
    });
    let (mut facts, steps, error) = robbed_each_time(&spec, first_start(&spec).0, starts);
    assert_eq!(steps, ["start a process", "check a process"].repeat(4));
    assert_eq!((error.code, error.remedy), (ErrorCode::Conflict, Remedy::Retry));
    assert!(error.message.contains("port 20001") && error.message.contains("nc (pid 7)"), "{error}");
    let stored: super::ProcessFacts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    assert_eq!(stored, facts);

    // The next try of the operation has one start, which is no restart after a crash.
    ProcessPlanner::stale(&mut facts);
    facts.looked = true;
    let (facts, steps, error) = robbed_each_time(&spec, facts, starts);
    assert_eq!(steps, ["start a process", "check a process"]);
    assert!(error.message.contains("5 times"), "{error}");
    assert!(facts.launches.values().all(|launch| launch.restarts == 0));
}

#[test]
fn a_start_whose_port_another_took_first_is_made_anew_with_other_ports() {
    let spec = spec(|_| {});
    let is_robbed = |launch| ProcessReply::Robbed { launch, thief: thief() };
    let (facts, steps, error) = robbed_each_time(&spec, first_start(&spec).0, is_robbed);
    assert_eq!(steps, ["start a process"].repeat(4));
    assert_eq!((error.code, error.remedy), (ErrorCode::Conflict, Remedy::Retry));
    assert!(error.message.contains("nc (pid 7)"), "{error}");
    assert!(facts.launches.values().all(|launch| launch.restarts == 0));
}

#[test]
fn what_ended_before_it_was_ready_and_left_others_is_not_started_again_and_again() {
    let spec = spec(|_| {});
    let (mut facts, start) = first_start(&spec);
    let call = ProcessCall::Start(Box::new(start.clone()));
    ProcessPlanner::intend(&mut facts, &call, NOW);
    ProcessPlanner::learn(&mut facts, &call, Ok(starts(start.launch)), NOW);
    let exit = Exit { left: vec!["nginx".to_owned()], ..Exit::of(ExitCause::Code(0)) };
    let life = super::ProcessLife::Orphans(exit);
    let found = super::FoundLaunch {
        manifest: start.manifest,
        life,
        binding: super::Binding::Unknown,
        connections: 0,
        thief: None,
    };
    let seen = super::Found { launches: BTreeMap::from([(start.launch, found)]), ..kept() };
    ProcessPlanner::learn(&mut facts, &ProcessCall::Find, Ok(ProcessReply::Found(seen)), NOW);
    let Next::Fail(error) = next(&spec, &facts, NOW) else { panic!("it goes on") };
    assert!(error.message.contains("left nginx in the background"), "{error}");
}
