use serde_json::json;

use super::super::drift::{immutable, of};
use super::super::kind::ObjectKind;

#[test]
fn what_others_add_does_not_differ_and_what_is_ours_does() {
    let intended = json!({ "spec": {
        "template": { "spec": { "containers": [{
            "name": "web", "image": "web:1",
            "env": [{ "name": "A", "value": "1" }],
            "ports": [{ "containerPort": 80, "name": "http", "protocol": "TCP" }],
        }]}},
    }});
    let live = json!({ "spec": {
        "replicas": 3,
        "template": { "spec": { "dnsPolicy": "ClusterFirst", "containers": [
            { "name": "mesh", "image": "mesh:1" },
            {
                "name": "web", "image": "web:1", "imagePullPolicy": "IfNotPresent",
                "env": [{ "name": "Z", "value": "others" }, { "name": "A", "value": "1" }],
                "ports": [{ "containerPort": 80, "name": "http", "protocol": "TCP" }],
            },
        ]}},
    }});
    assert_eq!(of(&intended, &live), Vec::<String>::new());
    let changed = |pointer: &str, value| {
        let mut live = live.clone();
        *live.pointer_mut(pointer).unwrap() = value;
        of(&intended, &live)
    };
    let web = "/spec/template/spec/containers/1";
    assert_eq!(
        changed(&format!("{web}/image"), json!("web:2")),
        [".spec.template.spec.containers[web].image"]
    );
    assert_eq!(
        changed(&format!("{web}/env/1/value"), json!("2")),
        [".spec.template.spec.containers[web].env[A].value"]
    );
    assert_eq!(
        changed(&format!("{web}/env/1/name"), json!("B")),
        [".spec.template.spec.containers[web].env[A]"]
    );
    assert_eq!(changed(web, json!({ "name": "other" })), [".spec.template.spec.containers[web]"]);
    assert_eq!(of(&json!({ "a": ["x", "y"] }), &json!({ "a": ["y", "x"] })), [".a[0]", ".a[1]"]);
    assert_eq!(of(&json!({ "a": [] , "b": {} }), &json!({})), Vec::<String>::new());
}

#[test]
fn what_cannot_be_changed_is_replaced() {
    let selector = |app: &str| json!({ "spec": { "selector": { "matchLabels": { "app": app } } } });
    assert!(immutable(&selector("a"), &selector("b"), ObjectKind::Deployment));
    assert!(!immutable(&selector("a"), &selector("a"), ObjectKind::Deployment));
    assert!(!immutable(&selector("a"), &selector("b"), ObjectKind::Service));
    let address = |ip: &str| json!({ "spec": { "clusterIP": ip } });
    assert!(immutable(&address("None"), &address("10.0.0.1"), ObjectKind::Service));
    assert!(!immutable(&json!({ "spec": {} }), &address("10.0.0.1"), ObjectKind::Service));
    let volumes = |names: &[&str]| {
        let templates: Vec<_> = names.iter().map(|name| json!({ "metadata": { "name": name } })).collect();
        json!({ "spec": { "volumeClaimTemplates": templates } })
    };
    assert!(immutable(&volumes(&["a"]), &volumes(&["a", "b"]), ObjectKind::StatefulSet));
    assert!(immutable(&volumes(&["a", "b"]), &volumes(&["a"]), ObjectKind::StatefulSet));
    assert!(!immutable(&volumes(&["a"]), &volumes(&["a"]), ObjectKind::StatefulSet));
}
