//! One form for what means the same, so that "same spec" compares what the caller sent, not how.

use serde_json::Value;

use super::{
    ContainerSpec, DnsConfig, Exposure, FileSpec, HealthCheckConfig, ImagePull, PortMapping,
    ResourceRequests, ResourceRequirements, Scheme, SecretReference, StopConfig, TenantComputeSpec,
    UpdateConfig, VolumeSpec, is_default,
};

/// An absent field, an empty value and the zero value that Go writes mean the same.
pub(super) fn normalize(spec: &mut TenantComputeSpec) {
    spec.containers.iter_mut().for_each(container);
    resources(&mut spec.resources);
    if let Some(names) = &mut spec.networking.dns {
        dns(names);
    }
    spec.networking.dns.take_if(|names| is_default(names));
    for SecretReference { name: _, source: _, key: _, env_var, containers: _ } in &mut spec.secrets {
        env_var.take_if(|name| is_default(name));
    }
    if spec.provider_config == Some(Value::Null) {
        spec.provider_config = None;
    }
    for VolumeSpec { name: _, size_mb, persistent: _, retain: _ } in &mut spec.volumes {
        size_mb.take_if(|size| is_default(size));
    }
    if let Some(UpdateConfig { order: _, deadline_seconds, rollback }) = &mut spec.update {
        deadline_seconds.take_if(|seconds| is_default(seconds));
        rollback.take_if(|rollback| *rollback);
    }
    spec.update.take_if(|update| is_default(update));
}

fn container(container: &mut ContainerSpec) {
    container.ports.iter_mut().for_each(port);
    for check in [&mut container.health_check, &mut container.liveness] {
        if let Some(check) = check {
            health_check(check);
        }
        check.take_if(|check| is_default(check));
    }
    if let Some(own) = &mut container.resources {
        resources(own);
    }
    container.resources.take_if(|own| is_default(own));
    if let Some(StopConfig { grace_seconds, signal: _ }) = &mut container.stop {
        grace_seconds.take_if(|seconds| is_default(seconds));
    }
    container.stop.take_if(|stop| is_default(stop));
    for FileSpec { path: _, content: _, secret, mode } in &mut container.files {
        secret.take_if(|name| is_default(name));
        mode.take_if(|mode| is_default(mode));
    }
    if let Some(ImagePull { policy: _, credentials }) = &mut container.image_pull {
        credentials.take_if(|name| is_default(name));
    }
    container.image_pull.take_if(|pull| is_default(pull));
    container.user.take_if(|user| is_default(user));
    container.working_dir.take_if(|dir| is_default(dir));
}

fn port(port: &mut PortMapping) {
    if port.protocol.is_empty() {
        "tcp".clone_into(&mut port.protocol);
    }
    port.host_port.take_if(|number| is_default(number));
    port.name.take_if(|name| is_default(name));
    port.app_protocol.take_if(|name| is_default(name));
    if let Some(Exposure { level: _, host, path, tls: _ }) = &mut port.exposure {
        host.take_if(|host| is_default(host));
        path.take_if(|path| is_default(path));
    }
}

fn health_check(check: &mut HealthCheckConfig) {
    check.http_path.take_if(|path| is_default(path));
    check.port.take_if(|port| is_default(port));
    check.start_period_seconds.take_if(|seconds| is_default(seconds));
    check.scheme.take_if(|scheme| *scheme == Scheme::Http);
}

fn resources(resources: &mut ResourceRequirements) {
    resources.storage.take_if(|storage| is_default(storage));
    if let Some(ResourceRequests { cpu, memory }) = &mut resources.requests {
        cpu.take_if(|cpu| is_default(cpu));
        memory.take_if(|memory| is_default(memory));
    }
    resources.requests.take_if(|requests| is_default(requests));
}

fn dns(dns: &mut DnsConfig) {
    dns.hostname.take_if(|name| is_default(name));
    dns.domain.take_if(|name| is_default(name));
}
