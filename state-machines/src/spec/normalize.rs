//! One form for what means the same, so that "same spec" compares what the caller sent, not how.

use serde_json::Value;

use super::{
    ContainerSpec, DnsConfig, HealthCheckConfig, PortMapping, ResourceRequirements, TenantComputeSpec,
};

/// Nothing, an empty value and the zero value that Go writes are the same.
pub(super) fn normalize(mut spec: TenantComputeSpec) -> TenantComputeSpec {
    spec.containers.iter_mut().for_each(container);
    resources(&mut spec.resources);
    spec.networking.dns = spec.networking.dns.map(dns).filter(is_set);
    for secret in &mut spec.secrets {
        secret.env_var = secret.env_var.take().filter(is_set);
    }
    spec.provider_config = spec.provider_config.filter(|config| *config != Value::Null);
    spec
}

fn container(container: &mut ContainerSpec) {
    container.ports.iter_mut().for_each(port);
    container.health_check = container.health_check.take().map(health_check).filter(is_set);
    if let Some(own) = &mut container.resources {
        resources(own);
    }
    container.resources = container.resources.take().filter(is_set);
}

fn port(port: &mut PortMapping) {
    if port.protocol.is_empty() {
        "tcp".clone_into(&mut port.protocol);
    }
    port.host_port = port.host_port.filter(is_set);
    port.name = port.name.take().filter(is_set);
}

fn health_check(check: HealthCheckConfig) -> HealthCheckConfig {
    HealthCheckConfig { http_path: check.http_path.filter(is_set), port: check.port.filter(is_set), ..check }
}

fn resources(resources: &mut ResourceRequirements) {
    resources.storage = resources.storage.filter(is_set);
}

fn dns(dns: DnsConfig) -> DnsConfig {
    DnsConfig { hostname: dns.hostname.filter(is_set), domain: dns.domain.filter(is_set) }
}

fn is_set<T: Default + PartialEq>(value: &T) -> bool {
    *value != T::default()
}
