//! How far readers of events are behind that are documents of the store: whoever can read those says it now and then.

use std::sync::atomic::{AtomicU64, Ordering};

/// Nobody has said it.
const UNKNOWN: u64 = u64::MAX;

/// How far readers of events are behind.
#[derive(Debug)]
pub(crate) struct Lags {
    subscription: AtomicU64,
    webhook: AtomicU64,
    failing: AtomicU64,
}

impl Default for Lags {
    fn default() -> Self {
        let unknown = || AtomicU64::new(UNKNOWN);
        Self { subscription: unknown(), webhook: unknown(), failing: unknown() }
    }
}

impl Lags {
    pub(crate) fn say(&self, subscription: u64, webhook: u64, failing: u64) {
        self.subscription.store(subscription, Ordering::Relaxed);
        self.webhook.store(webhook, Ordering::Relaxed);
        self.failing.store(failing, Ordering::Relaxed);
    }

    pub(crate) fn subscription(&self) -> Option<u64> {
        known(&self.subscription)
    }

    pub(crate) fn webhook(&self) -> Option<u64> {
        known(&self.webhook)
    }

    pub(crate) fn failing(&self) -> Option<u64> {
        known(&self.failing)
    }
}

fn known(lag: &AtomicU64) -> Option<u64> {
    Some(lag.load(Ordering::Relaxed)).filter(|lag| *lag != UNKNOWN)
}
