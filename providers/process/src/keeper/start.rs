//! How a keeper comes to be: what the engine does, and what the new process does.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;

use rustix::fs::Mode;
use rustix::process::{setsid, umask};
use rustix::stdio::dup2_stdout;

use super::protocol::{LOCK, SOCKET, Setup};
use super::routes::ROUTES;
use super::{ALONE, ASKED, KEEPER, KeeperProgram, LAUNCHER, SELF, TRY_OUT, serve};
use crate::files;
use crate::tags::ENGINE;

/// What a keeper says once it takes requests.
const READY: &str = "ready";

/// Where a keeper that fails says why.
const ERRORS: &str = "keeper.err";

/// Why there is no keeper.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The embedder forgot a call.
    #[error(
        "this program does not become a keeper: call landlord_provider_process::keeper::run_if_asked() first in \
         main, or name a program that does with ProcessOptions::keeper"
    )]
    NotPrepared,
    /// The system refused.
    #[error("{doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("the keeper ended at once: {0}")]
    Ended(String),
}

impl StartError {
    fn system(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }
}

/// Starts a tenant's keeper and returns when it takes requests. Blocks for some milliseconds. Where there is one
/// already, the new one ends and this fails.
pub(crate) fn start(program: &KeeperProgram, setup: &Setup, tenant: &str) -> Result<(), StartError> {
    let (path, arguments) = words(program, tenant)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&setup.dir)
        .map_err(StartError::system("make the tenant's directory"))?;
    if let Some(group) = &setup.group {
        group.make().map_err(StartError::system("make the tenant's group of processes"))?;
    }
    let errors = setup.dir.join(ERRORS);
    let stderr = File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&errors)
        .map_err(StartError::system("open the file for the keeper's errors"))?;
    let setup_text = serde_json::to_string(setup).map_err(|error| StartError::Ended(error.to_string()))?;
    let name = std::env::args_os().next().unwrap_or_else(|| OsString::from(path));
    let mut child = Command::new(path)
        .arg0(name)
        .args(arguments)
        .env_clear()
        .env(KEEPER, setup_text)
        // For whoever looks for what an engine has left on the machine.
        .env(ENGINE, &setup.ward.engine)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(StartError::system("start the keeper's program"))?;
    let stdout = child.stdout.take();
    let said =
        stdout.map(|stdout| BufReader::new(stdout).lines().map_while(Result::ok).any(|line| line == READY));
    let is_ready = said == Some(true);
    super::client::adopt(&setup.dir, child);
    if is_ready {
        // Empty, unless it fails later.
        return Ok(());
    }
    let why = std::fs::read_to_string(&errors).unwrap_or_default();
    Err(StartError::Ended(why.lines().last().unwrap_or("it said nothing").to_owned()))
}

/// What a keeper runs.
fn words<'a>(program: &'a KeeperProgram, tenant: &str) -> Result<(&'a Path, Vec<OsString>), StartError> {
    match program {
        KeeperProgram::ThisOne if !ASKED.load(Ordering::Relaxed) => Err(StartError::NotPrepared),
        // So that people see what it is in a list of processes.
        KeeperProgram::ThisOne => {
            Ok((Path::new(SELF), vec![OsString::from("keeper"), OsString::from(tenant)]))
        }
        KeeperProgram::Other { path, arguments } => Ok((path.as_path(), arguments.clone())),
    }
}

/// Whether launches can have a view of their own of the machine's files; if not, why. Blocks for some milliseconds.
pub(crate) fn has_views(program: &KeeperProgram) -> Result<(), String> {
    let (path, arguments) = words(program, "").map_err(|error| error.to_string())?;
    let name = std::env::args_os().next().unwrap_or_else(|| OsString::from(path));
    let mut trying = Command::new(path);
    trying.arg0(name).args(arguments).env_clear().env(LAUNCHER, TRY_OUT);
    let tried = trying.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    match tried.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&tried.stderr);
            Err(said.lines().last().unwrap_or("the system does not say why").to_owned())
        }
    }
}

/// Becomes a keeper; returns when it has ended.
pub(super) fn become_keeper(setup: &str) -> ExitCode {
    match keep(setup) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut stderr = io::stderr();
            // There is nobody else to tell.
            let _unheard = io::Write::write_all(&mut stderr, format!("{error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn keep(setup: &str) -> io::Result<()> {
    if std::env::var_os(ALONE).is_none() {
        return Err(alone());
    }
    umask(Mode::from_raw_mode(0o077));
    serve::serve(serde_json::from_str(setup)?, || {
        io::Write::write_all(&mut io::stdout(), format!("\n{READY}\n").as_bytes())?;
        io::Write::flush(&mut io::stdout())?;
        // Whoever started it hears no more, and may end.
        Ok(dup2_stdout(File::options().write(true).open("/dev/null")?)?)
    })
}

/// Begins again in a session of its own and without the descriptors that whoever started the engine had open: a lock
/// that they hold would be held for as long as the tenant lives. Returns only when that fails.
fn alone() -> io::Error {
    if let Err(error) = setsid() {
        return error.into();
    }
    close_fds::set_fds_cloexec(3, &[]);
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    Command::new(SELF).arg0(name).args(arguments).env(ALONE, "").exec()
}

/// Returns when the keeper of the tenant whose directory this is has ended; at once where there is none. Blocks.
pub(crate) fn await_end(dir: &Path) -> io::Result<()> {
    match File::options().write(true).open(dir.join(LOCK)) {
        Ok(lock) => rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    super::client::await_ended(dir)
}

/// Removes the files of a keeper that has ended, and the tenant's directory unless somebody else has something there.
pub(crate) fn remove_files(dir: &Path) -> io::Result<()> {
    [SOCKET, LOCK, ERRORS, ROUTES].iter().try_for_each(|name| files::remove(&dir.join(name)))?;
    files::remove_if_empty(dir)?;
    if dir.exists() {
        files::remove_old_logs(dir)?;
        files::remove_if_empty(dir)?;
    }
    Ok(())
}
