//! Quotas, budgets, and what is wrong with a configuration.

use serde_json::{Value, json};

use super::{body, make, old, on, plain, refused, survey, told, wanted};
use crate::planner::kubernetes::{ObjectKind, support};
use crate::spec::{Field, Support};

fn hard(change: impl FnOnce(&mut Value)) -> Value {
    body(&wanted(&plain(change)), ObjectKind::ResourceQuota)["spec"]["hard"].clone()
}

#[test]
fn a_quota_has_room_for_a_rollout() {
    // Three that run, three that are ending, one that comes.
    let three = hard(|spec| spec["replicas"] = json!(3));
    assert_eq!(
        three,
        json!({ "pods": "7", "requests.cpu": "1750m", "requests.memory": "3584Mi", "limits.memory": "3584Mi" })
    );
    let none = hard(|spec| spec["replicas"] = json!(0));
    assert_eq!(none["pods"], "1");
    let more = hard(|spec| {
        spec["resources"] = json!({ "cpu": 1000, "memory": 1024, "storage": 512 });
        spec["provider_config"]["cpu_limits"] = json!(true);
    });
    assert_eq!((&more["limits.cpu"], &more["limits.ephemeral-storage"]), (&json!("3"), &json!("1536Mi")));
    // An init container runs alone, and takes no more than the tenant has.
    let init = hard(|spec| {
        spec["containers"].as_array_mut().unwrap().push(json!({ "name": "m", "image": "m", "role": "init" }));
    });
    assert_eq!(init["requests.memory"], "1536Mi");
}

#[test]
fn what_others_add_has_a_size() {
    let limits = |change: fn(&mut Value)| {
        body(&wanted(&plain(change)), ObjectKind::LimitRange)["spec"]["limits"][0].clone()
    };
    assert_eq!(
        limits(|_| ()),
        json!({ "type": "Container", "default": { "memory": "128Mi" },
            "defaultRequest": { "cpu": "100m", "memory": "128Mi" } })
    );
    let more = limits(|spec| {
        spec["resources"]["storage"] = json!(512);
        spec["provider_config"]["cpu_limits"] = json!(true);
    });
    assert_eq!(more["default"], json!({ "cpu": "100m", "memory": "128Mi", "ephemeral-storage": "128Mi" }));
    let off = plain(|spec| spec["provider_config"] = json!({ "quota": false, "limit_range": false }));
    let wanted = wanted(&off);
    assert!(
        make(&wanted, ObjectKind::ResourceQuota).is_none() && make(&wanted, ObjectKind::LimitRange).is_none()
    );
}

#[test]
fn an_autoscaler_is_not_held_back() {
    let auto = wanted(&plain(|spec| spec["replicas"] = json!("auto")));
    assert!(make(&auto, ObjectKind::ResourceQuota).is_none());
    assert!(make(&auto, ObjectKind::PodDisruptionBudget).is_some());
    assert_eq!(
        auto.not_enforced,
        ["replicas: no quota is made: nobody knows how many pods an autoscaler wants"]
    );
}

#[test]
fn of_several_pods_one_is_taken_away_at_a_time() {
    let spec = |replicas: u32| plain(|spec| spec["replicas"] = json!(replicas));
    for replicas in [0, 1] {
        assert!(make(&wanted(&spec(replicas)), ObjectKind::PodDisruptionBudget).is_none());
    }
    let budget = |minor| body(&on(&spec(2), &survey(minor)), ObjectKind::PodDisruptionBudget)["spec"].clone();
    assert_eq!(
        (&budget(27)["maxUnavailable"], &budget(27)["unhealthyPodEvictionPolicy"]),
        (&json!(1), &json!("AlwaysAllow"))
    );
    assert!(budget(26).get("unhealthyPodEvictionPolicy").is_none());
    let mut without = old();
    without.kinds.remove(&ObjectKind::PodDisruptionBudget);
    let wanted = on(&spec(2), &without);
    assert!(make(&wanted, ObjectKind::PodDisruptionBudget).is_none());
    assert!(
        wanted
            .not_enforced
            .iter()
            .any(|line| line.starts_with("replicas: this cluster has no PodDisruptionBudget"))
    );
}

#[test]
fn pods_are_spread_where_the_operator_wants_it() {
    let spread = |minor, on_: bool| {
        let spec = plain(|spec| spec["provider_config"]["spread"] = json!(on_));
        super::pod(&on(&spec, &survey(minor))).get("topologySpreadConstraints").cloned()
    };
    assert_eq!(spread(33, false), None);
    let keys = |value: &Value| value[0].get("matchLabelKeys").cloned();
    assert_eq!(keys(&spread(27, true).unwrap()), Some(json!(["pod-template-hash"])));
    assert_eq!(keys(&spread(26, true).unwrap()), None);
}

#[test]
fn all_problems_of_a_configuration_are_told_at_once() {
    let spec = plain(|spec| {
        spec["labels"] = json!({ "kubernetes.io/x": "y", "landlord.owner": "me" });
        spec["provider_config"] = json!({
            "unknown": 1, "replicas": 10_001, "deadline_seconds": 0, "unschedulable_seconds": 86_401, "volume_size_mb": 0,
            "namespace_prefix": "kube-", "namespaces": { "shared": { "name": "kube-system" } },
            "secrets": { "copy": { "namespace": "No" } }, "exposure": "dns", "ingress_class": "No",
            "gateway": { "name": "No", "namespace": "a.b", "section": "No" }, "host_pattern": "example.com",
            "service_annotations": { "landlord.x": "y" }, "image_pull_secrets": ["No"],
            "node_selector": { "a b": "c" },
            "tolerations": [{ "value": "x" }, { "key": "a b", "seconds": 5 }, { "key": 7 }],
            "priority_class": "No", "runtime_class": "No", "storage_class": "No",
            "network_policy_except": ["10.0.0.0", "0.0.0.0/0", "10.0.0.0/33", "::1/128"],
            "labels": { "a b": "c" }, "annotations": { "k8s.io/x": "y" },
        });
    });
    insta::assert_snapshot!(told(&spec), @r#"
    provider_config.exposure: unknown variant `dns`, expected one of `none`, `node_port`, `load_balancer`, `ingress`, `gateway`
    provider_config.tolerations[2]: invalid type: integer `7`, expected a string
    provider_config.unknown: unknown field `unknown`, expected one of `cluster`, `namespaces`, `namespace_prefix`, `replicas`, `exposure`, `default_level`, `ingress_class`, `gateway`, `host_pattern`, `service_annotations`, `ingress_annotations`, `service_account_annotations`, `image_pull_secrets`, `node_selector`, `tolerations`, `spread`, `priority_class`, `runtime_class`, `pod_security`, `network_policy`, `network_policy_except`, `quota`, `limit_range`, `cpu_limits`, `deadline_seconds`, `unschedulable_seconds`, `storage_class`, `volume_size_mb`, `labels`, `annotations`, `secrets`, `drift`, `take_over`
    provider_config.namespace_prefix: namespaces that begin with kube- are Kubernetes' own; choose another
    provider_config.namespaces.shared.name: namespaces that begin with kube- are Kubernetes' own; choose another
    provider_config.secrets.copy.namespace: "No" is no namespace's name: 1 to 63 of a-z, 0-9 and '-'
    provider_config.replicas: 10001 is out of range; Kubernetes takes 0 to 10000
    provider_config.deadline_seconds: 0 is out of range; Kubernetes takes 1 to 86400
    provider_config.unschedulable_seconds: 86401 is out of range; Kubernetes takes 1 to 86400
    provider_config.volume_size_mb: 0 is out of range; Kubernetes takes 1 to 1000000000
    provider_config.ingress_class: "No" is no object's name: a-z, 0-9, '-' and '.'
    provider_config.priority_class: "No" is no object's name: a-z, 0-9, '-' and '.'
    provider_config.runtime_class: "No" is no object's name: a-z, 0-9, '-' and '.'
    provider_config.storage_class: "No" is no object's name: a-z, 0-9, '-' and '.'
    provider_config.image_pull_secrets[0]: "No" is no object's name: a-z, 0-9, '-' and '.'
    provider_config.gateway.name: "No" is no object's name: a-z, 0-9, '-' and '.'
    provider_config.gateway.namespace: not a namespace's name: 1 to 63 of a-z, 0-9 and '-'
    provider_config.gateway.section: "No" is no object's name: a-z, 0-9, '-' and '.'
    provider_config.host_pattern: not a pattern of hosts; write one like {tenant}.example.com
    provider_config.node_selector["a b"]: not a label of a node
    provider_config.service_annotations["landlord.x"]: keys that begin with landlord. are the engine's; choose another
    provider_config.network_policy_except[0]: "10.0.0.0" is no network below 0.0.0.0/0 or ::/0; write one like 10.0.0.0/8
    provider_config.network_policy_except[1]: "0.0.0.0/0" is no network below 0.0.0.0/0 or ::/0; write one like 10.0.0.0/8
    provider_config.network_policy_except[2]: "10.0.0.0/33" is no network below 0.0.0.0/0 or ::/0; write one like 10.0.0.0/8
    provider_config.annotations["k8s.io/x"]: keys of kubernetes.io and k8s.io are Kubernetes' own; choose another
    provider_config.labels["a b"]: the key is no label's: at most 63 letters, digits, '-', '_' and '.', after a domain and '/' or not
    labels["kubernetes.io/x"]: keys of kubernetes.io and k8s.io are Kubernetes' own; choose another
    labels["landlord.owner"]: keys that begin with landlord. are the engine's; choose another
    "#);
    assert_eq!(
        refused(|spec| spec["provider_config"]["namespace_prefix"] = json!("")),
        ["provider_config.namespace_prefix"]
    );
}

/// A field that is refused says what to do instead.
#[test]
fn a_field_that_is_refused_is_told_by_the_fields() {
    let refused: Vec<&str> = Field::ALL
        .into_iter()
        .filter(|field| matches!(support(*field), Support::Refused(_)))
        .map(Field::path)
        .collect();
    assert_eq!(refused, ["update.rollback", "containers[].stop.signal"]);
}
