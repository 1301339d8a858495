//! Where many tenants end at once: the signals of all of them go out before anything is removed of the first ones.

use std::collections::BTreeSet;
use std::time::Duration;

use landlord_state_machines::id::TenantId;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a removal waits for the signals of other tenants.
const PATIENCE: Duration = Duration::from_secs(1);

/// The tenants that are being destroyed and were not told to end yet.
#[derive(Debug)]
pub(super) struct Stops(watch::Sender<BTreeSet<TenantId>>);

impl Default for Stops {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeSet::new()))
    }
}

impl Stops {
    /// A tenant is being destroyed, until what this returns is dropped.
    pub(super) fn begin(&self, tenant: &TenantId) -> Stopping<'_> {
        self.0.send_if_modified(|to_stop| {
            to_stop.insert(tenant.clone());
            // Nobody waits for more of them.
            false
        });
        Stopping { stops: self, tenant: tenant.clone() }
    }

    /// A tenant was told to end.
    pub(super) fn is_out(&self, tenant: &TenantId) {
        self.0.send_if_modified(|to_stop| to_stop.remove(tenant) && to_stop.is_empty());
    }

    /// Something of a tenant is about to be removed. Returns when all others were told to end, or after a while.
    pub(super) async fn let_out_first(&self, tenant: &TenantId) {
        self.is_out(tenant);
        let all_out = async {
            let mut stops = self.0.subscribe();
            // The sender lives as long as this.
            let _lives = stops.wait_for(BTreeSet::is_empty).await.map(drop);
        };
        // One that cannot be told does not keep the others.
        let _late = timeout(PATIENCE, all_out).await;
    }
}

/// A tenant that is being destroyed.
#[derive(Debug)]
pub(super) struct Stopping<'a> {
    stops: &'a Stops,
    tenant: TenantId,
}

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.stops.is_out(&self.tenant);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_removal_waits_until_the_others_were_told_to_end_and_not_for_ever() {
        let stops = Stops::default();
        let id = |name: &str| TenantId::new(name).unwrap();
        let tenant = id("own");
        let (own, other) = (stops.begin(&tenant), stops.begin(&id("other")));
        let mut removal = std::pin::pin!(stops.let_out_first(&tenant));
        assert_eq!(removal.as_mut().now_or_never(), None);
        stops.is_out(&other.tenant);
        removal.await;
        // One that was given up is not waited for.
        drop((own, stops.begin(&id("dropped"))));
        assert_eq!(stops.let_out_first(&tenant).now_or_never(), Some(()));

        let hangs = stops.begin(&id("hangs"));
        stops.let_out_first(&tenant).await;
        drop(hangs);
    }
}
