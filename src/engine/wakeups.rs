//! When the next tenant wants to be woken. Marked with each commit, rung by [`wake`](super::loops::wake).

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use tokio::sync::Notify;

/// When the next wake-up is due, as far as memory knows.
pub(crate) struct Wakeups {
    /// Microseconds since 1970.
    earliest: AtomicI64,
    sooner: Notify,
}

impl Wakeups {
    pub(crate) fn new() -> Self {
        Self { earliest: AtomicI64::new(i64::MAX), sooner: Notify::new() }
    }

    /// A record was committed that wants to be woken then.
    pub(crate) fn expect(&self, at: Timestamp) {
        let at = at.as_microsecond();
        if self.earliest.fetch_min(at, Ordering::AcqRel) > at {
            self.sooner.notify_one();
        }
    }

    /// Takes the earliest time that was marked, if any was. The caller has to read what is due.
    pub(crate) fn take(&self) -> i64 {
        self.earliest.swap(i64::MAX, Ordering::AcqRel)
    }

    /// Notes when the next one is due, as the store says. Wakes nobody.
    pub(crate) fn note(&self, at: Timestamp) {
        self.earliest.fetch_min(at.as_microsecond(), Ordering::AcqRel);
    }

    /// Returns when something is due sooner than was known.
    pub(crate) async fn sooner(&self) {
        self.sooner.notified().await;
    }
}
