//! Starts one container: finds its program, puts its environment together, and has the keeper start it.

use std::io;
use std::path::{Path, PathBuf};

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::process::{ProcessReply, Start, Thief};
use landlord_state_machines::spec::ResourceRequirements;
use secrecy::ExposeSecret;

use super::cgroup::{Limit, Limits};
use super::environment::{self, EnvironmentError};
use super::files::LaunchFiles;
use super::keeper::client::AskError;
use super::keeper::protocol::{Answer, Launch, Program, Refusal, Request};
use super::machine::{Machine, not_kept};
use super::program::{ImageError, Root};
use super::secrets::SecretError;
use super::tags::Tags;
use super::user::{self, UserError};
use super::volumes::VolumesDir;
use super::{blocking, mounts, problem, procfs};

/// Processes and threads of one launch.
const PIDS: u64 = 4096;

/// Why a container was not started.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error("a file of it: {0}")]
    File(#[from] SecretError),
    #[error("the container has no command; give the program to run")]
    NoCommand,
    #[error("user: {0}")]
    User(#[from] UserError),
    #[error("the program {program:?} of its command")]
    Program { program: String, source: io::Error },
}

/// Starts a container and answers with its first process, which runs the program by then, or has ended already. When
/// this is refused, or another process has taken a port since it was found free, nothing is left of the launch but its
/// log.
pub(super) async fn launch(machine: &Machine, start: &Start, tags: &Tags) -> Result<ProcessReply, CallError> {
    let container = &tags.manifest.container;
    let by_group = by_group(machine, tags);
    let files = machine.state.launch_of(tags);
    let prepared = {
        let (start, tags, files) = (start.clone(), tags.clone(), files.clone());
        let volumes = machine.volumes(&tags.key.tenant);
        let from = From { files, volumes, by_group };
        blocking::read("the preparation of a start", move || prepare(&start, &tags, &from)).await
    };
    let prepared = prepared.map_err(CallError::Refused)?;
    let (program, check) = prepared.map_err(|error| CallError::Refused(refusal(container, error)))?;
    procfs::boot_id().and_then(|boot| files.create_record(tags, &boot)).map_err(|error| {
        let what = format!("container {container}: the record of its launch in {}", files.record().display());
        CallError::Refused(problem::system(ErrorKind::ProvisionFailed, what, error))
    })?;
    make_own(&files, start).map_err(|error| {
        let what = format!("container {container}: the directory of its launch");
        undo(&files, tags);
        CallError::Refused(problem::system(ErrorKind::ProvisionFailed, what, error))
    })?;
    let routes = start.manifest.routes(start.launch, false);
    let hold = routes.filter(|route| !start.fixes(route.host_port)).collect();
    let headers = start.container.health_check.as_ref().map(|check| check.headers.clone());
    let asking = Launch {
        launch: start.launch,
        manifest: start.manifest.clone(),
        program,
        check,
        headers: headers.unwrap_or_default(),
        hold,
    };
    let error = match machine.ask(&tags.key.tenant, Request::Launch(Box::new(asking))).await {
        Ok(Answer::Launched(leader)) => return Ok(ProcessReply::Started { launch: start.launch, leader }),
        // Its program ran, and has ended; or nobody knows. The next look shows it.
        Ok(
            Answer::Done
            | Answer::Found { .. }
            | Answer::Checked(_)
            | Answer::Robbed(_)
            | Answer::Routed { .. }
            | Answer::Stopped { .. }
            | Answer::Changed
            | Answer::Refused(_),
        ) => {
            return Err(CallError::Unknown(not_kept(&AskError::Unanswered)));
        }
        Err(error @ (AskError::Unanswered | AskError::Refused(Refusal::Known(_)))) => {
            return Err(CallError::Unknown(not_kept(&error)));
        }
        Err(error @ (AskError::Absent | AskError::Refused(_) | AskError::System(_))) => error,
    };
    undo(&files, tags);
    match error {
        AskError::Refused(Refusal::Taken { port, holder }) => {
            Ok(ProcessReply::Robbed { launch: start.launch, thief: Thief { port, holder } })
        }
        error @ (AskError::Absent | AskError::Unanswered | AskError::Refused(_) | AskError::System(_)) => {
            Err(CallError::Refused(not_started(container, &error)))
        }
    }
}

/// Makes the launch's own directories. Its volumes that are not persistent begin empty.
fn make_own(files: &LaunchFiles, start: &Start) -> io::Result<()> {
    if mounts::needed_for(&start.container).is_none() {
        return Ok(());
    }
    files.make_own(start.volumes.iter().filter(|volume| !volume.persistent).map(|volume| &volume.name))
}

/// Removes the files of a start that was refused.
fn undo(files: &LaunchFiles, tags: &Tags) {
    if let Err(error) = files.remove() {
        tracing::warn!(tenant_id = %tags.key.tenant, %error, "the record of a refused start stays until the next look");
    }
}

/// Which limits are kept by groups of processes.
#[derive(Clone, Copy)]
struct ByGroup {
    memory: bool,
}

fn by_group(machine: &Machine, tags: &Tags) -> ByGroup {
    let missing = |groups: &super::cgroup::Groups| {
        groups.not_enforced().iter().any(|missing| missing.limit == Limit::Memory)
    };
    ByGroup { memory: machine.groups(&tags.key.owner).as_ref().is_ok_and(|groups| !missing(groups)) }
}

/// What else a start is prepared from.
struct From {
    files: LaunchFiles,
    volumes: VolumesDir,
    by_group: ByGroup,
}

/// Finds the program and puts the environment together. Changes nothing.
fn prepare(start: &Start, tags: &Tags, from: &From) -> Result<(Program, Option<Program>), PrepareError> {
    let root = Root::of_image(&start.container.image)?;
    let environment = environment::compose(root.base(), start, tags)?;
    let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.expose_secret());
    let expanded = |text: &String| environment::expand(text, &environment);
    let mut words = start.container.command.iter().chain(&start.container.args).map(expanded);
    let program = words.next().ok_or(PrepareError::NoCommand)?;
    let working_dir = PathBuf::from(&start.working_dir);
    let own = |path: &Path| mounts::covers(&start.container, path);
    let located = match root.locate(&program, path.unwrap_or_default(), &working_dir, own) {
        Ok(located) => located.display().to_string(),
        // As it is written, not as it is expanded: a variable may hold a secret.
        Err(source) => {
            let program = start.container.command.iter().chain(&start.container.args).next().cloned();
            return Err(PrepareError::Program { program: program.unwrap_or_default(), source });
        }
    };
    let user = start.user.as_ref().map(|user| user::find(user, root.path())).transpose()?;
    let limits = limits(&start.resources);
    let program = Program {
        words: std::iter::once(located).chain(words).collect(),
        environment: environment
            .iter()
            .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
            .collect(),
        working_dir,
        root: match &root {
            Root::Host => None,
            Root::Directory(directory) => Some(directory.clone()),
        },
        user,
        no_new_privileges: start.no_new_privileges,
        limits,
        file_size: start.resources.storage.and_then(bytes),
        mounts: mounts::of(start, &from.files, &from.volumes)?,
        data_size: if from.by_group.memory { None } else { limits.memory_bytes },
    };
    let check = start.container.health_check.as_ref().filter(|check| !check.command.is_empty());
    let check = check.map(|check| Program {
        words: check.command.clone(),
        // It takes on the launch's own.
        mounts: None,
        ..program.clone()
    });
    Ok((program, check))
}

/// What the spec gives.
fn limits(resources: &ResourceRequirements) -> Limits {
    Limits {
        memory_bytes: bytes(resources.memory),
        cpu_millis: u64::try_from(resources.cpu).ok().filter(|cpu| *cpu > 0),
        pids: Some(PIDS),
    }
}

fn bytes(megabytes: i64) -> Option<u64> {
    Some(u64::try_from(megabytes).ok().filter(|megabytes| *megabytes > 0)?.saturating_mul(1 << 20))
}

fn not_started(container: &str, error: &AskError) -> ProviderError {
    match error {
        AskError::Refused(refusal @ Refusal::Program(_)) => ProviderError::new(
            ErrorKind::ProvisionFailed,
            Remedy::Permanent,
            ErrorCode::InvalidConfiguration,
            format!("container {container}: {refusal}; correct the command or the file"),
        ),
        AskError::Refused(refusal) => ProviderError::new(
            ErrorKind::ProvisionFailed,
            Remedy::Retry,
            ErrorCode::UnknownError,
            format!("container {container} was not started: {refusal}"),
        ),
        AskError::Absent | AskError::Unanswered | AskError::System(_) => not_kept(error),
    }
}

fn refusal(container: &str, error: PrepareError) -> ProviderError {
    let what = format!("container {container}: {error}");
    match error {
        PrepareError::Program { source, .. } => problem::system(ErrorKind::ProvisionFailed, what, source),
        PrepareError::Image(_) | PrepareError::NoCommand | PrepareError::User(_) => ProviderError::new(
            ErrorKind::InvalidSpec,
            Remedy::Permanent,
            ErrorCode::InvalidConfiguration,
            what,
        )
        .with_source(error),
        PrepareError::Environment(_) | PrepareError::File(_) => ProviderError::new(
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

    use std::time::Duration;

    use rustix::process::Pid;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::testing::{Bench, until};

    fn proc_file(pid: u32, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
    }

    #[tokio::test]
    async fn a_launch_is_a_process_of_its_own_group_with_its_limits_and_only_its_own_files() {
        let bench = Bench::new();
        let mut start = bench.script("echo out; echo err >&2; exec sleep 600");
        start.resources = ResourceRequirements {
            cpu: 250,
            memory: 256,
            storage: Some(10),
            ..ResourceRequirements::default()
        };
        let leader = bench.start(start).await;
        until("the output", || bench.printed() == "stdout F out\nstderr F err\n");
        until("the program", || proc_file(leader.pid, "comm") == "sleep\n");

        let stat = procfs::stat(Pid::from_raw(leader.pid.cast_signed()).unwrap()).unwrap().unwrap();
        assert_eq!((stat.group.cast_unsigned(), stat.identity.started), (leader.pid, leader.start_time));
        let limits = proc_file(leader.pid, "limits");
        let limit = |name: &str| limits.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(limit("Max file size").contains("10485760             10485760"), "{limits}");

        let link = |fd: u8| std::fs::read_link(format!("/proc/{}/fd/{fd}", leader.pid)).ok();
        let files =
            || -> Vec<String> { (0..255).filter_map(link).map(|path| path.display().to_string()).collect() };
        // While it starts it also reads its libraries.
        until("nothing but its input and output", || files().len() == 3);
        let files = files();
        assert_eq!(files[0], "/dev/null");
        assert!(
            files[1].ends_with("acme/web.1-1.out.pipe") && files[2].ends_with("acme/web.1-1.err.pipe"),
            "{files:?}"
        );
    }

    #[tokio::test]
    async fn of_the_engines_environment_a_launch_has_where_programs_are_and_its_home() {
        let bench = Bench::new();
        let leader = bench.start(bench.command(&["sleep", "600"])).await;
        until("the program", || proc_file(leader.pid, "comm") == "sleep\n");
        let environ = proc_file(leader.pid, "environ");
        let variables = environ.split('\0').filter_map(|variable| variable.split_once('='));
        let not_ours: Vec<_> = variables.filter(|(name, _)| !name.starts_with(crate::tags::PREFIX)).collect();
        let here: Vec<_> =
            ["HOME", "PATH"].into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?))).collect();
        assert!(std::env::vars().count() > here.len(), "the engine has more");
        assert_eq!(not_ours, here.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn arguments_are_never_read_by_a_shell() {
        let bench = Bench::new();
        let mut start = bench.command(&["/bin/echo", "$(id)", "`id`", "$(GREETING)", "a b;c", "-n"]);
        start.container.env = [("GREETING".to_owned(), "$(id) 'x".to_owned())].into();
        bench.start(start).await;
        until("the output", || bench.printed() == "stdout F $(id) `id` $(id) 'x a b;c -n\n");
    }

    #[tokio::test]
    async fn a_root_directory_is_entered() {
        if !crate::testing::is_root("a root directory") {
            return;
        }
        let bench = Bench::new();
        let mut start = bench.command(&["sleep", "600"]);
        start.container.image = "/".into();
        let leader = bench.start(start).await;
        until("the program", || proc_file(leader.pid, "comm") == "sleep\n");
        assert_eq!(bench.life().await, Some(ProcessLife::Leader(leader)));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_or_cannot_run_is_refused_in_the_systems_words() {
        let bench = Bench::new();
        bench.make(ProcessCall::Keep).await.unwrap();
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
        assert!(error.message.contains("No such file or directory"), "{error}");
        assert!(bench.seen().await.is_none(), "a refused start leaves nothing");
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
        start.secrets = vec![SecretReference {
            name: "db".into(),
            source,
            key,
            env_var: Some("DB".into()),
            ..SecretReference::default()
        }];
        assert!(
            !format!(
                "{:?} {}",
                ProcessCall::Start(Box::new(start.clone())),
                serde_json::to_string(&start).unwrap()
            )
            .contains("hunter2")
        );
        bench.start(start).await;
        bench.until_alive("the end", 0).await;
        until("its lines", || bench.printed().lines().count() == 2);
        assert!(bench.printed().contains("stdout F same\n"));
        assert!(!format!("{:?}", bench.machine).contains("hunter2"));
        let record = std::fs::read_to_string(bench.dir.path().join("state/acme/web.1-1.record")).unwrap();
        assert!(!record.contains("hunter2"));
        let exit = Exit::of(ExitCause::Code(3));
        assert_eq!(bench.life().await, Some(ProcessLife::Files(exit)));
    }

    #[tokio::test]
    async fn the_record_of_another_engine_is_not_touched() {
        let bench = Bench::new();
        let theirs = crate::testing::tags("acme", "web", "1-1");
        let files = bench.machine.state.launch_of(&theirs);
        files.create_record(&theirs, "boot").unwrap();
        let error =
            bench.make(ProcessCall::Start(Box::new(bench.command(&["sleep", "600"])))).await.unwrap_err();
        assert_eq!((error.remedy, error.code), (Remedy::Permanent, ErrorCode::Conflict));
        assert!(files.record().exists());
        assert!(bench.seen().await.is_none());
    }

    #[tokio::test]
    async fn a_start_that_is_given_up_happens_soon_or_never() {
        for millis in 0..8 {
            let bench = Bench::new();
            bench.make(ProcessCall::Keep).await.unwrap();
            let start = bench.make(ProcessCall::Start(Box::new(bench.command(&["sleep", "600"]))));
            let _given_up = timeout(Duration::from_millis(millis), start).await;
            sleep(Duration::from_secs(1)).await;
            let life = bench.life().await;
            sleep(Duration::from_millis(200)).await;
            assert_eq!(bench.life().await, life);
        }
    }

    #[tokio::test]
    async fn a_secret_without_a_value_stops_the_start() {
        let bench = Bench::new();
        let mut start = bench.command(&["sleep", "600"]);
        let (source, key) = ("file".to_owned(), "/nowhere/db".to_owned());
        start.secrets = vec![SecretReference {
            name: "db".into(),
            source,
            key,
            env_var: Some("DB".into()),
            ..SecretReference::default()
        }];
        let error = bench.make(ProcessCall::Start(Box::new(start))).await.unwrap_err();
        assert_eq!(error.remedy, Remedy::NeedsPerson);
        assert!(error.message.contains("secret db"), "{error}");
        assert!(bench.seen().await.is_none());
    }

    #[tokio::test]
    async fn nothing_stays_a_zombie() {
        let bench = Bench::new();
        let leader = bench.start(bench.command(&["sleep", "600"])).await;
        bench.signal(Stop::Kill).await;
        let pid = Pid::from_raw(leader.pid.cast_signed()).unwrap();
        until("the end", || procfs::stat(pid).unwrap().is_none());
        assert_eq!(bench.life().await, Some(ProcessLife::Files(Exit::of(ExitCause::Signal(9)))));
        let clear = ProcessCall::Clear { launch: "1-1".parse().unwrap(), container: "web".into() };
        bench.make(clear.clone()).await.unwrap();
        bench.make(clear).await.unwrap();
        assert_eq!(bench.life().await, None);
    }
}
