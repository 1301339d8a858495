//! What the API server adds to a pod's specification, and how it writes it.

use serde_json::{Value, json};

use super::quantity::{normal, normal_all};

/// Sets a field that is not there.
pub(super) fn default(of: &mut Value, field: &str, value: impl Into<Value>) {
    if of[field].is_null() {
        of[field] = value.into();
    }
}

/// Takes a field away that says nothing.
pub(super) fn omit(of: &mut Value, fields: &[&str]) {
    if let Some(map) = of.as_object_mut() {
        for field in fields {
            let empty = |value: &Value| {
                value.is_null()
                    || value == &json!(false)
                    || value == &json!(0)
                    || value == &json!("")
                    || value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(serde_json::Map::is_empty)
            };
            if map.get(*field).is_some_and(empty) {
                map.remove(*field);
            }
        }
    }
}

/// The items of a list to change.
pub(super) fn each<'a>(of: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    of.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

/// A specification in a template or a pod.
pub(super) fn pod_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    default(spec, "restartPolicy", "Always");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "securityContext", json!({}));
    default(spec, "schedulerName", "default-scheduler");
    if let Some(account) = spec["serviceAccountName"].as_str().map(str::to_owned) {
        spec["serviceAccount"] = json!(account);
    }
    omit(spec, &["hostNetwork", "hostPID", "hostIPC", "nodeSelector", "volumes", "initContainers"]);
    omit(spec, &["imagePullSecrets", "tolerations", "topologySpreadConstraints", "hostAliases"]);
    for field in ["containers", "initContainers"] {
        each(spec, field).for_each(container);
    }
    each(spec, "volumes").for_each(volume);
}

fn container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    let latest = !image.contains('@') && tag.is_none_or(|tag| tag == "latest");
    default(container, "imagePullPolicy", if latest { "Always" } else { "IfNotPresent" });
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    default(container, "resources", json!({}));
    resources(&mut container["resources"]);
    each(container, "ports").for_each(|port| default(port, "protocol", "TCP"));
    for env in each(container, "env") {
        omit(env, &["value"]);
        if env["valueFrom"]["fieldRef"].is_object() {
            default(&mut env["valueFrom"]["fieldRef"], "apiVersion", "v1");
        }
        tidy(env, "valueFrom");
    }
    each(container, "volumeMounts").for_each(|mount| omit(mount, &["readOnly", "subPath"]));
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        if container.get(probe).is_some_and(Value::is_object) {
            check(&mut container[probe]);
        }
    }
    omit(container, &["command", "args", "env", "envFrom", "ports", "volumeMounts", "stdin", "tty"]);
}

/// Looking into what is not there has made it `null`.
pub(super) fn tidy(of: &mut Value, field: &str) {
    if let Some(map) = of.as_object_mut()
        && map.get(field).is_some_and(Value::is_null)
    {
        map.remove(field);
    }
}

fn check(probe: &mut Value) {
    for (field, value) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        default(probe, field, value);
    }
    omit(probe, &["initialDelaySeconds"]);
    if let Some(get) = probe.get_mut("httpGet").filter(|get| get.is_object()) {
        default(get, "path", "/");
        default(get, "scheme", "HTTP");
    }
}

/// Requests and limits.
pub(super) fn resources(resources: &mut Value) {
    for field in ["limits", "requests"] {
        if let Some(amounts) = resources.get_mut(field) {
            normal_all(amounts);
        }
    }
    omit(resources, &["limits", "requests"]);
}

fn volume(volume: &mut Value) {
    for source in ["secret", "configMap", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(source).filter(|source| source.is_object()) {
            default(source, "defaultMode", 420);
        }
    }
    if let Some(limit) = volume.get_mut("emptyDir").and_then(|dir| dir.get_mut("sizeLimit")) {
        normal(limit);
    }
    if volume.as_object().is_some_and(|volume| volume.len() == 1) {
        volume["emptyDir"] = json!({});
    }
}

/// What a pod has and a template has not.
pub(super) fn pod(pod: &mut Value) {
    let spec = &mut pod["spec"];
    pod_spec(spec);
    default(spec, "enableServiceLinks", true);
    for field in ["containers", "initContainers"] {
        for container in each(spec, field) {
            let limits = container["resources"]["limits"].as_object().cloned().unwrap_or_default();
            tidy(&mut container["resources"], "limits");
            for (name, limit) in limits {
                default(&mut container["resources"]["requests"], &name, limit);
            }
        }
    }
    pod["status"] = json!({ "phase": "Pending", "qosClass": "Burstable" });
}
