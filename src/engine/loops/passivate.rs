//! Ends actors that have nothing to do, and the engine when it has lost its store.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::engine::closing::Closing;
use crate::engine::core::Core;

/// Ends an engine that lost its store as thoroughly as one that is shut down.
pub(crate) async fn end_when_closed(core: Weak<Core>, closing: Arc<Closing>) {
    let why = closing.closed().await;
    if let Some(core) = core.upgrade() {
        core.end(why).gone().await;
    }
}

/// Passivates idle actors until the engine ends.
pub(crate) async fn passivate(core: Weak<Core>) {
    /// How often the actors are looked at while one of them is idle for long enough.
    const ROUNDS: u32 = 4;
    loop {
        let Some(strong) = core.upgrade() else { return };
        let (closing, idle) = (Arc::clone(&strong.closing), strong.limits.idle);
        strong.directory.passivate(ROUNDS);
        drop(strong);
        tokio::select! {
            _ = closing.closed() => return,
            () = tokio::time::sleep((idle / ROUNDS).max(Duration::from_millis(10))) => {}
        }
    }
}
