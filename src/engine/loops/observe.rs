//! Looks after running tenants: takes in what platforms report, and asks those that do not.

use std::collections::HashSet;
use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use landlord_state_machines::error::{ErrorKind, ProviderError};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::observation::{Observation, Seen};
use landlord_state_machines::status::{ComputeStatus, Health};
use landlord_state_machines::tenant::{StateName, Tenant};

use crate::engine::actor::Message;
use crate::engine::core::Core;
use crate::provider::registry::Registered;
use crate::provider::{Initiator, Looked, STATUS_WITHIN};
use crate::store::{Page, TenantFilter};
use crate::telemetry::LookEnd;

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
            if !core.ownership.has(&tenant) {
                continue;
            }
            core.calls.ring(&tenant);
            core.tell(&tenant, Message::Observed(observation));
        }
        tokio::select! {
            _ = closing.closed() => return,
            () = tokio::time::sleep(REOPEN) => {}
        }
    }
}

/// Asks for every running tenant in turn, until the engine ends: for those of one provider beside those of another.
pub(crate) async fn patrol(core: Weak<Core>, every: Duration, per_second: u32) {
    let pace = Duration::from_secs(1) / per_second.max(1);
    let Some(closing) = core.upgrade().map(|core| Arc::clone(&core.closing)) else { return };
    let rounds = async {
        while let Some(strong) = core.upgrade() {
            let begun = strong.now();
            let providers: Vec<Arc<Registered>> = strong.registry.iter().cloned().collect();
            drop(strong);
            let rounds = providers.iter().map(|registered| round(&core, registered, pace));
            if join_all(rounds).await.into_iter().all(|whole| whole) {
                let Some(core) = core.upgrade() else { return };
                core.store.looked(begun).await;
            }
            // Spread, so that engines that were started together do not stay in step.
            tokio::time::sleep(every.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        }
    };
    tokio::select! {
        _ = closing.closed() => {}
        () = rounds => {}
    }
}

/// Asks for all of a provider's tenants: together where it can, and then at its own pace. False where not all could be read.
async fn round(core: &Weak<Core>, registered: &Registered, pace: Duration) -> bool {
    let whole = AtomicBool::new(true);
    let unwell: Mutex<HashSet<TenantId>> = Mutex::default();
    let unwell = || unwell.lock().unwrap_or_else(PoisonError::into_inner);
    let contexts = running(core, registered, &whole).filter_map(|tenant| {
        if tenant.health != Health::Healthy {
            unwell().insert(tenant.id.clone());
        }
        ready(core.upgrade().map(|core| core.look_context(&tenant, Initiator::Engine)))
    });
    let Some(mut together) = registered.provider.statuses(contexts.boxed()) else {
        return alone(core, registered, pace).await;
    };
    loop {
        let looked = AssertUnwindSafe(together.next()).catch_unwind().await;
        let Some(core) = core.upgrade() else { return false };
        match looked {
            Ok(Some(Looked { tenant, begun, status })) => {
                let was_well = !unwell().remove(&tenant);
                tell(&core, registered, tenant, was_well, begun, seen(status));
            }
            Ok(None) => return whole.load(Ordering::Relaxed),
            // A panic over one tenant ends no other look (I7).
            Err(_panic) => break,
        }
    }
    drop(together);
    alone(core, registered, pace).await
}

/// Asks for each of a provider's tenants alone, at a bounded rate.
async fn alone(core: &Weak<Core>, registered: &Registered, pace: Duration) -> bool {
    let whole = AtomicBool::new(true);
    let mut pages = running(core, registered, &whole).ready_chunks(PAGE).boxed();
    while let Some(page) = pages.next().await {
        let asked = page.len() as u32;
        let Some(core) = core.upgrade() else { return false };
        futures_util::stream::iter(page)
            .for_each_concurrent(8, |tenant| look(&core, registered, tenant))
            .await;
        drop(core);
        tokio::time::sleep(pace * asked).await;
    }
    drop(pages);
    whole.load(Ordering::Relaxed)
}

/// A provider's running tenants that are this engine's, ordered by id. Where they cannot be read, they end, and are not the whole.
fn running<'a>(
    core: &'a Weak<Core>,
    registered: &Registered,
    whole: &'a AtomicBool,
) -> impl Stream<Item = Arc<Tenant>> + Send + 'a {
    let filter = TenantFilter {
        state: Some(StateName::Running),
        provider: Some(registered.provider.name()),
        ..TenantFilter::default()
    };
    let pages = futures_util::stream::unfold(Some(None), move |next: Option<Option<TenantId>>| {
        let filter = filter.clone();
        async move {
            let (after, core) = (next?, core.upgrade()?);
            match core.store.list(&filter, after, PAGE).await {
                Ok(Page { mut items, next }) => {
                    items.retain(|tenant| core.ownership.has(&tenant.id));
                    Some((items, next.map(Some)))
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot read the running tenants; trying again");
                    whole.store(false, Ordering::Relaxed);
                    None
                }
            }
        }
    });
    pages.flat_map(futures_util::stream::iter)
}

/// Asks for one tenant.
async fn look(core: &Arc<Core>, registered: &Registered, tenant: Arc<Tenant>) {
    let begun = core.now();
    let cx = core.look_context(&tenant, Initiator::Engine);
    // A panic of one provider over one tenant ends no other look (I7).
    let status = AssertUnwindSafe(registered.provider.get_status(&cx, &tenant.id)).catch_unwind();
    let looked = match tokio::time::timeout(STATUS_WITHIN, status).await {
        Ok(Ok(status)) => seen(status),
        Ok(Err(_)) | Err(_) => (LookEnd::Failed, Seen::Unclear),
    };
    tell(core, registered, tenant.id.clone(), tenant.health == Health::Healthy, begun, looked);
}

/// What a provider's answer means.
fn seen(status: Result<ComputeStatus, ProviderError>) -> (LookEnd, Seen) {
    match status {
        Ok(status) => (LookEnd::Answered, Seen::from_status(&status)),
        Err(error) if error.kind == ErrorKind::TenantNotFound => {
            (LookEnd::Answered, Seen::Broken("nothing of it is there".into()))
        }
        Err(_) => (LookEnd::Failed, Seen::Unclear),
    }
}

/// Tells a tenant what was seen of it. Without news its actor is not woken.
fn tell(
    core: &Arc<Core>,
    registered: &Registered,
    tenant: TenantId,
    was_well: bool,
    begun: Timestamp,
    (end, seen): (LookEnd, Seen),
) {
    core.watched.looked(registered.place, end);
    let news = match &seen {
        Seen::Unclear => false,
        Seen::Healthy => !was_well,
        Seen::Unhealthy(_) | Seen::Broken(_) => true,
    };
    if news {
        let observation = Observation { tenant: tenant.clone(), begun, seen };
        core.tell(&tenant, Message::Observed(observation));
    }
}
