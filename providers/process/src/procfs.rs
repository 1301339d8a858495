//! One process as the kernel shows it under `/proc`.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use landlord_state_machines::planner::process::Process;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};

/// Which process: a pid is used again after its process is gone, the pair with the start time is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    /// The process id.
    pub(super) pid: Pid,
    /// When it started, in clock ticks since the machine booted.
    pub(super) started: u64,
}

impl Identity {
    /// The pair of numbers as they are stored; `None` when `pid` is not a process id.
    pub(super) fn new(pid: u32, started: u64) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        Some(Self { pid, started })
    }

    /// The same as the planner knows it.
    pub(super) fn process(self) -> Process {
        Process { pid: self.pid(), start_time: self.started }
    }

    /// How long ago it started.
    pub(super) fn age(self) -> Duration {
        let now = clock_gettime(ClockId::Boottime);
        let since_boot = Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0));
        let ticks = clock_ticks_per_second();
        let started = Duration::from_millis(self.started.saturating_mul(1000) / ticks);
        since_boot.saturating_sub(started)
    }

    /// The process id as a number.
    pub(super) fn pid(self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid())
    }
}

/// What `/proc/<pid>/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Which process it is.
    pub(super) identity: Identity,
    /// The process group it belongs to.
    pub(super) group: i32,
    /// The session it belongs to; 0 where that was begun outside of a container that this process is in.
    pub(super) session: i32,
    /// Whether it still runs: a zombie, which only waits for its parent to read the exit status, does not.
    pub(super) alive: bool,
}

/// Reads the stat line of a process; `None` when there is no such process.
pub(super) fn stat(pid: Pid) -> io::Result<Option<Stat>> {
    let Some(line) = read(pid, "stat")? else { return Ok(None) };
    parse_stat(&line).map(Some).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat is not understood"))
    })
}

/// Whether this very process runs.
#[cfg(test)]
pub(super) fn is_alive(identity: Identity) -> bool {
    // A stat line that cannot be read is no sign of life either.
    matches!(stat(identity.pid), Ok(Some(stat)) if stat.identity == identity && stat.alive)
}

/// The environment that a process was started with; `None` when there is no such process, or it is another
/// user's and so none of ours.
pub(super) fn environ(pid: Pid) -> io::Result<Option<Vec<u8>>> {
    match read(pid, "environ") {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        read => read,
    }
}

/// The id of every process of this machine.
pub(super) fn all() -> io::Result<Vec<Pid>> {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw));
    }
    Ok(pids)
}

/// The processes below one, found by their parents; not the process itself.
pub(super) fn descendants(of: Pid) -> io::Result<Vec<Identity>> {
    let mut all = Vec::new();
    let mut level = children(of)?;
    while !level.is_empty() {
        let mut next = Vec::new();
        for pid in level {
            if let Some(stat) = stat(pid)?.filter(|stat| stat.alive) {
                all.push(stat.identity);
            }
            next.extend(children(pid)?);
        }
        level = next;
    }
    Ok(all)
}

/// The children of a process, zombies included. A kernel without lists of children has every process looked at.
pub(super) fn children(of: Pid) -> io::Result<Vec<Pid>> {
    let tasks = match std::fs::read_dir(format!("/proc/{of}/task")) {
        Ok(tasks) => tasks,
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for task in tasks {
        let path = match task {
            Ok(task) => task.path().join("children"),
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        match std::fs::read_to_string(&path) {
            Ok(list) => found.extend(list.split_ascii_whitespace().filter_map(pid_of)),
            Err(error) if is_gone(&error) && has_lists_of_children() => {}
            Err(error) if is_gone(&error) => return children_by_parents(of),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn pid_of(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}

fn has_lists_of_children() -> bool {
    Path::new("/proc/thread-self/children").exists()
}

fn children_by_parents(of: Pid) -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for pid in all()? {
        if read(pid, "stat")?.is_some_and(|line| parent(&line) == Some(of)) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// The parent that a stat line names: the second field after the name.
fn parent(line: &[u8]) -> Option<Pid> {
    let name_end = line.iter().rposition(|byte| *byte == b')')?;
    std::str::from_utf8(line.get(name_end + 1..)?).ok()?.split_ascii_whitespace().nth(1).and_then(pid_of)
}

/// What a process is called, for people.
pub(super) fn name(pid: Pid) -> Option<String> {
    let name = read(pid, "comm").ok()??;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}

/// Names this machine, where it has a name that stays. Not by the machine's own id, which is not to be shown.
pub(super) fn machine() -> Option<String> {
    // Every look asks.
    static NAME: OnceLock<Option<String>> = OnceLock::new();
    let name = NAME.get_or_init(|| {
        let id = std::fs::read_to_string("/etc/machine-id").ok()?;
        let id = Some(id.trim()).filter(|id| !id.is_empty())?;
        let hash = Sha256::digest(format!("landlord {id}"));
        Some(hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect())
    });
    name.clone()
}

/// Names this boot of the machine: start times of different boots do not compare.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned())
}

/// What all processes of this machine together can have in memory, swapped out included; in megabytes.
pub(super) fn memory() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    Ok(["MemTotal:", "SwapTotal:"].iter().filter_map(|name| kibibytes(&text, name)).sum::<u64>() / 1024)
}

/// A line of `/proc/meminfo`, as in `MemTotal:       16303428 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim_end().parse().ok()
}

/// A process that is held: signals through this reach the process it was opened for, or nothing.
#[derive(Debug)]
pub(super) struct Held(OwnedFd);

/// Opens the process for signals and makes sure, after opening, that it is the one meant and alive. `None` when
/// it is gone, even if another process has its pid now.
pub(super) fn hold(identity: Identity) -> io::Result<Option<Held>> {
    let opened = pidfd_open(identity.pid, PidfdFlags::NONBLOCK);
    let lives = stat(identity.pid)?.is_some_and(|stat| stat.identity == identity && stat.alive);
    match opened {
        Ok(pidfd) => Ok(lives.then_some(Held(pidfd))),
        // ESRCH, and of a process that ends at this moment, or whose pid a thread has now, EINVAL from some kernels.
        Err(_) if !lives => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Held {
    /// The descriptor, which becomes readable when the process ends.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Sends a signal; `false` when the process is gone.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<bool> {
        match pidfd_send_signal(&self.0, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn read(pid: Pid, file: &str) -> io::Result<Option<Vec<u8>>> {
    let whole = || {
        // Not asked for its size, which the kernel does not tell, and most fit into this: that takes two calls.
        let mut bytes = Vec::with_capacity(1024);
        File::open(format!("/proc/{pid}/{file}"))?.take(u64::MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match whole() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// ESRCH is what a read answers when the process ends between open and read.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// Which process a line of `/proc/<pid>/stat` is about.
pub(super) fn parse_stat_line(line: &str) -> Option<Identity> {
    parse_stat(line.as_bytes()).map(|stat| stat.identity)
}

/// Takes a stat line apart (proc_pid_stat(5)); the name in parentheses may itself hold spaces and parentheses.
fn parse_stat(line: &[u8]) -> Option<Stat> {
    let (name_start, name_end) =
        (line.iter().position(|byte| *byte == b'(')?, line.iter().rposition(|byte| *byte == b')')?);
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let pid = Pid::from_raw(text(line.get(..name_start)?)?.trim_end().parse().ok()?)?;
    let rest = text(line.get(name_end + 1..)?)?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Field 3 of the manual page, the state, is the first after the name.
    let field = |number: usize| fields.get(number - 3).copied();
    let threads: u32 = field(20)?.parse().ok()?;
    let alive = match field(3)? {
        // A main thread that ended before the others shows as a zombie, and the process still runs.
        "Z" => threads > 1,
        "X" | "x" => false,
        _ => true,
    };
    // -1 while the kernel takes the process away.
    let group: i32 = field(5)?.parse().ok()?;
    let session: i32 = field(6)?.parse().ok()?;
    let identity = Identity { pid, started: field(22)?.parse().ok()? };
    Some(Stat { identity, group, session, alive: alive && group >= 0 })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::testing::until;

    fn sleeper() -> (std::process::Child, Identity) {
        let child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let identity = stat(pid).unwrap().unwrap().identity;
        (child, identity)
    }

    #[test]
    fn a_name_with_parentheses_is_read() {
        let line = b"7 (a ) b) S 1 5 4 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let pid = Pid::from_raw(7).unwrap();
        let stat = parse_stat(line).unwrap();
        let identity = Identity { pid, started: 4711 };
        assert_eq!(stat, Stat { identity, group: 5, session: 4, alive: true });
        let leaving = b"7 (a) R 0 -1 -1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 0 0 4711 0 0";
        assert!(!parse_stat(leaving).unwrap().alive);
        assert_eq!(parse_stat(b"7 (a"), None);
    }

    #[test]
    fn the_memory_of_the_machine_is_read() {
        let text = "MemTotal:       16303428 kB\nMemFree: 1 kB\nSwapTotal:             0 kB\n";
        assert_eq!(kibibytes(text, "MemTotal:"), Some(16_303_428));
        assert_eq!(kibibytes(text, "SwapTotal:"), Some(0));
        assert_eq!(kibibytes(text, "Nothing:"), None);
        assert!(memory().unwrap() > 0);
    }

    #[test]
    fn a_process_whose_pid_a_thread_has_now_is_gone() {
        let asked = || {
            let pid = rustix::thread::gettid();
            assert_ne!(pidfd_open(pid, PidfdFlags::NONBLOCK).unwrap_err(), Errno::SRCH, "it is there");
            let thread = stat(pid).unwrap().unwrap().identity;
            hold(Identity { pid, started: thread.started - 1 }).unwrap().is_none()
        };
        assert!(std::thread::spawn(asked).join().unwrap());
    }

    #[test]
    fn a_zombie_is_dead() {
        let (mut child, identity) = sleeper();
        child.kill().unwrap();
        until("the zombie", || !stat(identity.pid).unwrap().unwrap().alive);
        assert!(hold(identity).unwrap().is_none());
        child.wait().unwrap();
        assert_eq!(stat(identity.pid).unwrap(), None);
    }

    #[test]
    fn a_reused_pid_is_not_held() {
        let (mut child, identity) = sleeper();
        let earlier = Identity { started: identity.started - 1, ..identity };
        assert!(hold(earlier).unwrap().is_none());
        let held = hold(identity).unwrap().unwrap();
        assert!(held.signal(Signal::KILL).unwrap());
        child.wait().unwrap();
        assert!(!held.signal(Signal::KILL).unwrap(), "the process is gone, and nothing else was signalled");
    }
}
