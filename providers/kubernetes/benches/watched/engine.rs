//! The engine with its Kubernetes provider, as a program embeds it, in a process of its own.

use std::io::{BufRead, BufReader, Read as _, stdin};
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdout, Command, Stdio};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use landlord_compute::machines::tenant::{EventKind, Settled};
use landlord_compute::store::{Scope, TenantFilter};
use landlord_compute::{Delivery, Engine, Options};
use landlord_provider_kubernetes::{KubernetesOptions, KubernetesProvider};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::spec::TenantComputeSpec;
use landlord_state_machines::status::Health;
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::json;

/// What all tenants run.
pub(crate) const IMAGE: &str = "registry.example.com/web:1";
/// The option by which this program is the engine, with the directory that it works in.
const DIRECTORY: &str = "--engine";
/// The option by which it provisions so many tenants.
const PROVISIONS: &str = "--provisions";
/// How many operations are on their way at a time.
const AT_A_TIME: usize = 128;

/// What an engine does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// It provisions tenants, and ends.
    Provisions { tenants: u64 },
    /// It looks after those that are there, and says a line of each whose pods are not well.
    Rests,
}

pub(crate) fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|word| word != name).nth(1)
}

impl Role {
    /// What this process is asked to be, where it is an engine.
    pub(crate) fn asked_for() -> Option<Self> {
        option(DIRECTORY)?;
        let tenants = option(PROVISIONS).map(|given| given.parse().expect("a number"));
        Some(tenants.map_or(Self::Rests, |tenants| Self::Provisions { tenants }))
    }
}

/// An engine that runs. Dropped, it ends.
pub(crate) struct Child {
    process: process::Child,
    out: BufReader<ChildStdout>,
}

impl Child {
    pub(crate) fn start(role: Role, dir: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        // As the service's unit has them: by itself glibc keeps as much as the largest thing that was ever freed.
        command.env("MALLOC_MMAP_THRESHOLD_", "262144").env("MALLOC_TRIM_THRESHOLD_", "262144");
        command.arg(DIRECTORY).arg(dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Role::Provisions { tenants } = role {
            command.arg(PROVISIONS).arg(tenants.to_string());
        }
        let mut process = command.spawn().expect("the engine starts");
        let out = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, out }
    }

    /// Waits until it ends by itself.
    pub(crate) fn until_over(mut self) {
        let status = tokio::task::block_in_place(|| self.process.wait());
        assert!(status.expect("it ends").success(), "the engine failed");
    }

    /// Waits until it has said of so many tenants that their pods are not well.
    pub(crate) fn until_noticed(&mut self, tenants: u64) {
        tokio::task::block_in_place(|| {
            for _ in 0..tenants {
                let mut line = String::new();
                assert!(self.out.read_line(&mut line).expect("a line") > 0, "the engine ended");
            }
        });
    }

    /// What it has of this machine's memory, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id()));
        let rollup = rollup.expect("Linux");
        let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("it is told");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Is the engine.
pub(crate) async fn run(role: Role) {
    let dir = PathBuf::from(option(DIRECTORY).expect("a directory"));
    let config = json!({ "cluster": { "kubeconfig": { "path": dir.join("kubeconfig") } } });
    // The fake answers as fast as it can.
    let options = KubernetesOptions::new(config).requests_per_second(100_000);
    let provider = KubernetesProvider::new(options).expect("good options");
    let store = SqliteStore::new(SqliteOptions::new(dir.join("landlord.db")));
    let engine = Engine::builder(store).provider(provider).start().await.expect("an engine");
    match role {
        Role::Provisions { tenants } => {
            let provisions = stream::iter(0..tenants).map(async |n| {
                let tenant = engine.tenant(TenantId::new(&format!("t{n}")).expect("a good name"));
                let operation = tenant.provision(spec(n), Options::default()).await.expect("accepted");
                assert_eq!(operation.await.expect("it settles"), Settled::Done);
            });
            provisions.buffer_unordered(AT_A_TIME).collect::<Vec<()>>().await;
        }
        Role::Rests => {
            read_all(&engine).await;
            let head = engine.head();
            let ends = tokio::task::spawn_blocking(|| stdin().read_to_end(&mut Vec::new()));
            let tells = engine.subscribe(head, Scope::All).for_each(async |delivery| {
                if let Ok(Delivery::Event { event, .. }) = delivery
                    && let EventKind::HealthChanged { health: Health::Unhealthy, .. } = event.what
                {
                    println!("{}", event.tenant_id);
                }
            });
            tokio::select! {
                _ = ends => {}
                () = tells => {}
            }
        }
    }
    engine.shutdown(Duration::from_secs(10)).await.expect("the store is given up");
}

/// Reads all tenants. An engine that looks at them does so too; then the store has the same in its memory for one that does not.
async fn read_all(engine: &Engine) {
    let mut after = None;
    loop {
        let page = engine.tenants(&TenantFilter::default(), after, 64).await.expect("a page");
        let Some(next) = page.next else { return };
        after = Some(next);
    }
}

/// A server with a check.
fn spec(number: u64) -> TenantComputeSpec {
    let spec = json!({
        "tenant_id": format!("t{number}"),
        "provider_type": "kubernetes",
        "containers": [{
            "name": "web",
            "image": IMAGE,
            "ports": [{ "container_port": 8080, "name": "http" }],
            "health_check": { "type": "http", "http_path": "/health", "port": 8080, "interval_seconds": 5,
                "timeout_seconds": 2, "healthy_threshold": 1, "unhealthy_threshold": 3 },
        }],
        "resources": { "cpu": 128, "memory": 128 },
    });
    TenantComputeSpec::from_json(&spec.to_string()).expect("a good spec")
}
