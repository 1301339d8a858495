//! What becomes of a whole spec.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{body, make, old, on, plain, pod, read, sent, subject_of, survey, template, told, wanted, web};
use crate::id::Rollout;
use crate::planner::kubernetes::{Count, KubernetesConfig, ObjectKind, Wanted, tags};
use crate::spec::Spec;

/// A spec with something of everything.
fn full(change: impl FnOnce(&mut Value)) -> Spec {
    let check = json!({ "type": "http", "http_path": "/healthz", "port": 8080, "interval_seconds": 10,
        "timeout_seconds": 2, "healthy_threshold": 2, "unhealthy_threshold": 2, "start_period_seconds": 20,
        "headers": { "X-Probe": "1" } });
    let mut spec = json!({
        "tenant_id": "acme", "provider_type": "kubernetes", "replicas": 2,
        "containers": [
            { "name": "migrate", "image": "example.com/migrate:1", "role": "init", "args": ["--once"] },
            {
                "name": "web", "image": "example.com/web:1", "command": ["server"],
                "args": ["--listen=$(PORT)", "--token=$(TOKEN)", "$$(PORT) $HOME"],
                "env": { "A": "$(B)/a", "B": "b", "EMPTY": "" },
                "ports": [
                    { "container_port": 8080, "host_port": 80, "name": "http", "app_protocol": "http",
                      "exposure": { "level": "public", "host": "acme.example.com", "path": "/app", "tls": true } },
                    { "container_port": 9090, "name": "metrics", "exposure": { "level": "internal" } },
                    { "container_port": 53, "protocol": "udp" },
                ],
                "health_check": check,
                "resources": { "cpu": 750, "memory": 1536, "requests": { "memory": 1024 } },
                "stop": { "grace_seconds": 45 },
                "files": [
                    { "path": "/etc/app.toml", "content": "port = 8080\n", "mode": "0640" },
                    { "path": "/etc/key", "secret": "db" },
                ],
                "mounts": [{ "volume": "cache", "path": "/cache" }],
                "image_pull": { "policy": "always", "credentials": "registry" },
                "user": "1000:1001", "working_dir": "/srv", "read_only_root": true,
            },
            { "name": "proxy", "image": "example.com/proxy:1", "role": "sidecar" },
        ],
        "resources": { "cpu": 1000, "memory": 2048, "storage": 4096 },
        "volumes": [{ "name": "cache", "size_mb": 512 }],
        "secrets": [
            { "name": "db", "source": "kubernetes-secret", "key": "password", "env_var": "TOKEN", "containers": ["web"] },
            { "name": "registry", "source": "kubernetes-secret", "key": ".dockerconfigjson" },
        ],
        "labels": { "team": "blue", "note": "two words" },
        "update": { "deadline_seconds": 300 },
        "provider_config": {
            "exposure": "ingress", "ingress_class": "nginx", "ingress_annotations": { "cert-manager.io/cluster-issuer": "ca" },
            "secrets": { "copy": { "namespace": "vault" } }, "labels": { "cost": "1" },
            "image_pull_secrets": ["shared"], "node_selector": { "disk": "ssd" },
            "tolerations": [{ "key": "tenants", "effect": "NoSchedule" }],
            "priority_class": "tenants", "runtime_class": "gvisor", "pod_security": "restricted",
            "network_policy_except": ["10.0.0.0/8"], "cpu_limits": true,
            "service_account_annotations": { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/acme" },
        },
    });
    change(&mut spec);
    read(spec)
}

fn persistent(change: impl FnOnce(&mut Value)) -> Spec {
    plain(|spec| {
        spec["volumes"] = json!([{ "name": "data", "size_mb": 2048, "persistent": true }, { "name": "tmp" }]);
        spec["containers"][0]["mounts"] = json!([
            { "volume": "data", "path": "/data" }, { "volume": "tmp", "path": "/tmp", "read_only": true },
        ]);
        spec["provider_config"] = json!({ "storage_class": "fast", "quota": false, "limit_range": false });
        change(spec);
    })
}

#[test]
fn a_small_tenant() {
    insta::assert_json_snapshot!(sent(&wanted(&plain(|_| ()))));
}

#[test]
fn a_tenant_with_something_of_everything() {
    let wanted = wanted(&full(|_| ()));
    insta::assert_json_snapshot!(sent(&wanted));
    insta::assert_json_snapshot!(json!({
        "copies": wanted.copies, "serves": wanted.serves, "workload": wanted.workload, "place": wanted.place,
        "not_enforced": wanted.not_enforced, "deadline": wanted.deadline_seconds,
    }));
}

#[test]
fn a_tenant_with_a_volume_that_stays() {
    insta::assert_json_snapshot!(sent(&wanted(&persistent(|_| ()))));
}

#[test]
fn a_tenant_on_an_old_cluster() {
    let wanted = on(&full(|_| ()), &old());
    insta::assert_json_snapshot!(json!({
        "not_enforced": wanted.not_enforced,
        "pod": pod(&wanted)["containers"].as_array().unwrap().iter().map(|one| &one["name"]).collect::<Vec<_>>(),
        "budget": body(&wanted, ObjectKind::PodDisruptionBudget),
        "spread": pod(&wanted)["topologySpreadConstraints"][0],
        "namespace": body(&wanted, ObjectKind::Namespace)["metadata"]["labels"],
    }));
}

/// What older builds made is known again by these.
#[test]
fn the_hashes_stay_what_they_are() {
    let wanted = wanted(&full(|_| ()));
    insta::assert_json_snapshot!(json!({
        "template": wanted.template, "spec": wanted.spec,
        "content": make(&wanted, ObjectKind::Deployment).unwrap().content,
    }));
}

fn keys(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let at = format!("{at}.{key}");
                let may_be_empty = ["emptyDir", "namespaceSelector"].contains(&&**key);
                if value.is_null() || (value.as_object().is_some_and(|it| it.is_empty()) && !may_be_empty) {
                    found.push(at.clone());
                }
                keys(value, &at, found);
            }
        }
        Value::Array(items) if items.is_empty() => found.push(at.to_owned()),
        Value::Array(items) => items.iter().for_each(|item| keys(item, at, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Else a live object would always differ.
#[test]
fn nothing_is_sent_that_the_server_leaves_out() {
    for wanted in [wanted(&full(|_| ())), wanted(&plain(|_| ())), wanted(&persistent(|_| ()))] {
        let mut found = Vec::new();
        keys(&sent(&wanted), "", &mut found);
        assert_eq!(found, Vec::<String>::new());
        for make in &wanted.objects {
            assert!(!make.api_version().is_empty());
            assert_eq!(make.body["metadata"]["annotations"][tags::CONTENT], json!(make.content));
            assert!(make.body.pointer("/spec/replicas").is_none());
        }
    }
}

#[test]
fn objects_are_in_the_order_in_which_they_are_made() {
    let wanted = wanted(&full(|_| ()));
    assert!(wanted.objects.is_sorted_by_key(|make| &make.id));
    let names: BTreeSet<_> = wanted.objects.iter().map(|make| &make.id).collect();
    assert_eq!(names.len(), wanted.objects.len());
    assert_eq!(wanted.workload.to_string(), "Deployment/acme");
}

#[test]
fn nothing_that_may_be_secret_is_shown() {
    let wanted = wanted(&full(|spec| {
        spec["containers"][1]["args"] = json!(["hunter2"]);
        spec["containers"][1]["env"] = json!({ "X": "hunter2" });
        spec["containers"][1]["files"][0]["content"] = json!("hunter2");
    }));
    assert!(!format!("{wanted:?}").contains("hunter2"));
}

fn content(wanted: &Wanted) -> String {
    wanted.objects.iter().find(|make| make.id == wanted.workload).unwrap().content.clone()
}

#[test]
fn a_number_of_pods_changes_neither_the_template_nor_the_workload() {
    let (one, three) = (wanted(&plain(|_| ())), wanted(&plain(|spec| spec["replicas"] = json!(3))));
    assert_eq!((one.replicas, three.replicas), (Count::Of(1), Count::Of(3)));
    assert_eq!((&one.template, content(&one)), (&three.template, content(&three)));
    assert_ne!(one.spec, three.spec);
    let auto = wanted(&plain(|spec| spec["replicas"] = json!("auto")));
    assert_eq!(
        (&auto.template, content(&auto), auto.replicas),
        (&one.template, content(&one), Count::Scaled { first: 1 })
    );
}

#[test]
fn a_label_changes_the_objects_and_no_pod() {
    let before = wanted(&plain(|_| ()));
    let after = wanted(&plain(|spec| spec["labels"] = json!({ "team": "blue" })));
    assert_eq!(before.template, after.template);
    assert_ne!((content(&before), &before.spec), (content(&after), &after.spec));
    let selector = |wanted: &Wanted| body(wanted, ObjectKind::Deployment)["spec"]["selector"].clone();
    assert_eq!(selector(&before), selector(&after));
    assert_eq!(selector(&after)["matchLabels"], json!(tags::stable(&subject_of(&plain(|_| ()), 9))));
}

#[test]
fn a_rollout_and_a_life_change_the_pods() {
    let spec = plain(|_| ());
    let of =
        |life, rollout| Wanted::of(&subject_of(&spec, life), &spec, Rollout(rollout), &survey(33)).unwrap();
    let (first, again, reborn) = (of(2, 0), of(2, 7), of(3, 0));
    let templates = BTreeSet::from([&first.template, &again.template, &reborn.template]);
    assert_eq!(templates.len(), 3);
    assert_eq!(first.spec, again.spec);
    assert_ne!(first.spec, reborn.spec);
    assert_eq!(template(&again)["metadata"]["annotations"][tags::ROLLOUT], "7");
    assert_eq!(template(&first)["metadata"].get("annotations"), None);
    assert_eq!(template(&first)["metadata"]["labels"][tags::CONTENT], json!(first.template));
    assert!(tags::is_value(&first.template));
}

#[test]
fn any_change_of_the_containers_changes_the_template() {
    let changes: [fn(&mut Value); 12] = [
        |_| (),
        |web| web["image"] = json!("nginx:1.29"),
        |web| web["env"] = json!({ "A": "1" }),
        |web| web["args"] = json!(["-q"]),
        |web| web["user"] = json!("1000"),
        |web| web["working_dir"] = json!("/srv"),
        |web| web["read_only_root"] = json!(true),
        |web| web["stop"] = json!({ "grace_seconds": 60 }),
        |web| web["resources"] = json!({ "cpu": 100, "memory": 256 }),
        |web| web["ports"] = json!([{ "container_port": 81 }]),
        |web| web["image_pull"] = json!({ "policy": "never" }),
        |web| web["files"] = json!([{ "path": "/etc/x", "content": "x" }]),
    ];
    let all: BTreeSet<String> = changes.iter().map(|change| wanted(&web(change)).template).collect();
    assert_eq!(all.len(), changes.len());
    // The address of a port is the Service's business.
    let moved =
        web(|web| web["ports"] = json!([{ "container_port": 80, "exposure": { "level": "internal" } }]));
    assert!(all.contains(&wanted(&moved).template));
}

#[test]
fn what_a_spec_says_is_put_over_the_configuration() {
    let operators = json!({ "cluster": "in_cluster", "replicas": 3, "deadline_seconds": 60 });
    let spec = plain(|spec| {
        spec["replicas"] = json!(2);
        spec["update"] = json!({ "deadline_seconds": 120 });
    });
    let merged = spec.with_provider_config(KubernetesConfig::merged_for(&operators, &spec).unwrap());
    let both = wanted(&merged);
    assert_eq!((both.replicas, both.deadline_seconds), (Count::Of(2), 120));
    assert_eq!(body(&both, ObjectKind::Deployment)["spec"]["progressDeadlineSeconds"], 120);
    let silent = plain(|_| ());
    let merged = silent.with_provider_config(KubernetesConfig::merged_for(&operators, &silent).unwrap());
    assert_eq!((wanted(&merged).replicas, wanted(&merged).deadline_seconds), (Count::Of(3), 60));
    let twice = plain(|spec| {
        spec["replicas"] = json!(2);
        spec["provider_config"]["replicas"] = json!(2);
    });
    assert_eq!(told(&twice), "replicas: given together with provider_config.replicas; leave one of them out");
}
