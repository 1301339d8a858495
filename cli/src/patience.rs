//! How long commands wait.

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep_until};

use super::values;

/// How long a command waits for what it began.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Patience {
    /// Wait no longer than this, such as 90s or 5m. What was begun goes on.
    #[arg(long, value_parser = values::duration, value_name = "TIME")]
    timeout: Option<Duration>,
    /// Do not wait for what is begun: it goes on with the server, or with the next engine.
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
}

impl Patience {
    /// Whether its end is waited for at all.
    pub(crate) fn waits(self) -> bool {
        !self.no_wait
    }

    /// Counted from now.
    pub(crate) fn starts(self) -> Until {
        Until::within(self.timeout)
    }
}

/// When the waiting ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until(Option<Instant>);

impl Until {
    /// So long from now; none: never.
    pub(crate) fn within(timeout: Option<Duration>) -> Self {
        // A time so far away that it cannot be told is none.
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// Returns then; never, where there is no end.
    pub(crate) async fn over(self) {
        match self.0 {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

/// How long the calls of other tenants, which an engine takes up when it starts, may go on at the end. A call that
/// is cut off counts as a try.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// How often a store is looked at that another engine has.
pub(crate) const LOOK: Duration = Duration::from_millis(200);
