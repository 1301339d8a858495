//! The page `process.md`: what the planner does, as the code has it. `UPDATE_PAGES=1 cargo test` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::facts::{Ailment, Death, Keeper, Launch, Live, ProcessFacts, Run, Streak};
use super::wanted::Wanted;
use super::{
    Binding, Exit, ExitCause, Found, FoundLaunch, LaunchId, Manifest, Probed, Process, ProcessCall,
    ProcessLife, ProcessPlanner, ProcessReply, Protocol, Replica, Retention, Route, Routing, Signal, Stop,
    Thief, Volumes,
};
use crate::id::{Incarnation, ProviderName, Rollout, TenantId};
use crate::planner::{Goal, Means, Next, Planner, Subject};
use crate::spec::{
    ContainerSpec, HealthCheckConfig, PortMapping, Replicas, ResourceRequirements, Spec, TenantComputeSpec,
    VolumeSpec,
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const LEADER: Process = Process { pid: 4711, start_time: 1 };

#[test]
fn the_page_says_what_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("process.md");
    let page = page();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == page, "process.md is not what the code does; UPDATE_PAGES=1 cargo test writes it anew");
}

fn page() -> String {
    let mut page = String::from(
        "# The process planner\n\n\
         Generated from `src/planner/process/`; a difference in this page is a difference in behaviour.\n\n\
         ## One launch\n\n\
         What a look, an answer or an intent makes of a launch. `seen` is what a look shows of it.\n\n",
    );
    page.push_str(&diagram());
    page.push_str(
        "\n## What is done next\n\n\
         The tenant has one container, `web`, with an http check (every 5 s, 2 to be healthy, 2 to be \
         unhealthy). A launch is of the *wanted* spec, of *another* spec, or of an *older* life of the tenant.\n\n",
    );
    page.push_str(&table());
    page
}

// ---- the diagram

fn diagram() -> String {
    let mut edges: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (_, run) in runs() {
        let from = kind(Some(&run));
        for (event, after) in events(&run) {
            let to = kind(after.as_ref());
            if from != to {
                edges.entry((from, to)).or_default().insert(event);
            }
        }
    }
    let mut text = String::from("```mermaid\nstateDiagram-v2\n    [*] --> Starting: start intended\n");
    for ((from, to), events) in edges {
        let events: Vec<&str> = events.into_iter().collect();
        writeln!(text, "    {from} --> {to}: {}", events.join(", ")).unwrap();
    }
    text + "```\n"
}

fn kind(run: Option<&Run>) -> &'static str {
    match run {
        None => "[*]",
        Some(Run::Starting { .. }) => "Starting",
        Some(Run::Live(Live { ready: false, .. })) => "Live",
        Some(Run::Live(Live { ready: true, .. })) => "Ready",
        Some(Run::Stopping { .. }) => "Stopping",
        Some(Run::Dead { .. }) => "Dead",
    }
}

/// Everything that can happen to a launch, and what it is then.
fn events(run: &Run) -> Vec<(&'static str, Option<Run>)> {
    let id = id(1, 1);
    let wanted = manifest(&spec("1", None));
    let facts = one(run.clone(), id, &wanted);
    let after = |change: &dyn Fn(&mut ProcessFacts)| {
        let mut facts = facts.clone();
        change(&mut facts);
        facts.launches.remove(&id).map(|launch| launch.run)
    };
    let reply = |reply: ProcessReply| {
        after(&|facts| ProcessPlanner::learn(facts, &ProcessCall::Find, Ok(reply.clone()), NOW))
    };
    let seen = |life: ProcessLife| {
        let manifest = wanted.clone();
        let found = FoundLaunch { manifest, life, binding: Binding::Forwarded, connections: 0, thief: None };
        reply(ProcessReply::Found(Found {
            keeper: true,
            launches: BTreeMap::from([(id, found)]),
            ..Found::default()
        }))
    };
    let signal = |stop| {
        let call = ProcessCall::Signal(Signal { launch: id, leader: Some(LEADER), stop, ails: None });
        after(&|facts| ProcessPlanner::intend(facts, &call, NOW))
    };
    let signalled = |life| reply(ProcessReply::Signalled { launch: id, life });
    let mut events = vec![
        ("seen: first process", seen(ProcessLife::Leader(LEADER))),
        ("seen: orphans", seen(ProcessLife::Orphans(exit()))),
        ("seen: only files", seen(ProcessLife::Files(exit()))),
        ("seen: nothing", reply(ProcessReply::Found(Found::default()))),
        ("signal intended", signal(Stop::Term)),
        ("signalled", signalled(None)),
        ("signalled: first process", signalled(Some(ProcessLife::Leader(LEADER)))),
        ("signalled: orphans", signalled(Some(ProcessLife::Orphans(exit())))),
        ("signalled: only files", signalled(Some(ProcessLife::Files(exit())))),
    ];
    match run {
        Run::Starting { .. } => {
            events.push(("started", reply(ProcessReply::Started { launch: id, leader: LEADER })));
            let thief = Thief { port: 20_001, holder: "nc (pid 7)".to_owned() };
            events.push(("its port was taken", reply(ProcessReply::Robbed { launch: id, thief })));
        }
        Run::Live(_) => {
            for (event, probed) in [
                ("check passed", Probed::Passed { times: 2 }),
                ("check failed", Probed::Failed { times: 1, why: "503".to_owned() }),
                ("check found it gone", Probed::Gone(exit())),
            ] {
                events.push((event, reply(ProcessReply::Probed { launch: id, probed, thief: None })));
            }
        }
        Run::Dead { orphans: false, .. } => {
            events.push(("cleared", reply(ProcessReply::Cleared { launch: id })))
        }
        Run::Dead { orphans: true, .. } | Run::Stopping { .. } => {}
    }
    events
}

const FIRST: Rollout = Rollout(0);

// ---- the table

fn table() -> String {
    let wanted = spec("1", None);
    let mut text =
        String::from("| known | provision | update | destroy | status |\n| --- | --- | --- | --- | --- |\n");
    for (name, facts) in configurations() {
        let known = |goal| cell(ProcessPlanner::next(&subject(), goal, &facts, NOW));
        writeln!(
            text,
            "| {name} | {} | {} | {} | {} |",
            known(Goal::Present { spec: &wanted, applied: None, rollout: FIRST, by: Means::Provision }),
            known(Goal::Present { spec: &wanted, applied: None, rollout: FIRST, by: Means::Update }),
            known(Goal::Absent),
            known(Goal::Known),
        )
        .unwrap();
    }
    text.push_str(
        "\nThe same, where the wanted spec fixes the host port that the other spec has too. The old launch goes by its \
         `PORT`, or listens on the host port itself:\n\n",
    );
    text.push_str("| known | update |\n| --- | --- |\n");
    let (wanted, other) = (spec("1", Some(80)), spec("2", Some(80)));
    for (name, binding, run) in [
        ("ready, by its PORT", Binding::Forwarded, ready(fine())),
        ("ready, by itself", Binding::Direct, ready(fine())),
        ("stopped", Binding::Direct, dead(Death::Stopped)),
    ] {
        let mut facts = one(run, id(1, 1), &manifest(&other));
        facts.launches.values_mut().for_each(|launch| launch.binding = binding);
        let goal = Goal::Present { spec: &wanted, applied: None, rollout: FIRST, by: Means::Update };
        let next = cell(ProcessPlanner::next(&subject(), goal, &facts, NOW));
        writeln!(text, "| another, {name} | {next} |").unwrap();
    }
    text.push_str("\nA restart, which wants the spec that runs for another rollout:\n\n");
    text.push_str("| known | update |\n| --- | --- |\n");
    let wanted = spec("1", None);
    let manifest = manifest(&wanted);
    let restarted = Manifest { rollout: Rollout(7), ..manifest.clone() };
    let mut free = one(ready(fine()), id(1, 1), &manifest);
    free.reserved.insert("web".to_owned(), manifest.ports.clone());
    let with = |run: Run| {
        let mut facts = one(run, id(1, 2), &restarted);
        let old = Launch::of(manifest.clone(), 0, ready(fine()));
        facts.launches.insert(id(1, 1), old);
        facts
    };
    for (name, facts) in [
        ("the old one, ready", one(ready(fine()), id(1, 1), &manifest)),
        ("the old one, ready; a port is free", free),
        ("the new one 1-2, live; the old one 1-1, ready", with(live(Streak::Unchecked))),
        ("the new one 1-2, ready; the old one 1-1, ready", with(ready(fine()))),
    ] {
        let goal = Goal::Present { spec: &wanted, applied: None, rollout: Rollout(7), by: Means::Update };
        let next = cell(ProcessPlanner::next(&subject(), goal, &facts, NOW));
        writeln!(text, "| {name} | {next} |").unwrap();
    }
    text.push_str(&volumes());
    text.push_str(&replicas());
    text
}

/// What becomes of replicas, where another number of them is wanted and where one of them has died.
fn replicas() -> String {
    let mut text = String::from(
        "\nThe same, where the wanted spec has this many replicas. Launch 1-1 is the first, 1-2 the second, 1-3 the third; the \
         keeper forwards to those that are ready:\n\n\
         | wanted | known | update |\n| --- | --- | --- |\n",
    );
    let of = |version: &str, count| {
        let replicas = Some(Replicas::Count(count));
        TenantComputeSpec { replicas, ..(*spec(version, None)).clone() }.check().unwrap()
    };
    let (same, other) = (manifest(&spec("1", None)), manifest(&spec("2", None)));
    let with = |manifest: &Manifest, runs: Vec<Run>| {
        let mut facts = one(ready(fine()), id(1, 1), manifest);
        facts.launches.clear();
        facts.routing.routes.clear();
        for (number, run) in (0..).zip(runs) {
            let manifest = Manifest { replica: Replica(number), ..manifest.clone() };
            let launch = id(1, u64::from(number) + 1);
            let routed =
                if let Run::Live(Live { ready: true, .. }) = run { route(launch).routes } else { vec![] };
            facts.routing.routes.extend(routed);
            (facts.generation, facts.intended) = (launch.generation, facts.routing.number);
            let launched = Launch { binding: Binding::Forwarded, ..Launch::of(manifest, 0, run) };
            facts.launches.insert(launch, launched);
        }
        facts.routing.routes.sort();
        facts
    };
    let works = || ready(fine());
    let reserved = |mut facts: ProcessFacts, names: &[&str]| {
        let ports = |name: &&str| ((*name).to_owned(), same.ports.clone());
        facts.reserved = names.iter().map(ports).collect();
        facts
    };
    let mut direct = with(&same, vec![works()]);
    direct.launches.values_mut().for_each(|launch| launch.binding = Binding::Direct);
    let none = || with(&other, vec![dead(Death::Stopped)]);
    for (count, name, facts) in [
        (3, "none", none()),
        (3, "none; ports for the first", reserved(none(), &["web"])),
        (3, "none; ports for all", reserved(none(), &["web", "web#2", "web#3"])),
        (3, "one, ready", with(&same, vec![works()])),
        (3, "one, ready; ports for the others", reserved(with(&same, vec![works()]), &["web#2", "web#3"])),
        (3, "one, ready, which listens on the host port itself", direct),
        (3, "three, ready", with(&same, vec![works(), works(), works()])),
        (3, "three, the second crashed", with(&same, vec![works(), dead(Death::Crashed), works()])),
        (1, "three, ready", with(&same, vec![works(), works(), works()])),
        (2, "two of another spec, ready", with(&other, vec![works(), works()])),
    ] {
        let wanted = of("1", count);
        let goal = Goal::Present { spec: &wanted, applied: None, rollout: FIRST, by: Means::Update };
        let next = cell(ProcessPlanner::next(&subject(), goal, &facts, NOW));
        writeln!(text, "| {count} | {name} | {next} |").unwrap();
    }
    text
}

/// What becomes of volumes, before a launch starts and once it works.
fn volumes() -> String {
    let mut text = String::from(
        "\nThe same, where the wanted spec has the persistent volumes `data`, and `kept`, which is to be retained; before its \
         launch starts, and when that is ready. The spec that ran before has `old`, or is the wanted one:\n\n\
         | known volumes | ran before | update, before | update, ready | destroy |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    let volume =
        |name: &str, retain| VolumeSpec { name: name.to_owned(), size_mb: None, persistent: true, retain };
    let mut wanted = (*spec("1", None)).clone();
    wanted.volumes = vec![volume("data", false), volume("kept", true)];
    let wanted = wanted.check().unwrap();
    let mut other = (*spec("2", None)).clone();
    other.volumes = vec![volume("old", false)];
    let other = other.check().unwrap();
    let next = |goal, facts: &ProcessFacts| cell(ProcessPlanner::next(&subject(), goal, facts, NOW));
    let (with, retained, dropped) = (Retention::WithTenant, Retention::Retained, Retention::Dropped);
    let those = || vec![("data", with), ("kept", retained)];
    let all = || vec![("data", with), ("kept", with), ("old", with)];
    for (name, held, in_doubt, applied) in [
        ("none", vec![], false, &other),
        ("those", those(), false, &other),
        ("those; an earlier call may still happen", those(), true, &other),
        ("others: `old`", vec![("old", with)], false, &other),
        ("`data`, `kept`, `old`", all(), false, &other),
        ("`data`, `kept`, `old`", all(), false, &wanted),
        ("those; `old`, dropped", [those(), vec![("old", dropped)]].concat(), false, &other),
        ("those; `old`, dropped", [those(), vec![("old", dropped)]].concat(), false, &wanted),
        ("`data`, dropped", vec![("data", dropped)], false, &other),
        ("`data`, dropped", vec![("data", dropped)], false, &wanted),
        ("`data`, left by an earlier life", vec![("data", Retention::Left)], false, &wanted),
        (
            "`kept`, retained of an earlier life; `more` too",
            vec![("kept", retained), ("more", retained)],
            false,
            &wanted,
        ),
    ] {
        let ran = if *applied == wanted { "the wanted spec" } else { "one with `old`" };
        let goal = Goal::Present { spec: &wanted, applied: Some(applied), rollout: FIRST, by: Means::Update };
        let held = held.into_iter().map(|(name, retention)| (name.to_owned(), retention)).collect();
        let volumes = Volumes { number: 1, held };
        let with_volumes = |mut facts: ProcessFacts| {
            (facts.volumes, facts.volumes_intended) = (volumes.clone(), 1 + u64::from(in_doubt));
            facts
        };
        let before = with_volumes(one(dead(Death::Stopped), id(1, 1), &manifest(&spec("2", None))));
        let mut after = with_volumes(one(ready(fine()), id(1, 1), &manifest(&wanted)));
        let routes = after.launches[&id(1, 1)].manifest.routes(id(1, 1), false).collect();
        after.routing.routes = routes;
        let gone = with_volumes(ProcessFacts { looked: true, ..ProcessFacts::default() });
        let (before, after, gone) = (next(goal, &before), next(goal, &after), next(Goal::Absent, &gone));
        writeln!(text, "| {name} | {ran} | {before} | {after} | {gone} |").unwrap();
    }
    text
}

fn cell(next: Next<ProcessCall>) -> String {
    match next {
        Next::Do(acts) => {
            acts.iter().map(|act| format!("{}{}", act.step, which(&act.call))).collect::<Vec<_>>().join("; ")
        }
        Next::Wait { until, why, so_far } => {
            let so_far = so_far.map(|so_far| format!(": {so_far}")).unwrap_or_default();
            format!("wait {} ms until {why}{so_far}", until.duration_since(NOW).as_millis())
        }
        Next::Done => "done".to_owned(),
        Next::Fail(error) => format!("**{}** ({:?}, {:?})", error.code, error.kind, error.remedy),
    }
}

fn which(call: &ProcessCall) -> String {
    match call {
        ProcessCall::Find | ProcessCall::Keep => String::new(),
        ProcessCall::Dismiss { launches } if launches.is_empty() => String::new(),
        ProcessCall::Dismiss { launches } => {
            let launches: Vec<String> = launches.keys().map(ToString::to_string).collect();
            format!(" with what is left of {}", launches.join(", "))
        }
        ProcessCall::ReservePorts(ports) => {
            let names: Vec<&str> = ports.wanted.keys().map(String::as_str).collect();
            if names == ["web"] { String::new() } else { format!(" for {}", names.join(", ")) }
        }
        ProcessCall::Start(start) => format!(" {}", start.launch),
        ProcessCall::Probe(probe) => format!(" {}", probe.launch),
        ProcessCall::Signal(signal) => format!(" {}", signal.launch),
        ProcessCall::Clear { launch, container: _ } => format!(" {launch}"),
        ProcessCall::Route(routing) => {
            routing.routes.iter().map(|route| format!(" {} → {}", route.host_port, route.launch)).collect()
        }
        ProcessCall::Hold(volumes) if volumes.held.is_empty() => ": none".to_owned(),
        ProcessCall::Hold(volumes) => {
            let held = volumes.held.iter().map(|(name, retention)| match retention {
                Retention::WithTenant => format!("`{name}`"),
                Retention::Retained => format!("`{name}` (retained)"),
                Retention::Dropped => format!("`{name}` (dropped)"),
                Retention::Left => format!("`{name}` (left)"),
            });
            format!(": {}", held.collect::<Vec<_>>().join(", "))
        }
    }
}

fn configurations() -> Vec<(String, ProcessFacts)> {
    let (wanted, other) = (manifest(&spec("1", None)), manifest(&spec("2", None)));
    let bare = ProcessFacts { looked: true, ..ProcessFacts::default() };
    let nothing = ProcessFacts { keeper: Keeper::Lives, ..bare.clone() };
    let refused = crate::error::ProviderError::new(
        crate::error::ErrorKind::ProvisionFailed,
        crate::error::Remedy::Retry,
        crate::error::ErrorCode::ProviderUnavailable,
        "",
    );
    let mut free = nothing.clone();
    free.reserved.insert("web".to_owned(), wanted.ports.clone());
    let mut all = vec![
        ("not looked yet".to_owned(), ProcessFacts::default()),
        ("a call failed".to_owned(), ProcessFacts { trouble: Some(refused), ..nothing.clone() }),
        ("nothing, no keeper".to_owned(), bare.clone()),
        (
            "nothing, a keeper's start intended".to_owned(),
            ProcessFacts { keeper: Keeper::Intended { missed: None }, ..bare.clone() },
        ),
        (
            "nothing, a keeper's start missed just now".to_owned(),
            ProcessFacts { keeper: Keeper::Intended { missed: Some(NOW) }, ..bare.clone() },
        ),
        ("nothing, a keeper has died".to_owned(), ProcessFacts { keeper: Keeper::Dead, ..bare }),
        ("nothing".to_owned(), nothing),
        ("nothing, a port is free".to_owned(), free),
    ];
    for (whose, id, manifest) in
        [("wanted", id(1, 1), &wanted), ("another", id(1, 1), &other), ("older", id(0, 1), &wanted)]
    {
        all.extend(
            runs().into_iter().map(|(name, run)| (format!("{whose}, {name}"), one(run, id, manifest))),
        );
    }
    // Half-way through an update, and after one that was not undone yet.
    for (name, new, old) in [
        ("live", live(Streak::Unchecked), ready(fine())),
        ("ready", ready(fine()), ready(fine())),
        ("ready", ready(fine()), dead(Death::Stopped)),
        ("died before it was ready", dead(Death::NeverReady), ready(fine())),
        ("start missed just now", Run::Starting { missed: Some(NOW) }, ready(fine())),
    ] {
        let old_name = if old == ready(fine()) { "ready" } else { "stopped" };
        let mut facts = one(new.clone(), id(1, 2), &wanted);
        facts.routing = route(id(1, 1));
        facts.launches.insert(id(1, 1), Launch::of(other.clone(), 0, old.clone()));
        all.push((format!("wanted 1-2, {name}; another 1-1, {old_name}"), facts));
        let mut facts = one(new, id(1, 2), &other);
        facts.routing = route(id(1, 1));
        facts.launches.insert(id(1, 1), Launch::of(wanted.clone(), 0, old));
        all.push((format!("another 1-2, {name}; wanted 1-1, {old_name}"), facts));
    }
    all.extend(robbed(&wanted));
    let mut twice = one(ready(fine()), id(1, 1), &wanted);
    twice.launches.insert(id(1, 2), Launch::of(wanted, 0, ready(fine())));
    all.push(("wanted twice, ready".to_owned(), twice));
    // An update whose new launch answers now.
    for (name, connections, routed) in [("idle", 0, NOW), ("busy", 3, NOW), ("busy for a grace", 3, ago(10))]
    {
        let mut facts = one(ready(fine()), id(1, 2), &manifest(&spec("1", None)));
        facts.routed = Some(routed);
        let old = Launch::of(manifest(&spec("2", None)), 0, ready(fine()));
        facts.launches.insert(id(1, 1), Launch { connections, ..old });
        all.push((format!("wanted 1-2, forwarded to; another 1-1, {name}"), facts));
    }
    let lost = |kept| {
        let manifest = Manifest { kept, ..manifest(&spec("1", None)) };
        ProcessFacts { keeper: Keeper::Dead, ..one(ready(fine()), id(1, 1), &manifest) }
    };
    all.push(("wanted, ready, its keeper is gone".to_owned(), lost(true)));
    all.push(("wanted, ready, of a build without keepers".to_owned(), lost(false)));
    all.push(("wanted, ready, on another machine".to_owned(), elsewhere(&manifest(&spec("1", None)))));
    all
}

/// A launch of another machine than the one that was looked at.
fn elsewhere(wanted: &Manifest) -> ProcessFacts {
    let mut facts = one(ready(fine()), id(1, 1), wanted);
    facts.machine = Some("there".to_owned());
    let here = Found { machine: Some("here".to_owned()), ..Found::default() };
    ProcessPlanner::learn(&mut facts, &ProcessCall::Find, Ok(ProcessReply::Found(here)), NOW);
    facts
}

/// Launches whose port another process took before they were ready.
fn robbed(wanted: &Manifest) -> Vec<(String, ProcessFacts)> {
    let with = |runs: Vec<Run>| {
        let mut facts = one(live(Streak::Unchecked), id(1, 1), wanted);
        for (number, run) in (1..).zip(runs) {
            let thief = Some(Thief { port: 20_001, holder: "nc (pid 7)".to_owned() });
            facts.launches.insert(id(1, number), Launch { thief, ..Launch::of(wanted.clone(), 0, run) });
            facts.generation = number;
        }
        facts
    };
    let failing = live(Streak::Failing { times: 1, at: NOW, why: "port 20001 is held".to_owned() });
    let died = || dead(Death::NeverReady);
    vec![
        ("wanted, live, another has its port".to_owned(), with(vec![failing])),
        ("wanted, died because another had its port".to_owned(), with(vec![died()])),
        ("wanted, three died because another had their ports".to_owned(), with(vec![died(), died(), died()])),
        ("wanted, four died so".to_owned(), with(vec![died(), died(), died(), died()])),
    ]
}

fn ago(seconds: i64) -> Timestamp {
    NOW - SignedDuration::from_secs(seconds)
}

/// One of each kind of launch that is treated differently.
fn runs() -> Vec<(&'static str, Run)> {
    let failing = |times, at| Streak::Failing { times, at, why: "503".to_owned() };
    let stopping = |stop, sent| Run::Stopping { leader: Some(LEADER), stop, sent, ails: None };
    let since = |run, since| match run {
        Run::Live(live) => Run::Live(Live { since, ..live }),
        other @ (Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { .. }) => other,
    };
    vec![
        ("start intended", Run::Starting { missed: None }),
        ("start missed just now", Run::Starting { missed: Some(NOW) }),
        ("start missed a settle time ago", Run::Starting { missed: Some(ago(1)) }),
        ("live, not checked", live(Streak::Unchecked)),
        ("live, passed once just now", live(Streak::Passing { times: 1, at: NOW })),
        ("live, passed once 5 s ago", live(Streak::Passing { times: 1, at: ago(5) })),
        ("live, failed just now", live(failing(1, NOW))),
        ("live, failed 1 s ago", live(failing(1, ago(1)))),
        ("live for 20 s, failed just now", since(live(failing(9, NOW)), ago(20))),
        ("ready, passed just now", ready(fine())),
        ("ready, passed 5 s ago", ready(Streak::Passing { times: 2, at: ago(5) })),
        ("ready, failed once just now", ready(failing(1, NOW))),
        ("ready, failed twice", ready(failing(2, NOW))),
        (
            "asked to end for its check",
            Run::Stopping {
                leader: Some(LEADER),
                stop: Stop::Term,
                sent: Some(NOW),
                ails: Some(Ailment { why: "503".to_owned(), was_ready: false }),
            },
        ),
        ("to be asked to end", stopping(Stop::Term, None)),
        ("asked to end just now", stopping(Stop::Term, Some(NOW))),
        ("asked to end a grace ago", stopping(Stop::Term, Some(ago(10)))),
        ("killed just now", stopping(Stop::Kill, Some(NOW))),
        ("killed 1 s ago", stopping(Stop::Kill, Some(ago(1)))),
        ("stopped", dead(Death::Stopped)),
        ("crashed", dead(Death::Crashed)),
        ("died before it was ready", dead(Death::NeverReady)),
        (
            "ended for its check before it was ready",
            Run::Dead {
                exit: exit(),
                death: Death::NeverReady,
                orphans: false,
                ails: Some("503".to_owned()),
            },
        ),
        (
            "crashed, orphans left",
            Run::Dead { exit: exit(), death: Death::Crashed, orphans: true, ails: None },
        ),
    ]
}

fn fine() -> Streak {
    Streak::Passing { times: 2, at: NOW }
}

fn live(health: Streak) -> Run {
    let fresh = health != Streak::Unchecked;
    Run::Live(Live { leader: LEADER, since: NOW, ready: false, health, fresh })
}

/// Ready, and its last check is fresh unless it passed a while ago.
fn ready(health: Streak) -> Run {
    let fresh = match &health {
        Streak::Passing { at, .. } | Streak::Failing { at, .. } => *at == NOW,
        Streak::Unchecked => false,
    };
    Run::Live(Live { leader: LEADER, since: NOW, ready: true, health, fresh })
}

fn dead(death: Death) -> Run {
    Run::Dead { exit: exit(), death, orphans: false, ails: None }
}

fn exit() -> Exit {
    Exit::of(ExitCause::Code(1))
}

fn id(incarnation: u64, generation: u64) -> LaunchId {
    LaunchId { incarnation: Incarnation(incarnation), generation }
}

/// What the keeper is told once a launch is ready.
fn route(launch: LaunchId) -> Routing {
    let (host_port, private_port) = (20_000, 20_001);
    let route = Route { host_port, private_port, protocol: Protocol::Tcp, public: false, http: true, launch };
    Routing { number: 0, routes: vec![route] }
}

fn one(run: Run, id: LaunchId, manifest: &Manifest) -> ProcessFacts {
    let routing = match &run {
        Run::Live(Live { ready: true, .. }) => route(id),
        Run::Live(_) | Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { .. } => Routing::default(),
    };
    let launch = Launch { binding: Binding::Forwarded, ..Launch::of(manifest.clone(), 0, run) };
    ProcessFacts {
        routing,
        generation: id.generation,
        keeper: Keeper::Lives,
        looked: true,
        launches: BTreeMap::from([(id, launch)]),
        ..ProcessFacts::default()
    }
}

fn subject() -> Subject {
    let tenant = TenantId::new("acme").unwrap();
    Subject {
        engine: "engine".into(),
        provider: ProviderName::new("process").unwrap(),
        tenant,
        incarnation: Incarnation(1),
    }
}

fn manifest(spec: &Spec) -> Manifest {
    let wanted = Wanted::all(spec, FIRST).unwrap().remove(0);
    let port = |port: &super::wanted::SpecPort<'_>| super::Port {
        container_port: port.container_port,
        host_port: port.fixed.unwrap_or(20_000),
        private_port: Some(20_001),
        protocol: port.protocol,
        name: None,
    };
    Manifest {
        stop_signal: None,
        role: crate::spec::Role::Main,
        container: wanted.container.name.clone(),
        replica: wanted.replica,
        fingerprint: wanted.fingerprint,
        rollout: wanted.rollout,
        ports: wanted.ports.iter().map(port).collect(),
        readiness: wanted.readiness,
        stop_grace_seconds: wanted.stop_grace_seconds,
        kept: true,
    }
}

fn spec(version: &str, host_port: Option<i64>) -> Spec {
    let web = ContainerSpec {
        name: "web".to_owned(),
        image: "host".to_owned(),
        command: vec!["server".to_owned()],
        args: vec![version.to_owned()],
        ports: vec![PortMapping {
            container_port: 80,
            host_port,
            protocol: "tcp".to_owned(),
            name: None,
            ..PortMapping::default()
        }],
        health_check: Some(HealthCheckConfig {
            kind: "http".to_owned(),
            http_path: Some("/".to_owned()),
            port: Some(80),
            command: Vec::new(),
            interval_seconds: 5,
            timeout_seconds: 1,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            start_period_seconds: None,
            ..HealthCheckConfig::default()
        }),
        ..ContainerSpec::default()
    };
    TenantComputeSpec {
        tenant_id: "acme".to_owned(),
        provider_type: "process".to_owned(),
        containers: vec![web],
        resources: ResourceRequirements { cpu: 1000, memory: 1024, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    }
    .check()
    .unwrap()
}
