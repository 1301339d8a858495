//! What runs on the ground: the actors and their calls.

use std::ops::Deref;
use std::sync::Arc;

use landlord_state_machines::id::TenantId;

use super::actor::{Directory, Message};
use super::calls::{Calls, Dropped};
use super::closing::Closed;
use super::ground::Ground;

/// One engine.
pub(crate) struct Core {
    pub(crate) ground: Ground,
    pub(crate) directory: Directory,
    pub(crate) calls: Calls,
}

impl Deref for Core {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

impl Core {
    /// Gives a tenant's actor a message, as [`TenantCore::tell`] does.
    pub(crate) fn tell(self: &Arc<Self>, tenant: &TenantId, message: Message) {
        TenantCore::of(self, tenant.clone()).tell(message);
    }

    /// The engine ends, for the first reason given. Says whose calls may not be gone yet.
    pub(crate) fn end(&self, why: Closed) -> Dropped {
        self.closing.close(why);
        let dropped = self.calls.abandon();
        self.directory.stop();
        self.waiters.clear();
        dropped
    }
}

/// A tenant and its engine. The tenant's handles, actor and calls share this: a reference count that all tenants share
/// would be contended by all cores.
pub(crate) struct TenantCore {
    pub(crate) tenant: TenantId,
    core: Arc<Core>,
}

impl TenantCore {
    pub(crate) fn of(core: &Arc<Core>, tenant: TenantId) -> Arc<Self> {
        Arc::new(Self { tenant, core: Arc::clone(core) })
    }

    /// Gives the tenant's actor a message that is never refused: there is at most one of its kind at a time.
    pub(crate) fn tell(self: &Arc<Self>, message: Message) {
        // Without a limit nothing is handed back.
        let _ = self.directory.send(self, message, u32::MAX);
    }
}

impl Deref for TenantCore {
    type Target = Arc<Core>;

    fn deref(&self) -> &Arc<Core> {
        &self.core
    }
}
