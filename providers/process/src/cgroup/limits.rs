//! What a group's processes may use together.

use std::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Controller, Dir, Group, Version, tree};

/// The file with the number of processes and threads that a group may have, in both versions.
pub(super) const PIDS_MAX: &str = "pids.max";

/// The span within which a share of the processors is used, in microseconds: the kernel's default.
const CPU_PERIOD: u64 = 100_000;

/// The smallest share of a period that the kernel takes, in microseconds.
const CPU_QUOTA_MIN: u64 = 1_000;

/// A limit of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    /// Memory.
    Memory,
    /// Time on processors.
    Cpu,
    /// Processes and threads.
    Pids,
}

impl Limit {
    pub(super) const ALL: [Self; 3] = [Self::Memory, Self::Cpu, Self::Pids];

    /// What the kernel calls its controller.
    pub(super) const fn controller(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.controller())
    }
}

/// What the processes of a group may use together; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Bytes of memory, the page cache of what they read and write included, and no swap. With cgroup v2 all processes
    /// are killed when it is used up and no cache can go; with v1 the kernel chooses one.
    pub(crate) memory_bytes: Option<u64>,
    /// Thousandths of a processor. The kernel's smallest share is 10: less is set as 10.
    pub(crate) cpu_millis: Option<u64>,
    /// Processes and threads.
    pub(crate) pids: Option<u64>,
}

impl Limits {
    fn of(&self, limit: Limit) -> Option<u64> {
        match limit {
            Limit::Memory => self.memory_bytes,
            Limit::Cpu => self.cpu_millis,
            Limit::Pids => self.pids,
        }
    }
}

/// A limit that is asked for and not kept. Reads as `cpu: …`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NotEnforced {
    /// Which.
    pub(crate) limit: Limit,
    /// Why, for a person.
    pub(crate) reason: String,
}

impl fmt::Display for NotEnforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.limit, self.reason)
    }
}

/// Sets the limits of a group that exists; returns those that could not be set.
pub(super) fn set(group: &Group, limits: &Limits) -> Vec<NotEnforced> {
    let mut not_enforced = Vec::new();
    for limit in Limit::ALL {
        let Some(value) = limits.of(limit) else { continue };
        let reason = match group.controller(limit) {
            Controller::Missing(why) => why.clone(),
            Controller::At(dir) => match set_one(dir, limit, value) {
                Ok(()) => continue,
                Err(error) => format!("{} cannot be set to {value}: {error}", dir.path.display()),
            },
        };
        not_enforced.push(NotEnforced { limit, reason });
    }
    not_enforced
}

fn set_one(Dir { version, path }: &Dir, limit: Limit, value: u64) -> io::Result<()> {
    let write = |file: &str, text: String| tree::write(&path.join(file), &text);
    // Some kernels do not count swap, or have none.
    let write_where_it_is = |file: &str, text: String| match write(file, text) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written,
    };
    match (limit, version) {
        (Limit::Memory, Version::V2) => {
            write("memory.max", value.to_string())?;
            write_where_it_is("memory.swap.max", "0".to_owned())?;
            write_where_it_is("memory.oom.group", "1".to_owned())
        }
        (Limit::Memory, Version::V1) => {
            write("memory.limit_in_bytes", value.to_string())?;
            write_where_it_is("memory.memsw.limit_in_bytes", value.to_string())
        }
        (Limit::Cpu, Version::V2) => write("cpu.max", format!("{} {CPU_PERIOD}", quota(value))),
        (Limit::Cpu, Version::V1) => {
            write("cpu.cfs_period_us", CPU_PERIOD.to_string())?;
            write("cpu.cfs_quota_us", quota(value).to_string())
        }
        (Limit::Pids, Version::V1 | Version::V2) => write(PIDS_MAX, value.to_string()),
    }
}

/// Microseconds of each period.
fn quota(cpu_millis: u64) -> u64 {
    cpu_millis.saturating_mul(CPU_PERIOD / 1000).max(CPU_QUOTA_MIN)
}

/// Lets the groups in this one (cgroup v2) have this limit.
pub(super) fn enable(group: &Path, limit: Limit) -> io::Result<()> {
    let file = group.join("cgroup.subtree_control");
    let controller = limit.controller();
    let enabled = tree::read(&file)?.unwrap_or_default();
    if enabled.split_ascii_whitespace().any(|one| one == controller) {
        return Ok(());
    }
    tree::write(&file, &format!("+{controller}"))
}

/// How many processes of this group the kernel killed for want of memory; 0 when it is gone.
pub(super) fn oom_kills(Dir { version, path }: &Dir) -> io::Result<u64> {
    let file = match version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    };
    let text = tree::read(&path.join(file))?.unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    Ok(count.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_a_processor_is_a_share_of_each_period() {
        assert_eq!(quota(128), 12_800);
        assert_eq!(quota(2_000), 200_000);
        assert_eq!(quota(1), CPU_QUOTA_MIN);
    }
}
