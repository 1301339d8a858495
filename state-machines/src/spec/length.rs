//! How long a spec is as JSON. Most are far below the limit, which a cheap upper bound shows; only the others are
//! written out and measured.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    ContainerSpec, Dependency, DnsConfig, Exposure, FileSpec, HealthCheckConfig, ImagePull, MountSpec,
    NetworkConfig, PortMapping, ResourceRequirements, SecretReference, TenantComputeSpec, VolumeSpec,
};

/// The most that a byte of a text takes in JSON: a control character becomes `\u001f`.
const ESCAPED: usize = 6;
/// More than any field takes besides its text: its name, quotes, a number, commas and brackets.
const FIELD: usize = 48;

/// An upper bound of the length of the spec as JSON, in bytes.
pub(super) fn at_most(spec: &TenantComputeSpec) -> usize {
    let TenantComputeSpec {
        tenant_id,
        provider_type,
        containers,
        resources,
        networking,
        secrets,
        labels,
        provider_config,
        replicas: _,
        volumes,
        update: _,
        deletion_protection: _,
    } = spec;
    text(tenant_id)
        + text(provider_type)
        + list(containers, container)
        + requirements(resources)
        + network(networking)
        + list(secrets, secret)
        + map(labels)
        + list(volumes, volume)
        + 7 * FIELD
        + provider_config.as_ref().map_or(0, value)
}

/// The length of the spec as JSON, in bytes.
///
/// # Errors
/// When it cannot be written.
pub(super) fn exactly(spec: &TenantComputeSpec) -> Result<usize, serde_json::Error> {
    let mut written = Written(0);
    serde_json::to_writer(&mut written, spec)?;
    Ok(written.0)
}

fn text(text: &str) -> usize {
    FIELD + ESCAPED * text.len()
}

fn optional(given: Option<&str>) -> usize {
    given.map_or(0, text)
}

fn list<T>(items: &[T], length: impl Fn(&T) -> usize) -> usize {
    FIELD + items.iter().map(length).sum::<usize>()
}

fn texts(items: &[String]) -> usize {
    list(items, |item| text(item))
}

fn map(entries: &BTreeMap<String, String>) -> usize {
    FIELD + entries.iter().map(|(name, value)| text(name) + text(value)).sum::<usize>()
}

fn container(container: &ContainerSpec) -> usize {
    let ContainerSpec {
        name,
        image,
        command,
        args,
        env,
        ports,
        health_check,
        resources,
        role: _,
        depends_on,
        liveness,
        stop: _,
        files,
        mounts,
        image_pull,
        user,
        working_dir,
        read_only_root: _,
    } = container;
    7 * FIELD
        + list(depends_on, dependency)
        + liveness.as_ref().map_or(0, check)
        + list(files, file)
        + list(mounts, mount)
        + image_pull.as_ref().map_or(0, pull)
        + optional(user.as_deref())
        + optional(working_dir.as_deref())
        + text(name)
        + text(image)
        + texts(command)
        + texts(args)
        + map(env)
        + list(ports, port)
        + health_check.as_ref().map_or(0, check)
        + resources.as_ref().map_or(0, requirements)
}

fn port(port: &PortMapping) -> usize {
    let PortMapping { container_port: _, host_port: _, protocol, name, app_protocol, exposure } = port;
    3 * FIELD
        + text(protocol)
        + optional(name.as_deref())
        + optional(app_protocol.as_deref())
        + exposure.as_ref().map_or(0, exposed)
}

fn exposed(exposure: &Exposure) -> usize {
    let Exposure { level: _, host, path, tls: _ } = exposure;
    3 * FIELD + optional(host.as_deref()) + optional(path.as_deref())
}

fn dependency(dependency: &Dependency) -> usize {
    let Dependency { container, condition: _ } = dependency;
    2 * FIELD + text(container)
}

fn file(file: &FileSpec) -> usize {
    let FileSpec { path, content, secret, mode } = file;
    FIELD + text(path) + [content, secret, mode].map(|given| optional(given.as_deref())).iter().sum::<usize>()
}

fn mount(mount: &MountSpec) -> usize {
    let MountSpec { volume, path, read_only: _ } = mount;
    2 * FIELD + text(volume) + text(path)
}

fn pull(pull: &ImagePull) -> usize {
    let ImagePull { policy: _, credentials } = pull;
    2 * FIELD + optional(credentials.as_deref())
}

fn volume(volume: &VolumeSpec) -> usize {
    let VolumeSpec { name, size_mb: _, persistent: _, retain: _ } = volume;
    4 * FIELD + text(name)
}

fn check(check: &HealthCheckConfig) -> usize {
    let HealthCheckConfig {
        kind,
        http_path,
        port: _,
        command,
        interval_seconds: _,
        timeout_seconds: _,
        healthy_threshold: _,
        unhealthy_threshold: _,
        start_period_seconds: _,
        scheme: _,
        headers,
    } = check;
    8 * FIELD + map(headers) + text(kind) + optional(http_path.as_deref()) + texts(command)
}

fn requirements(resources: &ResourceRequirements) -> usize {
    let ResourceRequirements { cpu: _, memory: _, storage: _, requests: _ } = resources;
    7 * FIELD
}

fn network(networking: &NetworkConfig) -> usize {
    let NetworkConfig { public_ip: _, security_groups, subnets, dns } = networking;
    2 * FIELD + texts(security_groups) + texts(subnets) + dns.as_ref().map_or(0, names)
}

fn names(dns: &DnsConfig) -> usize {
    let DnsConfig { hostname, domain } = dns;
    FIELD + optional(hostname.as_deref()) + optional(domain.as_deref())
}

fn secret(secret: &SecretReference) -> usize {
    let SecretReference { name, source, key, env_var, containers } = secret;
    FIELD + texts(containers) + text(name) + text(source) + text(key) + optional(env_var.as_deref())
}

fn value(given: &Value) -> usize {
    match given {
        Value::Null | Value::Bool(_) | Value::Number(_) => FIELD,
        Value::String(given) => text(given),
        Value::Array(items) => list(items, value),
        Value::Object(fields) => {
            FIELD + fields.iter().map(|(name, inner)| text(name) + value(inner)).sum::<usize>()
        }
    }
}

/// Counts what is written, and keeps none of it.
struct Written(usize);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::iter::repeat_n;

    use serde_json::json;

    use super::*;
    use crate::spec::{
        Condition, ExposureLevel, PullPolicy, Replicas, ResourceRequests, Role, Scheme, StopConfig,
        StopSignal, UpdateConfig, UpdateOrder,
    };

    /// Every field is given, so that the rest of each part is as long as it can be.
    fn full(text: &str, number: i64) -> TenantComputeSpec {
        let entries: BTreeMap<String, String> =
            (0..3).map(|n| (format!("{text}{n}"), text.to_owned())).collect();
        let texts: Vec<String> = repeat_n(text.to_owned(), 3).collect();
        let some = || Some(text.to_owned());
        let resources = ResourceRequirements {
            cpu: number,
            memory: number,
            storage: Some(number),
            requests: Some(ResourceRequests { cpu: Some(number), memory: Some(number) }),
        };
        let port = PortMapping {
            container_port: number,
            host_port: Some(number),
            protocol: text.to_owned(),
            name: some(),
            app_protocol: some(),
            exposure: Some(Exposure {
                level: ExposureLevel::Internal,
                host: some(),
                path: some(),
                tls: true,
            }),
        };
        let health_check = HealthCheckConfig {
            kind: text.to_owned(),
            http_path: some(),
            port: Some(number),
            command: texts.clone(),
            interval_seconds: number,
            timeout_seconds: number,
            healthy_threshold: number,
            unhealthy_threshold: number,
            start_period_seconds: Some(number),
            scheme: Some(Scheme::Https),
            headers: entries.clone(),
        };
        let dependency = Dependency { container: text.to_owned(), condition: Condition::Completed };
        let file = FileSpec { path: text.to_owned(), content: some(), secret: some(), mode: some() };
        let mount = MountSpec { volume: text.to_owned(), path: text.to_owned(), read_only: true };
        let container = ContainerSpec {
            name: text.to_owned(),
            image: text.to_owned(),
            command: texts.clone(),
            args: texts.clone(),
            env: entries.clone(),
            ports: vec![port; 3],
            health_check: Some(health_check.clone()),
            resources: Some(resources.clone()),
            role: Role::Sidecar,
            depends_on: vec![dependency; 3],
            liveness: Some(health_check),
            stop: Some(StopConfig { grace_seconds: Some(number), signal: Some(StopSignal::Winch) }),
            files: vec![file; 3],
            mounts: vec![mount; 3],
            image_pull: Some(ImagePull { policy: Some(PullPolicy::IfNotPresent), credentials: some() }),
            user: some(),
            working_dir: some(),
            read_only_root: true,
        };
        let secret = SecretReference {
            name: text.to_owned(),
            source: text.to_owned(),
            key: text.to_owned(),
            env_var: some(),
            containers: texts.clone(),
        };
        let volume =
            VolumeSpec { name: text.to_owned(), size_mb: Some(number), persistent: true, retain: true };
        TenantComputeSpec {
            tenant_id: text.to_owned(),
            provider_type: text.to_owned(),
            containers: vec![container; 3],
            resources,
            networking: NetworkConfig {
                public_ip: false,
                security_groups: texts.clone(),
                subnets: texts,
                dns: Some(DnsConfig { hostname: some(), domain: some() }),
            },
            secrets: vec![secret; 3],
            labels: entries,
            provider_config: Some(
                json!({ text: [number, -1.797_693_134_862_315_7e308, text, null, false, {}] }),
            ),
            replicas: Some(Replicas::Count(number)),
            volumes: vec![volume; 3],
            update: Some(UpdateConfig {
                order: Some(UpdateOrder::StartFirst),
                deadline_seconds: Some(number),
                rollback: Some(false),
            }),
            deletion_protection: true,
        }
    }

    #[test]
    fn the_bound_is_never_less_than_the_length() {
        let empty = TenantComputeSpec::default();
        assert!(at_most(&empty) >= exactly(&empty).unwrap());
        for text in ["", "a", "ü", "\u{1}", "\"\\\n", &"\u{1f}".repeat(100)] {
            for number in [0, i64::MIN, i64::MAX] {
                let spec = full(text, number);
                let (bound, length) = (at_most(&spec), exactly(&spec).unwrap());
                assert!(bound >= length, "{bound} is less than {length} for {text:?}, {number}");
            }
        }
    }
}
