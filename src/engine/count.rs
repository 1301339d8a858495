//! Counts what is on its way, and tells when nothing is left of it.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many of something are on their way.
#[derive(Default)]
pub(crate) struct Count {
    now: AtomicUsize,
    /// Whether anybody ever waited until none was left. Notifying takes a lock even when nobody waits.
    awaited: AtomicBool,
    none_left: Notify,
}

impl Count {
    pub(crate) fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }

    /// Counts one more for as long as it is held, unless there are `most` already.
    pub(crate) fn one_of(&self, most: usize) -> Option<Counted<&Self>> {
        let before = self.now.fetch_add(1, Ordering::SeqCst);
        let counted = Counted(self);
        (before < most).then_some(counted)
    }

    /// Returns when none is left.
    pub(crate) async fn none(&self) {
        // Set before the count is read: a guard that is dropped after the read sees it and notifies.
        self.awaited.store(true, Ordering::SeqCst);
        loop {
            let none_left = self.none_left.notified();
            if self.now() == 0 {
                return;
            }
            none_left.await;
        }
    }
}

/// One that is on its way.
pub(crate) struct Counted<C: Deref<Target = Count>>(C);

impl<C: Deref<Target = Count>> Counted<C> {
    /// Counts one more for as long as it is held, where `count` leads.
    pub(crate) fn at(count: C) -> Self {
        count.now.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl<C: Deref<Target = Count>> Drop for Counted<C> {
    fn drop(&mut self) {
        if self.0.now.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.awaited.load(Ordering::SeqCst) {
            self.0.none_left.notify_waiters();
        }
    }
}
