//! The provider over the fake, and the specs that it is given.

use landlord_compute::machines::spec::{
    ContainerSpec, HealthCheckConfig, PortMapping, ResourceRequirements, TenantComputeSpec,
};
use landlord_provider_ecs::{
    Credentials, EcsOptions, EcsProvider, SharedCredentialsProvider, SharedHttpClient,
};
use serde_json::{Value, json};

use super::fake::{Fake, REGION, Server, held_client};

/// A provider with as good as no budget of its own. `defaults` are over those that every test needs.
pub(crate) fn provider(fake: &Fake, defaults: Value) -> EcsProvider {
    provider_of("test", fake, defaults, 1_000)
}

/// The same with these keys, and so many times the quotas of AWS.
pub(crate) fn provider_of(key: &str, fake: &Fake, defaults: Value, quota_factor: u32) -> EcsProvider {
    made(key, fake.client(), defaults, quota_factor)
}

/// A provider whose requests go through sockets, on simulated time.
pub(crate) fn provider_over_http(server: &Server) -> EcsProvider {
    made("test", held_client(), json!({ "endpoint_url": server.url() }), 1_000)
}

fn made(key: &str, http: SharedHttpClient, defaults: Value, quota_factor: u32) -> EcsProvider {
    let mut options = EcsOptions::new(json!({
        "region": REGION,
        "subnets": ["subnet-1"],
        "execution_role_arn": "arn:aws:iam::123456789012:role/execution",
    }));
    if let (Some(under), Some(over)) = (options.defaults.as_object_mut(), defaults.as_object()) {
        under.extend(over.clone());
    }
    let keys = Credentials::new(key, "secret", None, None, "tests");
    options.credentials = Some(SharedCredentialsProvider::new(keys));
    options.http_client = Some(http);
    options.quota_factor = quota_factor;
    EcsProvider::new(options).expect("good options")
}

/// A spec with this program: the fake tells from its name what becomes of it.
pub(crate) fn spec(tenant: &str, program: &str) -> TenantComputeSpec {
    let check = HealthCheckConfig {
        kind: "exec".to_owned(),
        http_path: None,
        port: None,
        command: vec!["true".to_owned()],
        interval_seconds: 10,
        timeout_seconds: 5,
        healthy_threshold: 1,
        unhealthy_threshold: 3,
        start_period_seconds: None,
        ..HealthCheckConfig::default()
    };
    let port = PortMapping { container_port: 80, protocol: "tcp".to_owned(), ..PortMapping::default() };
    TenantComputeSpec {
        tenant_id: tenant.to_owned(),
        provider_type: "ecs".to_owned(),
        containers: vec![ContainerSpec {
            name: "web".to_owned(),
            image: format!("registry.test/{program}:1"),
            ports: vec![port],
            health_check: Some(check),
            ..ContainerSpec::default()
        }],
        resources: ResourceRequirements { cpu: 256, memory: 512, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    }
}
