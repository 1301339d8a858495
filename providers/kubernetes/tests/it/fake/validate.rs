//! What the API server refuses because it makes no sense, or may not be changed.

use serde_json::{Value, json};

use super::kinds::{Key, Kind};
use super::quantity;
use super::status::{Cause, Refusal};

/// Refuses what makes no sense.
pub(super) fn new(key: &Key, object: &Value) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    if !is_name(&key.name) {
        let message = format!(
            "Invalid value: \"{}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
             characters, '-' or '.'",
            key.name
        );
        causes.push(Cause::invalid("metadata.name", message));
    }
    labels("metadata.labels", &object["metadata"]["labels"], &mut causes);
    let spec = &object["spec"];
    match key.kind {
        Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet => {
            let template = &spec["template"];
            labels("spec.template.labels", &template["metadata"]["labels"], &mut causes);
            if !super::selector::matches(&spec["selector"]["matchLabels"], &template["metadata"]["labels"]) {
                let message = format!(
                    "Invalid value: {}: `selector` does not match template `labels`",
                    template["metadata"]["labels"]
                );
                causes.push(Cause::invalid("spec.template.metadata.labels", message));
            }
            pod("spec.template.spec", &template["spec"], &mut causes);
        }
        Kind::Pod => pod("spec", spec, &mut causes),
        Kind::Service => {
            let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
            if ports.is_empty() && spec["clusterIP"] != "None" && spec["type"] != "ExternalName" {
                causes.push(Cause::required("spec.ports"));
            }
            if ports.len() > 1 {
                for (at, _) in ports.iter().enumerate().filter(|(_, port)| port["name"].is_null()) {
                    causes.push(Cause::required(&format!("spec.ports[{at}].name")));
                }
            }
        }
        Kind::PersistentVolumeClaim => {
            if quantity::read(&spec["resources"]["requests"]["storage"]).is_none() {
                causes.push(Cause::required("spec.resources[storage]"));
            }
        }
        Kind::Namespace
        | Kind::Node
        | Kind::StorageClass
        | Kind::IngressClass
        | Kind::AccessReview
        | Kind::ServiceAccount
        | Kind::Secret
        | Kind::ConfigMap
        | Kind::ResourceQuota
        | Kind::LimitRange
        | Kind::Event
        | Kind::NetworkPolicy
        | Kind::Ingress
        | Kind::PodDisruptionBudget
        | Kind::EndpointSlice
        | Kind::HorizontalPodAutoscaler
        | Kind::ExternalSecret
        | Kind::Gateway
        | Kind::HttpRoute => {}
    }
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid(key, &causes)) }
}

fn is_name(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 253
        && name.starts_with(edge)
        && name.ends_with(edge)
        && name.chars().all(|c| edge(c) || c == '-' || c == '.')
}

fn labels(field: &str, labels: &Value, causes: &mut Vec<Cause>) {
    for value in labels.as_object().into_iter().flat_map(|labels| labels.values()) {
        let text = value.as_str().unwrap_or("?");
        let edge = |c: char| c.is_ascii_alphanumeric();
        let fine = text.is_empty()
            || (text.len() <= 63
                && text.starts_with(edge)
                && text.ends_with(edge)
                && text.chars().all(|c| edge(c) || matches!(c, '-' | '_' | '.')));
        if !fine {
            let message =
                format!("Invalid value: {value}: must be no more than 63 characters of [A-Za-z0-9_.-]");
            causes.push(Cause::invalid(field, message));
        }
    }
}

fn pod(at: &str, spec: &Value, causes: &mut Vec<Cause>) {
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        causes.push(Cause::required(&format!("{at}.containers")));
    }
    for list in ["containers", "initContainers"] {
        for (index, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            let at = format!("{at}.{list}[{index}]");
            for field in ["name", "image"] {
                if container[field].as_str().unwrap_or_default().is_empty() {
                    causes.push(Cause::required(&format!("{at}.{field}")));
                }
            }
            for (index, env) in container["env"].as_array().into_iter().flatten().enumerate() {
                let name = env["name"].as_str().unwrap_or_default();
                let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                if name.is_empty()
                    || !name.chars().all(fine)
                    || name.starts_with(|c: char| c.is_ascii_digit())
                {
                    let message = format!(
                        "Invalid value: \"{name}\": a valid environment variable name must consist of \
                         alphabetic characters, digits, '_', '-', or '.', and must not start with a digit"
                    );
                    causes.push(Cause::invalid(&format!("{at}.env[{index}].name"), message));
                }
            }
            for probe in ["livenessProbe", "startupProbe"] {
                let wanted = &container[probe]["successThreshold"];
                if !wanted.is_null() && wanted != &json!(1) {
                    let field = format!("{at}.{probe}.successThreshold");
                    causes.push(Cause::invalid(&field, format!("Invalid value: {wanted}: must be 1")));
                }
            }
            for (resource, request) in container["resources"]["requests"].as_object().into_iter().flatten() {
                let limit = quantity::read(&container["resources"]["limits"][resource.as_str()]);
                if limit.is_some_and(|limit| quantity::read(request).is_some_and(|it| it > limit)) {
                    let message =
                        format!("Invalid value: {request}: must be less than or equal to {resource} limit");
                    causes.push(Cause::invalid(&format!("{at}.resources.requests"), message));
                }
            }
        }
    }
}

/// Refuses a change of what may not be changed.
pub(super) fn change(key: &Key, old: &Value, new: &Value) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    let mut still = |field: &str| {
        let pointer = format!("/{}", field.replace('.', "/"));
        let (was, is) = (old.pointer(&pointer), new.pointer(&pointer));
        if was != is {
            let is = is.unwrap_or(&Value::Null);
            causes.push(Cause::invalid(field, format!("Invalid value: {is}: field is immutable")));
        }
    };
    match key.kind {
        Kind::Deployment | Kind::ReplicaSet => still("spec.selector"),
        Kind::Secret => still("type"),
        Kind::StatefulSet => {
            let (mut was, mut is) = (old["spec"].clone(), new["spec"].clone());
            for field in [
                "replicas",
                "template",
                "updateStrategy",
                "minReadySeconds",
                "persistentVolumeClaimRetentionPolicy",
                "ordinals",
                "revisionHistoryLimit",
            ] {
                was[field] = Value::Null;
                is[field] = Value::Null;
            }
            if was != is {
                let message = "updates to statefulset spec for fields other than 'replicas', 'template', and \
                               'updateStrategy' are forbidden";
                causes.push(Cause::forbidden("spec", message));
            }
        }
        Kind::PersistentVolumeClaim => claim(old, new, &mut causes),
        Kind::Service => {
            let (was, is) = (&old["spec"]["clusterIP"], &new["spec"]["clusterIP"]);
            if old["spec"]["type"] != "ExternalName" && was != is {
                let message = format!("Invalid value: [{is}]: may not change once set");
                causes.push(Cause::invalid("spec.clusterIPs[0]", message));
            }
        }
        Kind::Namespace
        | Kind::Node
        | Kind::StorageClass
        | Kind::IngressClass
        | Kind::AccessReview
        | Kind::Pod
        | Kind::ServiceAccount
        | Kind::ConfigMap
        | Kind::ResourceQuota
        | Kind::LimitRange
        | Kind::Event
        | Kind::NetworkPolicy
        | Kind::Ingress
        | Kind::PodDisruptionBudget
        | Kind::EndpointSlice
        | Kind::HorizontalPodAutoscaler
        | Kind::ExternalSecret
        | Kind::Gateway
        | Kind::HttpRoute => {}
    }
    if matches!(key.kind, Kind::Secret | Kind::ConfigMap) && old["immutable"] == json!(true) {
        for field in ["data", "binaryData", "immutable"] {
            if old[field] != new[field] {
                causes.push(Cause::forbidden(field, "field is immutable when `immutable` is set"));
            }
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid(key, &causes)) }
}

fn claim(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let (mut was, mut is) = (old["spec"].clone(), new["spec"].clone());
    let size = |spec: &Value| quantity::read(&spec["resources"]["requests"]["storage"]);
    let (before, after) = (size(&was), size(&is));
    for spec in [&mut was, &mut is] {
        spec["resources"] = Value::Null;
        spec["volumeName"] = Value::Null;
    }
    let bound = old["status"]["phase"] == "Bound";
    if was != is || (before != after && !bound) {
        let message = "spec is immutable after creation except resources.requests for bound claims";
        causes.push(Cause::forbidden("spec", message));
    } else if after < before {
        let field = "spec.resources.requests.storage";
        causes.push(Cause::forbidden(field, "field can not be less than previous value"));
    }
}
