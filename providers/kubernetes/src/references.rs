//! What a workload refers to.

use std::collections::BTreeSet;

use landlord_state_machines::planner::kubernetes::{Object, ObjectId, ObjectKind};
use serde_json::Value;

/// The Secrets that the pods of a workload use.
pub(super) fn secrets(object: &Object) -> BTreeSet<ObjectId> {
    let Some(pod) = object.body.pointer("/spec/template/spec") else { return BTreeSet::new() };
    let all = |of: &Value, key: &str| of.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let containers: Vec<Value> = [all(pod, "initContainers"), all(pod, "containers")].concat();
    let of_containers = containers.iter().flat_map(|container| {
        let variables =
            all(container, "env").into_iter().map(|one| name(&one, "/valueFrom/secretKeyRef/name"));
        let sets = all(container, "envFrom").into_iter().map(|one| name(&one, "/secretRef/name"));
        variables.chain(sets).collect::<Vec<_>>()
    });
    let volumes = all(pod, "volumes");
    let of_volumes = volumes.iter().flat_map(|volume| {
        let projected =
            volume.get("projected").map(|projected| all(projected, "sources")).unwrap_or_default();
        let projected = projected.into_iter().map(|one| name(&one, "/secret/name"));
        projected.chain([name(volume, "/secret/secretName")]).collect::<Vec<_>>()
    });
    let of_images = all(pod, "imagePullSecrets").into_iter().map(|one| name(&one, "/name"));
    let names = of_containers.chain(of_volumes).chain(of_images).flatten();
    names.map(|name| ObjectId { kind: ObjectKind::Secret, name }).collect()
}

fn name(of: &Value, pointer: &str) -> Option<String> {
    of.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use landlord_state_machines::planner::kubernetes::{Object, ObjectKind};
    use serde_json::json;

    use super::secrets;

    #[test]
    fn every_use_of_a_secret_counts() {
        let body = json!({
            "metadata": { "name": "acme", "uid": "u" },
            "spec": { "template": { "spec": {
                "imagePullSecrets": [{ "name": "a" }],
                "initContainers": [{ "envFrom": [{ "secretRef": { "name": "b" } }, { "configMapRef": { "name": "x" } }] }],
                "containers": [{ "env": [
                    { "name": "A", "value": "1" },
                    { "name": "B", "valueFrom": { "secretKeyRef": { "name": "c", "key": "k" } } },
                ] }],
                "volumes": [
                    { "secret": { "secretName": "d" } },
                    { "projected": { "sources": [{ "secret": { "name": "e" } }] } },
                    { "emptyDir": {} },
                ],
            } } },
        });
        let object = Object::read(ObjectKind::Deployment, body).unwrap();
        let names: Vec<String> = secrets(&object).into_iter().map(|id| id.name).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
    }
}
