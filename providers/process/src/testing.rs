//! What the tests of this provider share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{Incarnation, ProviderName, Rollout, TenantId};
use landlord_state_machines::planner::process::{
    Check, Fingerprint, Manifest, Probe, Probed, Process, ProcessCall, ProcessLife, ProcessReply, Readiness,
    Signal, Start, Stop,
};
use landlord_state_machines::planner::{CallError, Subject};
use landlord_state_machines::spec::{ContainerSpec, ResourceRequirements};
use tempfile::TempDir;

use super::find::{self, Seen, Whose};
use super::machine::Machine;
use super::signal;
use super::tags::{Key, Owner, Tags};

/// Waits until `condition` holds, and fails the test after ten seconds.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Tags of a launch of an engine that no other test uses.
pub(super) fn tags(tenant: &str, container: &str, launch: &str) -> Tags {
    let readiness = Readiness {
        check: Check::Alive,
        interval_seconds: 5,
        timeout_seconds: 1,
        healthy_threshold: 1,
        unhealthy_threshold: 1,
        start_period_seconds: 0,
    };
    let manifest = Manifest {
        rollout: Rollout::default(),
        container: container.to_owned(),
        fingerprint: Fingerprint::of(&ContainerSpec::default(), &[], &Default::default(), None),
        ports: Vec::new(),
        readiness,
        stop_grace_seconds: 10,
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
        let machine = Arc::new(Machine::new(dir.path().join("state"), 20_000..=29_999));
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
        self.machine = Arc::new(Machine::new(self.dir.path().join("state"), 20_000..=29_999));
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
            resources: ResourceRequirements::default(),
            working_dir: "/".into(),
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

    pub(super) async fn signal(&self, stop: Stop) {
        let launch = "1-1".parse().unwrap();
        self.make(ProcessCall::Signal(Signal { launch, leader: None, stop })).await.unwrap();
    }

    pub(super) async fn probe(&self, leader: Process, check: Check) -> Probed {
        let launch = "1-1".parse().unwrap();
        let probe = Probe { launch, leader, check, timeout_seconds: 1, ports: Vec::new() };
        let reply = self.make(ProcessCall::Probe(probe)).await.unwrap();
        let ProcessReply::Probed { probed, .. } = reply else { panic!("{reply:?}") };
        probed
    }

    /// The launch as the machine shows it.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.machine.launches.reap();
        let whose = Whose::Tenant(Owner::of(&self.subject), self.subject.tenant.clone());
        find::look(&self.machine.state, &whose).unwrap().into_values().next()
    }

    /// How many processes of the launch live.
    pub(super) fn alive(&self) -> usize {
        self.seen().map_or(0, |seen| seen.processes().count())
    }

    /// What the launch has printed.
    pub(super) fn printed(&self) -> String {
        let path = self.dir.path().join("state/acme/web.1-1.out");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        while let Some(seen) = self.seen().filter(|seen| seen.processes().next().is_some()) {
            signal::signal(&seen, Stop::Kill).unwrap();
        }
    }
}
