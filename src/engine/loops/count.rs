//! Counts the tenants of a shared store for whoever watches: other engines change them too.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::core::Core;

/// The pause between two counts, and at least how many times as long as one took.
const PAUSE: (Duration, u32) = (Duration::from_secs(60), 50);

/// Counts until the engine ends. One of the engines at a time has the tenants to tell of, so that those of all engines can be added up.
pub(crate) async fn count(core: Weak<Core>) {
    loop {
        let Some(strong) = core.upgrade() else { return };
        let begun = Instant::now();
        let counts = match (strong.ownership.shared(), strong.ownership.leads()) {
            (None, _) => return,
            (Some(_), false) => Ok(BTreeMap::new()),
            (Some(shared), true) => shared.members.counts().await,
        };
        match counts {
            Ok(counts) => strong.watched.counted(&counts),
            Err(error) => tracing::debug!(%error, "the tenants cannot be counted now"),
        }
        let closing = Arc::clone(&strong.closing);
        drop(strong);
        tokio::select! {
            _ = closing.closed() => return,
            () = tokio::time::sleep(PAUSE.0.max(begun.elapsed() * PAUSE.1)) => {}
        }
    }
}
