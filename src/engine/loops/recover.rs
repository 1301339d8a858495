//! Takes up what an earlier engine left behind.

use std::sync::Weak;

use landlord_state_machines::id::TenantId;

use crate::engine::actor::Message;
use crate::engine::config::STORE_PAUSE;
use crate::engine::core::Core;

/// How many tenants are read at a time.
const PAGE: usize = 512;

/// Activates every tenant whose call an earlier engine left behind.
pub(crate) async fn recover(core: Weak<Core>) {
    let mut after: Option<TenantId> = None;
    loop {
        let Some(strong) = core.upgrade() else { return };
        if strong.closing.is_closed() {
            return;
        }
        match strong.store.in_flight(after.clone(), PAGE).await {
            Ok(page) => {
                for tenant in &page {
                    strong.tell(tenant, Message::Activate);
                }
                match page.into_iter().next_back() {
                    Some(last) => after = Some(last),
                    None => return,
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read which operations an earlier engine left; trying again");
                drop(strong);
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
}
