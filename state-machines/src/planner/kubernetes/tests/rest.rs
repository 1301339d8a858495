use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::call::Running;
use super::super::config::Drift;
use super::super::kind::ObjectKind;
use super::super::object::Object;
use super::super::pod::Pod;
use super::super::rest::{Alteration, Altered, at_rest};
use crate::observation::Seen;

fn workload(replicas: u32, more: &Value) -> Option<Object> {
    let mut body = json!({ "metadata": { "name": "acme", "uid": "u1" }, "spec": { "replicas": replicas } });
    if let (Some(metadata), Some(more)) = (body["metadata"].as_object_mut(), more.as_object()) {
        metadata.extend(more.clone());
    }
    Object::read(ObjectKind::Deployment, body)
}

fn pod(ready: bool, container: Value) -> Pod {
    let ready = if ready { "True" } else { "False" };
    Pod::read(&json!({ "metadata": { "name": "acme-1", "uid": "p1" }, "status": {
        "phase": "Running",
        "conditions": [{ "type": "Ready", "status": ready }],
        "containerStatuses": [container],
    } }))
    .unwrap()
}

fn good() -> Pod {
    pod(true, json!({ "name": "web", "ready": true, "restartCount": 0, "state": { "running": {} } }))
}

fn coming() -> Pod {
    let waits = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "Back-off" } });
    pod(false, json!({ "name": "web", "ready": false, "restartCount": 0, "state": waits }))
}

fn crashed() -> Pod {
    let last = json!({ "terminated": { "exitCode": 1, "reason": "Error" } });
    let waits = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "" } });
    pod(false, json!({ "name": "web", "ready": false, "restartCount": 3, "state": waits, "lastState": last }))
}

fn altered(kind: ObjectKind, name: Option<&str>, how: Alteration) -> Altered {
    Altered { kind, name: name.map(str::to_owned), how }
}

fn shown(seen: &Seen) -> String {
    match seen {
        Seen::Healthy => "healthy".to_owned(),
        Seen::Unhealthy(why) => format!("unhealthy: {why}"),
        Seen::Broken(why) => format!("broken: {why}"),
        Seen::Unclear => "unclear".to_owned(),
    }
}

#[test]
fn what_a_look_at_a_tenant_at_rest_means() {
    let going = json!({ "deletionTimestamp": "2026-01-02T03:04:05Z" });
    let runs = [
        ("no workload", None, vec![]),
        ("no workload, a pod", None, vec![good()]),
        ("a workload that goes", workload(1, &going), vec![good()]),
        ("scaled to nothing", workload(0, &json!({})), vec![]),
        ("1 of 1", workload(1, &json!({})), vec![good()]),
        ("1 of 2", workload(2, &json!({})), vec![good(), coming()]),
        ("0 of 1, its pod is gone", workload(1, &json!({})), vec![]),
        ("0 of 1, it comes up", workload(1, &json!({})), vec![coming()]),
        ("0 of 1, it crashed", workload(1, &json!({})), vec![crashed()]),
    ];
    let service = || [altered(ObjectKind::Service, Some("acme"), Alteration::Deleted)];
    let mut text = String::new();
    for (name, workload, pods) in runs {
        let running = Running { workload, pods, ..Running::default() };
        let seen = |altered: &[Altered], policy| shown(&at_rest(&running, altered, policy));
        writeln!(text, "{name}").unwrap();
        writeln!(text, "  nothing altered: {}", seen(&[], Drift::Repair)).unwrap();
        writeln!(text, "  altered, report: {}", seen(&service(), Drift::Report)).unwrap();
        writeln!(text, "  altered, repair: {}", seen(&service(), Drift::Repair)).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_a_repair_would_not_touch_is_told() {
    let running = Running { workload: workload(1, &json!({})), pods: vec![good()], ..Running::default() };
    let disowned = || altered(ObjectKind::Service, Some("acme"), Alteration::Disowned);
    let deleted = altered(ObjectKind::ConfigMap, Some("files"), Alteration::Deleted);
    let seen = |altered: &[Altered]| shown(&at_rest(&running, altered, Drift::Repair));
    let words = "Service/acme has lost the labels that say whose it is";
    assert_eq!(seen(&[disowned()]), format!("unhealthy: {words}"));
    assert_eq!(seen(&[disowned(), deleted]), format!("broken: {words}; ConfigMap/files was deleted"));
}

#[test]
fn a_workload_that_somebody_scaled_to_nothing_is_broken() {
    let running = Running { workload: workload(0, &json!({})), ..Running::default() };
    let stopped = [altered(ObjectKind::Deployment, Some("acme"), Alteration::Stopped)];
    for policy in [Drift::Report, Drift::Repair] {
        assert_eq!(
            shown(&at_rest(&running, &stopped, policy)),
            "broken: Deployment/acme was scaled to nothing"
        );
    }
    assert_eq!(at_rest(&running, &[], Drift::Repair), Seen::Healthy, "its spec says so");
}

#[test]
fn fields_that_others_took_are_taken_back_as_the_configuration_says() {
    use super::super::config::KubernetesConfig;
    use super::super::wanted::TakesOver;
    use crate::planner::Means::{Provision, Repair, Update};
    let taken = |take_over, drift| {
        let takes = TakesOver::of(&KubernetesConfig { take_over, drift, ..KubernetesConfig::default() });
        [Provision, Update, Repair].map(|by| takes.is_on(by))
    };
    assert_eq!(taken(false, Drift::Report), [false, false, false]);
    assert_eq!(taken(false, Drift::Repair), [false, false, true]);
    assert_eq!(taken(true, Drift::Report), [true, true, true]);
    assert_eq!(taken(true, Drift::Repair), [true, true, true]);
}

#[test]
fn what_was_altered_is_said_in_words() {
    let by = |names: &[&str]| Alteration::Changed {
        by: names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(),
    };
    let cases = [
        (ObjectKind::Service, Some("acme"), Alteration::Deleted, "Service/acme was deleted"),
        (ObjectKind::Service, None, Alteration::Deleted, "a Service was deleted"),
        (
            ObjectKind::ConfigMap,
            Some("f"),
            Alteration::Disowned,
            "ConfigMap/f has lost the labels that say whose it is",
        ),
        (ObjectKind::Deployment, Some("acme"), by(&[]), "Deployment/acme was changed by somebody else"),
        (
            ObjectKind::Deployment,
            Some("acme"),
            by(&["helm", "kubectl-edit"]),
            "Deployment/acme was changed by helm or kubectl-edit",
        ),
    ];
    for (kind, name, how, words) in cases {
        assert_eq!(altered(kind, name, how).to_string(), words);
    }
}
