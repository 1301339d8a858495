//! Starts a launch: its group, its pipes, the launcher that becomes the program.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::Pid;

use super::connection::{self, Connection};
use super::launcher::Order;
use super::output;
use super::protocol::Program;
use super::{LAUNCHER, SELF};
use crate::cgroup::LaunchGroup;
use crate::files::LaunchFiles;
use crate::logs::SOURCES;
use crate::procfs::{self, Identity};

/// A launcher on its way to the program.
#[derive(Debug)]
pub(super) struct Launcher {
    /// Closes when it has become the program, and says why when it could not.
    pub(super) socket: Connection,
    /// The process, which stays the same when it becomes the program.
    pub(super) leader: Identity,
}

/// Starts the launcher of a launch.
pub(super) fn launcher(
    files: &LaunchFiles,
    program: Program,
    group: Option<&LaunchGroup>,
) -> io::Result<Launcher> {
    if let Some(group) = group {
        group.make(&program.limits)?;
    }
    let mut ends = SOURCES.map(|source| {
        let path = files.pipe(source);
        output::make(&path, program.user.as_ref())?;
        output::for_launch(&path)
    });
    let mut end = |at: usize| std::mem::replace(&mut ends[at], Err(io::ErrorKind::NotFound.into()));
    let (out, err) = (Stdio::from(end(0)?), Stdio::from(end(1)?));
    start(Order { program, record: Some(files.record()), group: group.cloned(), joins: None }, out, err)
}

/// Starts the launcher of a check of a launch, by the launch's first process. What it prints is not kept: it may hold a
/// secret.
pub(super) fn check(
    program: Program,
    group: Option<&LaunchGroup>,
    leader: Option<Identity>,
) -> io::Result<Launcher> {
    let joins = leader.map(Identity::process);
    start(Order { program, record: None, group: group.cloned(), joins }, Stdio::null(), Stdio::null())
}

fn start(order: Order, out: Stdio, err: Stdio) -> io::Result<Launcher> {
    let (mut socket, theirs) = connection::pair()?;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let child = Command::new(SELF)
        // The same words, so that the same program runs, whatever they mean to it.
        .arg0(name)
        .args(arguments)
        .env_clear()
        .env(LAUNCHER, "")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stdout(out)
        .stderr(err)
        .spawn()?;
    // The keeper reads how every child of its ended.
    let pid = Pid::from_child(&child);
    let leader = procfs::stat(pid)?.ok_or(io::ErrorKind::NotFound)?.identity;
    if socket.send(&order).is_err() {
        return Err(io::Error::other("the launcher ended before it read its order"));
    }
    Ok(Launcher { socket, leader })
}
