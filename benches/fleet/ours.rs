//! The engine: every transition decided by the machine, committed and published.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use landlord_compute::machines::error::ProviderError;
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::result::{
    ComputeStatus, ProvisionResult, ProvisionStatus, UpdateResult, UpdateStatus,
};
use landlord_compute::machines::spec::{ContainerSpec, ResourceRequirements, Spec, TenantComputeSpec};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::{Context, Provider};
use landlord_compute::store::{MemoryOptions, MemoryStore, Store};
use landlord_compute::{Engine, ObservePolicy, Options};

use super::Size;

/// A provider that does nothing.
pub(crate) struct Noop(pub(crate) ProviderName);

#[async_trait]
impl Provider for Noop {
    fn name(&self) -> ProviderName {
        self.0.clone()
    }

    async fn provision(&self, cx: &Context, _: &Spec) -> Result<ProvisionResult, ProviderError> {
        Ok(ProvisionResult {
            tenant_id: cx.subject.tenant.clone(),
            provider_type: self.0.clone(),
            status: ProvisionStatus::Success,
            resource_ids: BTreeMap::new(),
            endpoints: Vec::new(),
            message: None,
            provisioned_at: cx.now(),
        })
    }

    async fn update(&self, cx: &Context, tenant: &TenantId, _: &Spec) -> Result<UpdateResult, ProviderError> {
        Ok(UpdateResult {
            tenant_id: tenant.clone(),
            provider_type: self.0.clone(),
            status: UpdateStatus::Success,
            changes: Vec::new(),
            message: None,
            updated_at: cx.now(),
        })
    }

    async fn destroy(&self, _: &Context, _: &TenantId) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn get_status(&self, _: &Context, tenant: &TenantId) -> Result<ComputeStatus, ProviderError> {
        Err(ProviderError::tenant_not_found(tenant))
    }

    async fn validate(&self, _: &Context, _: &Spec) -> Result<(), ProviderError> {
        Ok(())
    }
}

pub(crate) fn spec(tenant: &str, image: &str) -> TenantComputeSpec {
    TenantComputeSpec {
        tenant_id: tenant.to_owned(),
        provider_type: "noop".to_owned(),
        containers: vec![ContainerSpec {
            name: "web".to_owned(),
            image: image.to_owned(),
            ..ContainerSpec::default()
        }],
        resources: ResourceRequirements { cpu: 128, memory: 128, storage: None },
        ..TenantComputeSpec::default()
    }
}

pub(crate) async fn engine(store: impl Store) -> Engine {
    let noop = Noop(ProviderName::new("noop").expect("a valid name"));
    Engine::builder(store).provider(noop).observe(ObservePolicy::Off).start().await.expect("it starts")
}

pub(crate) fn in_memory(size: Size) -> Duration {
    super::runtime().block_on(lifecycle(MemoryStore::new(MemoryOptions::default()), size))
}

pub(crate) fn in_sqlite(size: Size) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let store = super::idle::sqlite(folder.path());
    // Many more clients wait for the disk together than for memory.
    let size = Size { clients: size.clients * 32, ..size };
    super::runtime().block_on(lifecycle(store, size))
}

async fn lifecycle(store: impl Store, size: Size) -> Duration {
    let engine = Arc::new(engine(store).await);
    let began = Instant::now();
    let clients = (0..size.clients).map(|client| {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            for n in (client..size.tenants).step_by(size.clients) {
                let id = format!("tenant-{n}");
                let tenant = engine.tenant(TenantId::new(&id).expect("valid"));
                let provisioned =
                    tenant.provision(spec(&id, "v1"), Options::default()).await.expect("accepted");
                assert_eq!(provisioned.await.expect("settles"), Settled::Done);
                let updated = tenant.update(spec(&id, "v2"), Options::default()).await.expect("accepted");
                assert_eq!(updated.await.expect("settles"), Settled::Done);
                let destroyed = tenant.destroy(Options::default()).await.expect("accepted");
                assert_eq!(destroyed.await.expect("settles"), Settled::Done);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("no panic");
    }
    let took = began.elapsed();
    assert_eq!(engine.head().0 as usize, size.tenants * super::TRANSITIONS, "every transition was published");
    took
}
