//! One task that wakes tenants when their records say so. No timer is kept in memory for any of them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use landlord_state_machines::id::TenantId;
use tokio::time::Instant;

use crate::engine::actor::Message;
use crate::engine::config::STORE_PAUSE;
use crate::engine::core::Core;
use crate::store::StoreError;

/// How many due tenants are read at a time.
const PAGE: usize = 256;
/// How often everything due is woken again, in case a wake-up was lost with its actor.
const AGAIN: Duration = Duration::from_secs(30);

/// Wakes tenants until the engine ends.
pub(crate) async fn run(core: Weak<Core>) {
    // The last tenant that was woken. Tenants before it, in the order of (time, id), were woken too.
    let mut woken: Option<(Timestamp, TenantId)> = None;
    let mut all_woken = Instant::now();
    loop {
        let Some(core) = core.upgrade() else { return };
        let earliest = core.wakeups.take();
        let behind = woken.as_ref().is_some_and(|(at, _)| at.as_microsecond() >= earliest);
        if behind || all_woken.elapsed() >= AGAIN {
            woken = None;
            all_woken = Instant::now();
        }
        let pause = match wake_due(&core, &mut woken).await {
            Ok(Some(next)) => {
                core.wakeups.note(next);
                until(next, core.clock.now()).min(AGAIN)
            }
            Ok(None) => AGAIN,
            Err(error) => {
                tracing::warn!(%error, "cannot read which tenants are due; trying again");
                STORE_PAUSE
            }
        };
        let (closing, wakeups) = (Arc::clone(&core.closing), Arc::clone(&core.wakeups));
        drop(core);
        tokio::select! {
            _ = closing.closed() => return,
            () = wakeups.sooner() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Wakes everybody who is due, and says when the next one is.
async fn wake_due(
    core: &Arc<Core>,
    woken: &mut Option<(Timestamp, TenantId)>,
) -> Result<Option<Timestamp>, StoreError> {
    loop {
        let now = core.clock.now();
        let due = core.due(now, woken.clone(), PAGE).await?;
        for (_, tenant) in &due {
            core.tell(tenant, Message::Wake);
        }
        match due.into_iter().next_back() {
            Some(last) => *woken = Some(last),
            None => {
                let next = core.due(Timestamp::MAX, woken.clone(), 1).await?;
                return Ok(next.into_iter().next().map(|(at, _)| at));
            }
        }
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
}
