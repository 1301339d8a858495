//! Groups of the machine the tests run on, whichever kind it has.

use std::collections::HashSet;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landlord_state_machines::id::{ProviderName, TenantId};
use rustix::process::{Pid, Signal, geteuid};

use super::{Groups, LaunchGroup, Limits, NoGroups, TenantGroup, Version};
use crate::testing::{PATIENCE, until};

/// A tenant's group in those of an engine that no other test uses; all of it ends with this.
struct Scene {
    groups: Groups,
    tenant: TenantGroup,
}

impl Scene {
    /// `None`, with a line on stderr that the harness does not hold back, for an ordinary user who may not make groups.
    fn new(test: &str) -> Option<Self> {
        match Groups::find(&format!("test-{test}-{}", std::process::id())) {
            Ok(groups) => {
                let tenant = tenant(&groups);
                tenant.make().unwrap();
                Some(Self { groups, tenant })
            }
            Err(NoGroups::NotDelegated { group }) if !geteuid().is_root() => {
                let group = group.display();
                writeln!(
                    std::io::stderr(),
                    "NOT TESTED: {test}: {group} is not this user's; run the tests as root"
                )
                .unwrap();
                None
            }
            Err(why) => panic!("{why}"),
        }
    }

    fn launch(&self, limits: &Limits) -> LaunchGroup {
        let launch = self.tenant.launch("web.1-3");
        assert_eq!(launch.make(limits).unwrap(), []);
        launch
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A test that failed is not to fail twice.
        let _left = self.tenant.kill_all(PATIENCE);
        let _removed = self.groups.remove();
    }
}

fn tenant(groups: &Groups) -> TenantGroup {
    groups.tenant(&ProviderName::new("process").unwrap(), &TenantId::new("acme").unwrap())
}

/// A shell in the group, which goes on as `script`.
fn start(launch: &LaunchGroup, script: &str) -> Child {
    let script = format!("for file in \"$@\"; do echo $$ > \"$file\" || exit 99; done; {script}");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).args(launch.procs_files());
    command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn running(pid: Pid) -> bool {
    crate::procfs::stat(pid).unwrap().is_some_and(|stat| stat.alive)
}

#[test]
fn what_needs_more_memory_is_killed_and_counted() {
    let Some(scene) = Scene::new("memory") else { return };
    let launch = scene.launch(&Limits { memory_bytes: Some(32 << 20), ..Limits::default() });
    assert_eq!(launch.oom_kills().unwrap(), 0);
    // Without a line break tail keeps all that it has read.
    let status = start(&launch, "exec tail /dev/zero").wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    assert!(launch.oom_kills().unwrap() > 0);
}

#[test]
fn a_tenant_goes_at_once_only_when_nothing_is_left_in_its_group() {
    let Some(scene) = Scene::new("empty") else { return };
    let launch = scene.launch(&Limits::default());
    let refused = scene.tenant.remove_without_launches().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ResourceBusy);
    launch.remove().unwrap();
    scene.tenant.remove_without_launches().unwrap();
    scene.tenant.remove_without_launches().unwrap();
    assert!(!scene.tenant.home().exists());
}

#[test]
fn no_more_processes_start_than_the_limit() {
    let Some(scene) = Scene::new("pids") else { return };
    let launch = scene.launch(&Limits { pids: Some(5), ..Limits::default() });
    // The shell gives up when it cannot fork.
    let status = start(&launch, "while :; do sleep 600 & done").wait().unwrap();
    assert_ne!(status.code(), Some(99), "not in the group");
    assert_eq!(launch.processes().unwrap().len(), 4);
}

#[test]
fn a_busy_loop_is_throttled() {
    let Some(scene) = Scene::new("cpu") else { return };
    let launch = scene.launch(&Limits { cpu_millis: Some(200), ..Limits::default() });
    let mut shell = start(&launch, "while :; do :; done");
    let super::Controller::At(dir) = &launch.0.cpu else { panic!("no limit") };
    let stat = dir.path.join("cpu.stat");
    until("throttling", || {
        let text = std::fs::read_to_string(&stat).unwrap();
        text.lines().any(|line| line.strip_prefix("nr_throttled ").is_some_and(|count| count != "0"))
    });
    assert_eq!(launch.kill(PATIENCE).unwrap(), []);
    shell.wait().unwrap();
}

#[test]
fn a_killed_launch_leaves_nothing_and_its_keeper_lives() {
    let Some(scene) = Scene::new("kill") else { return };
    let launch = scene.launch(&Limits::default());
    let keeper = LaunchGroup(scene.tenant.0.join(super::KEEPER));
    keeper.make(&Limits::default()).unwrap();
    let mut kept = start(&keeper, "exec sleep 600");
    let script = "(setsid sh -c 'trap \"\" TERM HUP; sleep 610 & sleep 620' &) & setsid env -i sleep 630 & exec sleep 640";
    let mut shell = start(&launch, script);
    until("all processes", || launch.processes().unwrap().len() == 5);
    until("the keeper", || scene.tenant.processes().unwrap().len() == 6);
    let all = launch.processes().unwrap();

    let busy = launch.remove().unwrap_err();
    assert_eq!(busy.kind(), std::io::ErrorKind::ResourceBusy);
    let ids: Vec<String> = scene.tenant.launches().unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["web.1-3"]);

    assert_eq!(scene.tenant.kill_launches(PATIENCE).unwrap(), []);
    assert_eq!(launch.processes().unwrap(), []);
    until("the end of all", || !all.iter().any(|pid| running(*pid)));
    assert!(running(Pid::from_child(&kept)), "the keeper was killed");
    launch.remove().unwrap();
    launch.remove().unwrap();
    assert!(scene.tenant.launches().unwrap().is_empty());

    assert_eq!(scene.tenant.kill_all(PATIENCE).unwrap(), []);
    assert_eq!(kept.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
    shell.wait().unwrap();
    scene.tenant.remove().unwrap();
    scene.tenant.remove().unwrap();
    assert!(scene.tenant.processes().unwrap().is_empty());
    assert_eq!(launch.kill(PATIENCE).unwrap(), []);
    assert_eq!(launch.oom_kills().unwrap(), 0);
}

#[test]
fn a_launch_that_starts_processes_as_fast_as_it_can_is_killed() {
    let Some(scene) = Scene::new("bomb") else { return };
    // All at once, where the machine can, and one by one.
    for version in [Version::V2, Version::V1] {
        let mut launch = scene.launch(&Limits::default());
        if launch.0.home.version == Version::V2 {
            launch.0.home.version = version;
        }
        // Each starts the next, and ends.
        let comet = "export COMET='sh -c \"$COMET\" &'; for _ in 1 2 3 4; do sh -c \"$COMET\"; done";
        let mut shell = start(&launch, &format!("{comet}; exec sleep 600"));
        let mut seen = HashSet::new();
        until("many processes", || {
            seen.extend(launch.processes().unwrap());
            seen.len() > 40
        });
        assert_eq!(launch.kill(PATIENCE).unwrap(), []);
        shell.wait().unwrap();
        assert_eq!(launch.processes().unwrap(), []);
        launch.remove().unwrap();
    }
}

#[test]
fn one_pass_of_killing_does_not_wait() {
    let Some(scene) = Scene::new("pass") else { return };
    let launch = scene.launch(&Limits::default());
    let mut shell = start(&launch, "exec sleep 600");
    until("the start", || !launch.processes().unwrap().is_empty());
    launch.kill(Duration::ZERO).unwrap();
    assert_eq!(shell.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
}

/// A test process moves itself: it starts itself for that.
#[test]
fn a_process_moves_itself_into_the_groups_it_was_handed() {
    const HANDED: &str = "LANDLORD_TEST_GROUPS";
    if let Ok(handed) = std::env::var(HANDED) {
        let groups: Groups = serde_json::from_str(&handed).unwrap();
        let tenant = tenant(&groups);
        let me = rustix::process::getpid();
        tenant.join_keeper().unwrap();
        assert_eq!(tenant.processes().unwrap(), [me]);
        let launch = tenant.launch("web.1-3");
        launch.join().unwrap();
        assert_eq!(launch.processes().unwrap(), [me]);
        return;
    }
    let Some(scene) = Scene::new("join") else { return };
    scene.launch(&Limits::default());
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cgroup::tests::a_process_moves_itself_into_the_groups_it_was_handed"])
        .env(HANDED, serde_json::to_string(&scene.groups).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_tenant_that_was_not_made_has_nothing() {
    let Some(scene) = Scene::new("absent") else { return };
    let other =
        scene.groups.tenant(&ProviderName::new("process").unwrap(), &TenantId::new("nobody").unwrap());
    assert!(other.processes().unwrap().is_empty());
    assert!(other.launches().unwrap().is_empty());
    assert_eq!(
        other.launch("1-1").make(&Limits::default()).unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
    other.remove().unwrap();
}

/// Where groups are depends on how the tests are started. What starts them in several ways says what it expects: the
/// directory and the limits that are not enforced, or why there are no groups.
#[test]
fn groups_are_where_the_starter_expects_them() {
    let Ok(expected) = std::env::var("LANDLORD_TEST_GROUPS_AT") else { return };
    let said = match Groups::find("where") {
        Err(why) => why.to_string(),
        Ok(groups) => {
            groups.remove().unwrap();
            let limits = groups.not_enforced().into_iter().map(|limit| format!("\n{limit}"));
            groups.to_string() + &limits.collect::<String>()
        }
    };
    assert_eq!(said, expected);
}
