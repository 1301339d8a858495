//! One form for what means the same, so that "same spec" compares what the caller sent, not how.

use serde_json::Value;

use super::{
    ContainerSpec, DnsConfig, HealthCheckConfig, PortMapping, ResourceRequirements, TenantComputeSpec,
};

/// An absent field, an empty value and the zero value that Go writes mean the same.
pub(super) fn normalize(spec: &mut TenantComputeSpec) {
    spec.containers.iter_mut().for_each(container);
    resources(&mut spec.resources);
    if let Some(names) = &mut spec.networking.dns {
        dns(names);
    }
    spec.networking.dns.take_if(|names| !is_set(names));
    for secret in &mut spec.secrets {
        secret.env_var.take_if(|name| !is_set(name));
    }
    if spec.provider_config == Some(Value::Null) {
        spec.provider_config = None;
    }
}

fn container(container: &mut ContainerSpec) {
    container.ports.iter_mut().for_each(port);
    if let Some(check) = &mut container.health_check {
        health_check(check);
    }
    container.health_check.take_if(|check| !is_set(check));
    if let Some(own) = &mut container.resources {
        resources(own);
    }
    container.resources.take_if(|own| !is_set(own));
}

fn port(port: &mut PortMapping) {
    if port.protocol.is_empty() {
        "tcp".clone_into(&mut port.protocol);
    }
    port.host_port.take_if(|number| !is_set(number));
    port.name.take_if(|name| !is_set(name));
}

fn health_check(check: &mut HealthCheckConfig) {
    check.http_path.take_if(|path| !is_set(path));
    check.port.take_if(|port| !is_set(port));
    check.start_period_seconds.take_if(|seconds| !is_set(seconds));
}

fn resources(resources: &mut ResourceRequirements) {
    resources.storage.take_if(|storage| !is_set(storage));
}

fn dns(dns: &mut DnsConfig) {
    dns.hostname.take_if(|name| !is_set(name));
    dns.domain.take_if(|name| !is_set(name));
}

fn is_set<T: Default + PartialEq>(value: &T) -> bool {
    *value != T::default()
}
