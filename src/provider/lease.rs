//! For how long an engine may act upon what is its own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long a lease holds after the renewal was sent. Others wait longer until they take over.
const HOLDS: Duration = Duration::from_secs(4);

/// Whether an engine may still ask platforms for something. Clones are of the same lease.
///
/// An engine that shares its store renews its lease there each second. Where it cannot, because the store is away or the machine
/// was stopped, the lease ends before any other engine takes over. So whoever is about to send something looks here at the
/// last moment, beneath TLS, and sends nothing once it has ended. Time is counted while the machine sleeps, too.
#[derive(Clone, Default)]
pub struct Lease {
    /// Until when it holds, in nanoseconds since the machine was started.
    until: Arc<AtomicU64>,
}

impl Lease {
    /// Whether it holds now.
    pub fn holds(&self) -> bool {
        now() < self.until.load(Ordering::Acquire)
    }

    /// It was renewed with what was sent at `sent`.
    pub(crate) fn renewed(&self, sent: u64) {
        let holds = u64::try_from(HOLDS.as_nanos()).unwrap_or(u64::MAX);
        self.until.fetch_max(sent.saturating_add(holds), Ordering::AcqRel);
    }

    /// It has ended for good.
    pub(crate) fn end(&self) {
        self.until.store(0, Ordering::Release);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.holds() { "holds" } else { "has ended" })
    }
}

/// Nanoseconds since the machine was started, also those in which it slept.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(nanoseconds.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_holds_for_as_long_as_it_was_renewed() {
        let lease = Lease::default();
        assert!(!lease.holds(), "nobody has renewed it yet");
        lease.renewed(now());
        assert!(lease.holds() && lease.clone().holds());
        lease.renewed(now() - 5_000_000_000);
        assert!(lease.holds(), "an older renewal takes nothing away");
        lease.end();
        assert!(!lease.holds());
        let late = Lease::default();
        late.renewed(now() - 5_000_000_000);
        assert!(!late.holds(), "the answer took too long");
    }
}
