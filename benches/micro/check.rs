//! `TenantComputeSpec::check`, which every provision and update begins with.

use criterion::{BatchSize, Criterion};
use landlord_compute::machines::spec::{
    ContainerSpec, HealthCheckConfig, PortMapping, SecretReference, TenantComputeSpec,
};

use super::lives::tenant;
use crate::spec::spec;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check");
    let small = spec(tenant(1).as_str(), "v1");
    for (name, spec) in [("one container", small.clone()), ("ten full containers", large(small))] {
        group.bench_function(name, |bencher| {
            let copy = || spec.clone();
            bencher.iter_batched(copy, |spec| spec.check().expect("valid"), BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// Ten containers, each with an environment, ports and a health check; and ten secrets and labels.
fn large(small: TenantComputeSpec) -> TenantComputeSpec {
    let container = |n: i64| ContainerSpec {
        name: format!("container-{n}"),
        image: format!("registry.example/team/service-{n}:1.{n}"),
        command: vec!["/bin/service".to_owned(), "--verbose".to_owned()],
        args: (0..4).map(|arg| format!("--option-{arg}=value")).collect(),
        env: (0..10).map(|name| (format!("NAME_{name}"), format!("value {name}"))).collect(),
        ports: vec![PortMapping { container_port: 8000 + n, ..PortMapping::default() }],
        health_check: Some(HealthCheckConfig {
            kind: "http".to_owned(),
            http_path: Some("/health".to_owned()),
            port: Some(8000 + n),
            interval_seconds: 10,
            timeout_seconds: 2,
            healthy_threshold: 1,
            unhealthy_threshold: 3,
            start_period_seconds: None,
            ..HealthCheckConfig::default()
        }),
        resources: None,
        ..ContainerSpec::default()
    };
    let secret = |n: i64| SecretReference {
        name: format!("secret-{n}"),
        source: "environment".to_owned(),
        key: format!("KEY_{n}"),
        env_var: Some(format!("SECRET_{n}")),
        ..SecretReference::default()
    };
    TenantComputeSpec {
        containers: (0..10).map(container).collect(),
        secrets: (0..10).map(secret).collect(),
        labels: (0..10).map(|n| (format!("label-{n}"), format!("value-{n}"))).collect(),
        ..small
    }
}
