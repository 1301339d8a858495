//! A provider that is shared is a provider.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{ProviderName, TenantId};
use landlord_state_machines::members::Site;
use landlord_state_machines::observation::Observation;
use landlord_state_machines::spec::{Field, Spec, Support};
use landlord_state_machines::status::{ComputeStatus, ProvisionResult, UpdateResult};
use serde_json::Value;

use super::{
    Capabilities, Context, Destroyed, Lease, LogLine, LogQuery, Looked, OwnedTenant, Plan, Provider, Quotas,
    Released,
};
use crate::clock::Clock;

#[async_trait]
impl<P: Provider + ?Sized> Provider for Arc<P> {
    fn name(&self) -> ProviderName {
        (**self).name()
    }

    fn kind(&self) -> Cow<'static, str> {
        (**self).kind()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        (**self).provision(cx, spec).await
    }

    async fn update(
        &self,
        cx: &Context,
        tenant_id: &TenantId,
        spec: &Spec,
    ) -> Result<UpdateResult, ProviderError> {
        (**self).update(cx, tenant_id, spec).await
    }

    async fn destroy(&self, cx: &Context, tenant_id: &TenantId) -> Result<Destroyed, ProviderError> {
        (**self).destroy(cx, tenant_id).await
    }

    async fn release(&self, cx: &Context, tenant_id: &TenantId) -> Result<Released, ProviderError> {
        (**self).release(cx, tenant_id).await
    }

    async fn get_status(&self, cx: &Context, tenant_id: &TenantId) -> Result<ComputeStatus, ProviderError> {
        (**self).get_status(cx, tenant_id).await
    }

    async fn validate(&self, cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
        (**self).validate(cx, spec).await
    }

    fn config_schema(&self) -> Value {
        (**self).config_schema()
    }

    fn config_defaults(&self) -> Value {
        (**self).config_defaults()
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    async fn site(&self) -> Result<Option<Site>, ProviderError> {
        (**self).site().await
    }

    fn leased(&self, lease: Lease) {
        (**self).leased(lease);
    }

    fn rationed(&self, quotas: Arc<dyn Quotas>) {
        (**self).rationed(quotas);
    }

    fn support(&self, field: Field) -> Support {
        (**self).support(field)
    }

    fn remarks(&self, spec: &Spec) -> Vec<String> {
        (**self).remarks(spec)
    }

    async fn plan(&self, cx: &Context, tenant_id: &TenantId, spec: &Spec) -> Result<Plan, ProviderError> {
        (**self).plan(cx, tenant_id, spec).await
    }

    fn statuses<'a>(&'a self, tenants: BoxStream<'a, Context>) -> Option<BoxStream<'a, Looked>> {
        (**self).statuses(tenants)
    }

    async fn logs(
        &self,
        cx: &Context,
        tenant_id: &TenantId,
        query: &LogQuery,
    ) -> Result<Option<BoxStream<'static, Result<LogLine, ProviderError>>>, ProviderError> {
        (**self).logs(cx, tenant_id, query).await
    }

    async fn list_tenants(&self, engine: &str) -> Result<Vec<OwnedTenant>, ProviderError> {
        (**self).list_tenants(engine).await
    }

    fn observe(&self, engine: &str, clock: Arc<dyn Clock>) -> Option<BoxStream<'static, Observation>> {
        (**self).observe(engine, clock)
    }
}
