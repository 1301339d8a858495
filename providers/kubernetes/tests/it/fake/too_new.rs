//! Fields that a cluster of an older version does not know: apply refuses them, all other writes drop them silently.

use serde_json::Value;

use super::kinds::Kind;

/// A field, what it is in, and the first 1.x that knows it.
type Known = (&'static str, &'static [&'static str], u32);

const PROBES: &[&str] = &["readinessProbe", "livenessProbe", "startupProbe"];
const SPREAD: &[&str] = &["topologySpreadConstraints"];
const POD: &[&str] = &["spec"];

const FIELDS: [Known; 21] = [
    ("grpc", PROBES, 23),
    ("terminationGracePeriodSeconds", PROBES, 21),
    ("restartPolicy", &["initContainers"], 28),
    ("restartPolicy", &["containers"], 34),
    ("resizePolicy", &["containers", "initContainers"], 27),
    ("matchLabelKeys", SPREAD, 25),
    ("minDomains", SPREAD, 24),
    ("nodeAffinityPolicy", SPREAD, 25),
    ("nodeTaintsPolicy", SPREAD, 25),
    ("sleep", &["preStop", "postStart"], 29),
    ("stopSignal", &["lifecycle"], 33),
    ("appArmorProfile", &["securityContext"], 30),
    ("hostUsers", POD, 25),
    ("os", POD, 23),
    ("unhealthyPodEvictionPolicy", &["spec"], 26),
    ("persistentVolumeClaimRetentionPolicy", &["spec"], 23),
    ("ordinals", &["spec"], 26),
    ("internalTrafficPolicy", &["spec"], 21),
    ("trafficDistribution", &["spec"], 30),
    ("loadBalancerClass", &["spec"], 21),
    ("endPort", &["ports"], 21),
];

/// Whether this 1.x does not know a field of something.
fn is_unknown(kind: Kind, minor: u32, within: &str, field: &str) -> bool {
    let late = |(name, of, since): &Known| *name == field && of.contains(&within) && *since > minor;
    FIELDS.iter().any(late)
        || (kind == Kind::StatefulSet && within == "spec" && field == "minReadySeconds" && minor < 22)
}

/// The first field that this 1.x does not know, where there is one.
pub(super) fn find(kind: Kind, minor: u32, object: &Value) -> Option<String> {
    if kind.is_custom() {
        return None;
    }
    walk(kind, minor, "", "", object)
}

fn walk(kind: Kind, minor: u32, at: &str, within: &str, value: &Value) -> Option<String> {
    if let Some(list) = value.as_array() {
        return list.iter().find_map(|one| walk(kind, minor, at, within, one));
    }
    value.as_object()?.iter().find_map(|(field, value)| {
        let path = format!("{at}.{field}");
        if is_unknown(kind, minor, within, field) {
            Some(path)
        } else {
            walk(kind, minor, &path, field, value)
        }
    })
}

/// Drops what this 1.x does not know.
pub(super) fn drop_from(kind: Kind, minor: u32, object: &mut Value) {
    if !kind.is_custom() {
        prune(kind, minor, "", object);
    }
}

fn prune(kind: Kind, minor: u32, within: &str, value: &mut Value) {
    if let Some(list) = value.as_array_mut() {
        return list.iter_mut().for_each(|one| prune(kind, minor, within, one));
    }
    let Some(map) = value.as_object_mut() else { return };
    map.retain(|field, _| !is_unknown(kind, minor, within, field));
    map.iter_mut().for_each(|(field, value)| prune(kind, minor, field, value));
}
