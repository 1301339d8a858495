//! A provider of one's own: a tenant is a file in a folder. `cargo run --example custom_provider`
//!
//! Six methods are all that is needed; everything else (retries, undo, serial calls, recovery) is the engine's.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::io::ErrorKind::NotFound;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{NameError, ProviderName, TenantId};
use landlord_compute::machines::spec::{Spec, TenantComputeSpec};
use landlord_compute::machines::status::{
    ComputeState, ComputeStatus, ContainerStatus, Health, ProvisionResult, ProvisionStatus, UpdateResult,
    UpdateStatus,
};
use landlord_compute::provider::{Context, Destroyed, Provider};
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_compute::{Engine, Options};

struct Files {
    name: ProviderName,
    folder: PathBuf,
}

impl Files {
    fn new(folder: PathBuf) -> Result<Self, NameError> {
        Ok(Self { name: ProviderName::new("files")?, folder })
    }

    fn file(&self, tenant: &TenantId) -> PathBuf {
        self.folder.join(tenant.as_str())
    }

    async fn read(&self, tenant: &TenantId) -> Result<Option<String>, ProviderError> {
        match tokio::fs::read_to_string(self.file(tenant)).await {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == NotFound => Ok(None),
            Err(error) => Err(failed(ErrorKind::StatusFailed, error)),
        }
    }

    async fn write(&self, tenant: &TenantId, spec: &Spec, kind: ErrorKind) -> Result<(), ProviderError> {
        let text = serde_json::to_string(spec).map_err(|error| failed(kind, error.into()))?;
        tokio::fs::write(self.file(tenant), text).await.map_err(|error| failed(kind, error))
    }
}

/// Disks recover; the engine tries again.
fn failed(kind: ErrorKind, error: std::io::Error) -> ProviderError {
    ProviderError::new(kind, Remedy::Retry, ErrorCode::ProviderUnavailable, error.to_string())
        .with_source(error)
}

#[async_trait]
impl Provider for Files {
    fn name(&self) -> ProviderName {
        self.name.clone()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        let tenant = &cx.subject.tenant;
        self.write(tenant, spec, ErrorKind::ProvisionFailed).await?;
        Ok(ProvisionResult {
            tenant_id: tenant.clone(),
            provider_type: self.name(),
            status: ProvisionStatus::Success,
            resource_ids: BTreeMap::from([("file".to_owned(), self.file(tenant).display().to_string())]),
            endpoints: Vec::new(),
            message: None,
            provisioned_at: cx.now(),
        })
    }

    async fn update(
        &self,
        cx: &Context,
        tenant: &TenantId,
        spec: &Spec,
    ) -> Result<UpdateResult, ProviderError> {
        if self.read(tenant).await?.is_none() {
            return Err(ProviderError::tenant_not_found(tenant));
        }
        self.write(tenant, spec, ErrorKind::UpdateFailed).await?;
        Ok(UpdateResult {
            tenant_id: tenant.clone(),
            provider_type: self.name(),
            status: UpdateStatus::Success,
            changes: vec!["the file was written again".to_owned()],
            message: None,
            updated_at: cx.now(),
        })
    }

    async fn destroy(&self, _: &Context, tenant: &TenantId) -> Result<Destroyed, ProviderError> {
        match tokio::fs::remove_file(self.file(tenant)).await {
            Err(error) if error.kind() != NotFound => Err(failed(ErrorKind::DestroyFailed, error)),
            Ok(()) | Err(_) => Ok(Destroyed::default()),
        }
    }

    async fn get_status(&self, cx: &Context, tenant: &TenantId) -> Result<ComputeStatus, ProviderError> {
        if self.read(tenant).await?.is_none() {
            return Err(ProviderError::tenant_not_found(tenant));
        }
        let container = ContainerStatus {
            name: "file".to_owned(),
            state: ComputeState::Running,
            ready: true,
            restart_count: 0,
            message: None,
        };
        Ok(ComputeStatus {
            tenant_id: tenant.clone(),
            provider_type: self.name(),
            state: ComputeState::Running,
            containers: vec![container],
            health: Health::Healthy,
            last_updated: cx.now(),
            metadata: BTreeMap::new(),
        })
    }

    async fn validate(&self, _: &Context, _: &Spec) -> Result<(), ProviderError> {
        Ok(())
    }
}

const SPEC: &str = "
tenant_id: acme
provider_type: files
containers: [{ name: page, image: none }]
resources: { cpu: 128, memory: 128 }
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let provider = Files::new(folder.path().to_owned())?;
    let engine =
        Engine::builder(MemoryStore::new(MemoryOptions::default())).provider(provider).start().await?;
    let acme = engine.tenant(TenantId::new("acme")?);
    let spec = TenantComputeSpec::from_yaml(SPEC)?;
    println!("provisioned: {}", acme.provision(spec, Options::default()).await?.await?);
    println!("its file: {}", std::fs::read_to_string(folder.path().join("acme"))?);
    println!("destroyed: {}", acme.destroy(Options::default()).await?.await?);
    println!("its file is there: {}", folder.path().join("acme").exists());
    engine.shutdown(Duration::from_secs(10)).await?;
    Ok(())
}
