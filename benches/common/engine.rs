//! An engine with a provider that does nothing.

use std::collections::BTreeMap;

use async_trait::async_trait;
use landlord_compute::machines::error::ProviderError;
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::spec::Spec;
use landlord_compute::machines::status::{
    ComputeStatus, ProvisionResult, ProvisionStatus, UpdateResult, UpdateStatus,
};
use landlord_compute::provider::{Capabilities, Context, Destroyed, Provider};
use landlord_compute::store::Store;
use landlord_compute::{Engine, EngineBuilder, Limits, ObservePolicy};
use tokio::runtime::Runtime;

/// On the thread that measures, so that waking another one is not what is measured.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub(crate) fn builder(store: impl Store, limits: Limits) -> EngineBuilder {
    let noop = Noop(ProviderName::new("noop").expect("valid"));
    Engine::builder(store).provider(noop).observe(ObservePolicy::Off).limits(limits)
}

struct Noop(ProviderName);

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

    async fn destroy(&self, _: &Context, _: &TenantId) -> Result<Destroyed, ProviderError> {
        Ok(Destroyed::default())
    }

    async fn get_status(&self, _: &Context, tenant: &TenantId) -> Result<ComputeStatus, ProviderError> {
        Err(ProviderError::tenant_not_found(tenant))
    }

    /// As many calls at once as an engine takes on by default, so that none waits for its turn.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default().max_concurrent_calls(200_000)
    }

    async fn validate(&self, _: &Context, _: &Spec) -> Result<(), ProviderError> {
        Ok(())
    }
}
