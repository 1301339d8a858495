//! What the tests of this provider share.

use std::time::{Duration, Instant};

/// Waits until `condition` holds, and fails the test after ten seconds.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}
