//! The leak sweep: what platforms hold, compared with what the records say.
//!
//! A record is read before and after the platform is asked, so that only what was at rest meanwhile is judged: a tenant
//! whose operation is on its way, or whose record changed, is left for the next sweep. Looking changes nothing.
//! [`Engine::reclaim`](crate::Engine::reclaim) removes an orphan, by an operation of its tenant like any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{Incarnation, ProviderName, Revision, TenantId};
use landlord_state_machines::sweep::{Claim, Orphaned, Tagged, claim, expected};
use landlord_state_machines::tenant::{Record, StateName};
use serde::Serialize;

use crate::provider::{OwnedTenant, Provider, RegistryError};
use crate::store::{Reads, StoreError, TenantFilter};

/// How many running tenants are read at a time.
const PAGE: usize = 512;

/// Why a sweep has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// No such provider is registered.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The provider cannot say what it holds.
    #[error("provider {0} cannot list what it holds, so it cannot be swept; look at its platform by hand")]
    CannotList(ProviderName),
    /// The platform did not say what it holds.
    #[error("provider {provider} did not say what it holds: {source}")]
    Platform {
        /// Which.
        provider: ProviderName,
        /// Why.
        source: ProviderError,
    },
    /// The records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a platform holds that no record explains, and the other way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sweep {
    /// Whose platform was looked at.
    pub provider: ProviderName,
    /// For what name of an engine. What others own is not listed.
    pub engine: Arc<str>,
    /// How many tenants, in how many of their lives, hold something there.
    pub listed: usize,
    /// What belongs to nobody.
    pub orphans: Vec<Orphan>,
    /// What is there on purpose. A release removes it, and nothing else does.
    pub retained: Vec<OnPurpose>,
    /// Who should run there, and holds nothing.
    pub missing: Vec<Missing>,
    /// Who could not be judged: an operation is on its way, or the record changed meanwhile.
    pub unsettled: Vec<TenantId>,
}

/// Something on a platform that belongs to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Orphan {
    /// The tenant that its tags name.
    pub tenant_id: TenantId,
    /// The life that its tags name.
    pub incarnation: Incarnation,
    /// Where it is.
    pub provider: ProviderName,
    /// What there is.
    pub resources: BTreeMap<String, String>,
    /// Why it belongs to nobody.
    pub why: Orphaned,
    /// The tenant's revision then; at another one this is not true any more.
    pub revision: Revision,
}

/// What a life of a tenant retained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OnPurpose {
    /// The tenant that its tags name.
    pub tenant_id: TenantId,
    /// The life that its tags name.
    pub incarnation: Incarnation,
    /// What there is.
    pub resources: BTreeMap<String, String>,
}

/// A tenant that should run, and holds nothing on its platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Who.
    pub tenant_id: TenantId,
    /// In which life.
    pub incarnation: Incarnation,
    /// Its revision then.
    pub revision: Revision,
}

/// What a provider lists: what there is of each tenant's life, by what its tags say.
type Listed = BTreeMap<(TenantId, Incarnation, Tagged), BTreeMap<String, String>>;

/// Compares what `provider` holds for `engine` with the records in `store`. Changes nothing and needs no engine, so
/// that a store can be looked at beside the engine that has it. Takes as long as the platform takes to list twice.
///
/// # Errors
/// [`SweepError`]; a provider that cannot list is one.
pub async fn sweep(
    store: &dyn Reads,
    provider: &dyn Provider,
    engine: &Arc<str>,
) -> Result<Sweep, SweepError> {
    let name = provider.name();
    if !provider.capabilities().lists_tenants {
        return Err(SweepError::CannotList(name));
    }
    let first = list(provider, engine).await?;
    let suspects = suspects(store, &name, &first).await?;
    // If a suspect's record is still the same, the record and the platform were seen at one moment.
    let second = if suspects.is_empty() { first } else { list(provider, engine).await? };
    let mut sweep = Sweep {
        provider: name,
        engine: Arc::clone(engine),
        listed: second.keys().filter(|(_, _, tagged)| *tagged == Tagged::Held).count(),
        orphans: Vec::new(),
        retained: second.iter().filter_map(OnPurpose::of).collect(),
        missing: Vec::new(),
        unsettled: Vec::new(),
    };
    for (tenant, revision) in suspects {
        let record = store.load(&tenant).await?;
        if record.revision() == revision {
            sweep.judge(&record, &second);
        } else {
            sweep.unsettled.push(tenant);
        }
    }
    Ok(sweep)
}

impl OnPurpose {
    fn of(
        ((tenant, incarnation, tagged), resources): (
            &(TenantId, Incarnation, Tagged),
            &BTreeMap<String, String>,
        ),
    ) -> Option<Self> {
        match tagged {
            Tagged::Held => None,
            Tagged::Retained => Some(Self {
                tenant_id: tenant.clone(),
                incarnation: *incarnation,
                resources: resources.clone(),
            }),
        }
    }
}

impl Sweep {
    /// Whether the platform holds what the records say.
    pub fn is_clean(&self) -> bool {
        self.orphans.is_empty() && self.missing.is_empty()
    }

    fn judge(&mut self, record: &Record, listed: &Listed) {
        let (tenant, revision) = (record.id(), record.revision());
        let lives = (tenant.clone(), Incarnation(0), Tagged::Held)
            ..=(tenant.clone(), Incarnation(u64::MAX), Tagged::Retained);
        for ((_, incarnation, tagged), resources) in listed.range(lives) {
            match claim(record, &self.provider, *incarnation, *tagged) {
                Claim::Its | Claim::Retained => {}
                Claim::Unsettled => self.unsettled.push(tenant.clone()),
                Claim::Nobodys(why) => self.orphans.push(Orphan {
                    tenant_id: tenant.clone(),
                    incarnation: *incarnation,
                    provider: self.provider.clone(),
                    resources: resources.clone(),
                    why,
                    revision,
                }),
            }
        }
        if let Some(incarnation) = expected(record, &self.provider)
            && !listed.contains_key(&(tenant.clone(), incarnation, Tagged::Held))
        {
            self.missing.push(Missing { tenant_id: tenant.clone(), incarnation, revision });
        }
    }
}

async fn list(provider: &dyn Provider, engine: &str) -> Result<Listed, SweepError> {
    let platform = |source| SweepError::Platform { provider: provider.name(), source };
    let mut listed = Listed::new();
    for OwnedTenant { tenant, incarnation, resources, retained } in
        provider.list_tenants(engine).await.map_err(platform)?
    {
        // Who is listed with nothing at all holds something that has no name.
        if !resources.is_empty() || retained.is_empty() {
            listed.entry((tenant.clone(), incarnation, Tagged::Held)).or_default().extend(resources);
        }
        if !retained.is_empty() {
            listed.entry((tenant, incarnation, Tagged::Retained)).or_default().extend(retained);
        }
    }
    Ok(listed)
}

/// The tenants for which the list and the records differ, with the revision of the record.
async fn suspects(
    store: &dyn Reads,
    provider: &ProviderName,
    listed: &Listed,
) -> Result<BTreeMap<TenantId, Revision>, SweepError> {
    let mut suspects = BTreeMap::new();
    for (tenant, incarnation, tagged) in listed.keys() {
        let record = store.load(tenant).await?;
        match claim(&record, provider, *incarnation, *tagged) {
            Claim::Its | Claim::Retained => {}
            Claim::Unsettled | Claim::Nobodys(_) => {
                suspects.insert(tenant.clone(), record.revision());
            }
        }
    }
    let running = TenantFilter {
        state: Some(StateName::Running),
        provider: Some(provider.clone()),
        ..TenantFilter::default()
    };
    let mut after = None;
    loop {
        let page = store.list(&running, after, PAGE).await?;
        for tenant in page.items {
            if !listed.contains_key(&(tenant.id.clone(), tenant.incarnation, Tagged::Held)) {
                suspects.insert(tenant.id.clone(), tenant.revision);
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(suspects),
        }
    }
}
