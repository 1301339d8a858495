//! What the tests of this provider share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{Incarnation, ProviderName, Rollout, TenantId};
use landlord_state_machines::planner::process::{
    Check, Exit, Fingerprint, Manifest, Probe, Probed, Process, ProcessCall, ProcessLife, ProcessReply,
    Readiness, Replica, Signal as Order, Start, Stop,
};
use landlord_state_machines::planner::{CallError, Subject};
use landlord_state_machines::spec::{ContainerSpec, ResourceRequirements, Role};
use rustix::process::Signal;
use tempfile::TempDir;

use super::find::{self, Kept, Seen, Whose};
use super::keeper::KeeperProgram;
use super::logs::LogLimits;
use super::machine::{Machine, Place};
use super::procfs;
use super::signal;
use super::tags::{Key, Owner, Tags, Variables};

/// Longer than anything takes on the slowest machine that runs these tests, an emulated one whose host is busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds, and fails the test when [`PATIENCE`] is over.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the tests run as root. Where they do not, it says what was not tried; in CI that is a failure.
pub(super) fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{what} needs root");
        eprintln!("not tried, as it needs root: {what}");
    }
    root
}

/// Tags of a launch of an engine that no other test uses.
pub(super) fn tags(tenant: &str, container: &str, launch: &str) -> Tags {
    let readiness = Readiness {
        deadline_seconds: None,
        check: Check::Alive,
        interval_seconds: 5,
        timeout_seconds: PATIENCE.as_secs() as u32,
        healthy_threshold: 1,
        unhealthy_threshold: 1,
        start_period_seconds: 0,
    };
    let manifest = Manifest {
        replica: Replica::default(),
        stop_signal: None,
        role: Role::Main,
        rollout: Rollout::default(),
        container: container.to_owned(),
        fingerprint: Fingerprint::of(&ContainerSpec::default(), &[], &[], &Default::default(), None),
        ports: Vec::new(),
        readiness,
        stop_grace_seconds: 10,
        kept: true,
    };
    let key = Key {
        owner: Owner {
            engine: format!("test-{}", std::process::id()),
            provider: ProviderName::new("process").unwrap(),
        },
        tenant: TenantId::new(tenant).unwrap(),
        launch: launch.parse().unwrap(),
    };
    Tags { key, manifest }
}

/// Not a test: the keeper of the tests' tenants, and its launchers.
#[test]
fn keeps_when_asked() {
    super::keeper::run_if_asked();
}

fn place(dir: &TempDir) -> Place {
    let arguments = ["--exact", "testing::keeps_when_asked", "--nocapture", "--test-threads", "2"];
    Place {
        state_dir: dir.path().join("state"),
        logs_dir: dir.path().join("logs"),
        log_limits: LogLimits::default(),
        retain_logs: false,
        ports: 20_000..=29_999,
        keeper: KeeperProgram::other(std::env::current_exe().unwrap(), arguments),
    }
}

/// A machine with a state directory and a tenant of its own, whose processes all end with it.
pub(super) struct Bench {
    pub(super) dir: TempDir,
    pub(super) machine: Arc<Machine>,
    pub(super) subject: Subject,
}

impl Bench {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = tempfile::tempdir().unwrap();
        let machine = Arc::new(Machine::new(place(&dir)));
        let engine = format!("bench-{}-{count}", std::process::id()).into();
        let tenant = TenantId::new("acme").unwrap();
        Self {
            dir,
            machine,
            subject: Subject {
                engine,
                provider: ProviderName::new("process").unwrap(),
                tenant,
                incarnation: Incarnation(1),
            },
        }
    }

    /// The same machine as an engine sees it that was started again.
    pub(super) fn restart(&mut self) {
        self.machine = Arc::new(Machine::new(place(&self.dir)));
    }

    /// A start of a command, as launch 1-1.
    pub(super) fn command(&self, command: &[&str]) -> Start {
        let tags = tags("acme", "web", "1-1");
        Start {
            launch: tags.key.launch,
            manifest: tags.manifest,
            container: ContainerSpec {
                name: "web".into(),
                image: "host".into(),
                command: command.iter().copied().map(str::to_owned).collect(),
                ..ContainerSpec::default()
            },
            secrets: Vec::new(),
            volumes: Vec::new(),
            resources: ResourceRequirements::default(),
            working_dir: "/".into(),
            user: None,
            no_new_privileges: true,
        }
    }

    /// A start of a shell script.
    pub(super) fn script(&self, script: &str) -> Start {
        self.command(&["/bin/sh", "-c", script])
    }

    pub(super) async fn make(&self, call: ProcessCall) -> Result<ProcessReply, ProviderError> {
        self.machine.make(&self.subject, &call).await.map_err(|error| match error {
            CallError::Refused(error) | CallError::Unknown(error) => error,
        })
    }

    pub(super) async fn start(&self, start: Start) -> Process {
        self.make(ProcessCall::Keep).await.unwrap();
        let reply = self.make(ProcessCall::Start(Box::new(start))).await.unwrap();
        let ProcessReply::Started { leader, .. } = reply else { panic!("{reply:?}") };
        leader
    }

    /// What lives of the one launch; `None` when nothing is left of it.
    pub(super) async fn life(&self) -> Option<ProcessLife> {
        let reply = self.make(ProcessCall::Find).await.unwrap();
        let ProcessReply::Found(found) = reply else { panic!("{reply:?}") };
        found.launches.into_values().next().map(|launch| launch.life)
    }

    /// What lives of the launch a moment later, where its keeper says so.
    pub(super) async fn signal(&self, stop: Stop) -> Option<ProcessLife> {
        let launch = "1-1".parse().unwrap();
        let order = Order { launch, leader: None, stop, ails: None };
        let reply = self.make(ProcessCall::Signal(order)).await.unwrap();
        let ProcessReply::Signalled { life, .. } = reply else { panic!("{reply:?}") };
        life
    }

    /// Destroys what has ended.
    pub(super) async fn clear(&self) {
        let (launch, container) = ("1-1".parse().unwrap(), "web".to_owned());
        self.make(ProcessCall::Clear { launch, container }).await.unwrap();
        self.make(ProcessCall::Dismiss { launches: BTreeMap::new() }).await.unwrap();
    }

    pub(super) async fn probe(&self, leader: Process, check: Check) -> Probed {
        let launch = "1-1".parse().unwrap();
        let probe = Probe { launch, leader, check, counts: true };
        let reply = self.make(ProcessCall::Probe(probe)).await.unwrap();
        let ProcessReply::Probed { probed, .. } = reply else { panic!("{reply:?}") };
        probed
    }

    /// The launch as the machine shows it.
    pub(super) async fn seen(&self) -> Option<Seen> {
        let whose = Whose::Tenant(Owner::of(&self.subject), self.subject.tenant.clone());
        self.machine.look(whose).await.unwrap().into_values().next()
    }

    /// How many processes of the launch live.
    pub(super) async fn alive(&self) -> usize {
        let Some(seen) = self.seen().await else { return 0 };
        let others = match seen.kept {
            Kept::Whole(others) => others,
            Kept::Unknown | Kept::InPart => seen.members.len(),
        };
        others + usize::from(seen.leader.is_some())
    }

    /// Waits until so many of its processes live.
    pub(super) async fn until_alive(&self, what: &str, wanted: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.alive().await != wanted {
            assert!(Instant::now() < deadline, "{what}: {} live", self.alive().await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the first process has ended and has left those of these names, which a process gets only when it
    /// becomes its program.
    pub(super) async fn until_left(&self, names: &[&str]) -> Exit {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let life = self.life().await;
            match &life {
                Some(ProcessLife::Orphans(exit)) if exit.left == names => return exit.clone(),
                Some(_) | None => assert!(Instant::now() < deadline, "{life:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills the keeper.
    pub(super) fn kill_keeper(&self) {
        let marker = self.dir.path().to_str().unwrap().as_bytes();
        for pid in procfs::all().unwrap() {
            let environ = procfs::environ(pid).unwrap().unwrap_or_default();
            let setup =
                Variables::of_environ(&environ).get("LANDLORD_KEEPER").map(str::as_bytes).map(<[u8]>::to_vec);
            if setup.is_some_and(|setup| setup.windows(marker.len()).any(|part| part == marker)) {
                let identity = procfs::stat(pid).unwrap().unwrap().identity;
                procfs::hold(identity).unwrap().unwrap().signal(Signal::KILL).unwrap();
                until("the end of the keeper", || !procfs::is_alive(identity));
            }
        }
    }

    /// What the launch has printed: of each line, where and what.
    pub(super) fn printed(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("logs/acme/web.log")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.splitn(3, ' ').nth(2));
        // The launchers of the tests are tests themselves, whose runner begins with two lines of its own.
        let ours = lines.filter(|line| !["stdout F ", "stdout F running 1 test"].contains(line));
        ours.map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.kill_keeper();
        let owner = Owner::of(&self.subject);
        let mut left = Default::default();
        let processes = find::all_processes().unwrap();
        find::add(&self.machine.state, &Whose::Owner(owner.clone()), &processes, &mut left);
        for seen in left.into_values() {
            signal::signal(&seen, Stop::Kill).unwrap();
        }
        if let Ok(groups) = self.machine.groups(&owner) {
            let group = groups.tenant(&owner.provider, &self.subject.tenant);
            group.kill_all(PATIENCE).unwrap();
            group.remove().unwrap();
            groups.remove().unwrap();
        }
    }
}
