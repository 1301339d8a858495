//! Whether an object is what it was applied as.

use serde_json::{Map, Value};

use super::kind::ObjectKind;

/// What tells the entries of a list apart, where the API server merges it by that: the first of these that all of them have.
const KEYS: [&[&str]; 8] = [
    &["containerPort", "protocol"],
    &["port", "protocol"],
    &["mountPath"],
    &["topologyKey", "whenUnsatisfiable"],
    &["metadata"],
    &["name"],
    &["type"],
    &["ip"],
];

/// The paths at which an object is not as it should be. What is not intended is others': it does not differ.
pub(super) fn of(intended: &Value, live: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(intended, Some(live), &mut String::new(), &mut found);
    found
}

fn compare(intended: &Value, live: Option<&Value>, path: &mut String, found: &mut Vec<String>) {
    match (intended, live) {
        (Value::Object(intended), Some(Value::Object(live))) => {
            for (key, value) in intended {
                within(path, &format!(".{key}"), |path| compare(value, live.get(key), path, found));
            }
        }
        (Value::Array(intended), Some(Value::Array(live))) => items(intended, live, path, found),
        // The API server leaves out what is empty.
        (Value::Object(intended), None) if intended.is_empty() => {}
        (Value::Array(intended), None) if intended.is_empty() => {}
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
            live,
        ) => {
            if live != Some(intended) {
                found.push(path.clone());
            }
        }
    }
}

fn items(intended: &[Value], live: &[Value], path: &mut String, found: &mut Vec<String>) {
    let Some(keys) = keys_of(intended).filter(|keys| keys_of(live) == Some(*keys)) else {
        if intended.len() != live.len() {
            found.push(path.clone());
            return;
        }
        for (index, (one, other)) in intended.iter().zip(live).enumerate() {
            within(path, &format!("[{index}]"), |path| compare(one, Some(other), path, found));
        }
        return;
    };
    for one in intended {
        let same = live.iter().find(|other| key_of(other, keys) == key_of(one, keys));
        within(path, &format!("[{}]", shown(one, keys)), |path| compare(one, same, path, found));
    }
}

pub(super) fn within(path: &mut String, step: &str, then: impl FnOnce(&mut String)) {
    let before = path.len();
    path.push_str(step);
    then(path);
    path.truncate(before);
}

pub(super) fn keys_of(items: &[Value]) -> Option<&'static [&'static str]> {
    let has_all = |keys: &&&[&str]| {
        items
            .iter()
            .all(|item| item.as_object().is_some_and(|map| keys.iter().all(|key| map.contains_key(*key))))
    };
    KEYS.iter().find(has_all).copied()
}

pub(super) fn key_of<'v>(item: &'v Value, keys: &[&str]) -> Vec<Option<&'v Value>> {
    keys.iter()
        .map(|key| match (*key, item.get(*key)) {
            // A claim template's name.
            ("metadata", Some(metadata)) => metadata.get("name"),
            (_, value) => value,
        })
        .collect()
}

pub(super) fn shown(item: &Value, keys: &[&str]) -> String {
    let parts = key_of(item, keys).into_iter().flatten();
    parts
        .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
        .collect::<Vec<_>>()
        .join("/")
}

/// Whether what differs can only be changed by another object in its place.
pub(super) fn immutable(intended: &Value, live: &Value, kind: ObjectKind) -> bool {
    let spec = |of: &Value| of.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
    let (intended, live) = (spec(intended), spec(live));
    let differs = |key: &str| match (intended.get(key), live.get(key)) {
        (Some(intended), live) => {
            let mut found = Vec::new();
            compare(intended, live, &mut String::new(), &mut found);
            !found.is_empty()
        }
        (None, Some(_) | None) => false,
    };
    match kind {
        ObjectKind::Deployment => differs("selector"),
        ObjectKind::StatefulSet => {
            let names = |of: &Map<String, Value>| {
                let all =
                    of.get("volumeClaimTemplates").and_then(Value::as_array).cloned().unwrap_or_default();
                all.iter().filter_map(|one| one.pointer("/metadata/name").cloned()).collect::<Vec<_>>()
            };
            ["selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"]
                .into_iter()
                .any(differs)
                || names(&intended) != names(&live)
        }
        ObjectKind::Service => {
            let headless =
                |of: &Map<String, Value>| of.get("clusterIP").and_then(Value::as_str) == Some("None");
            headless(&intended) != headless(&live)
        }
        ObjectKind::Namespace
        | ObjectKind::ServiceAccount
        | ObjectKind::ResourceQuota
        | ObjectKind::LimitRange
        | ObjectKind::NetworkPolicy
        | ObjectKind::Secret
        | ObjectKind::ExternalSecret
        | ObjectKind::ConfigMap
        | ObjectKind::PersistentVolumeClaim
        | ObjectKind::PodDisruptionBudget
        | ObjectKind::Ingress
        | ObjectKind::HttpRoute => false,
    }
}
