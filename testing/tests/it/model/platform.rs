//! The cloud with the model's provider, as the kit takes it.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{
    ContainerSpec, ResourceRequirements, SecretReference, TenantComputeSpec, VolumeSpec,
};
use landlord_compute::provider::Provider;
use landlord_testing::conformance::{Harm, Patience, Platform, Resource, Unable, Variant};

use super::super::cloud::{Cloud, Part, image};
use super::super::defects::Defect;
use super::{LARGEST, Model, name};

/// The platform with the provider that is tried on it.
pub(crate) struct ModelPlatform {
    cloud: Cloud,
    defect: Option<Defect>,
    secret: String,
    /// The provider that was made last.
    last: Mutex<Weak<Model>>,
}

impl ModelPlatform {
    pub(crate) fn new(defect: Option<Defect>) -> Self {
        Self {
            cloud: Cloud::default(),
            defect,
            secret: "hunter2-0123456789abcdef".to_owned(),
            last: Mutex::default(),
        }
    }
}

#[async_trait]
impl Platform for ModelPlatform {
    fn provider(&self) -> Arc<dyn Provider> {
        let mut last = self.last.lock().expect("no panic in here");
        let second = last.upgrade().is_some();
        let model = Arc::new(Model::new(self.cloud.clone(), self.defect, self.secret.clone(), second));
        *last = Arc::downgrade(&model);
        model
    }

    fn spec(&self, tenant: &TenantId, variant: Variant) -> Result<TenantComputeSpec, Unable> {
        let secret = SecretReference {
            name: "db".to_owned(),
            source: "model".to_owned(),
            key: "db".to_owned(),
            env_var: Some("DB".to_owned()),
            ..SecretReference::default()
        };
        let has_secret = matches!(variant, Variant::Secret | Variant::SecretFailing);
        Ok(TenantComputeSpec {
            tenant_id: tenant.to_string(),
            provider_type: "model".to_owned(),
            containers: vec![ContainerSpec {
                name: "web".to_owned(),
                image: image(variant).to_owned(),
                ..ContainerSpec::default()
            }],
            resources: ResourceRequirements {
                cpu: if variant == Variant::TooLarge { LARGEST + 1 } else { 128 },
                memory: 128,
                storage: None,
                ..ResourceRequirements::default()
            },
            secrets: if has_secret { vec![secret] } else { Vec::new() },
            ..TenantComputeSpec::default()
        })
    }

    async fn resources(&self, tenant: &TenantId) -> Vec<Resource> {
        self.cloud.resources(tenant)
    }

    fn retaining(&self, tenant: &TenantId) -> Result<TenantComputeSpec, Unable> {
        let data = VolumeSpec { name: "data".to_owned(), size_mb: None, persistent: true, retain: true };
        Ok(TenantComputeSpec { volumes: vec![data], ..self.spec(tenant, Variant::First)? })
    }

    async fn retained(&self, tenant: &TenantId) -> Result<Vec<Resource>, Unable> {
        let kept = self.cloud.rows().retained.contains_key(tenant);
        Ok(kept.then(|| Resource { id: "volume".to_owned(), made_from: None }).into_iter().collect())
    }

    async fn replicas(&self, tenant: &TenantId) -> Result<usize, Unable> {
        Ok(self.cloud.apps(tenant))
    }

    async fn serves(&self, tenant: &TenantId) -> Result<bool, Unable> {
        Ok(self.cloud.serves(tenant))
    }

    async fn harm(&self, tenant: &TenantId, harm: Harm) -> Result<(), Unable> {
        self.cloud.harm(tenant, harm);
        Ok(())
    }

    async fn heal(&self, tenant: &TenantId) {
        self.cloud.heal(tenant);
    }

    async fn plant(&self, subject: &Subject) -> Result<(), Unable> {
        let name = name(&subject.tenant, Part::Net, false);
        self.cloud.create(&subject.tenant, name, Part::Net, None, None, Vec::new());
        Ok(())
    }

    fn secret(&self) -> Result<String, Unable> {
        Ok(self.secret.clone())
    }

    fn limits(&self) -> Patience {
        Patience {
            call: Duration::from_secs(300),
            pause: Duration::from_millis(10),
            interruptions: 32,
            parallel: 1,
            ..Patience::default()
        }
    }
}
