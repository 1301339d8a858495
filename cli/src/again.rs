//! Says what happens to a tenant, and says again, less and less often, what is still waited for.

use std::time::Duration;

use jiff::Timestamp;
use landlord_api::TenantView;
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent};
use tokio::time::{Instant, sleep_until};

use super::screen::Screen;
use super::words;

/// From what happens to the first word of what is waited for. Each pause after that is twice as long.
const FIRST: Duration = Duration::from_secs(1);

/// The progress of one operation.
pub(crate) struct Again<'a> {
    screen: &'a Screen,
    pause: Duration,
    at: Instant,
}

impl<'a> Again<'a> {
    pub(crate) fn new(screen: &'a Screen) -> Self {
        Self { screen, pause: FIRST, at: Instant::now() + FIRST }
    }

    /// Something happened.
    pub(crate) fn tell(&mut self, event: &LifecycleEvent) {
        self.screen.progress(&words::progress(event));
        if matches!(event.what, EventKind::Waits { .. }) {
            self.wait_longer();
        } else {
            *self = Self::new(self.screen);
        }
    }

    /// Returns when it is time to say what is waited for.
    pub(crate) async fn due(&self) {
        sleep_until(self.at).await;
    }

    /// Nothing happened meanwhile; this is the tenant, if it lives.
    pub(crate) fn tell_again(&mut self, tenant: Option<TenantView>) {
        if let Some(tenant) = tenant
            && let Some(waiting) = words::waiting(&tenant, Timestamp::now())
        {
            self.screen.progress(&waiting);
            self.wait_longer();
        } else {
            self.at = Instant::now() + self.pause;
        }
    }

    fn wait_longer(&mut self) {
        self.pause = (self.pause * 2).min(self.screen.patience());
        self.at = Instant::now() + self.pause;
    }
}
