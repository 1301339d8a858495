//! Starts one container as a process in a group of its own, with its limits, logs, environment and tags.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::planner::process::Start;
use landlord_state_machines::spec::ResourceRequirements;
use rustix::process::{Pid, Resource, getrlimit};
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep};

use super::environment::{self, EnvironmentError, Variables};
use super::files::{LaunchFiles, StateDir};
use super::launches::Launches;
use super::procfs::{self, Identity};
use super::program::{ImageError, Root};
use super::tags::{Key, Tags};
use super::{blocking, exit, problem};

/// Run by `/bin/sh` with the record, the limits (empty for none) and the command as its arguments. It writes
/// itself down before it becomes the program, so that no crash leaves a program that nobody knows, and sets the
/// limits, which a process keeps and hands to its children. It closes what whoever started the engine left open;
/// the engine's own files close by themselves. Text of a spec is only ever an argument.
const SCRIPT: &str = r#"set -e
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
IFS= read -r stat < "/proc/$$/stat"
printf 'LANDLORD_STAT=%s\n' "$stat" >> "$1"
[ -z "$2" ] || ulimit -d "$2"
[ -z "$3" ] || ulimit -f "$3"
shift 3
export LANDLORD_PID=$$
exec "$@"
"#;

/// How long the launch waits for the shell to become the program. After that it counts as started.
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
            let wanted =
                u64::try_from(megabytes).ok().filter(|megabytes| *megabytes > 0)?.saturating_mul(1 << 20);
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
    /// Which program is not said: an argument may hold a secret.
    #[error("{which}")]
    Program { which: &'static str, source: io::Error },
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
    procfs::boot_id().and_then(|boot| files.create_record(tags, &boot)).map_err(|error| {
        let what = format!("container {container}: the record of its launch in {}", files.record().display());
        problem::system(ErrorKind::ProvisionFailed, what, error)
    })?;
    let limits = Limits::of(&start.resources);
    let started = match spawn(&files, launches, tags, prepared, &limits) {
        Ok(identity) => match becomes_program(launches, &tags.key, identity).await {
            Became::Program => return Ok(identity),
            Became::NotExecuted => Err(not_executed(container, &tags.key, launches)),
        },
        Err(error) => {
            let what = format!("container {container} was not started by /bin/sh in {}", start.working_dir);
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
    let path =
        variables.environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.expose_secret());
    let expanded = |text: &String| environment::expand(text, &variables.environment);
    let mut words = start.container.command.iter().chain(&start.container.args).map(expanded);
    let program = words.next().ok_or(PrepareError::NoCommand)?;
    let working_dir = PathBuf::from(&start.working_dir);
    let located = root
        .locate(&program, path.unwrap_or_default(), &working_dir)
        .map_err(|source| PrepareError::Program { which: "the program of its command", source })?;
    let mut command =
        root.enter().map_err(|source| PrepareError::Program { which: "the program chroot", source })?;
    command.push(located.into());
    command.extend(words.map(OsString::from));
    Ok(Prepared { command, working_dir, variables })
}

/// Opens the logs and starts the launching shell. No await: a future that is dropped cannot leave it half done.
fn spawn(
    files: &LaunchFiles,
    launches: &Launches,
    tags: &Tags,
    prepared: Prepared,
    limits: &Limits,
) -> io::Result<Identity> {
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

/// What the launching shell has become.
enum Became {
    Program,
    NotExecuted,
}

/// Waits until the shell has become the program, or could not.
async fn becomes_program(launches: &Launches, key: &Key, identity: Identity) -> Became {
    let deadline = Instant::now() + BECOMES_PROGRAM_WITHIN;
    loop {
        // Read before asking whether it ended; of one that is about to end, or to become the program, it is empty.
        let command_line = procfs::command_line(identity.pid).ok().flatten().unwrap_or_default();
        if let Some(ending) = launches.ending(key) {
            return match ending.status.code() {
                Some(code) if NOT_EXECUTED.contains(&code) => Became::NotExecuted,
                // The program ran and ended; that is seen by whoever looks next.
                Some(_) | None => Became::Program,
            };
        }
        let is_shell = command_line.split(|byte| *byte == 0).any(|word| word == SCRIPT.as_bytes());
        let is_program = !command_line.is_empty() && !is_shell;
        if is_program || Instant::now() >= deadline {
            return Became::Program;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

fn not_executed(container: &str, key: &Key, launches: &Launches) -> ProviderError {
    let message =
        format!("container {container}: its program could not be executed; correct the command or the file");
    let error = ProviderError::new(
        ErrorKind::ProvisionFailed,
        Remedy::Permanent,
        ErrorCode::InvalidConfiguration,
        message,
    );
    match exit::of(key, launches) {
        Ok(exit) => error.with_platform(exit.to_string()),
        Err(unread) => error.with_source(unread),
    }
}

fn refusal(container: &str, error: PrepareError) -> ProviderError {
    let what = format!("container {container}: {error}");
    match error {
        PrepareError::Program { source, .. } => problem::system(ErrorKind::ProvisionFailed, what, source),
        PrepareError::Image(_) | PrepareError::NoCommand => ProviderError::new(
            ErrorKind::InvalidSpec,
            Remedy::Permanent,
            ErrorCode::InvalidConfiguration,
            what,
        )
        .with_source(error),
        PrepareError::Environment(_) => ProviderError::new(
            ErrorKind::ProvisionFailed,
            Remedy::NeedsPerson,
            ErrorCode::ResourceNotFound,
            what,
        )
        .with_source(error),
    }
}

#[cfg(test)]
mod tests {
    use landlord_state_machines::planner::process::{Exit, ExitCause, ProcessCall, ProcessLife, Stop};
    use landlord_state_machines::spec::SecretReference;

    use super::*;
    use crate::testing::{Bench, until};

    fn proc_file(pid: u32, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
    }

    #[tokio::test]
    async fn a_launch_is_a_process_of_its_own_group_with_its_limits_and_only_its_own_files() {
        let bench = Bench::new();
        let mut start = bench.script("echo out; echo err >&2; exec sleep 60");
        start.resources = ResourceRequirements { cpu: 250, memory: 256, storage: Some(10) };
        let leader = bench.start(start).await;
        until("the output", || bench.printed() == "out\n");
        until("the program", || proc_file(leader.pid, "comm") == "sleep\n");

        let stat = procfs::stat(Pid::from_raw(leader.pid.cast_signed()).unwrap()).unwrap().unwrap();
        assert_eq!((stat.group.cast_unsigned(), stat.identity.started), (leader.pid, leader.start_time));
        let limits = proc_file(leader.pid, "limits");
        let limit = |name: &str| limits.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(limit("Max data size").contains("268435456            268435456"), "{limits}");
        assert!(limit("Max file size").contains("10485760             10485760"), "{limits}");

        // A shell names only files up to 9; above, there is only what the runner of the tests may have left open.
        let link = |fd: u8| std::fs::read_link(format!("/proc/{}/fd/{fd}", leader.pid)).ok();
        let files =
            || -> Vec<String> { (0..10).filter_map(link).map(|path| path.display().to_string()).collect() };
        // While it starts it also reads its libraries.
        until("nothing but its input and output", || files().len() == 3);
        let files = files();
        assert_eq!(files[0], "/dev/null");
        assert!(
            files[1].ends_with("acme/web.1-1.out") && files[2].ends_with("acme/web.1-1.err"),
            "{files:?}"
        );
    }

    #[tokio::test]
    async fn arguments_are_never_read_by_a_shell() {
        let bench = Bench::new();
        let mut start = bench.command(&["/bin/echo", "$(id)", "`id`", "$(GREETING)", "a b;c", "-n"]);
        start.container.env = [("GREETING".to_owned(), "$(id) 'x".to_owned())].into();
        bench.start(start).await;
        until("the output", || bench.printed() == "$(id) `id` $(id) 'x a b;c -n\n");
    }

    #[tokio::test]
    async fn a_root_directory_is_entered() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let bench = Bench::new();
        let mut start = bench.command(&["sleep", "60"]);
        start.container.image = "/".into();
        let leader = bench.start(start).await;
        until("the program", || proc_file(leader.pid, "comm") == "sleep\n");
        assert_eq!(bench.life().await, Some(ProcessLife::Leader(leader)));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_or_cannot_run_is_refused_in_the_systems_words() {
        let bench = Bench::new();
        let absent =
            bench.make(ProcessCall::Start(Box::new(bench.command(&["/nowhere/web"])))).await.unwrap_err();
        assert_eq!((absent.remedy, absent.code), (Remedy::Permanent, ErrorCode::ResourceNotFound));
        assert_eq!(absent.platform.as_deref(), Some("No such file or directory (os error 2)"));

        let broken = bench.dir.path().join("broken");
        std::fs::write(&broken, "#!/nowhere/interpreter\n").unwrap();
        let mut mode = std::fs::metadata(&broken).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
        std::fs::set_permissions(&broken, mode).unwrap();
        let start = bench.command(&[broken.to_str().unwrap()]);
        let error = bench.make(ProcessCall::Start(Box::new(start))).await.unwrap_err();
        assert_eq!((error.remedy, error.code), (Remedy::Permanent, ErrorCode::InvalidConfiguration));
        let words = error.platform.unwrap();
        assert!(words.starts_with("exited with code 127; last line of stderr: "), "{words}");
        assert!(bench.seen().is_none(), "a refused start leaves nothing");
    }

    #[tokio::test]
    async fn a_secret_reaches_the_environment_and_nothing_else() {
        let bench = Bench::new();
        let file = bench.dir.path().join("db");
        std::fs::write(&file, "hunter2\n").unwrap();
        let mut start =
            bench.script("test \"$DB\" = hunter2 && echo same; echo \"bad password $DB\" >&2; exit 3");
        let source = "file".to_owned();
        let key = file.to_str().unwrap().to_owned();
        start.secrets = vec![SecretReference { name: "db".into(), source, key, env_var: Some("DB".into()) }];
        assert!(
            !format!(
                "{:?} {}",
                ProcessCall::Start(Box::new(start.clone())),
                serde_json::to_string(&start).unwrap()
            )
            .contains("hunter2")
        );
        bench.start(start).await;
        until("the end", || bench.alive() == 0);
        assert_eq!(bench.printed(), "same\n");
        assert!(!format!("{:?}", bench.machine).contains("hunter2"));
        let record = std::fs::read_to_string(bench.dir.path().join("state/acme/web.1-1.record")).unwrap();
        assert!(!record.contains("hunter2"));
        let exit = Exit { cause: ExitCause::Code(3), last_line: Some("bad password [secret]".into()) };
        assert_eq!(bench.life().await, Some(ProcessLife::Files(exit)));
    }

    #[tokio::test]
    async fn the_record_of_another_engine_is_not_touched() {
        let bench = Bench::new();
        let theirs = crate::testing::tags("acme", "web", "1-1");
        let files = bench.machine.state.launch_of(&theirs);
        files.create_record(&theirs, "boot").unwrap();
        let error =
            bench.make(ProcessCall::Start(Box::new(bench.command(&["sleep", "60"])))).await.unwrap_err();
        assert_eq!((error.remedy, error.code), (Remedy::Permanent, ErrorCode::Conflict));
        assert!(files.record().exists());
        assert!(bench.seen().is_none());
    }

    #[tokio::test]
    async fn a_start_that_is_given_up_is_found() {
        let bench = Bench::new();
        let start = bench.make(ProcessCall::Start(Box::new(bench.command(&["sleep", "60"]))));
        let record = bench.dir.path().join("state/acme/web.1-1.record");
        let made = async {
            while !record.exists() {
                sleep(Duration::from_micros(100)).await;
            }
        };
        tokio::select! {
            _ = start => {}
            () = made => {}
        }
        // The program comes after its record, whether anybody still waits for the start or not.
        let begun = std::time::Instant::now();
        while !matches!(bench.life().await, Some(ProcessLife::Leader(_))) {
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", bench.life().await);
            sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_secret_without_a_value_stops_the_start() {
        let bench = Bench::new();
        let mut start = bench.command(&["sleep", "60"]);
        let (source, key) = ("file".to_owned(), "/nowhere/db".to_owned());
        start.secrets = vec![SecretReference { name: "db".into(), source, key, env_var: Some("DB".into()) }];
        let error = bench.make(ProcessCall::Start(Box::new(start))).await.unwrap_err();
        assert_eq!(error.remedy, Remedy::NeedsPerson);
        assert!(error.message.contains("secret db"), "{error}");
        assert!(bench.seen().is_none());
    }

    #[tokio::test]
    async fn nothing_stays_a_zombie() {
        let bench = Bench::new();
        let leader = bench.start(bench.command(&["sleep", "60"])).await;
        bench.signal(Stop::Kill).await;
        let pid = Pid::from_raw(leader.pid.cast_signed()).unwrap();
        until("the end", || {
            bench.machine.launches.reap();
            procfs::stat(pid).unwrap().is_none()
        });
        assert_eq!(
            bench.life().await,
            Some(ProcessLife::Files(Exit { cause: ExitCause::Signal(9), last_line: None }))
        );
        let clear = ProcessCall::Clear { launch: "1-1".parse().unwrap(), container: "web".into() };
        bench.make(clear.clone()).await.unwrap();
        bench.make(clear).await.unwrap();
        assert_eq!(bench.life().await, None);
        assert!(bench.dir.path().join("state/acme/web.1-1.out").exists(), "logs stay");
    }
}
