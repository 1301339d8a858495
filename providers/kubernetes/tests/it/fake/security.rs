//! Pod security admission, as far as tenants meet it.

use serde_json::{Value, json};

use super::kinds::{Key, Kind};
use super::status::Refusal;
use super::world::World;

/// Refuses a pod that its namespace's level does not allow. An old cluster knows no levels.
pub(super) fn admit(world: &World, key: &Key, pod: &Value) -> Result<(), Refusal> {
    let namespace = world.find(Kind::Namespace, "", &key.namespace);
    let labels = namespace.as_ref().map_or(&Value::Null, |namespace| &namespace["metadata"]["labels"]);
    let level = labels["pod-security.kubernetes.io/enforce"].as_str().unwrap_or("privileged");
    if !world.settings.since(23) || level == "privileged" {
        return Ok(());
    }
    let mut wrong = Vec::new();
    let spec = &pod["spec"];
    let lists = ["initContainers", "containers"].into_iter();
    let containers: Vec<&Value> = lists.flat_map(|list| spec[list].as_array()).flatten().collect();
    let any = |test: &dyn Fn(&Value) -> bool| containers.iter().any(|container| test(container));
    let ports = |container: &Value| container["ports"].as_array().cloned().unwrap_or_default();
    if ["hostNetwork", "hostPID", "hostIPC"].iter().any(|field| spec[*field] == json!(true)) {
        wrong.push("host namespaces");
    }
    if any(&|it| ports(it).iter().any(|port| port["hostPort"].as_u64().is_some_and(|port| port > 0))) {
        wrong.push("hostPort");
    }
    if any(&|it| it["securityContext"]["privileged"] == json!(true)) {
        wrong.push("privileged");
    }
    let volumes = spec["volumes"].as_array().map_or(&[][..], Vec::as_slice);
    if volumes.iter().any(|volume| volume["hostPath"].is_object()) {
        wrong.push("hostPath volumes");
    }
    if level == "restricted" {
        let both = |container: &Value, field: &str| {
            let own = &container["securityContext"][field];
            if own.is_null() { spec["securityContext"][field].clone() } else { own.clone() }
        };
        if any(&|it| it["securityContext"]["allowPrivilegeEscalation"] != json!(false)) {
            wrong.push("allowPrivilegeEscalation != false");
        }
        let drops = |it: &Value| it["securityContext"]["capabilities"]["drop"].as_array().cloned();
        if any(&|it| !drops(it).is_some_and(|all| all.contains(&json!("ALL")))) {
            wrong.push("unrestricted capabilities");
        }
        if any(&|it| both(it, "runAsNonRoot") != json!(true)) {
            wrong.push("runAsNonRoot != true");
        }
        if any(&|it| {
            !matches!(both(it, "seccompProfile")["type"].as_str(), Some("RuntimeDefault" | "Localhost"))
        }) {
            wrong.push("seccompProfile");
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Refusal::forbidden(
        key,
        &format!("violates PodSecurity \"{level}:latest\": {}", wrong.join(", ")),
        &[],
    ))
}
