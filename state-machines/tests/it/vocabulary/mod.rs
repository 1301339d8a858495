//! The vocabulary of specs: reading, checking, comparing, printing.

mod changing;
mod fields;
mod images;
mod printing;
mod reading;
mod round_trips;
mod rules;
mod stored;

use landlord_state_machines::spec::{
    ContainerSpec, HealthCheckConfig, PortMapping, ResourceRequirements, SecretReference, Spec,
    TenantComputeSpec,
};

/// A small valid spec, with something of everything that rules speak of.
fn valid() -> TenantComputeSpec {
    TenantComputeSpec {
        tenant_id: "acme".into(),
        provider_type: "ecs".into(),
        containers: vec![web(), ContainerSpec { name: "worker".into(), ..web_without_ports() }],
        resources: ResourceRequirements {
            cpu: 1024,
            memory: 2048,
            storage: Some(4096),
            ..ResourceRequirements::default()
        },
        secrets: vec![secret()],
        labels: [("team".to_owned(), "blue".to_owned())].into(),
        ..TenantComputeSpec::default()
    }
}

fn web() -> ContainerSpec {
    ContainerSpec {
        ports: vec![PortMapping {
            container_port: 80,
            host_port: Some(8080),
            protocol: "tcp".into(),
            name: Some("http".into()),
            ..PortMapping::default()
        }],
        health_check: Some(http_check()),
        ..web_without_ports()
    }
}

fn web_without_ports() -> ContainerSpec {
    ContainerSpec {
        name: "web".into(),
        image: "nginx:1.27".into(),
        args: vec!["--verbose".into()],
        env: [("MODE".to_owned(), "fast".to_owned())].into(),
        resources: Some(ResourceRequirements {
            cpu: 256,
            memory: 512,
            storage: Some(1024),
            ..ResourceRequirements::default()
        }),
        ..ContainerSpec::default()
    }
}

fn http_check() -> HealthCheckConfig {
    HealthCheckConfig {
        kind: "http".into(),
        http_path: Some("/healthz".into()),
        port: Some(80),
        interval_seconds: 10,
        timeout_seconds: 5,
        healthy_threshold: 2,
        unhealthy_threshold: 3,
        start_period_seconds: None,
        ..HealthCheckConfig::default()
    }
}

fn secret() -> SecretReference {
    SecretReference {
        name: "db".into(),
        source: "aws-secrets-manager".into(),
        key: "prod/db".into(),
        env_var: Some("DB_PASSWORD".into()),
        ..SecretReference::default()
    }
}

fn checked(change: impl FnOnce(&mut TenantComputeSpec)) -> Spec {
    let mut spec = valid();
    change(&mut spec);
    spec.check().unwrap()
}
