use serde_json::json;

use super::super::kind::ObjectKind;
use super::super::object::Object;
use super::super::pod::{ContainerState, Pod};

const SENTINEL: &str = "hunter2";

/// A tenant may print its secrets through a hook, a probe and its last words. None of that is read.
#[test]
fn what_a_tenant_wrote_is_not_read() {
    let statuses = json!([
        { "name": "a", "state": { "waiting": {
            "reason": format!("PostStartHookError: command 'x' exited with 1: {SENTINEL}"), "message": SENTINEL } } },
        { "name": "b", "state": { "waiting": { "reason": "NewWordOfThePlatform", "message": SENTINEL } } },
        { "name": "c", "state": { "terminated": { "exitCode": 1, "reason": "Error", "message": SENTINEL } } },
        { "name": "d", "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off" } },
          "lastState": { "terminated": { "exitCode": 2, "reason": "Error", "message": SENTINEL } } },
    ]);
    let body = json!({
        "metadata": { "name": "acme-1", "uid": "u1" },
        "status": { "phase": "Running", "message": SENTINEL, "containerStatuses": statuses },
    });
    let pod = Pod::read(&body).unwrap();
    assert!(!format!("{pod:?}").contains(SENTINEL), "{pod:?}");
    let states: Vec<&ContainerState> = pod.containers.iter().map(|container| &container.state).collect();
    let ContainerState::Waiting { reason, .. } = states[0] else { panic!("{states:?}") };
    assert_eq!(reason, "PostStartHookError");
}

#[test]
fn values_of_secrets_and_the_managers_fields_are_left_where_they_are() {
    let body = json!({
        "metadata": { "name": "acme", "uid": "u1", "managedFields": [
            { "manager": "landlord", "operation": "Apply" }, { "manager": "landlord", "operation": "Update" },
        ]},
        "data": { "password": SENTINEL }, "stringData": { "password": SENTINEL },
    });
    let object = Object::read(ObjectKind::Secret, body).unwrap();
    assert!(!format!("{object:?}").contains(SENTINEL), "{object:?}");
    assert!(!format!("{object:?}").contains("managedFields"), "{object:?}");
    assert!(!object.owned, "an update of ours keeps fields");
}

#[test]
fn what_is_applied_is_owned_and_what_another_manager_updates_is_no_matter() {
    let owned = |managers: serde_json::Value| {
        let body = json!({ "metadata": { "name": "acme", "uid": "u1", "managedFields": managers } });
        Object::read(ObjectKind::Service, body).unwrap().owned
    };
    assert!(owned(json!([{ "manager": "landlord", "operation": "Apply" }])));
    assert!(owned(json!([{ "manager": "kubectl", "operation": "Update" }])));
    assert!(owned(json!([{ "manager": "landlord-scale", "operation": "Update" }])));
    assert!(owned(json!([{ "manager": "landlord", "operation": "Update", "subresource": "scale" }])));
    assert!(!owned(json!([{ "manager": "landlord", "operation": "Update" }])));
}
