//! What a side costs.

use std::fs;
use std::time::{Duration, Instant};

/// What one side took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) time: Duration,
    /// User and system time of the side's processes.
    pub(crate) cpu: Duration,
}

/// Runs one side, all of whose processes are children of this one and are waited for.
pub(crate) fn of(side: impl FnOnce()) -> Cost {
    let (begun, before) = (Instant::now(), children());
    side();
    Cost { time: begun.elapsed(), cpu: children() - before }
}

/// User and system time of all children that were waited for, in steps of 10 ms.
fn children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let times: u64 = fields.skip(13).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(times * 10)
}
