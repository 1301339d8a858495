//! The page `kubernetes.md`: what the planner does, as the code has it. `UPDATE_PAGES=1 cargo test` writes it anew.

mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::SignedDuration;

use super::KubernetesPlanner;
use super::call::{Awaited, KubernetesCall, KubernetesReply, Running, Words};
use super::facts::{Complaint, KubernetesFacts, Stage, Watched, Why};
use super::pod::Pod;
use crate::error::{ErrorCode, Remedy};
use crate::id;
use crate::planner::{Act, Goal, Means, Next, Planner};
use known::{NOW, configurations, failing_pod, pod, rolled, spec, subject, wanted, workload};

#[test]
fn the_page_says_what_the_code_does() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes.md");
    let page = page();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == page,
        "kubernetes.md is not what the code does; UPDATE_PAGES=1 cargo test writes it anew"
    );
}

fn page() -> String {
    let mut page = String::from(
        "# The Kubernetes planner\n\n\
         Generated from `src/planner/kubernetes/`; a difference in this page is a difference in behaviour.\n\n\
         ## The rollout that is watched\n\n\
         What an intent, a look or a new method makes of it. A *complaint* is what is wrong with its pods; it may pass for as \
         long as its kind allows.\n\n",
    );
    page.push_str(&diagram());
    page.push_str(
        "\n## What is done next\n\n\
         The tenant has one container with one port, in a namespace of its own, one pod. The wanted template is that of \
         the spec; *another* is that of the spec before.\n\n",
    );
    page.push_str(&table());
    page
}

// ---- the diagram

fn diagram() -> String {
    let mut edges: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let complaint = Complaint {
        what: "image web".to_owned(),
        since: NOW - SignedDuration::from_secs(25),
        patience: Some(25),
        why: why(),
    };
    for stage in [
        None,
        Some(Stage::BEGUN),
        Some(Stage::Going { complaint: Some(complaint), ready_since: None }),
        Some(Stage::Overdue),
        Some(Stage::GivenUp { why: why(), told: false }),
        Some(Stage::GivenUp { why: why(), told: true }),
    ] {
        let from = name(stage.as_ref());
        for (event, after) in events(stage) {
            let to = name(after.as_ref());
            if from != to {
                edges.entry((from, to)).or_default().insert(event);
            }
        }
    }
    let mut text = String::from("```mermaid\nstateDiagram-v2\n");
    for ((from, to), events) in edges {
        let events: Vec<&str> = events.into_iter().collect();
        writeln!(text, "    {from} --> {to}: {}", events.join(", ")).unwrap();
    }
    text + "```\n"
}

fn why() -> Why {
    Why { words: "why".to_owned(), code: ErrorCode::UnknownError, remedy: Remedy::Permanent }
}

fn name(stage: Option<&Stage>) -> &'static str {
    match stage {
        None => "[*]",
        Some(Stage::Going { complaint: None, .. }) => "Going",
        Some(Stage::Going { complaint: Some(_), .. }) => "Complained",
        Some(Stage::Overdue) => "Overdue",
        Some(Stage::GivenUp { told: false, .. }) => "GivenUp",
        Some(Stage::GivenUp { told: true, .. }) => "Told",
    }
}

/// Everything that can happen to the rollout, and what it is then.
fn events(stage: Option<Stage>) -> Vec<(&'static str, Option<Stage>)> {
    let wanted = wanted();
    let since = NOW - SignedDuration::from_secs(60);
    let mut facts = rolled();
    facts.rollout = stage.map(|stage| Watched { template: wanted.template.clone(), since, stage });
    let after = |change: &dyn Fn(&mut KubernetesFacts)| {
        let mut facts = facts.clone();
        change(&mut facts);
        facts.rollout.map(|watched| watched.stage)
    };
    let learned = |call: &KubernetesCall, reply: &KubernetesReply| {
        after(&|facts| KubernetesPlanner::learn(facts, call, Ok(reply.clone()), NOW))
    };
    let seen = |pods: Vec<Pod>, deadline_seconds| {
        let awaited = Awaited {
            template: wanted.template.clone(),
            deadline_seconds,
            unschedulable_seconds: 60,
            serves: Vec::new(),
        };
        let (place, id) = (wanted.place.clone(), wanted.workload.clone());
        let call = KubernetesCall::Watch { place, workload: id, awaited: Some(awaited), since: 0 };
        let running = Running { workload: Some(workload(&wanted, &pods)), pods, ..Running::default() };
        learned(&call, &KubernetesReply::Running(Box::new(running)))
    };
    let template = wanted.template.as_str();
    let (coming, ready) = (|| vec![pod("a", template, false)], || vec![pod("a", template, true)]);
    let failing = || vec![failing_pod("a", template, "ErrImagePull", "not found")];
    let explain = KubernetesCall::Explain { place: wanted.place.clone(), uids: BTreeSet::new() };
    let words = Words {
        uid: "pod-a".to_owned(),
        object: "Pod/a".to_owned(),
        reason: "FailedMount".to_owned(),
        message: "why".to_owned(),
        last: None,
    };
    let make = wanted.objects.iter().find(|make| make.id == wanted.workload).unwrap().clone();
    let create = KubernetesCall::Create(Box::new(make));
    let (place, name, uid) = (wanted.place.clone(), "a".to_owned(), "pod-a".to_owned());
    let delete = KubernetesCall::DeletePod { place, name, uid };
    vec![
        ("the workload is written", after(&|facts| KubernetesPlanner::intend(facts, &create, NOW))),
        ("its pods come up", seen(coming(), 600)),
        ("its pods are ready", seen(ready(), 600)),
        ("its image is not found", seen(failing(), 600)),
        ("its pods come up, its time is over", seen(coming(), 60)),
        ("its image is not found, its time is over", seen(failing(), 60)),
        ("events are looked at", learned(&explain, &KubernetesReply::Words(vec![words]))),
        ("its failed pods are deleted", after(&|facts| KubernetesPlanner::intend(facts, &delete, NOW))),
        ("a new method", after(&KubernetesPlanner::stale)),
    ]
}

// ---- the table

fn table() -> String {
    let spec = spec("web:2");
    let mut text =
        String::from("| known | provision | update | destroy | status |\n| --- | --- | --- | --- | --- |\n");
    for (name, facts) in configurations() {
        let known = |goal| cell(KubernetesPlanner::next(&subject(), goal, &facts, NOW));
        let present = |by| Goal::Present { spec: &spec, applied: None, rollout: id::Rollout::default(), by };
        writeln!(
            text,
            "| {name} | {} | {} | {} | {} |",
            known(present(Means::Provision)),
            known(present(Means::Update)),
            known(Goal::Absent),
            known(Goal::Known),
        )
        .unwrap();
    }
    text
}

fn cell(next: Next<KubernetesCall>) -> String {
    match next {
        Next::Do(acts) => acts.iter().map(act).collect::<Vec<_>>().join("; "),
        Next::Wait { until, why, so_far } => {
            let so_far = so_far.map(|so_far| format!(": {so_far}")).unwrap_or_default();
            format!("wait {:#} until {why}{so_far}", until.duration_since(NOW))
        }
        Next::Done => "done".to_owned(),
        Next::Fail(error) => format!("**{}** ({:?}, {:?})", error.code, error.kind, error.remedy),
    }
}

fn act(act: &Act<KubernetesCall>) -> String {
    let of = |id: &super::kind::ObjectId| format!("{}: {}", act.step, id.kind);
    match &act.call {
        KubernetesCall::Create(make)
        | KubernetesCall::Apply { make, .. }
        | KubernetesCall::CopySecret { make, .. } => of(&make.id),
        KubernetesCall::Own { id, .. } => of(id),
        KubernetesCall::Delete(delete) => of(&delete.id),
        KubernetesCall::Survey
        | KubernetesCall::Locate
        | KubernetesCall::Look(_)
        | KubernetesCall::Watch { .. }
        | KubernetesCall::Explain { .. }
        | KubernetesCall::Scale { .. }
        | KubernetesCall::DeletePod { .. } => act.step.to_owned(),
    }
}
