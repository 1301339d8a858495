//! A store and a fleet of processes that an earlier build left are taken over: nothing is started anew, nothing is told to
//! end, and a destroy leaves nothing. What was recorded, and how: [`landlord_testing::recorded`].

mod launch;
mod record;

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::hash::{BuildHasher, RandomState};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use landlord_compute::clock::TokioClock;
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::status::{ComputeState, Health};
use landlord_compute::machines::tenant::{Backoff, Policy, Settled};
use landlord_compute::{Engine, ObservePolicy, Options, TenantHandle};
use landlord_provider_process::ProcessProvider;
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use landlord_testing::recorded::{File, spec, until};
use landlord_testing::server::program;

use launch::{Cleanup, Launch, Process, living, process};

/// Set where the test binary is started as the engine that takes over.
const ROLE: &str = "TAKEOVER_ROLE";
/// Where the engine finds what it takes over.
const PLACE: &str = "TAKEOVER_PLACE";
/// The engine's own variables that the specs refer to.
const SERVER: &str = "TAKEOVER_SERVER";
const SLOW: &str = "TAKEOVER_SLOW";

/// Who runs in the end, and the spec that its caller sent last and got.
const RUNNING: [(&str, &str); 7] = [
    ("flight", include_str!("specs/flight.yaml")),
    ("moving", include_str!("specs/moving-2.yaml")),
    ("pair", include_str!("specs/pair.yaml")),
    ("repaired", include_str!("specs/repaired.yaml")),
    ("undone", include_str!("specs/undone-1.yaml")),
    ("updated", include_str!("specs/updated-2.yaml")),
    ("web", include_str!("specs/web.yaml")),
];
/// Who lives besides: one that runs and is paused, one whose update waits for the end of a pause, one that never ran.
const OTHERS: [&str; 3] = ["failed", "paused", "queued"];
/// What operations that were on their way when the engine was killed have yet to end.
const ENDING: [&str; 2] = ["leaving/main.1-1", "moving/web.1-1"];

/// The path of a test beside this one, as the test binary takes it.
fn beside(test: &str) -> String {
    let (_binary, module) = module_path!().split_once("::").expect("a module of the binary");
    format!("{module}::{test}")
}

/// What 1813ea4 left, on this machine: a store, and the processes that it launched.
struct Fleet {
    directory: tempfile::TempDir,
    engine: String,
    children: Vec<(String, Child)>,
    _cleanup: Cleanup,
}

impl Fleet {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        // Also apart from those in other containers of this machine.
        let engine = format!("takeover-{:x}", RandomState::new().hash_one(()));
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux");
        let server = path("server");
        let (program, arguments, (role, what)) = program("serves_when_asked");
        let script =
            format!("#!/bin/sh\n{role}={what} exec '{}' {}\n", program.display(), arguments.join(" "));
        std::fs::write(&server, script).expect("written");
        std::fs::set_permissions(&server, PermissionsExt::from_mode(0o700)).expect("set");

        let mut known = BTreeMap::from([
            ("@ENGINE@".to_owned(), engine.clone()),
            ("@BOOT@".to_owned(), boot.trim().to_owned()),
            ("@SERVER@".to_owned(), server.display().to_string()),
        ]);
        let launches = include_str!("recorded/launches.json");
        let ports =
            launches.split('@').filter(|name| name.starts_with("PORT ")).map(|name| format!("@{name}@"));
        let ports: std::collections::BTreeSet<String> = ports.collect();
        known.extend(ports.into_iter().zip(free_ports()));

        let launches: Vec<Launch> = serde_json::from_str(&filled(launches, &known)).expect("launches");
        let cleanup = Cleanup(engine.clone());
        let mut children = Vec::new();
        for launch in launches {
            let child = launch.start(&path("landlord.db.d"));
            let (pid, started) = process(child.id()).expect("it lives");
            known.insert(format!("@PID {}@", launch.name()), pid.to_string());
            known.insert(format!("@STARTED {}@", launch.name()), started.to_string());
            children.push((launch.name(), child));
            let port = |line: &String| line.strip_prefix("PORT=").and_then(|port| port.parse::<u16>().ok());
            if let Some(port) = launch.environ.iter().find_map(port) {
                until("a server", || TcpStream::connect(("127.0.0.1", port)).is_ok());
            }
        }
        File::at(path("landlord.db")).create(&filled(include_str!("recorded/store.sql"), &known));
        Self { directory, engine, children, _cleanup: cleanup }
    }
}

/// The text with what differs from one run to another.
fn filled(text: &str, known: &BTreeMap<String, String>) -> String {
    known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// Ports that nobody listens on, of those that neither the provider nor the kernel gives away by itself.
fn free_ports() -> impl Iterator<Item = String> {
    // From somewhere in between: another run of this test may look for some too.
    let from = 30_000 + u16::try_from(RandomState::new().hash_one(()) % 2_768).expect("small");
    (from..32_768).chain(30_000..from).filter_map(|port| {
        let free = TcpListener::bind(("0.0.0.0", port)).is_ok() && UdpSocket::bind(("0.0.0.0", port)).is_ok();
        free.then(|| port.to_string())
    })
}

/// Of the two fleets one is there at a time: each finds its ports before it listens.
static ALONE: Mutex<()> = Mutex::new(());

/// The recorded fleet is taken over by an engine in a program of its own, as it was left by one.
#[test]
fn a_running_fleet_is_taken_over() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let fleet = Fleet::start();
    let server = fleet.directory.path().join("server");
    let engine = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", &beside("takes_over_when_asked"), "--nocapture"])
        .env(ROLE, "engine")
        .env(PLACE, fleet.directory.path())
        .env(SERVER, server)
        .env(SLOW, "0")
        .output()
        .expect("it runs");
    let said =
        [engine.stdout, engine.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("");
    assert!(engine.status.success(), "{said}");
    assert!(said.contains("taken over"), "the engine did not run: {said}");

    assert_eq!(living(&fleet.engine), (BTreeMap::new(), 0));
    for (name, mut child) in fleet.children {
        let ended = child.wait().expect("it is read");
        let asked = ended.signal() == Some(15) || ended.code() == Some(0);
        assert!(asked || name.starts_with("leaving"), "{name} was not asked to end: {ended}");
    }
}

/// The same in a container that was entered from outside: its processes belong to no session that can be seen in it.
#[test]
fn a_fleet_is_taken_over_within_a_container() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: a container: only root makes namespaces everywhere; run the tests as root");
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "the CI runs as root");
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let within = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", &beside("a_running_fleet_is_taken_over")])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&within.stdout);
    assert!(within.status.success() && said.contains("1 passed"), "{said}");
}

/// Of an event, what changed. What else it says depends on the machine.
const CHANGES: &str = "what_json ->> '$.kind' || ': ' || coalesce(what_json ->> '$.changes', 'none')";

/// Not a test: the engine that takes over.
#[test]
fn takes_over_when_asked() {
    if std::env::var(ROLE).as_deref() != Ok("engine") {
        return;
    }
    let place = PathBuf::from(std::env::var_os(PLACE).expect("set"));
    tokio::runtime::Runtime::new().expect("a runtime").block_on(take_over(&place));
    println!("taken over");
}

/// What can be seen of a fleet without the engine: its processes and their files.
#[derive(Debug, PartialEq)]
struct Sight {
    processes: BTreeMap<String, Process>,
    /// Records with what they say. Of logs, which go on, only the names.
    files: BTreeMap<PathBuf, String>,
}

impl Sight {
    fn of(engine: &str, state: &Path) -> Self {
        let mut files = BTreeMap::new();
        for tenant in std::fs::read_dir(state).expect("a directory").flatten() {
            let files_of_launches = std::fs::read_dir(tenant.path()).expect("a directory").flatten();
            // Its keeper checks a launch of a build that had none, and touches nothing of it.
            let is_keepers = |file: &DirEntry| file.file_name().to_string_lossy().starts_with("keeper.");
            for file in files_of_launches.filter(|file| !is_keepers(file)) {
                let is_record = file.path().extension().is_some_and(|end| end == "record");
                let said = if is_record {
                    std::fs::read_to_string(file.path()).expect("a record")
                } else {
                    String::new()
                };
                files.insert(file.path(), said);
            }
        }
        Self { processes: living(engine).0, files }
    }

    /// The same without some launches: of these only the logs are left, until their tenant is gone.
    fn without(mut self, names: &[&str]) -> Self {
        self.processes.retain(|name, _| !names.contains(&name.as_str()));
        self.files.retain(|path, _| !names.iter().any(|name| path.ends_with(format!("{name}.record"))));
        self.files.retain(|path, _| !path.parent().is_some_and(|tenant| tenant.ends_with("leaving")));
        self
    }
}

async fn take_over(place: &Path) {
    let path = place.join("landlord.db");
    let (file, state) = (File::at(&path), place.join("landlord.db.d"));
    let engine_name = file.column("SELECT engine FROM meta").remove(0);
    let sight = || Sight::of(&engine_name, &state);
    let left = sight();
    assert_eq!(left.processes.len(), 13, "the fleet runs: {left:?}");

    // The first look. What was on its way ends, and starts nothing that was started already.
    let engine =
        start(&path, &state, ObservePolicy::On { every: Duration::from_secs(1), per_second: 1_000 }).await;
    until_so(
        &file,
        "what was on its way has ended, and all are seen to be healthy",
        "
        SELECT sum(call IS NOT NULL OR state = 'destroying') = 0
            AND sum(state = 'running' AND health = 'healthy') = 8 FROM tenants",
    )
    .await;
    for (name, _) in RUNNING {
        let status = tenant(&engine, name).status().await.expect("a status");
        assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy), "{name}");
    }
    let taken = left.without(&ENDING);
    assert_eq!(sight(), taken, "what runs is left alone");
    let swept = engine.sweep(&provider()).await.expect("a sweep");
    assert!(swept.is_clean() && swept.listed == 9, "{swept:?}");
    assert_eq!(
        file.column(
            "SELECT id || ' ' || state || ' ' || coalesce(applied_spec, 0) FROM tenants WHERE state > ''"
        ),
        [
            "failed pending 0",
            "flight running 1",
            "moving running 2",
            "pair running 1",
            "paused running 1",
            "queued updating 1",
            "repaired running 1",
            "undone running 1",
            "updated running 2",
            "web running 1",
        ]
    );
    engine.shutdown(Duration::from_secs(30)).await.expect("an orderly end");

    // A repair: all are down for one, as who was seen broken and had to wait for it.
    let repairs =
        "SELECT count(*) FROM operations WHERE kind = 'repair' AND settled_json ->> '$.as' = 'done'";
    let before = file.number(repairs);
    file.change(
        "UPDATE tenants SET health = 'unhealthy', repair_due = settled_at, wake_at = settled_at
        WHERE state = 'running' AND paused_at IS NULL",
    );
    let engine = start(&path, &state, ObservePolicy::Off).await;
    let done = before + RUNNING.len() as i64;
    until_so(&file, "all are repaired", &format!("SELECT ({repairs}) = {done}")).await;
    assert_eq!(sight(), taken, "a repair of what is whole does nothing");

    // The same specs again.
    let specs = "SELECT count(*) FROM specs";
    let before = file.number(specs);
    for (name, text) in RUNNING {
        let tenant = tenant(&engine, name);
        let update = tenant.update(spec(text), Options::default()).await.expect("accepted");
        assert_eq!(update.await.expect("settles"), Settled::Done, "{name}");
        let ended =
            format!("SELECT {CHANGES} FROM events WHERE tenant = '{name}' ORDER BY position DESC LIMIT 1");
        assert_eq!(file.column(&ended), ["succeeded: none"], "{name}: no changes");
        let provision = tenant.provision(spec(text), Options::default()).await.expect("it is the same spec");
        assert_eq!(provision.await.expect("settles"), Settled::Done, "{name}");
    }
    assert_eq!(file.number(specs), before, "they are known");
    assert_eq!(sight(), taken, "the same spec changes nothing");

    // The next launch is as one of today.
    let restart = tenant(&engine, "web").restart(Options::default()).await.expect("accepted");
    assert_eq!(restart.await.expect("settles"), Settled::Done);
    let (leaders, _) = living(&engine_name);
    let of_web = |(name, _): &(&String, &Process)| name.starts_with("web/");
    let [(name, (pid, _))] = leaders.iter().filter(of_web).collect::<Vec<_>>()[..] else {
        panic!("{leaders:?}")
    };
    assert!(!taken.processes.contains_key(name), "{name} is another launch");
    assert!(has_keeper(*pid), "{name} has a keeper");
    let group = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("Linux");
    assert!(
        !rustix::process::geteuid().is_root() || group.contains("/landlord/"),
        "{name} has a group: {group}"
    );

    // A destroy leaves nothing.
    for name in RUNNING.map(|(name, _)| name).into_iter().chain(OTHERS) {
        let destroy = tenant(&engine, name).destroy(Options::default()).await.expect("accepted");
        assert_eq!(destroy.await.expect("settles"), Settled::Done, "{name}");
    }
    assert_eq!(living(&engine_name), (BTreeMap::new(), 0));
    let records =
        sight().files.into_keys().filter(|path| path.extension().is_some_and(|end| end == "record"));
    assert_eq!(records.collect::<Vec<_>>(), Vec::<PathBuf>::new());
    let swept = engine.sweep(&provider()).await.expect("a sweep");
    assert!(swept.is_clean() && swept.listed == 0, "{swept:?}");
    assert_eq!(file.number("SELECT count(*) FROM tenants WHERE state > ''") + file.number(specs), 0);
    engine.shutdown(Duration::from_secs(30)).await.expect("an orderly end");
}

/// Whether a process was started by a keeper.
fn has_keeper(pid: u32) -> bool {
    let read = |pid: &str, file| std::fs::read(format!("/proc/{pid}/{file}")).expect("it lives");
    let status = String::from_utf8_lossy(&read(&pid.to_string(), "status")).into_owned();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t")).expect("every process has one");
    read(parent, "environ").split(|byte| *byte == 0).any(|variable| variable.starts_with(b"LANDLORD_KEEPER="))
}

/// An engine of today, two hours after the one that was killed.
async fn start(path: &Path, state: &Path, observe: ObservePolicy) -> Engine {
    let killed = File::at(path).number("SELECT max(at) FROM events");
    let now = jiff::Timestamp::from_microsecond(killed + 7_200_000_000).expect("a time");
    let soon = Backoff { first: Duration::from_millis(1), cap: Duration::from_millis(1) };
    let started = Engine::builder(SqliteStore::new(SqliteOptions::new(path)))
        .provider(ProcessProvider::new(crate::options(state)))
        .policy(Policy { retry: soon, ..Policy::default() })
        .observe(observe)
        .clock(TokioClock::starting_at(now))
        .start();
    started.await.expect("the engine opens the store")
}

fn tenant(engine: &Engine, name: &str) -> TenantHandle {
    engine.tenant(TenantId::new(name).expect("a valid id"))
}

fn provider() -> ProviderName {
    ProviderName::new("process").expect("a valid name")
}

/// Waits until a query says 1.
async fn until_so(file: &File, what: &str, sql: &str) {
    let so = async {
        while file.number(sql) != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), so).await;
    assert!(in_time.is_ok(), "not yet: {what}: {:?}", file.column("SELECT id || ' ' || state || ' ' || health || ' ' || coalesce(last_failure_json, '') FROM tenants WHERE state > ''"));
}
