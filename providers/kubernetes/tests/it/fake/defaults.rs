//! What the API server adds to an object, and how it writes it.

use serde_json::{Value, json};

use super::defaults_pod::{default, each, omit, pod, pod_spec, tidy};
use super::kinds::Kind;
use super::quantity::normal_all;
use super::settings::Settings;

/// Adds what is not said, and writes the rest as the API server does.
pub(super) fn fill(settings: &Settings, kind: Kind, object: &mut Value) {
    omit(&mut object["metadata"], &["labels", "annotations", "finalizers", "ownerReferences"]);
    match kind {
        Kind::Deployment => deployment(object),
        Kind::StatefulSet => stateful_set(settings, object),
        Kind::ReplicaSet => {
            default(&mut object["spec"], "replicas", 1);
            template(&mut object["spec"]);
        }
        Kind::Pod => {
            if object["status"]["phase"].is_null() {
                pod(object);
            }
            pod_spec(&mut object["spec"]);
        }
        Kind::Service => service(settings, object),
        Kind::PersistentVolumeClaim => {
            claim(object);
            if object["status"]["phase"].is_null() {
                object["status"] = json!({ "phase": "Pending" });
            }
        }
        Kind::ConfigMap => omit(object, &["data", "binaryData"]),
        Kind::Secret => secret(object),
        Kind::Namespace => {
            default(&mut object["spec"], "finalizers", json!(["kubernetes"]));
            default(&mut object["status"], "phase", "Active");
            if settings.since(21) {
                let name = object["metadata"]["name"].clone();
                object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            }
        }
        Kind::ResourceQuota => {
            normal_all(&mut object["spec"]["hard"]);
            default(object, "status", json!({}));
        }
        Kind::LimitRange => each(&mut object["spec"], "limits").for_each(limit),
        Kind::NetworkPolicy => network_policy(object),
        Kind::Ingress => default(object, "status", json!({ "loadBalancer": {} })),
        Kind::HorizontalPodAutoscaler => default(&mut object["spec"], "minReplicas", 1),
        Kind::HttpRoute => http_route(object),
        Kind::ExternalSecret => external_secret(object),
        Kind::Node
        | Kind::StorageClass
        | Kind::IngressClass
        | Kind::AccessReview
        | Kind::ServiceAccount
        | Kind::Event
        | Kind::PodDisruptionBudget
        | Kind::EndpointSlice
        | Kind::Gateway => {}
    }
}

fn template(spec: &mut Value) {
    omit(&mut spec["template"]["metadata"], &["annotations"]);
    spec["template"]["metadata"]["creationTimestamp"] = Value::Null;
    pod_spec(&mut spec["template"]["spec"]);
}

fn deployment(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "progressDeadlineSeconds", 600);
    default(spec, "strategy", json!({}));
    let strategy = &mut spec["strategy"];
    default(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        default(&mut strategy["rollingUpdate"], "maxSurge", "25%");
        default(&mut strategy["rollingUpdate"], "maxUnavailable", "25%");
    }
    omit(spec, &["minReadySeconds", "paused"]);
    template(spec);
    default(object, "status", json!({}));
}

fn stateful_set(settings: &Settings, object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "podManagementPolicy", "OrderedReady");
    default(spec, "updateStrategy", json!({}));
    default(&mut spec["updateStrategy"], "type", "RollingUpdate");
    if spec["updateStrategy"]["type"] == "RollingUpdate" {
        default(&mut spec["updateStrategy"]["rollingUpdate"], "partition", 0);
    }
    if settings.since(27) {
        let keep = json!({ "whenDeleted": "Retain", "whenScaled": "Retain" });
        default(spec, "persistentVolumeClaimRetentionPolicy", keep);
    }
    template(spec);
    for one in each(spec, "volumeClaimTemplates") {
        default(one, "apiVersion", "v1");
        default(one, "kind", "PersistentVolumeClaim");
        one["metadata"]["creationTimestamp"] = Value::Null;
        claim(one);
        one["status"] = json!({ "phase": "Pending" });
    }
    omit(spec, &["volumeClaimTemplates", "minReadySeconds"]);
    default(object, "status", json!({ "replicas": 0 }));
}

fn claim(object: &mut Value) {
    default(&mut object["spec"], "volumeMode", "Filesystem");
    default(&mut object["spec"], "storageClassName", "standard");
    super::defaults_pod::resources(&mut object["spec"]["resources"]);
}

fn service(settings: &Settings, object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "type", "ClusterIP");
    default(spec, "sessionAffinity", "None");
    omit(spec, &["selector", "publishNotReadyAddresses"]);
    for port in each(spec, "ports") {
        default(port, "protocol", "TCP");
        let number = port["port"].clone();
        default(port, "targetPort", number);
        omit(port, &["nodePort", "name"]);
    }
    if spec["type"] != "ExternalName" && settings.since(22) {
        default(spec, "internalTrafficPolicy", "Cluster");
        default(spec, "ipFamilies", json!(["IPv4"]));
        default(spec, "ipFamilyPolicy", "SingleStack");
    }
    if spec["type"] == "NodePort" || spec["type"] == "LoadBalancer" {
        default(spec, "externalTrafficPolicy", "Cluster");
    }
    if spec["type"] == "LoadBalancer" && settings.since(24) {
        default(spec, "allocateLoadBalancerNodePorts", true);
    }
    default(object, "status", json!({ "loadBalancer": {} }));
}

fn secret(object: &mut Value) {
    default(object, "type", "Opaque");
    if let Some(texts) = object.as_object_mut().and_then(|map| map.remove("stringData")) {
        for (name, text) in texts.as_object().into_iter().flatten() {
            object["data"][name.as_str()] = json!(base64(text.as_str().unwrap_or_default().as_bytes()));
        }
    }
    omit(object, &["data"]);
}

fn limit(limit: &mut Value) {
    for field in ["default", "defaultRequest", "max", "min"] {
        if let Some(amounts) = limit.get_mut(field) {
            normal_all(amounts);
        }
    }
    if limit["type"] != "Container" {
        return;
    }
    for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
        for (name, amount) in limit[from].as_object().cloned().unwrap_or_default() {
            default(&mut limit[to], &name, amount);
        }
        tidy(limit, from);
    }
}

fn network_policy(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "podSelector", json!({}));
    let egress = spec["egress"].is_array();
    tidy(spec, "egress");
    default(spec, "policyTypes", if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
    for field in ["ingress", "egress"] {
        for rule in each(spec, field) {
            each(rule, "ports").for_each(|port| default(port, "protocol", "TCP"));
        }
    }
    omit(spec, &["ingress", "egress"]);
}

fn http_route(object: &mut Value) {
    for parent in each(&mut object["spec"], "parentRefs") {
        default(parent, "group", "gateway.networking.k8s.io");
        default(parent, "kind", "Gateway");
    }
    for rule in each(&mut object["spec"], "rules") {
        default(rule, "matches", json!([{ "path": { "type": "PathPrefix", "value": "/" } }]));
        for backend in each(rule, "backendRefs") {
            default(backend, "group", "");
            default(backend, "kind", "Service");
            default(backend, "weight", 1);
        }
    }
}

fn external_secret(object: &mut Value) {
    let spec = &mut object["spec"];
    default(&mut spec["target"], "creationPolicy", "Owner");
    default(&mut spec["target"], "deletionPolicy", "Retain");
    for one in each(spec, "data") {
        default(&mut one["remoteRef"], "conversionStrategy", "Default");
        default(&mut one["remoteRef"], "decodingStrategy", "None");
        default(&mut one["remoteRef"], "metadataPolicy", "None");
    }
    default(spec, "refreshInterval", "1h");
}

/// As a Secret's data is written.
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let all =
            chunk.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// A Secret's data as it is read.
pub(super) fn from_base64(text: &str) -> String {
    let (mut out, mut bits, mut have) = (Vec::new(), 0_u32, 0);
    for c in text.bytes() {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = (bits << 6 | u32::from(six)) & 0xffff;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have & 0xff) as u8);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
