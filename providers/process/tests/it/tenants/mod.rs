//! What tenants' programs and their clients do, for tests with real processes: the test binary itself, as one of a few
//! small programs, and closed loops of requests.

pub(crate) mod client;
pub(crate) mod program;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use landlord_compute::Engine;
use landlord_compute::clock::SystemClock;
use landlord_compute::machines::id::{Incarnation, ProviderName, TenantId};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{Spec, TenantComputeSpec};
use landlord_compute::machines::tenant::{Backoff, Policy, RepairPolicy};
use landlord_compute::provider::{Context, Provider};
use landlord_compute::store::Store;
use landlord_provider_process::{ProcessOptions, ProcessProvider};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use program::Program;

/// Marks every process of a site.
const SITE: &str = "TENANTS_TEST_SITE";

/// One engine's provider with a directory of its own; what is left of its tenants ends with it.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) engine: String,
    pub(crate) provider: Arc<ProcessProvider>,
}

impl Site {
    pub(crate) fn new(test: &str) -> Self {
        Self::with(test, |options| options)
    }

    pub(crate) fn with(test: &str, change: impl FnOnce(ProcessOptions) -> ProcessOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let provider = Arc::new(ProcessProvider::new(change(crate::options(dir.path()))));
        Self { engine: format!("{test}-{}", std::process::id()), dir, provider }
    }

    /// The next engine on the same directory.
    pub(crate) fn restart(&mut self) {
        self.provider = Arc::new(ProcessProvider::new(crate::options(self.dir.path())));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn context(&self, tenant: &str) -> Context {
        let subject = Subject {
            engine: self.engine.as_str().into(),
            provider: ProviderName::new("process").unwrap(),
            tenant: TenantId::new(tenant).unwrap(),
            incarnation: Incarnation(1),
        };
        Context::alone(subject, Arc::new(SystemClock))
    }

    /// A tenant with this program in its container `web`.
    pub(crate) fn spec(&self, tenant: &str, program: &Program) -> Spec {
        checked(&self.value(tenant, program))
    }

    /// The same, before it is checked.
    pub(crate) fn value(&self, tenant: &str, program: &Program) -> Value {
        let mut container = program.container();
        container["env"][SITE] = json!(self.dir.path());
        json!({
            "tenant_id": tenant,
            "provider_type": "process",
            "containers": [container],
            "resources": { "cpu": 1000, "memory": 512 },
            "networking": { "public_ip": false },
            "provider_config": { "stop_grace_seconds": 1 },
        })
    }

    /// The processes of its tenants that live, by what `VERSION` they have.
    pub(crate) fn processes(&self) -> Vec<(Pid, String)> {
        let site = self.dir.path().display().to_string();
        environments()
            .filter(|(_, environment)| environment.get(SITE) == Some(&site))
            .map(|(pid, mut environment)| (pid, environment.remove(program::VERSION).unwrap_or_default()))
            .collect()
    }

    /// A variable of the one process of its tenants.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let (pid, _) = self.processes().into_iter().next()?;
        let (_, mut environment) = environments().find(|(found, _)| *found == pid)?;
        environment.remove(name)
    }

    /// The keepers of its tenants.
    pub(crate) fn keepers(&self) -> Vec<Pid> {
        let dir = self.dir.path().display().to_string();
        environments()
            .filter(|(_, environment)| {
                environment.get("LANDLORD_KEEPER").is_some_and(|setup| setup.contains(&dir))
            })
            .map(|(pid, _)| pid)
            .collect()
    }

    pub(crate) async fn destroy(&self, tenant: &str) {
        let cx = self.context(tenant);
        self.provider.destroy(&cx, &cx.subject.tenant).await.unwrap();
        assert_eq!(self.provider.list_tenants(&self.engine).await.unwrap(), []);
        assert_eq!(self.processes(), [], "nothing is left over");
        assert_eq!(self.keepers(), [], "nor is a keeper");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for pid in self.keepers().into_iter().chain(self.processes().into_iter().map(|(pid, _)| pid)) {
            // One that has ended needs no signal.
            let _ended = kill_process(pid, Signal::KILL);
        }
    }
}

pub(crate) fn checked(spec: &Value) -> Spec {
    TenantComputeSpec::from_json(&spec.to_string()).unwrap().check().unwrap()
}

/// The processes of a site's tenants that live.
pub(crate) fn of_site(dir: &str) -> impl Iterator<Item = Pid> {
    environments()
        .filter(move |(_, environment)| environment.get(SITE).is_some_and(|site| site == dir))
        .map(|(pid, _)| pid)
}

/// Every process that lives, with its environment.
fn environments() -> impl Iterator<Item = (Pid, BTreeMap<String, String>)> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let environ = std::fs::read(entry.path().join("environ")).ok()?;
        let text = String::from_utf8_lossy(&environ);
        let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        crate::runs(pid).then_some((pid, pairs))
    })
}

/// A port that nobody has now, outside of the range that the provider and the kernel give away by themselves.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(30_000..32_700);
        let free = TcpListener::bind(("0.0.0.0", port)).is_ok();
        if free && std::net::UdpSocket::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// An engine over a store that repairs soon.
pub(crate) async fn engine(store: impl Store, provider: ProcessProvider) -> Engine {
    let soon = Backoff { first: Duration::from_millis(50), cap: Duration::from_millis(500) };
    let policy = Policy {
        retry: soon,
        repair: RepairPolicy::On { backoff: soon, quiet: Duration::from_secs(600) },
        ..Policy::default()
    };
    Engine::builder(store).provider(provider).policy(policy).start().await.unwrap()
}

/// Waits for something that is to come about.
pub(crate) async fn until(what: &str, mut come: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !come() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
