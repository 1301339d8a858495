//! What an actor is sent, and how much of it waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Message;
use crate::engine::core::TenantCore;

/// What a tenant's actor is sent.
pub(super) struct Delivery {
    /// The tenant that is the actor's from now on, with its first message.
    pub(super) activated: Option<Arc<TenantCore>>,
    pub(super) message: Message,
}

/// How many messages an actor has yet to handle, and when it was last sent one. The actor library counts neither.
#[derive(Default)]
pub(super) struct Mailbox {
    waiting: AtomicU32,
    /// In which round of passivation.
    last_used: AtomicU32,
}

impl Mailbox {
    /// Counts one more message in this round, unless `limit` wait already.
    pub(super) fn admit(&self, round: u32, limit: u32) -> bool {
        let room = self.waiting.load(Ordering::Relaxed) < limit;
        if room {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            self.last_used.store(round, Ordering::Relaxed);
        }
        room
    }

    /// The actor begins with another tenant, and one message.
    pub(super) fn begin(&self, round: u32) {
        self.waiting.store(1, Ordering::Relaxed);
        self.last_used.store(round, Ordering::Relaxed);
    }

    /// Counts a message that asks the actor to end. It does not count as a use of the actor.
    pub(super) fn admit_end(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// The actor has handled a message.
    pub(super) fn handled(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// For how many rounds the actor got nothing.
    pub(super) fn quiet(&self, round: u32) -> u32 {
        round.saturating_sub(self.last_used.load(Ordering::Relaxed))
    }
}

/// What becomes of an actor that has nothing to do.
pub(super) enum Retired {
    /// There is a message again, or there will be.
    Stays,
    /// It waits for another tenant.
    Spare,
    /// It ends.
    Ends,
}
