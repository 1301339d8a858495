//! Starts one container as a process in a group of its own, with its limits, logs, environment and tags.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::planner::process::{Exit, ExitCause, Start};
use landlord_state_machines::spec::ResourceRequirements;
use rustix::process::{Pid, Resource, getrlimit};
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep};

use super::environment::{self, EnvironmentError, Variables};
use super::files::{LaunchFiles, StateDir};
use super::launches::Launches;
use super::procfs::{self, Identity};
use super::program::{ImageError, Root};
use super::tags::{Key, LEADER, Tags, Variables as Environ};
use super::{blocking, exit, problem};

/// Run by `/bin/sh` with the record, the limits (empty for none) and the command as its arguments. It writes
/// itself down before it becomes the program, so that no crash leaves a program that nobody knows, and sets the
/// limits, which a process keeps and hands to its children. Text of a spec is only ever an argument.
const SCRIPT: &str = r#"set -e
IFS= read -r stat < "/proc/$$/stat"
printf 'LANDLORD_STAT=%s\n' "$stat" >> "$1"
[ -z "$2" ] || ulimit -d "$2"
[ -z "$3" ] || ulimit -f "$3"
shift 3
export LANDLORD_PID=$$
exec "$@"
"#;

/// How long the shell may take to become the program; on a slower machine it is believed to get there.
const BECOMES_PROGRAM_WITHIN: Duration = Duration::from_secs(5);

/// What a shell exits with when it cannot execute a program, and when there is none (POSIX).
const NOT_EXECUTED: [i32; 2] = [126, 127];

/// The limits of a launch, for each of its processes.
struct Limits {
    /// Private writable memory, in units of 1024 bytes.
    data: Option<u64>,
    /// The size of each file that it writes, in units of 512 bytes.
    file: Option<u64>,
}

impl Limits {
    /// What the spec gives, within what the engine itself may use.
    fn of(resources: &ResourceRequirements) -> Self {
        let limit = |megabytes: i64, resource: Resource, unit: u64| {
            let wanted = u64::try_from(megabytes).ok().filter(|megabytes| *megabytes > 0)?.saturating_mul(1 << 20);
            Some(getrlimit(resource).maximum.map_or(wanted, |ours| wanted.min(ours)) / unit)
        };
        Self {
            data: limit(resources.memory, Resource::Data, 1024),
            file: resources.storage.and_then(|storage| limit(storage, Resource::Fsize, 512)),
        }
    }
}

/// Why a container was not started.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error("the container has no command; give the program to run")]
    NoCommand,
    #[error("program {program:?}")]
    Program { program: String, source: io::Error },
}

/// A launch that only has to be done.
struct Prepared {
    command: Vec<OsString>,
    working_dir: PathBuf,
    variables: Variables,
}

/// Starts a container and returns its first process, which runs the program by then, or has ended already. When
/// this fails, nothing is left of the launch but its logs.
pub(super) async fn launch(
    state: &StateDir,
    launches: &Launches,
    start: &Start,
    tags: &Tags,
) -> Result<Identity, ProviderError> {
    let container = &tags.manifest.container;
    let prepared = {
        let (start, tags) = (start.clone(), tags.clone());
        blocking::read("the preparation of a start", move || prepare(&start, &tags)).await?
    };
    let prepared = prepared.map_err(|error| refusal(container, error))?;
    let files = state.launch_of(tags);
    let limits = Limits::of(&start.resources);
    let started = match spawn(&files, launches, tags, prepared, &limits) {
        Ok(identity) => match becomes_program(launches, &tags.key, identity).await {
            Ok(()) => return Ok(identity),
            Err(status) => Err(not_executed(container, &tags.key, launches, status)),
        },
        Err(error) => {
            let what = format!("container {container} was not started");
            Err(problem::system(ErrorKind::ProvisionFailed, what, error))
        }
    };
    launches.forget(&tags.key);
    if let Err(error) = files.remove_record() {
        tracing::warn!(tenant_id = %tags.key.tenant, %error, "the record of a refused start stays until the next look");
    }
    started
}

/// Finds the program and puts the environment together. Changes nothing.
fn prepare(start: &Start, tags: &Tags) -> Result<Prepared, PrepareError> {
    let root = Root::of_image(&start.container.image)?;
    let variables = environment::compose(root.base(), start, tags)?;
    let path = variables.environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.expose_secret());
    let expanded = |text: &String| environment::expand(text, &variables.environment);
    let mut words = start.container.command.iter().chain(&start.container.args).map(expanded);
    let program = words.next().ok_or(PrepareError::NoCommand)?;
    let working_dir = PathBuf::from(&start.working_dir);
    let located = root
        .locate(&program, path.unwrap_or_default(), &working_dir)
        .map_err(|source| PrepareError::Program { program, source })?;
    let mut command = root.enter().map_err(|source| PrepareError::Program { program: "chroot".into(), source })?;
    command.push(located.into());
    command.extend(words.map(OsString::from));
    Ok(Prepared { command, working_dir, variables })
}

/// Makes the files and starts the launching shell. No await: a future that is dropped cannot leave it half done.
fn spawn(
    files: &LaunchFiles,
    launches: &Launches,
    tags: &Tags,
    prepared: Prepared,
    limits: &Limits,
) -> io::Result<Identity> {
    files.create_record(tags, &procfs::boot_id()?)?;
    let (out, err) = files.open_logs()?;
    let argument = |limit: Option<u64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let variables = prepared.variables.environment.iter().map(|(name, value)| (name, value.expose_secret()));
    let mut child = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "landlord"])
        .arg(files.record().canonicalize()?)
        .args([argument(limits.data), argument(limits.file)])
        .args(prepared.command)
        .env_clear()
        .envs(variables)
        .current_dir(prepared.working_dir)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()?;
    let identity = procfs::stat(Pid::from_child(&child)).and_then(|stat| {
        // Nobody has read yet how it ended, so it is there, if only as a zombie.
        stat.map(|stat| stat.identity).ok_or_else(|| io::ErrorKind::NotFound.into())
    });
    match identity {
        Ok(identity) => {
            launches.adopt(tags.key.clone(), child, files.clone(), prepared.variables);
            Ok(identity)
        }
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error)
        }
    }
}

/// Waits until the shell has become the program; the exit code when it could not.
async fn becomes_program(launches: &Launches, key: &Key, identity: Identity) -> Result<(), i32> {
    let deadline = Instant::now() + BECOMES_PROGRAM_WITHIN;
    loop {
        // Read before asking whether it ended: what is gone has no environment either.
        let environ = procfs::environ(identity.pid);
        if let Some(ending) = launches.ending(key) {
            return match ending.status.code() {
                Some(code) if NOT_EXECUTED.contains(&code) => Err(code),
                // The program ran and ended; that is seen by whoever looks next.
                Some(_) | None => Ok(()),
            };
        }
        let is_shell = environ.is_ok_and(|environ| {
            environ.is_some_and(|environ| {
                let variables = Environ::of_environ(&environ);
                Tags::read(&variables).is_some() && variables.get(LEADER).is_none()
            })
        });
        if !is_shell || Instant::now() >= deadline {
            return Ok(());
        }
        sleep(Duration::from_millis(1)).await;
    }
}

fn not_executed(container: &str, key: &Key, launches: &Launches, code: i32) -> ProviderError {
    let message = format!("container {container}: its program could not be executed; correct the command or the file");
    let error = ProviderError::new(
        ErrorKind::ProvisionFailed,
        Remedy::Permanent,
        ErrorCode::InvalidConfiguration,
        message,
    );
    let ended = Exit { cause: ExitCause::Code(code), last_line: None };
    error.with_platform(exit::of(key, launches).unwrap_or(ended).to_string())
}

fn refusal(container: &str, error: PrepareError) -> ProviderError {
    let what = format!("container {container}: {error}");
    match error {
        PrepareError::Program { source, .. } => problem::system(ErrorKind::ProvisionFailed, what, source),
        PrepareError::Image(_) | PrepareError::NoCommand => {
            ProviderError::new(ErrorKind::InvalidSpec, Remedy::Permanent, ErrorCode::InvalidConfiguration, what)
                .with_source(error)
        }
        PrepareError::Environment(_) => ProviderError::new(
            ErrorKind::ProvisionFailed,
            Remedy::NeedsPerson,
            ErrorCode::ResourceNotFound,
            what,
        )
        .with_source(error),
    }
}
