//! How long commands wait.

use std::time::Duration;

/// How long the calls of other tenants, which an engine takes up when it starts, may go on at the end. A call that
/// is cut off counts as a try.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// How often a store is looked at that another engine has.
pub(crate) const LOOK: Duration = Duration::from_millis(200);
