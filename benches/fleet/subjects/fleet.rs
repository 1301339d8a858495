//! What every Rust subject can do, so that each workload is written once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::toy::Command;

/// Many tenants.
pub(crate) trait Fleet: Send + Sync + 'static {
    /// What a client holds to command a tenant.
    type Tenant: Send + Sync + 'static;
    /// What a client has to keep of a tenant so that the tenant lives on.
    type Kept: Send + 'static;

    fn keep(tenant: Self::Tenant) -> Self::Kept;

    /// A tenant that did not live before.
    fn create(&self, number: usize) -> impl Future<Output = Self::Tenant> + Send;

    /// Gives a command and returns when it is accepted. What it returns waits for the end of the work.
    fn begin(
        &self,
        tenant: &Self::Tenant,
        command: Command,
    ) -> impl Future<Output = impl Future<Output = ()> + Send> + Send;
}

/// What a provider call does, the same for all subjects.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// It is over at once.
    Returns,
    /// It counts itself, and is over.
    Counts(Arc<AtomicUsize>),
    /// It notes when it was made, and is over.
    Notes(Arc<CallTimes>),
    /// It counts itself, and never ends.
    Stays(Arc<AtomicUsize>),
    /// It waits for a permit, and uses it up.
    Waits(Arc<Semaphore>),
}

impl Call {
    /// Makes it, for the tenant of this number.
    pub(crate) async fn make(self, tenant: usize) {
        match self {
            Self::Returns => {}
            Self::Counts(made) => {
                made.fetch_add(1, Ordering::Relaxed);
            }
            Self::Notes(times) => times.note(tenant),
            Self::Stays(open) => {
                open.fetch_add(1, Ordering::Relaxed);
                std::future::pending().await
            }
            Self::Waits(permits) => permits.acquire().await.expect("it is not closed").forget(),
        }
    }
}

/// When the last call for each tenant was made. Tenants that live one after the other, as many numbers apart as there
/// are slots, share one.
#[derive(Debug)]
pub(crate) struct CallTimes {
    since: Instant,
    nanoseconds: Box<[AtomicU64]>,
    /// How many there were for the hot tenant.
    hot: AtomicUsize,
}

/// The number of the tenant that is commanded without a pause. Its calls are only counted.
pub(crate) const HOT: usize = usize::MAX;

impl CallTimes {
    pub(crate) fn new(slots: usize) -> Arc<Self> {
        let nanoseconds = (0..slots).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { since: Instant::now(), nanoseconds, hot: AtomicUsize::new(0) })
    }

    fn note(&self, tenant: usize) {
        if tenant == HOT {
            self.hot.fetch_add(1, Ordering::Relaxed);
        } else {
            let slot = &self.nanoseconds[tenant % self.nanoseconds.len()];
            slot.store(self.since.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn hot(&self) -> usize {
        self.hot.load(Ordering::Relaxed)
    }

    /// For whoever has learned that the call is over.
    pub(crate) fn last(&self, tenant: usize) -> Instant {
        let slot = &self.nanoseconds[tenant % self.nanoseconds.len()];
        self.since + Duration::from_nanos(slot.load(Ordering::Relaxed))
    }
}
