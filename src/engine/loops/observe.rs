//! Looks after running tenants: takes in what platforms report, and asks those that do not.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use landlord_state_machines::error::ErrorKind;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::observation::{Observation, Seen};
use landlord_state_machines::tenant::{StateName, Tenant};

use crate::engine::actor::Message;
use crate::engine::core::Core;
use crate::provider::registry::Registered;
use crate::provider::{Initiator, STATUS_WITHIN};
use crate::store::TenantFilter;

/// How many running tenants are read at a time.
const PAGE: usize = 64;
/// How long after its end a platform's stream is opened again.
const REOPEN: Duration = Duration::from_secs(5);

/// Listens to what one platform reports, until the engine ends.
pub(crate) async fn listen(core: Weak<Core>, registered: Arc<Registered>) {
    loop {
        let Some(strong) = core.upgrade() else { return };
        let closing = Arc::clone(&strong.closing);
        let Some(mut stream) = registered.provider.observe(&strong.opened.engine, Arc::clone(&strong.clock))
        else {
            return;
        };
        drop(strong);
        loop {
            let observation = tokio::select! {
                _ = closing.closed() => return,
                observation = AssertUnwindSafe(stream.next()).catch_unwind() => observation,
            };
            // A stream that panicked, like one that ended, is opened again.
            let (Ok(Some(observation)), Some(core)) = (observation, core.upgrade()) else { break };
            let tenant = observation.tenant.clone();
            core.calls.ring(&tenant);
            core.tell(&tenant, Message::Observed(observation));
        }
        tokio::select! {
            _ = closing.closed() => return,
            () = tokio::time::sleep(REOPEN) => {}
        }
    }
}

/// Asks for every running tenant in turn, at a bounded rate, until the engine ends.
pub(crate) async fn patrol(core: Weak<Core>, every: Duration, per_second: u32) {
    let pace = Duration::from_secs(1) / per_second.max(1);
    let filter = TenantFilter { state: Some(StateName::Running), provider: None };
    let Some(closing) = core.upgrade().map(|core| Arc::clone(&core.closing)) else { return };
    let round = async {
        loop {
            let mut after: Option<TenantId> = None;
            let Some(begun) = core.upgrade().map(|core| core.now()) else { return };
            let whole = loop {
                let Some(core) = core.upgrade() else { return };
                let page = match core.store.list(&filter, after.take(), PAGE).await {
                    Ok(page) => page,
                    Err(error) => {
                        tracing::warn!(%error, "cannot read the running tenants; trying again");
                        break false;
                    }
                };
                let asked = page.items.len() as u32;
                futures_util::stream::iter(page.items)
                    .for_each_concurrent(8, |tenant| look(Arc::clone(&core), tenant))
                    .await;
                drop(core);
                tokio::time::sleep(pace * asked).await;
                match page.next {
                    Some(next) => after = Some(next),
                    None => break true,
                }
            };
            if whole {
                let Some(core) = core.upgrade() else { return };
                core.store.looked(begun).await;
            }
            // Spread, so that engines that were started together do not stay in step.
            tokio::time::sleep(every.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        }
    };
    tokio::select! {
        _ = closing.closed() => {}
        () = round => {}
    }
}

/// Asks for one tenant. An answer without news does not wake its actor.
async fn look(core: Arc<Core>, tenant: Arc<Tenant>) {
    let Ok(registered) = core.registry.get(tenant.provider.as_str()) else { return };
    let begun = core.now();
    let cx = core.look_context(&tenant, Initiator::Engine);
    // A panic of one provider over one tenant ends no other look (I7).
    let status = AssertUnwindSafe(registered.provider.get_status(&cx, &tenant.id)).catch_unwind();
    let seen = match tokio::time::timeout(STATUS_WITHIN, status).await {
        Ok(Ok(Ok(status))) => Seen::from_status(&status),
        Ok(Ok(Err(error))) if error.kind == ErrorKind::TenantNotFound => {
            Seen::Broken("nothing of it is there".into())
        }
        Ok(Ok(Err(_)) | Err(_)) | Err(_) => Seen::Unclear,
    };
    let news = match &seen {
        Seen::Unclear => false,
        Seen::Healthy => tenant.health != landlord_state_machines::status::Health::Healthy,
        Seen::Unhealthy(_) | Seen::Broken(_) => true,
    };
    if news {
        core.tell(&tenant.id, Message::Observed(Observation { tenant: tenant.id.clone(), begun, seen }));
    }
}
