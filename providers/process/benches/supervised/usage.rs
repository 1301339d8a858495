//! What processes use, as the kernel counts it.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Every process of the machine.
pub(crate) fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("Linux").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The keepers whose files are in this directory.
pub(crate) fn keepers(dir: &Path) -> Vec<u32> {
    let dir = dir.display().to_string();
    let is_it = |pid: &u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let text = String::from_utf8_lossy(&environ);
        text.split('\0').any(|pair| pair.starts_with("LANDLORD_KEEPER=") && pair.contains(&dir))
    };
    all().filter(is_it).collect()
}

/// The time that a process with one thread has run, to the nanosecond where the kernel counts so.
pub(crate) fn ran(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    nanoseconds.filter(|ran| *ran > 0).map_or_else(|| ticks(pid), Duration::from_nanos)
}

/// User and system time of a process with all its threads, in steps of 10 ms.
pub(crate) fn ticks(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let times: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(times * 10)
}

/// The children of a process with one thread, held.
pub(crate) fn children(pid: u32) -> Vec<OwnedFd> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let pids = text.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?));
    pids.filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()).collect()
}

/// Returns when a process has ended, which makes its descriptor readable.
pub(crate) fn await_end(held: &OwnedFd) {
    let mut polled = [PollFd::new(held, PollFlags::IN)];
    while poll(&mut polled, None).is_err() {}
}

/// The memory that a process shares with none, in KiB.
pub(crate) fn private(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with("Private_"));
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}
