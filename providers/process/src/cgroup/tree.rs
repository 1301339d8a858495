//! A group with those in it: its processes, killing them, removing it.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{Dir, Version};

/// The file with the pids of a group.
pub(super) const PROCS: &str = "cgroup.procs";

/// How many processes are held at once: each costs a descriptor.
const HELD: usize = 64;

/// How long a group without a process may still be busy: the kernel has yet to let go of the last ones.
const LETTING_GO: Duration = Duration::from_millis(500);

/// Makes a group; one that exists stays as it is.
pub(super) fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Writes to a file of the kernel's. The file is not made where it is missing.
pub(super) fn write(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
}

/// Moves the calling process, with all its threads, into a group. The kernel calls it 0.
pub(super) fn join(group: &Path) -> io::Result<()> {
    write(&group.join(PROCS), "0")
}

/// Reads a file of a group; `None` when the group is gone, or has no such file.
pub(super) fn read(file: &Path) -> io::Result<Option<String>> {
    let whole = || {
        // Not asked for its size, which the kernel does not tell, and most fit into this: that takes two calls.
        let mut text = String::with_capacity(1024);
        fs::File::open(file)?.take(u64::MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    unless_gone(whole())
}

/// The names of the groups right in this one; none when it is gone.
pub(super) fn children(group: &Path) -> io::Result<Vec<String>> {
    let Some(entries) = unless_gone(fs::read_dir(group))? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// The processes of a group and of all in it; none when it is gone. One of another pid namespace has no pid here, and
/// is left out.
pub(super) fn processes(group: &Path) -> io::Result<Vec<Pid>> {
    let mut pids = own_processes(group)?;
    if is_leaf(group) {
        return Ok(pids);
    }
    for child in children(group)? {
        pids.extend(processes(&group.join(child))?);
    }
    Ok(pids)
}

/// The processes right in this group.
pub(super) fn own_processes(group: &Path) -> io::Result<Vec<Pid>> {
    let text = read(&group.join(PROCS))?.unwrap_or_default();
    Ok(text.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw).collect())
}

/// Kills the processes of a group and of all in it until there are none, or the deadline has come; returns those that
/// are left.
pub(super) fn kill(group: &Dir, deadline: Instant) -> io::Result<Vec<Pid>> {
    let mut pause = Duration::from_millis(1);
    loop {
        let left = processes(&group.path)?;
        if left.is_empty() {
            return Ok(left);
        }
        kill_once(group, &left)?;
        let Some(time) = deadline.checked_duration_since(Instant::now()).filter(|time| !time.is_zero())
        else {
            return processes(&group.path);
        };
        std::thread::sleep(pause.min(time));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn kill_once(group: &Dir, processes: &[Pid]) -> io::Result<()> {
    match group.version {
        Version::V1 => kill_each(&group.path, processes),
        Version::V2 => match write(&group.path.join("cgroup.kill"), "1") {
            // Linux before 5.14. What is frozen starts no other, and dies all the same.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                unless_gone(write(&group.path.join("cgroup.freeze"), "1"))?;
                kill_each(&group.path, processes)
            }
            killed => unless_gone(killed).map(|_gone| ()),
        },
    }
}

/// Signals each process that is still in the group after it was opened: a pid may have been used again before that.
fn kill_each(group: &Path, pids: &[Pid]) -> io::Result<()> {
    // One that may not be signalled keeps no other alive.
    let mut refused = Ok(());
    for some in pids.chunks(HELD) {
        let held: Vec<(Pid, OwnedFd)> = some
            .iter()
            .filter_map(|pid| pidfd_open(*pid, PidfdFlags::empty()).ok().map(|pidfd| (*pid, pidfd)))
            .collect();
        let still_in: HashSet<Pid> = processes(group)?.into_iter().collect();
        for (_, pidfd) in held.iter().filter(|(pid, _)| still_in.contains(pid)) {
            match pidfd_send_signal(pidfd, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => refused = Err(error.into()),
            }
        }
    }
    refused
}

/// Removes a group with all that are in it, bottom up. One that is gone already is no error.
pub(super) fn remove(group: &Path) -> io::Result<()> {
    let deadline = Instant::now() + LETTING_GO;
    loop {
        match remove_once(group) {
            Err(error)
                if error.kind() == io::ErrorKind::ResourceBusy
                    && processes(group)?.is_empty()
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            removed => return removed,
        }
    }
}

/// Whether a group has no other in it: a directory has two names, and one more in each directory that is in it. `false`
/// where that is not known.
fn is_leaf(group: &Path) -> bool {
    fs::metadata(group).is_ok_and(|found| found.nlink() == 2)
}

fn remove_once(group: &Path) -> io::Result<()> {
    match remove_leaf(group) {
        // There is a process in it, or a group.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
        removed => return removed,
    }
    for child in children(group)? {
        remove_once(&group.join(child))?;
    }
    remove_leaf(group)
}

/// Removes a group that has no other in it. One that is gone already is no error.
pub(super) fn remove_leaf(group: &Path) -> io::Result<()> {
    unless_gone(fs::remove_dir(group)).map(|_gone| ())
}

/// `None` where a group or its file is not there. ENODEV is what a file of a group answers that was removed after the file was opened.
pub(super) fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
