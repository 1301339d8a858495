//! Files, volumes and read-only roots, with real programs: what a tenant finds, what stays of it, and who else sees it.
//!
//! A program of its own without a test runner: an ordinary user's launcher may have one thread only.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on says why and stops"
)]

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use landlord_compute::clock::SystemClock;
use landlord_compute::machines::error::ErrorKind;
use landlord_compute::machines::id::{Incarnation, ProviderName, TenantId};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{Spec, TenantComputeSpec};
use landlord_compute::machines::status::{ComputeState, UpdateStatus};
use landlord_compute::provider::{Context, Provider};
use landlord_provider_process::{ProcessOptions, ProcessProvider, keeper};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What nobody else may read.
const SECRET: &str = "hunter2-of-acme";

/// Set where the test binary runs as an ordinary user.
const ORDINARY: &str = "STORAGE_TEST_ORDINARY";

/// An engine's provider, and what its tenant is to do.
struct Bench {
    dir: TempDir,
    engine: String,
    provider: ProcessProvider,
}

fn provider(dir: &Path) -> ProcessProvider {
    ProcessProvider::new(ProcessOptions::new(dir.join("state")))
}

fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

/// The one pid in a tenant's resources.
fn pid(resources: &BTreeMap<String, String>) -> Pid {
    let number = resources.values().find_map(|held| held.strip_prefix("pid ")).unwrap();
    Pid::from_raw(number.parse().unwrap()).unwrap()
}

/// Whether it runs; a zombie waits only for its parent.
fn runs(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

impl Bench {
    fn new(test: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), format!("{SECRET}\n")).unwrap();
        let provider = provider(dir.path());
        Self { dir, engine: format!("storage-{test}-{}", std::process::id()), provider }
    }

    fn cx(&self, life: u64) -> Context {
        let subject = Subject {
            engine: self.engine.as_str().into(),
            provider: ProviderName::new("process").unwrap(),
            tenant: tenant(),
            incarnation: Incarnation(life),
        };
        Context::alone(subject, Arc::new(SystemClock))
    }

    /// A tenant that runs a script once, and is ready when it wrote `ready` into its directory `out`.
    fn spec(&self, script: &str, change: impl FnOnce(&mut Value)) -> Spec {
        let mut spec = json!({
            "tenant_id": "acme",
            "provider_type": "process",
            "containers": [{
                "name": "web",
                "image": "host",
                "command": ["/bin/sh", "-c", format!("{script}\nexec sleep 600")],
                "health_check": { "type": "exec", "command": ["/bin/true"], "interval_seconds": 1,
                    "timeout_seconds": 1, "healthy_threshold": 1, "unhealthy_threshold": 1 },
            }],
            "resources": { "cpu": 256, "memory": 512 },
            "networking": { "public_ip": false },
            "secrets": [{ "name": "key", "source": "file", "key": self.dir.path().join("secret") }],
            "provider_config": { "stop_grace_seconds": 1 },
        });
        spec["containers"][0]["files"] = json!([{ "path": "/srv-of-acme/key", "secret": "key" }]);
        change(&mut spec);
        TenantComputeSpec::from_json(&spec.to_string()).unwrap().check().unwrap()
    }

    /// Starts a tenant and returns the lines that its script has printed.
    async fn provision(&self, life: u64, spec: &Spec) -> Pid {
        pid(&self.provider.provision(&self.cx(life), spec).await.unwrap().resource_ids)
    }

    /// What the tenant has printed, once this is in it.
    async fn until_printed(&self, what: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let log = self.dir.path().join("state/logs/acme/web.log");
            let printed = std::fs::read_to_string(log).unwrap_or_default();
            if printed.contains(what) {
                return printed;
            }
            assert!(Instant::now() < deadline, "{what:?} is not in {printed:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn destroy(&self, life: u64) -> Vec<String> {
        let destroyed = self.provider.destroy(&self.cx(life), &tenant()).await.unwrap();
        destroyed.retained.into_keys().collect()
    }

    /// What the state directory has of the tenant beside its logs.
    fn left(&self) -> Vec<PathBuf> {
        files_in(&self.dir.path().join("state/acme")).unwrap_or_default()
    }

    /// A file of a volume, as the machine has it.
    fn in_volume(&self, name: &str, file: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join("state/acme/volumes").join(name).join("data").join(file))
            .ok()
    }
}

fn files_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files_in(&path)?);
        }
        all.push(path);
    }
    Ok(all)
}

/// A spec that mounts `data`.
fn with_volume(spec: &mut Value, volume: Value) {
    let name = volume["name"].clone();
    spec["volumes"] = json!([volume]);
    spec["containers"][0]["mounts"] = json!([{ "volume": name, "path": "/data-of-acme" }]);
}

/// Appends a line to a file of the volume, and prints how many it has.
const COUNTS: &str = "echo x >> /data-of-acme/lines; echo lines: $(wc -l < /data-of-acme/lines)";

async fn a_file_is_the_tenants_alone() {
    let bench = Bench::new("file");
    let script = "echo read: $(cat /srv-of-acme/key); echo mode: $(stat -c %a /srv-of-acme/key); \
                  echo plain: $(cat /etc/of-acme/plain.conf); echo host: $(wc -c < /etc/passwd); \
                  echo x > /srv-of-acme/key || echo refused";
    let spec = bench.spec(script, |spec| {
        let plain = json!({ "path": "/etc/of-acme/plain.conf", "content": "a $(b)", "mode": "0640" });
        spec["containers"][0]["files"].as_array_mut().unwrap().push(plain);
        spec["containers"][0]["health_check"]["command"] =
            json!(["/bin/sh", "-c", "test -s /srv-of-acme/key"]);
    });
    let leader = bench.provision(1, &spec).await;
    let printed = bench.until_printed("refused").await;
    assert!(printed.contains("mode: 400") || geteuid().is_root(), "{printed}");
    assert!(printed.contains(&format!("read: {SECRET}")) && printed.contains("plain: a $(b)"), "{printed}");
    let passwd = std::fs::metadata("/etc/passwd").unwrap().len();
    assert!(printed.contains(&format!("host: {passwd}")), "{printed}");

    // Nothing of it is on the machine, in no file of the engine and in no environment.
    assert!(!Path::new("/srv-of-acme").exists() && !Path::new("/etc/of-acme").exists());
    for file in bench.left().iter().filter(|path| path.is_file() && !path.is_symlink()) {
        assert!(!std::fs::read_to_string(file).unwrap_or_default().contains(SECRET), "{}", file.display());
    }
    let environ = std::fs::read(format!("/proc/{leader}/environ")).unwrap();
    assert!(!String::from_utf8_lossy(&environ).contains(SECRET));

    // A keeper that takes the launch over checks it where it lives.
    let status = bench.provider.get_status(&bench.cx(1), &tenant()).await.unwrap();
    assert_eq!(status.state, ComputeState::Running);
    kill_keeper(leader);
    let status = bench.provider.get_status(&bench.cx(1), &tenant()).await.unwrap();
    assert_eq!((status.state, status.containers[0].ready), (ComputeState::Running, true), "{status:?}");
    assert_eq!(bench.destroy(1).await, Vec::<String>::new());
    assert_eq!(bench.left(), Vec::<PathBuf>::new());
}

/// Kills the parent of a launch.
fn kill_keeper(leader: Pid) {
    let stat = std::fs::read_to_string(format!("/proc/{leader}/stat")).unwrap();
    let parent = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap();
    let parent = Pid::from_raw(parent).unwrap();
    kill_process(parent, Signal::KILL).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while runs(parent) {
        assert!(Instant::now() < deadline, "the keeper lives");
        std::thread::sleep(Duration::from_millis(5));
    }
}

async fn a_persistent_volume_outlives_every_launch_and_goes_with_its_tenant() {
    let mut bench = Bench::new("volume");
    let data = || json!({ "name": "data", "persistent": true });
    let spec = |bench: &Bench, version: &str| {
        bench.spec(&format!("{COUNTS}; echo version {version}"), |spec| with_volume(spec, data()))
    };
    let one = spec(&bench, "1");
    let first = bench.provision(1, &one).await;
    bench.until_printed("lines: 1").await;
    let mut cx = bench.cx(1);
    cx.applied = Some(one.clone());
    bench.provider.update(&cx, &tenant(), &spec(&bench, "2")).await.unwrap();
    bench.until_printed("lines: 2").await;
    assert!(!runs(first));

    // A crash, the keeper's end and another engine.
    let second = bench.provision(1, &spec(&bench, "2")).await;
    kill_keeper(second);
    kill_process(second, Signal::KILL).unwrap();
    bench.provider = provider(bench.dir.path());
    bench.provision(1, &spec(&bench, "2")).await;
    bench.until_printed("lines: 3").await;
    let owned = bench.provider.list_tenants(&bench.engine).await.unwrap();
    assert!(owned[0].resources.contains_key("volume data"), "{owned:?}");

    // One that the spec has no more is dropped, once that works. An undo takes it up again.
    let lines = |count| Some("x\n".repeat(count));
    let update = async |applied: &Spec, spec: &Spec| {
        let mut cx = bench.cx(1);
        cx.applied = Some(applied.clone());
        bench.provider.update(&cx, &tenant(), spec).await.unwrap().status
    };
    let [two, three, without, other] = [
        spec(&bench, "2"),
        spec(&bench, "3"),
        bench.spec("echo without", |_| ()),
        bench.spec("echo other", |_| ()),
    ];
    update(&two, &without).await;
    bench.until_printed("without").await;
    assert_eq!(bench.in_volume("data", "lines"), lines(3));
    update(&two, &two).await;
    bench.until_printed("lines: 4").await;
    // Else it goes before something starts, and another of the same name is empty.
    update(&two, &without).await;
    assert_eq!(update(&without, &without).await, UpdateStatus::NoChanges);
    assert_eq!(bench.in_volume("data", "lines"), lines(4));
    update(&without, &three).await;
    bench.until_printed("version 3").await;
    assert_eq!(bench.in_volume("data", "lines"), lines(1));
    update(&three, &without).await;
    update(&without, &other).await;
    assert_eq!(bench.in_volume("data", "lines"), None);
    // Or with its tenant.
    update(&other, &three).await;
    update(&three, &other).await;
    assert_eq!(bench.destroy(1).await, Vec::<String>::new());
    assert_eq!(bench.left(), Vec::<PathBuf>::new());
}

async fn a_volume_that_is_not_persistent_is_empty_each_time() {
    let bench = Bench::new("scratch");
    let closes = "mkdir -p /data-of-acme/closed/in; chmod 0 /data-of-acme/closed";
    let spec = |version: &str| {
        bench.spec(&format!("{COUNTS}; {closes}; echo version {version}"), |spec| {
            with_volume(spec, json!({ "name": "scratch" }));
        })
    };
    bench.provision(1, &spec("1")).await;
    bench.until_printed("version 1").await;
    let mut cx = bench.cx(1);
    cx.applied = Some(spec("1"));
    bench.provider.update(&cx, &tenant(), &spec("2")).await.unwrap();
    let printed = bench.until_printed("version 2").await;
    assert_eq!(printed.matches("lines: 1").count(), 2, "{printed}");
    assert_eq!(bench.destroy(1).await, Vec::<String>::new());
    assert_eq!(bench.left(), Vec::<PathBuf>::new());
}

async fn what_is_read_only_refuses_writes() {
    let bench = Bench::new("read-only");
    let script = "echo x > /data-of-acme/x && echo wrote data; echo x > /kept-of-acme/x || echo refused kept; \
                  echo x > /tmp/of-acme-$$ || echo refused root; echo x > /dev/null && echo devices; echo end";
    let spec = bench.spec(script, |spec| {
        spec["volumes"] = json!([{ "name": "data" }, { "name": "kept", "persistent": true }]);
        spec["containers"][0]["mounts"] = json!([
            { "volume": "data", "path": "/data-of-acme" },
            { "volume": "kept", "path": "/kept-of-acme", "read_only": true },
        ]);
        spec["containers"][0]["files"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "path": "/kept-of-acme/etc/conf", "content": "" }));
        spec["containers"][0]["read_only_root"] = json!(true);
    });
    bench.provision(1, &spec).await;
    let printed = bench.until_printed("end").await;
    for said in ["wrote data", "refused kept", "refused root", "devices"] {
        assert!(printed.contains(said), "{said} is not in {printed}");
    }
    // A place for a file in a volume is made there.
    assert_eq!(bench.in_volume("kept", "etc/conf").as_deref(), Some(""));
    bench.destroy(1).await;
    assert_eq!(bench.left(), Vec::<PathBuf>::new());
}

async fn a_retained_volume_waits_for_the_next_life_until_it_is_released() {
    let bench = Bench::new("retain");
    let retained = json!({ "name": "data", "persistent": true, "retain": true });
    let spec = bench.spec(COUNTS, |spec| with_volume(spec, retained.clone()));
    bench.provision(1, &spec).await;
    bench.until_printed("lines: 1").await;
    assert_eq!(bench.destroy(1).await, ["volume data"]);
    assert_eq!(bench.destroy(1).await, ["volume data"]);
    let gone = bench.provider.get_status(&bench.cx(1), &tenant()).await.unwrap_err();
    assert_eq!(gone.kind, ErrorKind::TenantNotFound);
    let owned = bench.provider.list_tenants(&bench.engine).await.unwrap();
    assert!(owned[0].resources.is_empty() && owned[0].retained.contains_key("volume data"), "{owned:?}");

    bench.provision(2, &spec).await;
    bench.until_printed("lines: 2").await;
    let owned = bench.provider.list_tenants(&bench.engine).await.unwrap();
    let holds = |life| {
        owned.iter().any(|owned| owned.incarnation == Incarnation(life) && !owned.resources.is_empty())
    };
    assert!(!holds(1) && holds(2), "{owned:?}");
    assert_eq!(bench.destroy(2).await, ["volume data"]);
    let released = bench.provider.release(&bench.cx(2), &tenant()).await.unwrap().removed;
    assert_eq!(released.into_keys().collect::<Vec<_>>(), ["volume data"]);
    assert!(bench.provider.release(&bench.cx(2), &tenant()).await.unwrap().removed.is_empty());
    assert_eq!(bench.provider.list_tenants(&bench.engine).await.unwrap(), []);
    assert!(!bench.dir.path().join("state/acme").exists());
    assert_eq!(bench.destroy(2).await, Vec::<String>::new());
}

fn main() {
    keeper::run_if_asked();
    let is_ordinary = std::env::var_os(ORDINARY).is_some();
    assert!(!(is_ordinary && geteuid().is_root()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        a_file_is_the_tenants_alone().await;
        println!("a file is the tenant's alone: ok");
        a_persistent_volume_outlives_every_launch_and_goes_with_its_tenant().await;
        println!("a persistent volume outlives every launch and goes with its tenant: ok");
        a_volume_that_is_not_persistent_is_empty_each_time().await;
        println!("a volume that is not persistent is empty each time: ok");
        what_is_read_only_refuses_writes().await;
        println!("what is read-only refuses writes: ok");
        a_retained_volume_waits_for_the_next_life_until_it_is_released().await;
        println!("a retained volume waits for the next life until it is released: ok");
        if geteuid().is_root() {
            a_root_directory_and_a_user_of_its_own().await;
            println!("a root directory and a user of its own: ok");
        }
    });
    if geteuid().is_root() {
        all_as_an_ordinary_user();
    }
}

/// All of it again, where that user may read the program and keep files.
fn all_as_an_ordinary_user() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let program = dir.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut ordinary = Command::new(program);
    ordinary.env(ORDINARY, "").env("TMPDIR", dir.path()).current_dir(dir.path()).uid(65_534).gid(65_534);
    println!("as an ordinary user:");
    assert!(ordinary.status().unwrap().success());
}

async fn a_root_directory_and_a_user_of_its_own() {
    let bench = Bench::new("root");
    let root = bench.dir.path().join("root");
    for dir in ["bin", "etc", "proc", "dev", "tmp"] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
    }
    // A link that would lead out of it.
    std::os::unix::fs::symlink("/etc", root.join("outside")).unwrap();
    std::fs::set_permissions(bench.dir.path(), Permissions::from_mode(0o755)).unwrap();
    let Some(busybox) =
        ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists())
    else {
        eprintln!("not tried, as there is no busybox: a root directory");
        return;
    };
    for name in ["sh", "sleep", "true", "cat", "id", "wc", "stat"] {
        std::fs::copy(busybox, root.join("bin").join(name)).unwrap();
    }
    let script = format!(
        "{COUNTS}; echo key: $(cat /srv-of-acme/key); echo link: $(cat /outside/of-acme); \
                          echo x > /tmp/x || echo refused root; echo owner: $(stat -c %u /data-of-acme)"
    );
    let spec = bench.spec(&script, |spec| {
        with_volume(spec, json!({ "name": "data", "persistent": true }));
        spec["containers"][0]["image"] = json!(root);
        spec["containers"][0]["user"] = json!("4711:4711");
        spec["containers"][0]["working_dir"] = json!("/data-of-acme");
        spec["containers"][0]["read_only_root"] = json!(true);
        let linked = json!({ "path": "/outside/of-acme", "content": "inside" });
        spec["containers"][0]["files"].as_array_mut().unwrap().push(linked);
    });
    bench.provision(1, &spec).await;
    let printed = bench.until_printed("owner: 4711").await;
    for said in ["lines: 1", "key: hunter2-of-acme", "link: inside", "refused root"] {
        assert!(printed.contains(said), "{said} is not in {printed}");
    }
    assert!(!root.join("srv-of-acme").exists() && !Path::new("/etc/of-acme").exists());
    assert_eq!(std::fs::read_dir(root.join("etc")).unwrap().count(), 0);
    bench.destroy(1).await;
    assert_eq!(bench.left(), Vec::<PathBuf>::new());
}
