//! What this process has used.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time of all threads, in the kernel too.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.try_into().expect("it is not before its beginning")
}

/// Bytes of memory that it holds now.
pub(crate) fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let resident: Option<f64> = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    resident.expect("a number") * rustix::param::page_size() as f64
}
