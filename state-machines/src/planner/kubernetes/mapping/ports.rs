//! The ports that others than the tenant's own programs may reach: their numbers, and who reaches them in which way.

use std::collections::BTreeMap;

use super::Mapping;
use super::names::{is_label, is_subdomain};
use super::problems::{Problems, config_at};
use crate::planner::kubernetes::config::{Exposes, KubernetesConfig};
use crate::spec::{ContainerSpec, Exposure, ExposureLevel, PortMapping, Role, Scheme, Spec, path};
use crate::status::EndpointType;

/// A port of the pods.
pub(super) struct Port<'a> {
    pub(super) container: &'a ContainerSpec,
    pub(super) container_port: u16,
    /// The port of the Service.
    pub(super) port: u16,
    pub(super) protocol: Protocol,
    /// How the Service calls it.
    pub(super) name: String,
    pub(super) app_protocol: Option<String>,
    pub(super) kind: EndpointType,
    pub(super) reach: Reach,
}

/// What a port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

/// Who reaches a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The tenant's own pods.
    Tenant,
    /// Every pod of the cluster.
    Cluster,
    /// Everybody, in this way.
    Everybody(Way),
}

/// How a port is reached from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    NodePort,
    LoadBalancer,
    Ingress(Route),
    Gateway(Route),
}

/// What leads to a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) tls: bool,
}

impl Protocol {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

impl Port<'_> {
    /// How the containers call it. By this name the Service finds it in old pods and in new ones, whose numbers may differ, so it
    /// stays while the Service's port does.
    pub(super) fn target(&self) -> String {
        fallback(self.protocol, self.port)
    }
}

fn fallback(protocol: Protocol, port: u16) -> String {
    format!("{}-{port}", protocol.name().to_lowercase())
}

/// All ports of the pods, but for those of init containers, which do not serve.
pub(super) fn ports<'a>(m: &mut Mapping<'a>) -> Vec<Port<'a>> {
    let spec: &'a Spec = m.spec;
    let mut within = BTreeMap::new();
    let mut outside = BTreeMap::new();
    let mut ports = Vec::new();
    for (n, container) in spec.containers.iter().enumerate().filter(|(_, one)| one.role != Role::Init) {
        for (k, mapping) in container.ports.iter().enumerate() {
            let at = path::index(&path::field(&path::index("containers", n), "ports"), k);
            let port = port(m, &at, container, mapping);
            let (number, protocol) = (port.container_port, port.protocol);
            if let Some(other) = within.insert((number, protocol), &container.name) {
                m.problems.add(
                    path::field(&at, "container_port"),
                    format!(
                        "{number}/{} is container {other}'s, and containers of a pod share one network interface",
                        mapping.protocol
                    ),
                );
            }
            if let Some(other) = outside.insert((port.port, protocol), number)
                && other != number
            {
                m.problems.add(
                    path::field(&at, "host_port"),
                    format!(
                        "the Service's port {}/{} leads to {other} already; give one of them another host_port",
                        port.port, mapping.protocol
                    ),
                );
            }
            ports.push(port);
        }
    }
    names(&mut ports);
    ports
}

fn port<'a>(
    m: &mut Mapping<'a>,
    at: &str,
    container: &'a ContainerSpec,
    mapping: &'a PortMapping,
) -> Port<'a> {
    let number = 1..=u16::MAX;
    let container_port =
        m.problems.number(&path::field(at, "container_port"), mapping.container_port, number.clone());
    let port = match mapping.host_port {
        Some(port) => m.problems.number(&path::field(at, "host_port"), port, number),
        None => container_port,
    };
    let protocol = if mapping.protocol == "udp" { Protocol::Udp } else { Protocol::Tcp };
    Port {
        container,
        container_port,
        port,
        protocol,
        name: mapping.name.clone().unwrap_or_default(),
        app_protocol: mapping
            .app_protocol
            .as_ref()
            .and_then(|given| app_protocol(&mut m.problems, &path::field(at, "app_protocol"), given)),
        kind: kind(container, mapping),
        reach: reach(m, at, mapping, protocol),
    }
}

/// A port that people gave a name is called so, where it can be; no two are called the same.
fn names(ports: &mut [Port<'_>]) {
    let mut taken: Vec<String> = ports.iter().map(Port::target).collect();
    for port in ports {
        if !is_label(&port.name) || taken.contains(&port.name) {
            port.name = port.target();
        }
        taken.push(port.name.clone());
    }
}

/// What clients speak there, as far as its check and its protocol say.
fn kind(container: &ContainerSpec, mapping: &PortMapping) -> EndpointType {
    let check = container.health_check.as_ref().filter(|check| check.kind == "http");
    let checked = check.filter(|check| check.port == Some(mapping.container_port)).map(|check| check.scheme);
    match (mapping.app_protocol.as_deref(), checked) {
        (Some("grpc"), _) => EndpointType::Grpc,
        (Some("https"), _) | (_, Some(Some(Scheme::Https))) => EndpointType::Https,
        (Some("http" | "http2"), _) | (_, Some(Some(Scheme::Http) | None)) => EndpointType::Http,
        (Some(_) | None, None) => EndpointType::Tcp,
    }
}

/// As Kubernetes calls it. HTTP/2 without TLS is what a program speaks behind a Service.
fn app_protocol(problems: &mut Problems, at: &str, given: &str) -> Option<String> {
    let (prefix, name) = given.split_once('/').unwrap_or(("a", given));
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let outer = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let is_name = name.len() <= 63
        && name.bytes().all(inner)
        && outer(name.bytes().next())
        && outer(name.bytes().next_back());
    match given {
        "http2" => Some("kubernetes.io/h2c".to_owned()),
        _ if is_name && is_subdomain(prefix) => Some(given.to_owned()),
        other => {
            problems.add(
                at,
                format!(
                    "{} is no protocol's name; use http, http2, grpc or one like example.com/name",
                    path::quoted(other)
                ),
            );
            None
        }
    }
}

fn reach(m: &mut Mapping<'_>, at: &str, mapping: &PortMapping, protocol: Protocol) -> Reach {
    let public_ip = m.spec.networking.public_ip;
    let given = mapping.exposure.as_ref();
    let at_exposure = path::field(at, "exposure");
    let (level, asked_at) = match given {
        Some(exposure) => (exposure.level, path::field(&at_exposure, "level")),
        None if public_ip => (ExposureLevel::Public, "networking.public_ip".to_owned()),
        None => (m.config.default_level, config_at("default_level")),
    };
    let nothing = Exposure::default();
    let exposure = given.unwrap_or(&nothing);
    match level {
        ExposureLevel::None => Reach::Tenant,
        ExposureLevel::Internal => {
            refuse_route(
                &mut m.problems,
                &at_exposure,
                exposure,
                "leads to public ports only; remove it, or set level to public",
            );
            Reach::Cluster
        }
        ExposureLevel::Public => match way(m, &at_exposure, &asked_at, exposure, protocol) {
            Some(way) => Reach::Everybody(way),
            None => Reach::Tenant,
        },
    }
}

fn way(
    m: &mut Mapping<'_>,
    at: &str,
    asked_at: &str,
    exposure: &Exposure,
    protocol: Protocol,
) -> Option<Way> {
    let public_ip = m.spec.networking.public_ip;
    let routed = |m: &mut Mapping<'_>| route(m, at, exposure, protocol);
    let set = "set provider_config.exposure to load_balancer, node_port, ingress or gateway";
    match m.config.exposure.or(public_ip.then_some(Exposes::LoadBalancer)) {
        Some(Exposes::Ingress) => routed(m).map(Way::Ingress),
        Some(Exposes::Gateway) => routed(m).map(Way::Gateway),
        Some(one @ (Exposes::LoadBalancer | Exposes::NodePort)) => {
            let why = "needs an ingress or a gateway, which provider_config.exposure does not say; remove it, or change that";
            refuse_route(&mut m.problems, at, exposure, why);
            Some(if one == Exposes::NodePort { Way::NodePort } else { Way::LoadBalancer })
        }
        Some(Exposes::None) => {
            m.problems.add(asked_at, format!("provider_config.exposure is none: nothing leads here; {set}"));
            None
        }
        None => {
            m.problems.add(asked_at, format!("nothing leads here from outside; {set}"));
            None
        }
    }
}

fn refuse_route(problems: &mut Problems, at: &str, exposure: &Exposure, why: &str) {
    let Exposure { level: _, host, path, tls } = exposure;
    let given =
        [("host", "a host", host.is_some()), ("path", "a path", path.is_some()), ("tls", "TLS", *tls)];
    for (field, what, _) in given.into_iter().filter(|(_, _, given)| *given) {
        problems.add(path::field(at, field), format!("{what} {why}"));
    }
}

fn route(m: &mut Mapping<'_>, at: &str, exposure: &Exposure, protocol: Protocol) -> Option<Route> {
    if protocol == Protocol::Udp {
        m.problems.add(
            at,
            "an ingress and a gateway lead to HTTP only, not to udp; set level to internal, or let a load balancer lead there",
        );
    }
    let path = exposure.path.clone().unwrap_or_else(|| "/".to_owned());
    let inside = ["//", "/./", "/../", "%2f", "%2F"];
    if inside.iter().any(|part| path.contains(part))
        || path.ends_with("/.")
        || path.ends_with("/..")
        || !path.bytes().all(|b| b.is_ascii_graphic())
    {
        m.problems.add(
            path::field(at, "path"),
            "not a path of an ingress or a gateway: without //, /./, /../, %2f and spaces",
        );
    }
    let (host, host_at) = host(m.config, m.spec, at, exposure);
    let Some(host) = host else {
        m.problems.add(
            host_at,
            "missing; without a host it would answer for every tenant: give it, networking.dns, or \
             provider_config.host_pattern",
        );
        return None;
    };
    if !is_subdomain(host.strip_prefix("*.").unwrap_or(&host)) || host.parse::<std::net::IpAddr>().is_ok() {
        m.problems.add(host_at, format!("{} is no host: a-z, 0-9, '-' and '.'", path::quoted(&host)));
    }
    Some(Route { host, path, tls: exposure.tls })
}

/// The host of a port, and where it was given: its own, the tenant's name, or the operator's pattern.
fn host(config: &KubernetesConfig, spec: &Spec, at: &str, exposure: &Exposure) -> (Option<String>, String) {
    let dns = spec.networking.dns.as_ref().map(|dns| {
        let parts: Vec<&str> =
            [&dns.hostname, &dns.domain].into_iter().flatten().map(String::as_str).collect();
        parts.join(".")
    });
    match (&exposure.host, dns, &config.host_pattern) {
        (Some(host), _, _) => (Some(host.clone()), path::field(at, "host")),
        (None, Some(name), _) => (Some(name), "networking.dns".to_owned()),
        (None, None, Some(pattern)) => {
            (Some(pattern.replace("{tenant}", spec.tenant().as_str())), config_at("host_pattern"))
        }
        (None, None, None) => (None, path::field(at, "host")),
    }
}
