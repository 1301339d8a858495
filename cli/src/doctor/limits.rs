//! What the system lets a server have: open files, processes, memory, and groups of processes for tenants of this machine.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use landlord_api::Finding;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{Resource, getrlimit};

use super::{Looks, size};
use crate::built_with::DEFAULT;
use crate::place::Place;

const MB: u64 = 1 << 20;
/// What a server has open beside its connections: the store, watches, keepers.
const BESIDE: u64 = 512;
/// With fewer, hardly anything works.
const FEW_FILES: u64 = 256;
/// The part of what there may be that should be left.
const LEFT: u64 = 10;

/// What a process may have, and what there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// Whose limits they are.
    whose: &'static str,
    files: Files,
    processes: Option<Share>,
    memory: Option<Share>,
    /// Where groups of processes can be made, or why not; none where no tenant runs on this machine.
    groups: Option<Result<PathBuf, String>>,
}

/// Files that may be open at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Files {
    /// None: any number.
    most: Option<u64>,
    /// What the limit can be raised to without the superuser.
    hard: Option<u64>,
    /// How many a server needs that is as busy as its configuration allows.
    needed: u64,
}

/// A part of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    used: u64,
    of: u64,
}

impl Share {
    fn free(self) -> u64 {
        self.of.saturating_sub(self.used)
    }
}

impl Limits {
    pub(super) fn look(place: &Place, who: Looks) -> Self {
        let configuration = place.configuration();
        let ports = 1 + u64::from(configuration.listen.is_some());
        let files = getrlimit(Resource::Nofile);
        let own = read_to_string("/proc/self/cgroup").unwrap_or_default();
        let runs_here = place.providers().iter().any(|provider| provider.kind() == DEFAULT);
        Self {
            whose: match who {
                Looks::Server => "the server",
                Looks::Command => "this shell",
            },
            files: Files {
                most: files.current,
                hard: files.maximum,
                needed: BESIDE + ports * configuration.requests.connections as u64,
            },
            processes: processes(&own),
            memory: memory(&own),
            groups: runs_here.then(|| {
                let mounts = read_to_string("/proc/self/mountinfo").unwrap_or_default();
                groups(&mounts, &own, &|path| accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok())
            }),
        }
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let processes = self.processes.map(|share| self.of_processes(share));
        let memory = self.memory.map(of_memory);
        let groups = self.groups.as_ref().map(of_groups);
        std::iter::once(self.of_files()).chain(processes).chain(memory).chain(groups).collect()
    }

    fn of_files(&self) -> Finding {
        const CHECK: &str = "limits: files";
        let Self { whose, files: Files { most, hard, needed }, .. } = self;
        let Some(most) = *most else {
            return Finding::ok(CHECK, format!("{whose} may have any number open"));
        };
        let found =
            format!("{whose} may have {most} open, and a server with all its connections needs {needed}");
        let by_itself = match hard {
            Some(hard) if hard < needed => "",
            Some(_) | None => ", or `ulimit -n` before it is started",
        };
        let raise =
            format!("LimitNOFILE={needed} in its unit{by_itself}; or allow fewer in [requests] connections");
        match most {
            ..FEW_FILES => Finding::failed(CHECK, found, raise),
            _ if most < *needed => Finding::warning(CHECK, found, raise),
            _ => Finding::ok(CHECK, found),
        }
    }

    fn of_processes(&self, share: Share) -> Finding {
        const CHECK: &str = "limits: processes";
        let Self { whose, .. } = self;
        let found = format!("{} of {} that there may be of {whose} are there", share.used, share.of);
        match share.free() < share.of / LEFT {
            true => {
                Finding::warning(CHECK, found, "TasksMax= in its unit, or the container's limit of processes")
            }
            false => Finding::ok(CHECK, found),
        }
    }
}

fn of_memory(share: Share) -> Finding {
    const CHECK: &str = "limits: memory";
    let found = format!("{} of {} are free", size(share.free()), size(share.of));
    let more = "give the machine or the container more, or run fewer tenants on it";
    match share.free() {
        free if free < 64 * MB => Finding::failed(CHECK, found, more),
        free if free < (share.of / LEFT).min(512 * MB) => Finding::warning(CHECK, found, more),
        _ => Finding::ok(CHECK, found),
    }
}

fn of_groups(groups: &Result<PathBuf, String>) -> Finding {
    const CHECK: &str = "limits: groups of processes";
    match groups {
        Ok(path) => Finding::ok(
            CHECK,
            format!("tenants of this machine can be kept to their limits below {}", path.display()),
        ),
        Err(why) => Finding::warning(
            CHECK,
            format!("tenants of this machine are not kept to their limits of cpu and processes: {why}"),
            "run the server as a unit with Delegate=yes and DelegateSubgroup=engine; in a container, mount cgroups writable in a \
             cgroup namespace of its own",
        ),
    }
}

/// The path of this process in a hierarchy; the controller of v2 has no name.
fn own_path<'t>(own: &'t str, controller: &str) -> Option<&'t str> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        controllers.split(',').any(|name| name == controller).then_some(path.trim_end_matches('/'))
    })
}

/// A number in a file of the group that this process is in: in the hierarchy of v2, or in that of v1.
fn of_group(own: &str, controller: &str, v2: &str, v1: &str) -> Option<u64> {
    let unified = own_path(own, "").map(|path| format!("/sys/fs/cgroup{path}/{v2}"));
    let legacy = own_path(own, controller).map(|path| format!("/sys/fs/cgroup/{controller}{path}/{v1}"));
    let within = Some(format!("/sys/fs/cgroup/{controller}/{v1}"));
    [unified, legacy, within]
        .into_iter()
        .flatten()
        .find_map(|file| read_to_string(file).ok()?.trim().parse().ok())
}

fn processes(own: &str) -> Option<Share> {
    let of = of_group(own, "pids", "pids.max", "pids.max")?;
    Some(Share { used: of_group(own, "pids", "pids.current", "pids.current")?, of })
}

/// The memory of the machine, or of the group that this process is in where that may have less.
fn memory(own: &str) -> Option<Share> {
    let machine = of_machine(&read_to_string("/proc/meminfo").ok()?)?;
    let group = || {
        let of = of_group(own, "memory", "memory.max", "memory.limit_in_bytes")?;
        let used = of_group(own, "memory", "memory.current", "memory.usage_in_bytes")?;
        (of < machine.of).then_some(Share { used, of })
    };
    Some(match group() {
        Some(group) if group.free() < machine.free() => group,
        Some(_) | None => machine,
    })
}

/// What `/proc/meminfo` says.
fn of_machine(meminfo: &str) -> Option<Share> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    let (of, available) = (bytes("MemTotal:")?, bytes("MemAvailable:")?);
    Some(Share { used: of.saturating_sub(available), of })
}

/// Where groups of processes can be made by who may write there, or why they cannot.
fn groups(mountinfo: &str, own: &str, is_writable: &dyn Fn(&Path) -> bool) -> Result<PathBuf, String> {
    // Fields, of which the fifth is the mount point, then ` - `, and the type.
    let mounts = mountinfo.lines().filter_map(|line| {
        let (fields, rest) = line.split_once(" - ")?;
        let kind = rest.split(' ').next().filter(|kind| ["cgroup", "cgroup2"].contains(kind))?;
        Some((kind, PathBuf::from(fields.split(' ').nth(4)?)))
    });
    let mounts: Vec<(&str, PathBuf)> = mounts.collect();
    let limits = mounts.iter().find(|(kind, path)| match *kind {
        "cgroup2" => !mounts.iter().any(|(kind, _)| *kind == "cgroup"),
        _ => path.file_name().is_some_and(|name| name == "memory"),
    });
    let Some((kind, mount)) = limits else { return Err("no cgroups are mounted".to_owned()) };
    let path = own_path(own, if *kind == "cgroup2" { "" } else { "memory" }).unwrap_or_default();
    let group = mount.join(path.trim_start_matches('/'));
    let group = if group.is_dir() { group } else { mount.clone() };
    match is_writable(&group) {
        true => Ok(group),
        false => Err(format!("this user may not write {}", group.display())),
    }
}

#[cfg(test)]
mod tests {
    use landlord_api::Grade;

    use super::*;

    fn grades(limits: &Limits) -> Vec<Grade> {
        limits.findings().iter().map(|finding| finding.grade).collect()
    }

    #[test]
    fn limits_are_judged_by_their_figures() {
        let files = |most| Files { most, hard: Some(65_536), needed: 10_512 };
        let of_files =
            |most| grades(&Limits { whose: "the server", files: files(most), ..Limits::default() })[0];
        assert_eq!(of_files(None), Grade::Ok);
        assert_eq!(of_files(Some(65_536)), Grade::Ok);
        assert_eq!(of_files(Some(1_024)), Grade::Warning);
        assert_eq!(of_files(Some(100)), Grade::Failed);
        let limits = Limits {
            whose: "the server",
            processes: Some(Share { used: 95, of: 100 }),
            memory: Some(Share { used: 1 << 30, of: (1 << 30) + MB }),
            groups: Some(Err("no cgroups are mounted".to_owned())),
            ..Limits::default()
        };
        assert_eq!(grades(&limits), [Grade::Ok, Grade::Warning, Grade::Failed, Grade::Warning]);
        let much = Limits {
            processes: Some(Share { used: 5, of: 100 }),
            memory: Some(Share { used: 1 << 30, of: 8 << 30 }),
            groups: Some(Ok("/sys/fs/cgroup/landlord.slice".into())),
            ..limits
        };
        assert_eq!(grades(&much), [Grade::Ok; 4]);
    }

    #[test]
    fn a_limit_that_cannot_be_raised_by_everybody_says_so() {
        let files = Files { most: Some(1_024), hard: Some(4_096), needed: 10_512 };
        let found = Limits { whose: "this shell", files: files.clone(), ..Limits::default() }.of_files();
        assert!(!found.todo.is_some_and(|todo| todo.contains("ulimit")));
        let files = Files { hard: None, ..files };
        let found = Limits { whose: "this shell", files, ..Limits::default() }.of_files();
        assert!(
            found.todo.is_some_and(|todo| todo.contains("LimitNOFILE=10512") && todo.contains("ulimit -n"))
        );
    }

    #[test]
    fn memory_is_what_the_kernel_says_is_available() {
        let meminfo = "MemTotal:        8000 kB\nMemFree:          100 kB\nMemAvailable:    6000 kB\n";
        assert_eq!(of_machine(meminfo), Some(Share { used: 2000 * 1024, of: 8000 * 1024 }));
        assert_eq!(of_machine("MemTotal: 8000 kB\n"), None);
    }

    #[test]
    fn groups_are_looked_for_where_limits_are_kept() {
        let v2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
        let own = "0::/nowhere-in-a-test\n";
        let at = |mounts: &str, own: &str, may: bool| groups(mounts, own, &|_| may);
        assert_eq!(at(v2, own, true), Ok("/sys/fs/cgroup".into()));
        assert!(at(v2, own, false).is_err_and(|why| why.contains("/sys/fs/cgroup")));
        assert_eq!(
            at("21 1 8:1 / / rw - ext4 /dev/sda1 rw\n", own, true),
            Err("no cgroups are mounted".to_owned())
        );
        let both = format!(
            "30 23 0:27 / /nowhere/unified rw - cgroup2 cgroup2 rw\n31 23 0:28 / /nowhere/memory rw - cgroup cgroup rw,memory\n{v2}"
        );
        assert_eq!(at(&both, "5:memory:/x\n0::/y\n", true), Ok("/nowhere/memory".into()));
    }
}
