//! One at a time makes sure that a tenant has a keeper, or destroys the tenant.
//!
//! Of two keepers that begin at once, one would end at once; one that begins while its tenant is removed would outlive it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landlord_state_machines::id::TenantId;
use tokio::sync::OwnedMutexGuard;

/// Whose turn it is, for each tenant where it is anybody's.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<BTreeMap<TenantId, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn.
    pub(super) async fn take(&self, tenant: &TenantId) -> Turn<'_> {
        let guard = Some(self.of(tenant).lock_owned().await);
        Turn { turns: self, tenant: tenant.clone(), guard }
    }

    /// The turn, unless somebody has it.
    pub(super) fn try_take(&self, tenant: &TenantId) -> Option<Turn<'_>> {
        let guard = Some(self.of(tenant).try_lock_owned().ok()?);
        Some(Turn { turns: self, tenant: tenant.clone(), guard })
    }

    fn of(&self, tenant: &TenantId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.all().entry(tenant.clone()).or_default())
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<TenantId, Arc<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn with a tenant, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    tenant: TenantId,
    /// There until this is dropped.
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turn<'_> {
    /// Whose it is.
    pub(super) fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(guard) = self.guard.take() else { return };
        let turn = Arc::clone(OwnedMutexGuard::mutex(&guard));
        let mut all = self.turns.all();
        drop(guard);
        // The map's own, and this one: nobody else waits.
        if Arc::strong_count(&turn) == 2 {
            all.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_has_it_the_others_wait_and_nothing_is_left_of_it() {
        let turns = Turns::default();
        let id = |name: &str| TenantId::new(name).unwrap();
        let own = turns.take(&id("own")).await;
        assert!(turns.try_take(&id("own")).is_none());
        assert!(turns.try_take(&id("other")).is_some(), "each tenant has its own");
        let own_id = id("own");
        let mut next = std::pin::pin!(turns.take(&own_id));
        assert!(next.as_mut().now_or_never().is_none());
        drop(own);
        assert_eq!(next.await.tenant(), &own_id);
        assert!(turns.all().is_empty());
    }
}
