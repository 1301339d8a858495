//! What every Rust subject can do, so that each workload is written once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// It counts itself, and never ends.
    Stays(Arc<AtomicUsize>),
    /// It waits for a permit, and uses it up.
    Waits(Arc<Semaphore>),
}

impl Call {
    pub(crate) async fn make(self) {
        match self {
            Self::Returns => {}
            Self::Stays(open) => {
                open.fetch_add(1, Ordering::Relaxed);
                std::future::pending().await
            }
            Self::Waits(permits) => permits.acquire().await.expect("it is not closed").forget(),
        }
    }
}
