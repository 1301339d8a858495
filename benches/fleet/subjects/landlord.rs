//! The engine: every transition decided by the machine, committed and published.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use landlord_compute::machines::error::ProviderError;
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::spec::Spec;
use landlord_compute::machines::status::{
    ComputeStatus, ProvisionResult, ProvisionStatus, UpdateResult, UpdateStatus,
};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::{Capabilities, Context, Destroyed, Provider};
use landlord_compute::store::Store;
use landlord_compute::{Engine, EngineBuilder, ObservePolicy, Options, TenantHandle};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};

use super::fleet::{Call, Fleet};
use super::toy::Command;
use crate::spec::spec;

/// As many calls at once as an engine takes on by default: none waits for its turn, as none does of the baselines.
const CALLS: usize = 200_000;

/// A provider whose calls do nothing but this.
pub(crate) struct Noop {
    name: ProviderName,
    call: Call,
}

impl Noop {
    pub(crate) fn new(call: Call) -> Self {
        Self { name: ProviderName::new("noop").expect("a valid name"), call }
    }
}

#[async_trait]
impl Provider for Noop {
    fn name(&self) -> ProviderName {
        self.name.clone()
    }

    async fn provision(&self, cx: &Context, _: &Spec) -> Result<ProvisionResult, ProviderError> {
        self.call.clone().make(number(&cx.subject.tenant)).await;
        Ok(ProvisionResult {
            tenant_id: cx.subject.tenant.clone(),
            provider_type: self.name.clone(),
            status: ProvisionStatus::Success,
            resource_ids: BTreeMap::new(),
            endpoints: Vec::new(),
            message: None,
            provisioned_at: cx.now(),
        })
    }

    async fn update(&self, cx: &Context, tenant: &TenantId, _: &Spec) -> Result<UpdateResult, ProviderError> {
        self.call.clone().make(number(tenant)).await;
        Ok(UpdateResult {
            tenant_id: tenant.clone(),
            provider_type: self.name.clone(),
            status: UpdateStatus::Success,
            changes: Vec::new(),
            message: None,
            updated_at: cx.now(),
        })
    }

    async fn destroy(&self, _: &Context, tenant: &TenantId) -> Result<Destroyed, ProviderError> {
        self.call.clone().make(number(tenant)).await;
        Ok(Destroyed::default())
    }

    async fn get_status(&self, _: &Context, tenant: &TenantId) -> Result<ComputeStatus, ProviderError> {
        Err(ProviderError::tenant_not_found(tenant))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().max_concurrent_calls(CALLS)
    }

    async fn validate(&self, _: &Context, _: &Spec) -> Result<(), ProviderError> {
        Ok(())
    }
}

pub(crate) fn tenant_name(number: usize) -> String {
    format!("tenant-{number:07}")
}

fn number(tenant: &TenantId) -> usize {
    let number = tenant.as_str().strip_prefix("tenant-").and_then(|number| number.parse().ok());
    number.expect("a name of this program")
}

/// The store of a folder. As an embedder makes it: with the options' defaults.
pub(crate) fn sqlite(folder: &Path) -> SqliteStore {
    SqliteStore::new(SqliteOptions::new(folder.join("fleet.db")))
}

/// An engine with its defaults, but that nothing is looked after: running tenants would be asked for their status
/// meanwhile, which the baselines do not do.
pub(crate) fn builder(store: impl Store, call: Call) -> EngineBuilder {
    Engine::builder(store).provider(Noop::new(call)).observe(ObservePolicy::Off)
}

/// The tenants of an engine.
#[derive(Clone)]
pub(crate) struct Tenants(pub(crate) Arc<Engine>);

impl Tenants {
    pub(crate) async fn of(builder: EngineBuilder) -> Self {
        Self(Arc::new(builder.start().await.expect("it starts")))
    }

    /// Every transition was published: nothing was left out to be fast.
    pub(crate) fn check(&self, transitions: usize) {
        assert_eq!(self.0.head().0 as usize, transitions, "every transition was published");
    }
}

impl Fleet for Tenants {
    type Tenant = TenantHandle;
    /// The engine has all, and a tenant is found by its id.
    type Kept = ();

    fn keep(_: TenantHandle) {}

    async fn create(&self, number: usize) -> TenantHandle {
        self.0.tenant(TenantId::new(&tenant_name(number)).expect("valid"))
    }

    async fn begin(&self, tenant: &TenantHandle, command: Command) -> impl Future<Output = ()> + Send {
        let (id, options) = (tenant.id().as_str(), Options::default());
        let accepted = match command {
            Command::Provision => tenant.provision(spec(id, "v1"), options).await,
            Command::Update => tenant.update(spec(id, "v2"), options).await,
            Command::Destroy => tenant.destroy(options).await,
        };
        let operation = accepted.expect("accepted");
        async { assert_eq!(operation.await.expect("settles"), Settled::Done) }
    }
}
