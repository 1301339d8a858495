//! How what was created becomes what was applied.
//!
//! A POST leaves its fields to the manager's entry for updates, which no apply takes anything away from. Its fields are moved to the
//! manager's entry for applies, without the number of replicas, which is nobody's. Only these entries are tested and changed, so that
//! a controller that writes a status in between is not in the way.

use landlord_state_machines::planner::kubernetes::MANAGER;
use serde_json::{Map, Value, json};

/// The operations of a JSON patch that move them; none, where there is nothing to move.
pub(super) fn moves(entries: &[Value]) -> Option<Vec<Value>> {
    let of = |operation: &str| entries.iter().position(|entry| is_ours(entry, operation));
    let update = of("Update")?;
    let ours = entries.iter().enumerate().filter(|(_, one)| is_ours(one, "Update") || is_ours(one, "Apply"));
    let ours: Vec<(usize, &Value)> = ours.collect();
    let mut moved = Map::new();
    for (_, entry) in &ours {
        if let Some(fields) = entry.get("fieldsV1").and_then(Value::as_object) {
            merge(&mut moved, fields);
        }
    }
    release_replicas(&mut moved);
    let mut applied = entries.get(update)?.clone();
    applied["operation"] = "Apply".into();
    applied["fieldsV1"] = moved.into();
    let path = |at: usize| format!("/metadata/managedFields/{at}");
    let tests = ours.iter().map(|(at, entry)| json!({ "op": "test", "path": path(*at), "value": entry }));
    let mut operations: Vec<Value> = tests.collect();
    operations.push(json!({ "op": "replace", "path": path(update), "value": applied }));
    // From the last one, as each that goes moves those behind it.
    let others = ours.iter().rev().filter(|(at, _)| *at != update);
    operations.extend(others.map(|(at, _)| json!({ "op": "remove", "path": path(*at) })));
    Some(operations)
}

fn is_ours(entry: &Value, operation: &str) -> bool {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    text("manager") == MANAGER && text("operation") == operation && text("subresource").is_empty()
}

/// All fields of both.
fn merge(into: &mut Map<String, Value>, fields: &Map<String, Value>) {
    for (key, value) in fields {
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(fields)) => merge(into, fields),
            (_, value) => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

fn release_replicas(fields: &mut Map<String, Value>) {
    if let Some(spec) = fields.get_mut("f:spec").and_then(Value::as_object_mut) {
        spec.remove("f:replicas");
        if spec.is_empty() {
            fields.remove("f:spec");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::moves;

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({
            "manager": manager,
            "operation": operation,
            "apiVersion": "apps/v1",
            "time": "2026-01-02T03:04:05Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        })
    }

    fn test(at: usize, entry: &Value) -> Value {
        json!({ "op": "test", "path": format!("/metadata/managedFields/{at}"), "value": entry })
    }

    #[test]
    fn what_was_created_becomes_what_was_applied_and_replicas_are_nobodys() {
        let created =
            json!({ "f:spec": { "f:replicas": {}, "f:selector": {} }, "f:metadata": { "f:labels": {} } });
        let created = entry("landlord", "Update", created);
        let controllers = entry("kube-controller-manager", "Update", json!({ "f:status": {} }));
        let fields = json!({ "f:spec": { "f:selector": {} }, "f:metadata": { "f:labels": {} } });
        let replace = json!({
            "op": "replace", "path": "/metadata/managedFields/1", "value": entry("landlord", "Apply", fields),
        });
        assert_eq!(moves(&[controllers, created.clone()]).unwrap(), [test(1, &created), replace]);
    }

    #[test]
    fn it_joins_what_was_applied_before() {
        let before = entry("landlord", "Apply", json!({ "f:spec": { "f:template": { "f:spec": {} } } }));
        let created =
            entry("landlord", "Update", json!({ "f:spec": { "f:template": { "f:metadata": {} } } }));
        let fields = json!({ "f:spec": { "f:template": { "f:spec": {}, "f:metadata": {} } } });
        let replace = json!({
            "op": "replace", "path": "/metadata/managedFields/1", "value": entry("landlord", "Apply", fields),
        });
        let remove = json!({ "op": "remove", "path": "/metadata/managedFields/0" });
        let operations = moves(&[before.clone(), created.clone()]).unwrap();
        assert_eq!(operations, [test(0, &before), test(1, &created), replace, remove]);
    }

    #[test]
    fn nothing_is_moved_twice_and_nobody_elses_ever() {
        let mut scaled = entry("landlord", "Update", json!({ "f:spec": { "f:replicas": {} } }));
        scaled["subresource"] = json!("scale");
        let entries = [
            entry("landlord", "Apply", json!({ "f:spec": {} })),
            entry("landlord-scale", "Update", json!({ "f:spec": { "f:replicas": {} } })),
            entry("kubectl", "Update", json!({ "f:spec": {} })),
            scaled,
        ];
        assert_eq!(moves(&entries), None);
    }
}
