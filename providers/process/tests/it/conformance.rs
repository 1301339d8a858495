//! The process provider on this machine.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{
    ContainerSpec, HealthCheckConfig, PortMapping, ResourceRequirements, SecretReference, TenantComputeSpec,
    VolumeSpec,
};
use landlord_compute::provider::Provider;
use landlord_provider_process::ProcessProvider;
use landlord_testing::conformance::{Harm, Patience, Platform, Resource, Unable, Variant, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Set where the test binary is started as a tenant's program.
const ROLE: &str = "CONFORMANCE_ROLE";
/// What marks a tenant's processes for the tests, beside what the provider marks them with.
const TENANT: &str = "CONFORMANCE_TENANT";
const VARIANT: &str = "CONFORMANCE_VARIANT";
/// The directory of the whole run.
const RUN: &str = "CONFORMANCE_RUN";
/// A file that makes the program fail its check while it is there: each process, or those whose pids it has.
const SICK: &str = "CONFORMANCE_SICK";
/// A request after which the program has left a child in the background.
const ESCAPE: &str = "POST /escape";
/// What a record says that no provider wrote.
const FOREIGN: &str = "somebody else's";
/// The containers of every spec.
const CONTAINERS: [&str; 2] = ["web", "worker"];
/// A disk without room.
const FULL: &str = "/dev/full";

const VARIANTS: [(&str, Variant); 6] = [
    ("first", Variant::First),
    ("changed", Variant::Changed),
    ("failing", Variant::Failing),
    ("unhealthy", Variant::Unhealthy),
    ("secret", Variant::Secret),
    ("secret-failing", Variant::SecretFailing),
];

/// Not a test: the program of a tenant. It answers on `PORT`, and says whether it is sick.
#[test]
fn serves_when_asked() {
    if std::env::var(ROLE).as_deref() != Ok("server") {
        return;
    }
    let set = |name| std::env::var(name).expect("set by the spec");
    let port: u16 = set("PORT").parse().expect("a port");
    let sick = PathBuf::from(set(SICK));
    for stream in TcpListener::bind(("127.0.0.1", port)).expect("a free port").incoming() {
        let mut stream = stream.expect("a connection");
        let mut request = [0; 1024];
        if let Ok(read @ 1..) = stream.read(&mut request) {
            if request[..read].starts_with(ESCAPE.as_bytes()) {
                leave_a_child();
            }
            let own = std::process::id().to_string();
            let is_sick = std::fs::read_to_string(&sick)
                .is_ok_and(|pids| pids.is_empty() || pids.lines().any(|pid| pid == own));
            let answer = if is_sick { "500 Sick" } else { "200 OK" };
            let head = format!("HTTP/1.1 {answer}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            // Who asked may have gone.
            let _ = stream.write_all(head.as_bytes());
        }
    }
}

/// Starts a process that shows nothing of whose it is but what the kit has to find it by.
fn leave_a_child() {
    let kept = [TENANT, RUN].map(|name| format!("{name}={}", std::env::var(name).expect("set by the spec")));
    let left = "setsid env -i \"$@\" sleep 600 </dev/null >/dev/null 2>&1 &";
    let started = std::process::Command::new("/bin/sh").args(["-c", left, "sh"]).args(kept).status();
    assert!(started.expect("a shell").success());
}

/// This machine, with a state directory of its own.
struct Machine {
    dir: TempDir,
    secret: String,
    /// A port that this process has.
    taken: TcpListener,
}

/// A process of a run, by its environment.
struct Process {
    pid: Pid,
    variables: BTreeMap<String, String>,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let secret = format!("hunter2{:032x}", fastrand_u128());
        std::fs::write(dir.path().join("secret"), &secret).expect("a file");
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self { dir, secret, taken }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Where the tenant's directory is while it is obstructed.
    fn aside(&self, tenant: &TenantId) -> PathBuf {
        self.dir.path().join(format!("{tenant}.aside"))
    }

    fn logs(&self, tenant: &TenantId) -> PathBuf {
        self.state().join("logs").join(tenant.as_str())
    }

    fn sick(&self, tenant: &TenantId) -> PathBuf {
        self.dir.path().join(format!("{tenant}.sick"))
    }

    /// The living processes with this variable.
    fn processes(&self, name: &str, value: &str) -> Vec<Process> {
        let pids = std::fs::read_dir("/proc").expect("Linux").flatten();
        let pids = pids.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        let of = |pid: Pid| {
            // A process that ends meanwhile does not count.
            let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let text = String::from_utf8_lossy(&environ).into_owned();
            let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
            let variables: BTreeMap<String, String> =
                pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let is_it = variables.get(name).is_some_and(|found| found == value);
            (is_it && !stat.contains(") Z ")).then_some(Process { pid, variables })
        };
        pids.filter_map(of).collect()
    }

    fn of_tenant(&self, tenant: &TenantId) -> Vec<Process> {
        self.processes(TENANT, tenant.as_str())
    }

    fn signal(&self, tenant: &TenantId, signal: Signal) {
        for process in self.of_tenant(tenant) {
            // A process that has ended needs no signal.
            let _ = kill_process(process.pid, signal);
        }
    }

    /// Returns when all of the tenant's threads stand still: until one of them has taken the signal the others go on.
    async fn stop_all(&self, tenant: &TenantId) {
        self.signal(tenant, Signal::STOP);
        let goes_on = |process: &Process| {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap_or_default();
            !stat.contains(") T ")
        };
        while self.of_tenant(tenant).iter().any(goes_on) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The records of the tenant's launches.
    fn records(&self, tenant: &TenantId) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.state().join(tenant.as_str())) else { return Vec::new() };
        let paths = entries.flatten().map(|entry| entry.path());
        let mut records: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "record")).collect();
        records.sort();
        records
    }

    fn server(&self) -> (Vec<String>, Vec<String>) {
        let binary = std::env::current_exe().expect("this test");
        let test = ["--exact", "conformance::serves_when_asked", "--nocapture"];
        (vec![binary.display().to_string()], test.map(str::to_owned).to_vec())
    }
}

/// Two numbers of the address space's layout and the time make a value that is found nowhere else.
fn fastrand_u128() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(0));
    half() << 64 | half()
}

impl Drop for Machine {
    fn drop(&mut self) {
        for process in self.processes(RUN, &self.dir.path().display().to_string()) {
            let _ = kill_process(process.pid, Signal::KILL);
        }
    }
}

#[async_trait]
impl Platform for Machine {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(ProcessProvider::new(crate::options(self.state())))
    }

    fn spec(&self, tenant: &TenantId, variant: Variant) -> Result<TenantComputeSpec, Unable> {
        let shell = |script: &str| (["/bin/sh", "-c", script].map(str::to_owned).to_vec(), Vec::new());
        let (command, args) = match variant {
            Variant::Unhealthy => shell("exec sleep 600"),
            Variant::First
            | Variant::Changed
            | Variant::Failing
            | Variant::Secret
            | Variant::SecretFailing
            | Variant::Invalid
            | Variant::TooLarge
            | Variant::AddressTaken
            | Variant::BadImage => self.server(),
        };
        // What fails is only a part, and not the one that is waited for first.
        let (worker, _) = match variant {
            Variant::Failing => shell("echo 'no database' >&2; exit 3"),
            Variant::SecretFailing => shell("echo \"wrong password $DB\" >&2; exit 3"),
            Variant::First
            | Variant::Changed
            | Variant::Unhealthy
            | Variant::Secret
            | Variant::Invalid
            | Variant::TooLarge
            | Variant::AddressTaken
            | Variant::BadImage => shell("exec sleep 600"),
        };
        let name = VARIANTS.iter().find(|(_, named)| *named == variant).map_or("other", |(name, _)| *name);
        let run = self.dir.path().display().to_string();
        let mut env = BTreeMap::from([
            (ROLE.to_owned(), "server".to_owned()),
            (TENANT.to_owned(), tenant.to_string()),
            (VARIANT.to_owned(), name.to_owned()),
            (RUN.to_owned(), run),
            (SICK.to_owned(), self.sick(tenant).display().to_string()),
        ]);
        if variant == Variant::Invalid {
            env.insert("LANDLORD_OWNER".to_owned(), "me".to_owned());
        }
        let secret = SecretReference {
            name: "db".to_owned(),
            source: "file".to_owned(),
            key: self.dir.path().join("secret").display().to_string(),
            env_var: Some("DB".to_owned()),
            ..SecretReference::default()
        };

        let taken = self.taken.local_addr().expect("it is bound").port();
        let web = ContainerSpec {
            name: CONTAINERS[0].to_owned(),
            image: if variant == Variant::BadImage { "nginx:1.27" } else { "host" }.to_owned(),
            command,
            args,
            env: env.clone(),
            ports: vec![PortMapping {
                container_port: 80,
                host_port: (variant == Variant::AddressTaken).then_some(taken.into()),
                protocol: "tcp".to_owned(),
                ..PortMapping::default()
            }],
            // Longer than a status may take, so that a program that stands still keeps it waiting.
            health_check: Some(HealthCheckConfig {
                kind: "http".to_owned(),
                http_path: Some("/health".to_owned()),
                port: Some(80),
                command: Vec::new(),
                interval_seconds: 30,
                timeout_seconds: 20,
                healthy_threshold: 1,
                unhealthy_threshold: 1,
                start_period_seconds: None,
                ..HealthCheckConfig::default()
            }),
            resources: None,
            ..ContainerSpec::default()
        };
        let worker = ContainerSpec {
            name: CONTAINERS[1].to_owned(),
            image: "host".to_owned(),
            command: worker,
            env,
            ..ContainerSpec::default()
        };
        let has_secret = matches!(variant, Variant::Secret | Variant::SecretFailing);
        Ok(TenantComputeSpec {
            tenant_id: tenant.to_string(),
            provider_type: "process".to_owned(),
            containers: vec![web, worker],
            resources: ResourceRequirements {
                cpu: 128,
                memory: if variant == Variant::TooLarge { 1_000_000_000 } else { 512 },
                storage: None,
                ..ResourceRequirements::default()
            },
            secrets: if has_secret { vec![secret] } else { Vec::new() },
            provider_config: Some(json!({ "stop_grace_seconds": 2 })),
            ..TenantComputeSpec::default()
        })
    }

    async fn resources(&self, tenant: &TenantId) -> Vec<Resource> {
        let processes = self.of_tenant(tenant).into_iter().map(|process| {
            let named = process.variables.get(VARIANT).map(String::as_str);
            let made_from = VARIANTS.iter().find(|(name, _)| Some(*name) == named);
            Resource {
                id: format!("process {}", process.pid),
                made_from: made_from.map(|(_, variant)| *variant),
            }
        });
        let records = self.records(tenant).into_iter().map(|path| {
            let foreign = std::fs::read_to_string(&path).is_ok_and(|text| text == FOREIGN);
            let whose = if foreign { FOREIGN } else { "the provider's" };
            let name = path.file_name().unwrap_or_default().display().to_string();
            Resource { id: format!("{whose} record {name}"), made_from: None }
        });
        processes.chain(records).collect()
    }

    fn retaining(&self, tenant: &TenantId) -> Result<TenantComputeSpec, Unable> {
        let data = VolumeSpec { name: "data".to_owned(), persistent: true, retain: true, size_mb: None };
        Ok(TenantComputeSpec { volumes: vec![data], ..self.spec(tenant, Variant::First)? })
    }

    /// What a life has taken up is that life's.
    async fn retained(&self, tenant: &TenantId) -> Result<Vec<Resource>, Unable> {
        if !self.of_tenant(tenant).is_empty() {
            return Ok(Vec::new());
        }
        let volumes = std::fs::read_dir(self.state().join(tenant.as_str()).join("volumes"));
        let volumes = volumes.into_iter().flatten().flatten();
        let id = |entry: std::fs::DirEntry| format!("volume {}", entry.file_name().display());
        Ok(volumes.map(|entry| Resource { id: id(entry), made_from: None }).collect())
    }

    /// A launch has a record, and processes.
    fn named(&self, resources: &[Resource]) -> usize {
        let records =
            resources.iter().filter(|resource| resource.id.starts_with("the provider's record")).count();
        records.max(usize::from(!resources.is_empty()))
    }

    /// Each has a server.
    async fn replicas(&self, tenant: &TenantId) -> Result<usize, Unable> {
        let processes = self.of_tenant(tenant);
        Ok(processes.iter().filter(|process| process.variables.contains_key("PORT")).count())
    }

    async fn serves(&self, tenant: &TenantId) -> Result<bool, Unable> {
        for process in self.of_tenant(tenant) {
            let port = process.variables.get("PORT").and_then(|port| port.parse().ok());
            if let Some(port) = port
                && tokio::time::timeout(Duration::from_secs(5), answers(port, "GET /"))
                    .await
                    .is_ok_and(|yes| yes)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn harm(&self, tenant: &TenantId, harm: Harm) -> Result<(), Unable> {
        match harm {
            Harm::Crash => self.signal(tenant, Signal::KILL),
            Harm::Hang => {
                let pids = self.of_tenant(tenant).into_iter().map(|process| format!("{}\n", process.pid));
                std::fs::write(self.sick(tenant), pids.collect::<String>()).expect("a file");
            }
            Harm::Escape => {
                let ports = self.of_tenant(tenant).into_iter();
                let port = ports.filter_map(|process| process.variables.get("PORT")?.parse().ok()).next();
                assert!(answers(port.expect("a port"), ESCAPE).await, "the program leaves a child");
            }
            Harm::Sicken => std::fs::write(self.sick(tenant), "").expect("a file"),
            Harm::Remove => {
                for record in self.records(tenant) {
                    std::fs::remove_file(record).expect("a record");
                }
            }
            Harm::Stall => self.stop_all(tenant).await,
            // Where its directory was there is a file, so that no record can be read or removed.
            Harm::Obstruct => {
                let place = self.state().join(tenant.as_str());
                std::fs::rename(&place, self.aside(tenant)).expect("a directory");
                std::fs::write(place, "").expect("a file");
            }
            // Whatever is written there ends with ENOSPC.
            Harm::FullLogDisk => {
                if !Path::new(FULL).exists() {
                    return Err(Unable::new("this machine has no /dev/full"));
                }
                let logs = self.logs(tenant);
                std::fs::create_dir_all(&logs).expect("a directory");
                for container in CONTAINERS {
                    std::os::unix::fs::symlink(FULL, logs.join(format!("{container}.log"))).expect("a link");
                }
            }
            Harm::Outage => return Err(Unable::new("a machine does not refuse for a while what it can do")),
        }
        Ok(())
    }

    async fn heal(&self, tenant: &TenantId) {
        self.signal(tenant, Signal::CONT);
        for container in CONTAINERS {
            let log = self.logs(tenant).join(format!("{container}.log"));
            if log.is_symlink() {
                std::fs::remove_file(log).expect("a link");
            }
        }
        let aside = self.aside(tenant);
        if aside.exists() {
            let place = self.state().join(tenant.as_str());
            std::fs::remove_file(&place).expect("a file");
            std::fs::rename(aside, place).expect("a directory");
        }
    }

    async fn plant(&self, subject: &Subject) -> Result<(), Unable> {
        let dir = self.state().join(subject.tenant.as_str());
        std::fs::create_dir_all(&dir).expect("a directory");
        let record = dir.join(format!("web.{}-1.record", subject.incarnation));
        std::fs::write(record, FOREIGN).expect("a file");
        Ok(())
    }

    fn secret(&self) -> Result<String, Unable> {
        Ok(self.secret.clone())
    }

    fn limits(&self) -> Patience {
        Patience { pause: Duration::from_millis(20), interruptions: 6, parallel: 4, ..Patience::default() }
    }
}

/// Whether a server says on this port that it is well.
async fn answers(port: u16, asked: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut answer = String::new();
    let request = format!("{asked} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_to_string(&mut answer).await.is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn the_process_provider_keeps_the_contract() {
    let machine = Machine::new();
    let report = run(&machine).await;
    report.assert_held();
    println!("{report}");
    let unsaid: Vec<&str> = report.not_applicable().map(|row| row.clause).collect();
    assert_eq!(unsaid, ["errors.retryable"]);
    assert!(Path::new(&machine.state()).exists(), "it ran where it was told to");
}
