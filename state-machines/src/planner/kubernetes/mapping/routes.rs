//! What leads to the tenant by host and path: an Ingress, or the routes of a gateway.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Mapping;
use super::names::hash;
use super::ports::{Port, Reach, Route, Way};
use super::problems::config_at;
use crate::planner::kubernetes::ObjectKind;
use crate::spec::path;

/// Makes them.
pub(super) fn routes(m: &mut Mapping<'_>, ports: &[Port<'_>]) {
    same_twice(m, ports);
    let ingress = routed(ports, ObjectKind::Ingress);
    if !ingress.is_empty() && has(m, ObjectKind::Ingress, "networking.k8s.io/v1") {
        self::ingress(m, &ingress);
    }
    let gateway = routed(ports, ObjectKind::HttpRoute);
    if !gateway.is_empty() && has(m, ObjectKind::HttpRoute, "gateway.networking.k8s.io/v1") {
        http_routes(m, ports, &gateway);
    }
}

/// The name of what leads from a host: the tenant's, but for the further routes of a gateway, of which each has its hosts.
pub(super) fn name(m: &Mapping<'_>, ports: &[Port<'_>], host: &str, kind: ObjectKind) -> String {
    let first = routed(ports, kind).first().map(|(route, _)| route.host.clone());
    match kind == ObjectKind::Ingress || first.as_deref() == Some(host) {
        true => m.names.plain(),
        false => m.names.with(&hash(host)),
    }
}

fn routed<'p>(ports: &'p [Port<'p>], kind: ObjectKind) -> Vec<(&'p Route, u16)> {
    let route = |port: &'p Port<'p>| match (&port.reach, kind) {
        (Reach::Everybody(Way::Ingress(route)), ObjectKind::Ingress)
        | (Reach::Everybody(Way::Gateway(route)), ObjectKind::HttpRoute) => Some((route, port.port)),
        (Reach::Tenant | Reach::Cluster | Reach::Everybody(_), _) => None,
    };
    ports.iter().filter_map(route).collect()
}

/// Two ports behind the same host and path: one of them would never be reached.
fn same_twice(m: &mut Mapping<'_>, ports: &[Port<'_>]) {
    let mut seen = BTreeMap::new();
    for kind in [ObjectKind::Ingress, ObjectKind::HttpRoute] {
        for (route, port) in routed(ports, kind) {
            if let Some(other) = seen.insert((&route.host, &route.path), port) {
                m.problems.add(
                    "containers",
                    format!(
                        "ports {other} and {port} are both at {}{}; give one of them another exposure.host or exposure.path",
                        route.host, route.path
                    ),
                );
            }
        }
    }
}

fn has(m: &mut Mapping<'_>, kind: ObjectKind, api: &str) -> bool {
    let is_there = m.cluster.api_version(kind).is_some();
    if !is_there {
        let what = format!("this cluster has no {kind} ({api}); install it, or choose another exposure");
        m.problems.add(config_at("exposure"), what);
    }
    is_there
}

fn ingress(m: &mut Mapping<'_>, routed: &[(&Route, u16)]) {
    let service = m.names.service();
    let mut hosts: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (route, port) in routed {
        let backend = json!({ "service": { "name": service, "port": { "number": port } } });
        let path = json!({ "path": route.path, "pathType": "Prefix", "backend": backend });
        hosts.entry(&route.host).or_default().push(path);
    }
    let mut secure: Vec<&str> =
        routed.iter().filter(|(route, _)| route.tls).map(|(route, _)| &*route.host).collect();
    secure.sort_unstable();
    secure.dedup();
    let tls = (!secure.is_empty()).then(|| json!([{ "hosts": secure, "secretName": m.names.with("tls") }]));
    let rules: Vec<Value> =
        hosts.into_iter().map(|(host, paths)| json!({ "host": host, "http": { "paths": paths } })).collect();
    let spec = json!({ "ingressClassName": m.config.ingress_class, "rules": rules, "tls": tls });
    let annotations = Some(&m.config.ingress_annotations);
    m.push_with(ObjectKind::Ingress, &m.names.plain(), annotations, json!({ "spec": spec }));
}

fn http_routes(m: &mut Mapping<'_>, ports: &[Port<'_>], routed: &[(&Route, u16)]) {
    let Some(gateway) = &m.config.gateway else {
        m.problems
            .add(config_at("gateway"), "missing; give the name and the namespace of a gateway that is there");
        return;
    };
    let service = m.names.service();
    let mut hosts: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (route, port) in routed {
        let rule = json!({
            "matches": [{ "path": { "type": "PathPrefix", "value": route.path } }],
            "backendRefs": [{ "name": service, "port": port }],
        });
        if route.path.len() > 1024 {
            m.problems.add(
                "containers",
                format!("{}: a path of a gateway has at most 1024 bytes", path::quoted(&route.path)),
            );
        }
        hosts.entry(&route.host).or_default().push(rule);
    }
    for (host, rules) in hosts {
        let name = name(m, ports, host, ObjectKind::HttpRoute);
        let parent =
            json!({ "name": gateway.name, "namespace": gateway.namespace, "sectionName": gateway.section });
        let spec = json!({ "parentRefs": [parent], "hostnames": [host], "rules": rules });
        let annotations = Some(&m.config.ingress_annotations);
        m.push_with(ObjectKind::HttpRoute, &name, annotations, json!({ "spec": spec }));
    }
}
