//! What the tenants of the benchmarks run.

use landlord_compute::machines::spec::{ContainerSpec, ResourceRequirements, TenantComputeSpec};

/// One container, of a provider that does nothing.
pub(crate) fn spec(tenant: &str, image: &str) -> TenantComputeSpec {
    TenantComputeSpec {
        tenant_id: tenant.to_owned(),
        provider_type: "noop".to_owned(),
        containers: vec![ContainerSpec {
            name: "web".to_owned(),
            image: image.to_owned(),
            ..ContainerSpec::default()
        }],
        resources: ResourceRequirements { cpu: 128, memory: 128, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    }
}
