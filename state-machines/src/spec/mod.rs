//! What a tenant should run (CONTRACT.md, "Wire types").
//!
//! A caller's text becomes a [`TenantComputeSpec`] (`read`), that becomes a checked [`Spec`] (`validate`), and
//! two of these are compared field by field ([`changes()`]).

mod changes;
mod container;
mod document;
mod draft;
mod field;
mod health;
mod image;
mod invalid;
mod length;
mod normalize;
pub(crate) mod path;
mod printing;
mod read;
mod resources;
mod tenant;
mod validate;
pub mod variables;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::id::{ProviderName, TenantId};

pub use changes::{Difference, FieldChange, changes, differences};
pub use container::{
    Condition, ContainerSpec, Dependency, Exposure, ExposureLevel, FileSpec, ImagePull, MountSpec,
    PortMapping, PullPolicy, Role, StopConfig, StopSignal,
};
pub use document::{Format, MAX_DEPTH, MAX_DOCUMENT_BYTES, SpecError};
pub use draft::Draft;
pub use field::{Asked, Field, Support, schema};
pub use health::{HealthCheckConfig, Scheme};
pub use image::oci_image_problem;
pub use invalid::{Invalid, MAX_PROBLEMS, Problem};
pub use resources::{ResourceRequests, ResourceRequirements};
pub use tenant::{
    DnsConfig, NetworkConfig, Replicas, SecretReference, TenantComputeSpec, UpdateConfig, UpdateOrder,
    VolumeSpec,
};

/// A checked and normalised [`TenantComputeSpec`]. Cheap to clone; two are equal when callers sent the same.
///
/// One that comes from a store was checked by the rules of the time when it was stored
/// ([`from_stored_json`](Self::from_stored_json)); today's may refuse it.
#[derive(Clone, PartialEq)]
pub struct Spec(Arc<Checked>);

#[derive(PartialEq)]
struct Checked {
    tenant: TenantId,
    provider: ProviderName,
    body: TenantComputeSpec,
}

impl Spec {
    /// The tenant this is for.
    pub fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    /// The provider that runs it. Only the engine knows whether it is registered.
    pub fn provider(&self) -> &ProviderName {
        &self.0.provider
    }

    /// Whether another spec differs in [`deletion_protection`](TenantComputeSpec::deletion_protection), and in nothing else.
    pub fn differs_in_protection_alone(&self, other: &Self) -> bool {
        let deletion_protection = self.deletion_protection;
        // Rarely so: only then is a spec copied.
        deletion_protection != other.deletion_protection
            && **self == TenantComputeSpec { deletion_protection, ..(**other).clone() }
    }

    /// The same spec with another `provider_config`: what a provider makes of it with its operator's defaults.
    #[must_use]
    pub fn with_provider_config(&self, config: Value) -> Self {
        let Checked { tenant, provider, body } = &*self.0;
        let body = TenantComputeSpec { provider_config: Some(config), ..body.clone() };
        Self(Arc::new(Checked { tenant: tenant.clone(), provider: provider.clone(), body }))
    }
}

/// Whether what comes after a name, and after that, leads back to it.
fn leads_back<'n, N: Iterator<Item = &'n str>>(name: &'n str, after: impl Fn(&'n str) -> N) -> bool {
    let mut seen: Vec<&str> = Vec::new();
    let mut next: Vec<&str> = vec![name];
    while let Some(at) = next.pop() {
        for other in after(at) {
            if other == name {
                return true;
            }
            if !seen.contains(&other) {
                seen.push(other);
                next.push(other);
            }
        }
    }
    false
}

/// Whether a value is what an absent field reads as.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { tenant, provider, body } = &*self.0;
        f.debug_struct("Spec")
            .field("tenant", tenant)
            .field("provider", provider)
            .field("body", body)
            .finish()
    }
}

impl Deref for Spec {
    type Target = TenantComputeSpec;
    fn deref(&self) -> &TenantComputeSpec {
        &self.0.body
    }
}

/// Written as its normalised [`TenantComputeSpec`]; [`Spec::from_stored_json`] reads it back.
impl Serialize for Spec {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.body.serialize(to)
    }
}
