//! Which lists and maps are merged by their parts, and which are one value.

use serde_json::Value;

use super::kinds::Kind;

/// How a value is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// By its fields.
    Map,
    /// As one.
    Atomic,
    /// A list, by these fields of its items.
    Keyed(&'static [&'static str]),
    /// A list of different values.
    Set,
}

/// What an item of a list is in a path of names.
pub(super) const ITEM: &str = "[]";

/// The maps that are one value.
const ATOMIC: [&str; 10] = [
    "nodeSelector",
    "secretKeyRef",
    "configMapKeyRef",
    "fieldRef",
    "resourceFieldRef",
    "matchLabels",
    "podSelector",
    "namespaceSelector",
    "labelSelector",
    "scaleTargetRef",
];

/// How the value at a path is merged.
pub(super) fn shape(kind: Kind, path: &[&str], value: &Value) -> Shape {
    let last = path.last().copied().unwrap_or_default();
    let parent = path.len().checked_sub(2).map_or("", |at| path[at]);
    if value.is_object() {
        let selector = last == "selector" && path.first() == Some(&"spec") && parent != "dataSource";
        // The parts of an object's metadata are never one value.
        let tags = path.first() == Some(&"metadata");
        return if !tags && (selector || ATOMIC.contains(&last)) { Shape::Atomic } else { Shape::Map };
    }
    if !value.is_array() {
        return Shape::Atomic;
    }
    let of = path.len().checked_sub(3).map_or("", |at| path[at]);
    let in_container =
        parent == ITEM && matches!(of, "containers" | "initContainers" | "ephemeralContainers");
    let in_pod = match kind {
        Kind::Pod => path.len() == 2 && path[0] == "spec",
        Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet => {
            path.len() == 4 && path[..3] == ["spec", "template", "spec"]
        }
        Kind::Namespace
        | Kind::Node
        | Kind::StorageClass
        | Kind::IngressClass
        | Kind::AccessReview
        | Kind::ServiceAccount
        | Kind::Secret
        | Kind::ConfigMap
        | Kind::Service
        | Kind::ResourceQuota
        | Kind::LimitRange
        | Kind::PersistentVolumeClaim
        | Kind::Event
        | Kind::NetworkPolicy
        | Kind::Ingress
        | Kind::PodDisruptionBudget
        | Kind::EndpointSlice
        | Kind::HorizontalPodAutoscaler
        | Kind::ExternalSecret
        | Kind::Gateway
        | Kind::HttpRoute => false,
    };
    match last {
        "finalizers" if parent == "metadata" => Shape::Set,
        "ownerReferences" if parent == "metadata" => Shape::Keyed(&["uid"]),
        "conditions" if parent == "status" && !kind.is_custom() => Shape::Keyed(&["type"]),
        "ports" if kind == Kind::Service && parent == "spec" => Shape::Keyed(&["port", "protocol"]),
        "ports" if in_container => Shape::Keyed(&["containerPort", "protocol"]),
        "env" if in_container => Shape::Keyed(&["name"]),
        "volumeMounts" if in_container => Shape::Keyed(&["mountPath"]),
        "volumeDevices" if in_container => Shape::Keyed(&["devicePath"]),
        "containers" | "initContainers" | "ephemeralContainers" | "volumes" | "imagePullSecrets"
            if in_pod =>
        {
            Shape::Keyed(&["name"])
        }
        "hostAliases" if in_pod => Shape::Keyed(&["ip"]),
        "topologySpreadConstraints" if in_pod => Shape::Keyed(&["topologyKey", "whenUnsatisfiable"]),
        _ => Shape::Atomic,
    }
}

/// A part of a value that is merged by its parts.
pub(super) struct Part<'a> {
    /// As `fieldsV1` writes it.
    pub(super) step: String,
    /// In a path of names.
    pub(super) name: &'a str,
    pub(super) value: &'a Value,
}

/// The parts of a value, those that are `null` left out; none: it is one.
pub(super) fn parts<'a>(kind: Kind, path: &[&str], value: &'a Value) -> Option<Vec<Part<'a>>> {
    let items = value.as_array().into_iter().flatten();
    match shape(kind, path, value) {
        Shape::Atomic => None,
        Shape::Map => {
            let fields = value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
            let part =
                |(name, value): (&'a String, &'a Value)| Part { step: format!("f:{name}"), name, value };
            Some(fields.map(part).collect())
        }
        Shape::Keyed(keys) => {
            Some(items.map(|value| Part { step: item(keys, value), name: ITEM, value }).collect())
        }
        Shape::Set => {
            Some(items.map(|value| Part { step: format!("v:{value}"), name: ITEM, value }).collect())
        }
    }
}

/// An item by its keys, as `fieldsV1` writes it.
pub(super) fn item(keys: &[&str], value: &Value) -> String {
    let key = |key: &&str| match (&value[*key], *key) {
        (Value::Null, "protocol") => "\"protocol\":\"TCP\"".to_owned(),
        (value, key) => format!("\"{key}\":{value}"),
    };
    format!("k:{{{}}}", keys.iter().map(key).collect::<Vec<_>>().join(","))
}
