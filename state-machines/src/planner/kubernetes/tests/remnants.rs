//! What an apply would leave of a choice.

use serde_json::{Value, json};

use crate::planner::kubernetes::remnants::instead;
use crate::planner::kubernetes::{Object, ObjectKind};

fn workload(container: &Value, pod: &Value, strategy: &Value) -> Value {
    let mut pod = pod.clone();
    pod["containers"] = json!([container]);
    json!({ "spec": { "template": { "spec": pod }, "strategy": strategy } })
}

fn live(container: &Value, pod: &Value, strategy: &Value) -> Object {
    let mut body = workload(container, pod, strategy);
    body["metadata"] = json!({ "name": "web", "uid": "u1", "resourceVersion": "7" });
    body["spec"]["replicas"] = json!(3);
    Object::read(ObjectKind::Deployment, body).expect("an object")
}

fn rolling() -> Value {
    json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1 } })
}

#[test]
fn a_choice_that_changes_or_goes_is_put_in_place_whole() {
    let exec = json!({ "exec": { "command": ["true"] }, "periodSeconds": 10 });
    let http = json!({ "httpGet": { "path": "/", "port": 80, "scheme": "HTTP" }, "periodSeconds": 10 });
    let value = json!({ "name": "A", "value": "1" });
    let secret = json!({ "name": "A", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } });
    let with = |key: &str, value: &Value| json!({ "name": "web", "image": "i", key: value });
    let plain = json!({ "name": "web", "image": "i" });
    let volume = |source: &str| json!({ "volumes": [{ "name": "v", source: {} }] });
    let none = json!({});
    // What is there, what is intended, and whether an apply leaves something.
    let cases = [
        (live(&with("livenessProbe", &exec), &none, &rolling()), workload(&plain, &none, &rolling()), true),
        (
            live(&with("livenessProbe", &exec), &none, &rolling()),
            workload(&with("livenessProbe", &http), &none, &rolling()),
            true,
        ),
        (live(&plain, &none, &rolling()), workload(&with("livenessProbe", &http), &none, &rolling()), false),
        (
            live(&with("env", &json!([secret])), &none, &rolling()),
            workload(&with("env", &json!([value])), &none, &rolling()),
            true,
        ),
        (
            live(&with("env", &json!([value])), &none, &rolling()),
            workload(&with("env", &json!([secret])), &none, &rolling()),
            false,
        ),
        (
            live(&with("env", &json!([secret])), &none, &rolling()),
            workload(&with("env", &json!([])), &none, &rolling()),
            false,
        ),
        (
            live(&plain, &volume("emptyDir"), &rolling()),
            workload(&plain, &volume("configMap"), &rolling()),
            true,
        ),
        (live(&plain, &none, &rolling()), workload(&plain, &none, &json!({ "type": "Recreate" })), true),
        (live(&plain, &none, &rolling()), workload(&plain, &none, &rolling()), false),
    ];
    for (n, (live, intended, leaves)) in cases.into_iter().enumerate() {
        let instead = instead(&intended, &live);
        assert_eq!(instead.is_some(), leaves, "{n}");
        let Some(instead) = instead else { continue };
        assert_eq!(instead.version, "7");
        assert_eq!(instead.spec["replicas"], 3, "{n}: what is nobody's stays");
        let mut spec = instead.spec;
        spec.as_object_mut().expect("a spec").remove("replicas");
        assert_eq!(spec, intended["spec"], "{n}");
    }
}

#[test]
fn what_others_added_stays() {
    let theirs =
        json!({ "name": "theirs", "image": "x", "livenessProbe": { "exec": { "command": ["true"] } } });
    let exec = json!({ "exec": { "command": ["true"] } });
    let mut object = live(
        &json!({ "name": "web", "image": "i", "livenessProbe": exec, "imagePullPolicy": "Always" }),
        &json!({}),
        &rolling(),
    );
    let containers = object.body.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    containers.expect("containers").push(theirs.clone());
    let intended = workload(&json!({ "name": "web", "image": "j" }), &json!({}), &rolling());
    let spec = instead(&intended, &object).expect("a probe goes").spec;
    let expected = json!([{ "name": "web", "image": "j", "imagePullPolicy": "Always" }, theirs]);
    assert_eq!(spec["template"]["spec"]["containers"], expected);
}
