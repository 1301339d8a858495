//! Where a tenant answers.

use super::problems::{Problems, config_at};
use super::url;
use crate::planner::ecs::{EcsConfig, Serves};
use crate::spec::{ContainerSpec, DnsConfig, Role, Scheme, Spec, path};
use crate::status::{Endpoint, EndpointType};

/// A TCP port of a container.
struct Port<'a> {
    container: &'a str,
    port: u16,
    kind: EndpointType,
}

/// At places that stay, where there are some; else on each task. The containers of an existing task definition are
/// unknown, so only its places that stay are known.
pub(super) fn serves(
    problems: &mut Problems,
    spec: &Spec,
    config: &EcsConfig,
    containers: Option<&[ContainerSpec]>,
) -> Vec<Serves> {
    let serving = containers.unwrap_or_default().iter().filter(|container| container.role != Role::Init);
    let ports: Vec<Port<'_>> = serving.flat_map(ports).collect();
    let mut stays = balanced(problems, config);
    // A name leads to the tasks where service discovery puts their addresses under it; nothing else that is made here
    // does. What a load balancer is called is in its URL.
    if let Some(name) = spec.networking.dns.as_ref().and_then(|dns| host(problems, dns))
        && !config.service_registries.is_empty()
    {
        stays.extend(ports.iter().map(|port| at(&name, port)));
    }
    match stays.is_empty() {
        true => ports.iter().map(task).collect(),
        false => stays.into_iter().map(Serves::At).collect(),
    }
}

/// Where the load balancers answer, each place once.
fn balanced(problems: &mut Problems, config: &EcsConfig) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for (n, group) in config.target_groups.iter().enumerate() {
        let Some(url) = &group.url else { continue };
        match url::endpoint(url) {
            Ok(endpoint) if endpoints.contains(&endpoint) => {}
            Ok(endpoint) => endpoints.push(endpoint),
            Err(problem) => {
                problems.add(path::field(&path::index(&config_at("target_groups"), n), "url"), problem)
            }
        }
    }
    endpoints
}

fn host(problems: &mut Problems, dns: &DnsConfig) -> Option<String> {
    let parts: Vec<&str> = [&dns.hostname, &dns.domain].into_iter().flatten().map(String::as_str).collect();
    let name = parts.join(".");
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if parts.is_empty() {
        return None;
    }
    if name.len() > 253 || !name.split('.').all(label) {
        problems.add("networking.dns", "not a name of DNS: letters, digits and '-', in parts of at most 63");
        return None;
    }
    Some(name)
}

fn ports(container: &ContainerSpec) -> impl Iterator<Item = Port<'_>> {
    let checked = container.health_check.as_ref().filter(|check| check.kind == "http");
    container.ports.iter().filter(|port| port.protocol != "udp").filter_map(move |port| {
        let check = checked.filter(|check| check.port == Some(port.container_port));
        Some(Port {
            container: &container.name,
            port: u16::try_from(port.container_port).ok()?,
            kind: match check.map(|check| check.scheme) {
                Some(Some(Scheme::Http) | None) => EndpointType::Http,
                Some(Some(Scheme::Https)) => EndpointType::Https,
                None => EndpointType::Tcp,
            },
        })
    })
}

fn task(port: &Port<'_>) -> Serves {
    Serves::Task { container: port.container.to_owned(), port: port.port, kind: port.kind }
}

fn at(name: &str, port: &Port<'_>) -> Endpoint {
    let url = match port.kind {
        EndpointType::Http => Some(format!("http://{name}:{}", port.port)),
        EndpointType::Https => Some(format!("https://{name}:{}", port.port)),
        EndpointType::Tcp | EndpointType::Grpc => None,
    };
    // Without its container: where a tenant answers is part of what its service is compared by.
    Endpoint {
        kind: port.kind,
        address: name.to_owned(),
        port: port.port,
        url,
        container: None,
        container_port: None,
    }
}
