//! Reads what the engines of a shared store commit, in order, and passes it on: to subscribers, to those that wait for an operation,
//! and to this engine's tenants.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::actor::Message;
use crate::engine::config::STORE_PAUSE;
use crate::engine::core::Core;
use crate::engine::loops::member;
use crate::engine::ownership::Shared;
use crate::store::{Events, Scope, StoreError};

/// How many events are read at a time.
const PAGE: usize = 512;
/// The first and the longest pause after a look that found nothing.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(50));

/// Reads until the engine ends.
pub(crate) async fn read(core: Weak<Core>) {
    let mut pause = PAUSE.0;
    loop {
        let Some(strong) = core.upgrade() else { return };
        if strong.closing.is_closed() {
            return;
        }
        let ownership = Arc::clone(&strong.ownership);
        let Some(shared) = ownership.shared() else { return };
        match page(&strong, shared).await {
            Ok(true) => {
                pause = PAUSE.0;
                continue;
            }
            Ok(false) => pause = (pause * 2).min(PAUSE.1),
            Err(error) => {
                tracing::warn!(%error, "cannot read what other engines have committed; trying again");
                pause = STORE_PAUSE;
            }
        }
        drop(strong);
        shared.looks_on(pause).await;
    }
}

/// Passes on what follows; whether there may be more.
async fn page(core: &Arc<Core>, shared: &Shared) -> Result<bool, StoreError> {
    // What this engine has committed it knows.
    let unread = core.log.unread(PAGE);
    let events = match core.store.events(core.log.head(), &Scope::All, unread).await? {
        Events::Page(events) => events,
        Events::Gap { resume } => {
            // What was missed may have been for this engine's tenants, or for those who wait. Where that cannot be read, it is
            // missed again.
            member::activate(core, shared, &shared.shards(), || Message::Activate).await?;
            core.log.skip_to(resume);
            core.wakeups.expect(Timestamp::MIN);
            core.waiters.clear();
            return Ok(true);
        }
    };
    core.log.take_in(events.iter().map(|(position, event)| (*position, event)));
    let more = events.len() == unread;
    for (position, event) in events {
        event.settled.iter().for_each(|settlement| core.waiters.settle(settlement));
        if core.ownership.has(&event.tenant_id) {
            core.tell(&event.tenant_id, Message::Changed { position, revision: event.revision });
        }
    }
    Ok(more)
}
