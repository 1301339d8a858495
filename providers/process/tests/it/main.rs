//! The process provider as its users see it: real processes, through the trait.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says why and stops"
)]

mod addresses;
mod conformance;
mod driver;
mod health;
mod kills;
mod order;
mod programs;
mod replicas;
mod takeover;
mod tenants;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use landlord_compute::clock::SystemClock;
use landlord_compute::machines::error::{ErrorCode, ErrorKind};
use landlord_compute::machines::id::{Incarnation, ProviderName, TenantId};
use landlord_compute::machines::observation::Seen;
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{Spec, TenantComputeSpec};
use landlord_compute::machines::status::{ComputeState, Health, ProvisionStatus, UpdateStatus};
use landlord_compute::provider::{Context, Provider};
use landlord_provider_process::keeper::KeeperProgram;
use landlord_provider_process::{ProcessOptions, ProcessProvider};
use landlord_testing::server::program;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Set where the test binary is started as an engine.
const ROLE: &str = "PROCESS_TEST_ROLE";

/// Not a test: the program of a tenant.
#[test]
fn serves_when_asked() {
    landlord_testing::server::serve_if_asked();
}

/// Not a test: the keeper of a tenant, and what becomes its program.
#[test]
fn keeps_when_asked() {
    landlord_provider_process::keeper::run_if_asked();
}

/// Options with this test binary as keeper.
fn options(state_dir: impl Into<PathBuf>) -> ProcessOptions {
    let arguments = ["--exact", "keeps_when_asked", "--nocapture", "--test-threads", "2"];
    ProcessOptions::new(state_dir).keeper(KeeperProgram::other(std::env::current_exe().unwrap(), arguments))
}

/// Not a test: an engine that provisions the tenant of `STATE_DIR` and then waits to be killed.
#[test]
fn provisions_when_asked() {
    if std::env::var(ROLE).as_deref() != Ok("engine") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let state_dir = std::env::var("STATE_DIR").unwrap();
        let provider = ProcessProvider::new(options(&state_dir));
        let cx = context(&std::env::var("ENGINE").unwrap());
        provider.provision(&cx, &server(1)).await.unwrap();
        std::fs::write(Path::new(&state_dir).join("provisioned"), "").unwrap();
        std::future::pending::<()>().await;
    });
}

fn context(engine: &str) -> Context {
    let subject = Subject {
        engine: engine.into(),
        provider: ProviderName::new("process").unwrap(),
        tenant: TenantId::new("acme").unwrap(),
        incarnation: Incarnation(1),
    };
    Context::alone(subject, Arc::new(SystemClock))
}

fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn spec(container: Value) -> Spec {
    let spec = json!({
        "tenant_id": "acme",
        "provider_type": "process",
        "containers": [container],
        "resources": { "cpu": 256, "memory": 512 },
        "networking": { "public_ip": false },
        "provider_config": { "stop_grace_seconds": 1 },
    });
    TenantComputeSpec::from_json(&spec.to_string()).unwrap().check().unwrap()
}

/// A web server with an HTTP check; another version is another spec.
fn server(version: u32) -> Spec {
    let (command, args, (role, server)) = program("serves_when_asked");
    spec(json!({
        "name": "web",
        "image": "host",
        "command": [command],
        "args": args,
        "env": { role: server, "VERSION": version.to_string() },
        "ports": [{ "container_port": 80, "protocol": "tcp", "name": "http" }],
        "health_check": { "type": "http", "http_path": "/health", "port": 80, "interval_seconds": 5,
            "timeout_seconds": 1, "healthy_threshold": 1, "unhealthy_threshold": 1 },
    }))
}

/// An engine's provider with a state directory of its own; what is left of its tenant ends with it.
struct Bench {
    dir: TempDir,
    engine: String,
    provider: ProcessProvider,
}

impl Bench {
    fn new(test: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let provider = ProcessProvider::new(options(dir.path()));
        Self { dir, engine: format!("{test}-{}", std::process::id()), provider }
    }

    /// A context without a ledger, as after the loss of the store.
    fn context(&self) -> Context {
        context(&self.engine)
    }

    /// The same engine as a program of its own, which provisions the tenant.
    fn engine_apart(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "provisions_when_asked", "--nocapture"])
            .env(ROLE, "engine")
            .env("STATE_DIR", self.dir.path())
            .env("ENGINE", &self.engine)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn restart(&mut self) {
        self.provider = ProcessProvider::new(options(self.dir.path()));
    }

    async fn destroy(&self) {
        self.provider.destroy(&self.context(), &tenant()).await.unwrap();
        assert_eq!(self.provider.list_tenants(&self.engine).await.unwrap(), []);
    }
}

/// The one pid in a tenant's resources.
fn pid(resources: &std::collections::BTreeMap<String, String>) -> Pid {
    let text = resources.values().find(|held| held.starts_with("pid")).unwrap();
    let number = text.split(|char: char| !char.is_ascii_digit()).find(|part| !part.is_empty()).unwrap();
    Pid::from_raw(number.parse().unwrap()).unwrap()
}

/// Whether it runs; a zombie waits only for its parent, who may be slow.
fn runs(pid: Pid) -> bool {
    /// The kernel's flag of a process that has begun to end and runs nothing of its program any more.
    const EXITING: u32 = 4;
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
    let fields: Vec<&str> = fields.split(' ').collect();
    let flags: u32 = fields[6].parse().expect("a number");
    fields[0] != "Z" && flags & EXITING == 0
}

#[tokio::test]
async fn a_tenant_lives_from_provision_to_destroy() {
    let bench = Bench::new("life");
    let cx = bench.context();
    let provider = &bench.provider;

    let provisioned = provider.provision(&cx, &server(1)).await.unwrap();
    assert_eq!(provisioned.status, ProvisionStatus::Success);
    let endpoint = &provisioned.endpoints[0];
    assert!(std::net::TcpStream::connect((endpoint.address.as_str(), endpoint.port)).is_ok());

    let again = provider.provision(&cx, &server(1)).await.unwrap();
    assert_eq!(
        (again.resource_ids, &again.endpoints),
        (provisioned.resource_ids.clone(), &provisioned.endpoints)
    );
    let conflict = provider.provision(&cx, &server(2)).await.unwrap_err();
    assert_eq!((conflict.kind, conflict.code), (ErrorKind::ProvisionFailed, ErrorCode::Conflict));

    let status = provider.get_status(&cx, &tenant()).await.unwrap();
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));

    let old = pid(&provisioned.resource_ids);
    let mut cx = cx;
    cx.applied = Some(server(1));
    let same = provider.update(&cx, &tenant(), &server(1)).await.unwrap();
    assert_eq!(same.status, UpdateStatus::NoChanges);
    assert!(runs(old));
    let updated = provider.update(&cx, &tenant(), &server(2)).await.unwrap();
    assert_eq!(updated.status, UpdateStatus::Success);
    assert!(!runs(old));
    assert_eq!(provider.list_tenants(&cx.subject.engine).await.unwrap().len(), 1);

    provider.destroy(&cx, &tenant()).await.unwrap();
    provider.destroy(&cx, &tenant()).await.unwrap();
    assert_eq!(provider.list_tenants(&cx.subject.engine).await.unwrap(), []);
    assert_eq!(provider.get_status(&cx, &tenant()).await.unwrap_err().kind, ErrorKind::TenantNotFound);
    assert_eq!(
        provider.update(&cx, &tenant(), &server(1)).await.unwrap_err().kind,
        ErrorKind::TenantNotFound
    );
}

#[tokio::test]
async fn a_crash_is_observed_and_another_provision_repairs_it() {
    let bench = Bench::new("crash");
    let cx = bench.context();
    let provisioned = bench.provider.provision(&cx, &server(1)).await.unwrap();
    let mut observed = bench.provider.observe(&cx.subject.engine, Arc::new(SystemClock)).unwrap();
    kill_process(pid(&provisioned.resource_ids), Signal::KILL).unwrap();
    let observation = observed.next().await.unwrap();
    assert_eq!(observation.seen, Seen::Broken("web: ended by signal 9".into()));

    let status = bench.provider.get_status(&cx, &tenant()).await.unwrap();
    assert!(matches!(Seen::from_status(&status), Seen::Broken(_)), "{status:?}");
    let repaired = bench.provider.provision(&cx, &server(1)).await.unwrap();
    assert_ne!(pid(&repaired.resource_ids), pid(&provisioned.resource_ids));
    let status = bench.provider.get_status(&cx, &tenant()).await.unwrap();
    assert_eq!((status.state, status.containers[0].restart_count), (ComputeState::Running, 1));
    bench.destroy().await;
}

#[tokio::test]
async fn processes_outlive_an_engine_that_is_killed() {
    let bench = Bench::new("outlive");
    let mut engine = bench.engine_apart();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !bench.dir.path().join("provisioned").exists() {
        assert!(Instant::now() < deadline && engine.try_wait().unwrap().is_none(), "nothing was provisioned");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    engine.kill().unwrap();
    engine.wait().unwrap();

    // The store is lost as well: the processes alone tell what runs.
    let cx = bench.context();
    let status = bench.provider.get_status(&cx, &tenant()).await.unwrap();
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));
    let owned = bench.provider.list_tenants(&cx.subject.engine).await.unwrap();
    assert_eq!((owned[0].tenant.clone(), owned[0].incarnation), (tenant(), Incarnation(1)));
    let adopted = bench.provider.provision(&cx, &server(1)).await.unwrap();
    assert_eq!(pid(&adopted.resource_ids), pid(&owned[0].resources), "it was found, not started again");
    bench.destroy().await;
    assert!(!runs(pid(&owned[0].resources)));
}

#[tokio::test]
async fn an_engine_that_is_killed_at_any_moment_of_a_start_leaves_nothing_unknown() {
    let mut found = 0;
    let mut step = 0;
    // On a busy machine it takes longer until there is anything to find.
    while step < 20 || found == 0 {
        assert!(step < 500, "each engine was killed too early to show anything");
        let bench = Bench::new(&format!("moment-{step}"));
        let mut engine = bench.engine_apart();
        tokio::time::sleep(Duration::from_millis(2 * step)).await;
        engine.kill().unwrap();
        engine.wait().unwrap();
        found += bench.provider.list_tenants(&bench.engine).await.unwrap().len();
        bench.destroy().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(bench.provider.list_tenants(&bench.engine).await.unwrap(), [], "a latecomer");
        assert!(!says(&bench.engine), "a process of the tenant is left that the provider does not know");
        step += 1;
    }
}

/// Whether any living process has these words in its environment.
fn says(words: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environ.windows(words.len()).any(|part| part == words.as_bytes())
    })
}

#[tokio::test]
async fn a_tenant_that_died_with_its_engine_is_broken_for_the_next_one() {
    let mut bench = Bench::new("down");
    let provisioned = bench.provider.provision(&bench.context(), &server(1)).await.unwrap();
    kill_process(pid(&provisioned.resource_ids), Signal::KILL).unwrap();
    bench.restart();
    let cx = bench.context();
    let mut observed = bench.provider.observe(&cx.subject.engine, Arc::new(SystemClock)).unwrap();
    assert!(matches!(observed.next().await.unwrap().seen, Seen::Broken(_)));
    let status = bench.provider.get_status(&cx, &tenant()).await.unwrap();
    assert!(matches!(Seen::from_status(&status), Seen::Broken(_)), "{status:?}");
    bench.destroy().await;
}

#[tokio::test]
async fn a_fixed_port_goes_from_the_old_process_to_the_new_one() {
    let bench = Bench::new("fixed");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let fixed = |version: u32| {
        let mut spec = serde_json::to_value(server(version)).unwrap();
        spec["containers"][0]["ports"][0]["host_port"] = json!(free);
        TenantComputeSpec::from_json(&spec.to_string()).unwrap().check().unwrap()
    };
    let mut cx = bench.context();
    let before = bench.provider.provision(&cx, &fixed(1)).await.unwrap();
    cx.applied = Some(fixed(1));
    bench.provider.update(&cx, &tenant(), &fixed(2)).await.unwrap();
    let after = bench.provider.provision(&cx, &fixed(2)).await.unwrap();
    assert_eq!(before.endpoints, after.endpoints);
    assert_eq!(after.endpoints[0].port, free);
    assert_ne!(pid(&before.resource_ids), pid(&after.resource_ids));
    bench.destroy().await;
}

#[tokio::test]
async fn a_destroy_kills_what_does_not_end_within_its_grace() {
    let bench = Bench::new("grace");
    let cx = bench.context();
    let stubborn = spec(json!({
        "name": "web", "image": "host",
        "command": ["/bin/sh", "-c", "trap '' TERM; sleep 70 & sleep 71 & wait"],
    }));
    let provisioned = bench.provider.provision(&cx, &stubborn).await.unwrap();
    let begun = Instant::now();
    bench.destroy().await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "it had its grace of a second");
    assert!(!runs(pid(&provisioned.resource_ids)));
}

#[tokio::test]
async fn a_failed_provision_leaves_nothing_and_no_secret_shows() {
    let bench = Bench::new("failed");
    let cx = bench.context();
    let secret = bench.dir.path().join("secret");
    std::fs::write(&secret, "hunter2").unwrap();
    let mut failing = serde_json::to_value(spec(json!({
        "name": "web", "image": "host", "command": ["/bin/sh", "-c", "echo \"wrong password $DB\" >&2; exit 1"],
    })))
    .unwrap();
    failing["secrets"] = json!([{ "name": "db", "source": "file", "key": secret, "env_var": "DB" }]);
    let failing = TenantComputeSpec::from_json(&failing.to_string()).unwrap().check().unwrap();

    let error = bench.provider.provision(&cx, &failing).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ProvisionFailed);
    let shown = format!("{error} {error:?} {:?}", cx.ledger());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("exited with code 1"), "{shown}");
    assert_eq!(bench.provider.list_tenants(&cx.subject.engine).await.unwrap(), []);
    let log = std::fs::read_to_string(bench.dir.path().join("logs/acme/web.log")).unwrap();
    assert!(log.ends_with("stderr F wrong password hunter2\n"), "what it printed is in its log");
}

#[tokio::test]
async fn a_spec_that_cannot_run_here_is_refused_with_every_problem() {
    let bench = Bench::new("invalid");
    let cx = bench.context();
    let bad = spec(json!({ "name": "web", "image": "nginx:1.27", "env": { "LANDLORD_OWNER": "me" } }));
    let error = bench.provider.validate(&cx, &bad).await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::InvalidSpec, ErrorCode::InvalidConfiguration));
    assert!(error.message.contains("containers[0].image: "), "{error}");
    assert!(error.message.contains("containers[0].env.LANDLORD_OWNER: "), "{error}");
    assert_eq!(bench.provider.provision(&cx, &bad).await.unwrap_err(), error);
}

#[test]
fn the_configuration_describes_itself() {
    let provider = ProcessProvider::new(options("/nowhere"));
    let schema = provider.config_schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    let described: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let defaults = provider.config_defaults();
    let described = described.into_iter().filter(|name| *name != "user");
    assert_eq!(described.collect::<Vec<_>>(), defaults.as_object().unwrap().keys().collect::<Vec<_>>());
    assert_eq!(defaults["stop_grace_seconds"], 10);
    assert_eq!(schema["properties"]["stop_grace_seconds"]["default"], 10);
    assert!(provider.capabilities().not_enforced.iter().any(|limit| limit.starts_with("storage")));
}

/// A machine may have several providers of this kind, under names of their own.
#[tokio::test]
async fn two_providers_of_one_engine_keep_apart() {
    let bench = Bench::new("names");
    let other = ProviderName::new("elsewhere").unwrap();
    let elsewhere = ProcessProvider::new(options(bench.dir.path().join("elsewhere")).name(other.clone()));
    assert_eq!((elsewhere.name(), &*elsewhere.kind()), (other.clone(), "process"));

    bench.provider.provision(&bench.context(), &server(1)).await.unwrap();
    assert_eq!(elsewhere.list_tenants(&bench.engine).await.unwrap(), []);
    let mut cx = bench.context();
    cx.subject.provider = other;
    assert_eq!(elsewhere.get_status(&cx, &tenant()).await.unwrap_err().kind, ErrorKind::TenantNotFound);
    elsewhere.destroy(&cx, &tenant()).await.unwrap();
    let status = bench.provider.get_status(&bench.context(), &tenant()).await.unwrap();
    assert_eq!(status.state, ComputeState::Running, "another provider's destroy is not this one's");
    bench.destroy().await;
}
