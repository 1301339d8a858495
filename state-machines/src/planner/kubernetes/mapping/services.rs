//! The tenant's addresses: within the cluster, and at nodes or a load balancer.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Mapping;
use super::ports::{Port, Protocol, Reach, Way};
use crate::planner::kubernetes::{ObjectId, ObjectKind, ServedBy, Serves, tags};
use crate::status::EndpointType;

/// The Service that all ports have, and the one of those that are reached from outside, apart from it: no other port is to be.
pub(super) fn services(m: &mut Mapping<'_>, ports: &[Port<'_>]) -> Vec<Serves> {
    if !ports.is_empty() {
        let name = m.names.service();
        push(m, &name, "ClusterIP", ports.iter());
    }
    let outside =
        |port: &&Port<'_>| matches!(port.reach, Reach::Everybody(Way::NodePort | Way::LoadBalancer));
    let mut public = ports.iter().filter(outside).peekable();
    let name = m.names.service_with("public");
    // All of them go one way, as the configuration says.
    match public.peek().map(|port| &port.reach) {
        Some(Reach::Everybody(Way::LoadBalancer)) => {
            let carried: BTreeSet<Protocol> =
                ports.iter().filter(outside).map(|port| port.protocol).collect();
            if !m.cluster.has_mixed_balancers() && carried.len() > 1 {
                let what = format!(
                    "{} has no load balancers with tcp and udp ports; expose one kind of them",
                    m.cluster.version()
                );
                m.problems.add("containers", what);
            }
            push(m, &name, "LoadBalancer", public);
        }
        Some(_) => push(m, &name, "NodePort", public),
        None => {}
    }
    serves(m, ports, &ObjectId { kind: ObjectKind::Service, name })
}

fn push<'p>(m: &mut Mapping<'_>, name: &str, kind: &str, ports: impl Iterator<Item = &'p Port<'p>>) {
    let spec = json!({
        "type": kind,
        "selector": tags::stable(m.subject),
        "ports": ports.map(written).collect::<Vec<_>>(),
    });
    let annotations = match kind {
        "ClusterIP" => None,
        _ => Some(&m.config.service_annotations),
    };
    m.push_with(ObjectKind::Service, name, annotations, json!({ "spec": spec }));
}

fn written(port: &Port<'_>) -> Value {
    json!({
        "name": port.name,
        "port": port.port,
        "protocol": port.protocol.name(),
        "targetPort": port.target(),
        "appProtocol": port.app_protocol,
    })
}

/// The Service that gives each pod of a StatefulSet a name.
pub(super) fn governing(m: &mut Mapping<'_>) -> String {
    let name = m.names.service_with("pods");
    let spec = json!({
        "type": "ClusterIP",
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": tags::stable(m.subject),
    });
    m.push(ObjectKind::Service, &name, json!({ "spec": spec }));
    name
}

/// Where the TCP ports answer, each at the outermost place.
fn serves(m: &Mapping<'_>, ports: &[Port<'_>], public: &ObjectId) -> Vec<Serves> {
    let within = format!("{}.{}.svc", m.names.service(), m.place.namespace);
    let one = |port: &Port<'_>| {
        let routed = |kind, route: &super::ports::Route| {
            let of = ObjectId { kind, name: super::routes::name(m, ports, &route.host, kind) };
            ServedBy::Host { of, host: route.host.clone(), path: route.path.clone() }
        };
        let (by, number, kind) = match &port.reach {
            Reach::Tenant | Reach::Cluster => {
                (ServedBy::Cluster { address: within.clone() }, port.port, port.kind)
            }
            Reach::Everybody(Way::LoadBalancer) => {
                (ServedBy::LoadBalancer(public.clone()), port.port, port.kind)
            }
            Reach::Everybody(Way::NodePort) => (ServedBy::Node(public.clone()), port.port, port.kind),
            Reach::Everybody(Way::Ingress(route)) => {
                let (number, kind) = spoken(port.kind, route.tls);
                (routed(ObjectKind::Ingress, route), number, kind)
            }
            Reach::Everybody(Way::Gateway(route)) => {
                let (number, kind) = spoken(port.kind, route.tls);
                (routed(ObjectKind::HttpRoute, route), number, kind)
            }
        };
        Serves {
            container: port.container.name.clone(),
            container_port: port.container_port,
            kind,
            port: number,
            by,
        }
    };
    ports.iter().filter(|port| port.protocol == Protocol::Tcp).map(one).collect()
}

/// The port of a host and what clients speak there: what is behind it, it does not matter to them.
fn spoken(behind: EndpointType, tls: bool) -> (u16, EndpointType) {
    match (behind, tls) {
        (EndpointType::Grpc, true) => (443, EndpointType::Grpc),
        (EndpointType::Grpc, false) => (80, EndpointType::Grpc),
        (EndpointType::Http | EndpointType::Https | EndpointType::Tcp, true) => (443, EndpointType::Https),
        (EndpointType::Http | EndpointType::Https | EndpointType::Tcp, false) => (80, EndpointType::Http),
    }
}
