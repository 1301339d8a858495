//! What stands between a keeper and a program: a process that sets itself up as the program's and then becomes it.
//!
//! It reads its order from the socket that is its input, and answers there only when it could not become the program;
//! when it could, the socket closes. It writes itself down before it becomes the program, so that no crash leaves a
//! program that nobody knows.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use landlord_state_machines::planner::process::Process;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, chroot, getpid, setrlimit, setsid, umask};
use rustix::stdio::dup2_stdin;
use serde::{Deserialize, Serialize};

use super::namespace::{self, doing};
use super::protocol::{Program, Refusal};
use crate::cgroup::LaunchGroup;
use crate::files::STAT;
use crate::procfs::Identity;
use crate::tags::LEADER;
use crate::user;

/// Below it are the signals that have names.
const SIGNALS: i32 = 32;

/// What a launcher is told.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    /// What it becomes.
    pub(super) program: Program,
    /// Where it writes itself down; none for a check, which its keeper finds anyway.
    pub(super) record: Option<PathBuf>,
    /// The group that it joins.
    pub(super) group: Option<LaunchGroup>,
    /// Whose view of the machine's files it takes on: that of the launch that it checks.
    pub(super) joins: Option<Process>,
}

/// What a shell exits with when it cannot execute a program.
pub(super) const NOT_EXECUTED: u8 = 126;

/// Becomes the program; returns when that failed.
pub(super) fn run() -> ExitCode {
    // Without the socket nobody can be told; the exit code is all there is.
    if let Ok(mut socket) = take_socket() {
        let refusal = become_program(&socket);
        if let Ok(line) = serde_json::to_string(&refusal) {
            let _nobody_listens = writeln!(socket, "{line}");
        }
    }
    ExitCode::from(NOT_EXECUTED)
}

/// Moves the socket away from the input, and makes everything but input and output close at the program's start.
fn take_socket() -> io::Result<UnixStream> {
    let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    dup2_stdin(File::open("/dev/null")?)?;
    close_fds::set_fds_cloexec(3, &[]);
    Ok(UnixStream::from(socket))
}

fn become_program(socket: &UnixStream) -> Refusal {
    let order = match read_order(socket) {
        Ok(order) => order,
        Err(error) => return Refusal::System(format!("its order could not be read: {error}")),
    };
    match prepare(&order) {
        Ok(()) => {}
        Err((doing, error)) => return Refusal::System(format!("{doing}: {error}")),
    }
    let Order { program: Program { words, environment, .. }, record, .. } = &order;
    let Some((program, arguments)) = words.split_first() else {
        return Refusal::System("there is no program".to_owned());
    };
    let error = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .envs(leads(record.is_some()))
        .exec();
    Refusal::Program(error.to_string())
}

/// What tells the first process of a launch from its children.
fn leads(is_first: bool) -> Option<(&'static str, String)> {
    is_first.then(|| (LEADER, getpid().as_raw_nonzero().to_string()))
}

fn read_order(socket: &UnixStream) -> io::Result<Order> {
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// All that a process keeps when it becomes another program.
fn prepare(order: &Order) -> Result<(), (String, io::Error)> {
    let Order { program, record, group, joins } = order;
    // No terminal of whoever started the engine.
    setsid().map_err(doing("its session"))?;
    umask(Mode::from_raw_mode(0o022));
    heed_signals().map_err(doing("its signals"))?;
    if let Some(group) = group {
        group.join().map_err(doing("its group"))?;
    }
    if let Some(record) = record {
        write_down(record).map_err(doing("its record"))?;
    }
    if let Some(leader) = joins.and_then(|leader| Identity::new(leader.pid, leader.start_time)) {
        namespace::join(leader).map_err(doing("the view of the launch that it checks"))?;
    }
    // Before its limits: they are the program's.
    if let Some(mounts) = &program.mounts {
        namespace::enter(mounts, program.root.as_deref(), program.user.as_ref())?;
    }
    for (resource, limit) in [(Resource::Fsize, program.file_size), (Resource::Data, program.data_size)] {
        if let Some(limit) = limit {
            lower(resource, limit).map_err(doing("its limits"))?;
        }
    }
    if let Some(root) = &program.root {
        chroot(root).map_err(doing("its root directory"))?;
    }
    std::env::set_current_dir(&program.working_dir).map_err(doing("its working directory"))?;
    if let Some(identity) = &program.user {
        user::become_user(identity).map_err(doing("its user"))?;
    }
    if program.no_new_privileges {
        rustix::thread::set_no_new_privs(true).map_err(doing("no-new-privileges"))?;
    }
    Ok(())
}

/// What whoever started the engine ignores, as `nohup` does with SIGHUP and a script with the SIGINT of what it starts in the
/// background, the program would ignore too, and a shell could not even catch it. What has a handler is as by default in
/// the program.
fn heed_signals() -> io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default().trim();
    let ignored = u64::from_str_radix(ignored, 16).map_err(io::Error::other)?;
    for signal in 1..SIGNALS {
        let is_ignored = ignored & (1 << (signal - 1)) != 0;
        if is_ignored && !signal_hook::consts::FORBIDDEN.contains(&signal) {
            signal_hook::flag::register(signal, Arc::default())?;
        }
    }
    Ok(())
}

/// Its own line of `/proc/<pid>/stat` says who it is: the same before and after it becomes the program.
fn write_down(record: &Path) -> io::Result<()> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let line = format!("{STAT}={stat}");
    OpenOptions::new().append(true).open(record)?.write_all(line.as_bytes())
}

/// Sets a limit, within what the engine itself may use.
fn lower(resource: Resource, limit: u64) -> io::Result<()> {
    let ours = rustix::process::getrlimit(resource).maximum;
    let limit = Some(ours.map_or(limit, |ours| ours.min(limit)));
    Ok(setrlimit(resource, Rlimit { current: limit, maximum: limit })?)
}
