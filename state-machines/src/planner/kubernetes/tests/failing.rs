use serde_json::{Value, json};

use super::super::call::{Awaited, Running};
use super::super::failing::complaint;
use super::super::kind::ObjectKind;
use super::super::object::Object;
use super::super::pod::Pod;
use super::super::tags;

const TEMPLATE: &str = "t1";

fn awaited() -> Awaited {
    Awaited {
        template: TEMPLATE.to_owned(),
        deadline_seconds: 600,
        unschedulable_seconds: 60,
        serves: Vec::new(),
    }
}

fn pod(template: &str, status: Value) -> Pod {
    Pod::read(&json!({
        "metadata": { "name": "acme-1", "uid": "u1", "labels": { tags::CONTENT: template } }, "status": status,
    }))
    .unwrap()
}

fn waiting(reason: &str, message: &str, restarts: u32, last: Value) -> Value {
    json!({ "phase": "Pending", "containerStatuses": [{
        "name": "web", "restartCount": restarts,
        "state": { "waiting": { "reason": reason, "message": message } }, "lastState": last,
    }]})
}

/// For how many seconds what is wrong may pass, and its words; none: nothing is wrong.
fn found(pods: Vec<Pod>) -> Option<(Option<u32>, String)> {
    let running = Running { pods, ..Running::default() };
    complaint(&running, &awaited()).map(|found| (found.patience, found.why.words))
}

#[test]
fn each_word_of_the_platform_has_its_patience() {
    let ended = |code: i32, reason: &str| json!({ "terminated": { "exitCode": code, "reason": reason } });
    let cases = [
        ("ContainerCreating", "", 0, json!({}), None),
        ("PodInitializing", "", 0, json!({}), None),
        ("AWordThatIsNew", "x", 0, json!({}), None),
        ("InvalidImageName", "couldn't parse image", 0, json!({}), Some(Some(0))),
        ("ErrImageNeverPull", "", 0, json!({}), Some(Some(0))),
        ("ErrImagePull", "manifest unknown", 0, json!({}), Some(Some(25))),
        ("ErrImagePull", "connection refused", 0, json!({}), Some(None)),
        ("ImagePullBackOff", "Back-off pulling image", 0, json!({}), Some(None)),
        ("CreateContainerConfigError", "secret \"db\" not found", 0, json!({}), Some(Some(10))),
        ("RunContainerError", "no such file", 0, json!({}), Some(Some(5))),
        ("CrashLoopBackOff", "back-off", 0, ended(128, "StartError"), Some(Some(5))),
        ("RunContainerError", "no such file", 2, ended(128, "StartError"), Some(Some(0))),
        ("CrashLoopBackOff", "back-off", 1, ended(1, "Error"), Some(None)),
        ("CrashLoopBackOff", "back-off", 2, ended(1, "Error"), Some(Some(0))),
        ("CrashLoopBackOff", "back-off", 2, ended(137, "OOMKilled"), Some(Some(0))),
        ("PostStartHookError: out", "", 0, json!({}), Some(Some(10))),
    ];
    for (reason, message, restarts, last, patience) in cases {
        let found = found(vec![pod(TEMPLATE, waiting(reason, message, restarts, last))]);
        assert_eq!(found.as_ref().map(|(patience, _)| *patience), patience, "{reason} {message} {restarts}");
    }
}

#[test]
fn the_words_say_which_pod_and_container_and_why() {
    let ended = |code: i32, reason: &str| json!({ "terminated": { "exitCode": code, "reason": reason } });
    let words = |status: Value| found(vec![pod(TEMPLATE, status)]).unwrap().1;
    insta::assert_snapshot!(
        [
            words(waiting("ErrImagePull", "web:9: not found", 0, json!({}))),
            words(waiting("CreateContainerConfigError", "secret \"db\" not found", 0, json!({}))),
            words(waiting("CrashLoopBackOff", "back-off 10s", 2, ended(3, "Error"))),
            words(waiting("CrashLoopBackOff", "back-off 10s", 3, ended(137, "OOMKilled"))),
            words(waiting("CrashLoopBackOff", "back-off 10s", 2, ended(137, "Error"))),
            words(waiting("CrashLoopBackOff", "back-off 10s", 2, ended(128, "StartError"))),
            words(json!({ "conditions": [
                { "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                  "message": "0/3 nodes are available: 3 Insufficient memory." },
            ]})),
        ]
        .join("\n")
    );
}

#[test]
fn only_pods_of_the_rollout_that_are_to_stay_count() {
    let crashes = || waiting("InvalidImageName", "bad", 0, json!({}));
    assert!(found(vec![pod("another", crashes())]).is_none());
    let mut going = pod(TEMPLATE, crashes());
    going.deleting = Some(jiff::Timestamp::UNIX_EPOCH);
    assert!(found(vec![going]).is_none());
    let evicted = pod(TEMPLATE, json!({ "phase": "Failed", "reason": "Evicted" }));
    assert!(found(vec![evicted]).is_none(), "its controller makes another one");
    assert!(found(vec![pod(TEMPLATE, crashes())]).is_some());
}

#[test]
fn a_refusal_of_pods_is_told_in_the_words_of_the_controller() {
    let body = json!({
        "metadata": { "name": "acme", "uid": "u" },
        "status": { "conditions": [{ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": "pods \"acme-1\" is forbidden: exceeded quota: acme, requested: limits.memory=1Gi" }] },
    });
    let workload = Object::read(ObjectKind::Deployment, body);
    let mut running = Running { workload, ..Running::default() };
    let found = complaint(&running, &awaited()).unwrap();
    assert_eq!(found.patience, Some(45));
    assert!(found.why.words.contains("exceeded quota"), "{}", found.why.words);
    assert_eq!(found.why.code, crate::error::ErrorCode::ResourceExhausted);
    let mut ends = pod("another", json!({ "phase": "Running" }));
    ends.deleting = Some(jiff::Timestamp::UNIX_EPOCH);
    running.pods.push(ends);
    assert!(complaint(&running, &awaited()).is_none(), "it makes room");
}
