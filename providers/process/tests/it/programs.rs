//! What a program may rely on, and what it cannot do to others: signals, descriptors, and its log.

use std::fs::{DirEntry, File};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::status::{ComputeState, Health};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::Provider;
use landlord_compute::{Options, TenantComputeSpec};
use landlord_provider_process::{LogLimits, ProcessOptions, ProcessProvider};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use crate::tenants::program::Program;
use crate::tenants::{Site, engine, until};

/// What launchers such as npm and tini do: pass SIGTERM on to the worker, which finishes its work, unless a second
/// one comes.
const WRAPPER: &str = r#"
worker() {
  trap 'echo term >>"$SAID"; [ "$end" ] && exit 1; end=4' TERM
  echo ready >>"$SAID"
  while [ "$end" != 0 ]; do sleep 0.1; [ "$end" ] && end=$((end - 1)); done
  echo drained >>"$SAID"
}
worker &
trap 'kill -TERM $!' TERM
wait
wait
"#;

#[tokio::test]
async fn the_worker_of_a_wrapper_is_asked_to_end_once() {
    let site = Site::new("term");
    let said = site.path("said");
    let mut spec = site.value("acme", &Program::script(WRAPPER).with("SAID", said.display()));
    spec["provider_config"]["stop_grace_seconds"] = 20.into();
    let cx = site.context("acme");
    site.provider.provision(&cx, &crate::tenants::checked(&spec)).await.unwrap();
    let read = || std::fs::read_to_string(&said).unwrap_or_default();
    until("the worker", || read() == "ready\n").await;
    site.provider.destroy(&cx, &cx.subject.tenant).await.unwrap();
    assert_eq!(read(), "ready\nterm\ndrained\n");
}

#[tokio::test]
async fn what_answers_before_it_is_left_in_the_background_is_not_ready() {
    let programs = [
        Program::web("1").left_after(0.4),
        Program::lines("1").left_after(0.4),
        Program::web("1").leaving(400),
    ];
    for program in programs {
        let site = Site::new("left");
        let spec = site.spec("acme", &program);
        let refused = site.provider.provision(&site.context("acme"), &spec).await.unwrap_err().to_string();
        assert!(refused.contains("in the background; run it in the foreground"), "{refused}");
    }
}

/// An engine that a script of bash starts, and which has provisioned its tenant.
async fn started_by(bench: &crate::Bench, script: &str) -> Child {
    let engine = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "provisions_when_asked", "--nocapture"])
        .env("LOCK", bench.dir.path().join("lock"))
        .env(crate::ROLE, "engine")
        .env("STATE_DIR", bench.dir.path())
        .env("ENGINE", &bench.engine)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the tenant", || bench.dir.path().join("provisioned").exists()).await;
    engine
}

#[tokio::test]
async fn a_lock_of_whoever_started_the_engine_ends_with_the_engine() {
    let bench = crate::Bench::new("lock");
    let mut engine = started_by(&bench, r#"exec 200>"$LOCK"; flock 200; exec "$@""#).await;
    let locked = File::open(bench.dir.path().join("lock")).unwrap();
    flock(&locked, FlockOperation::NonBlockingLockExclusive).unwrap_err();
    engine.kill().unwrap();
    engine.wait().unwrap();
    flock(&locked, FlockOperation::NonBlockingLockExclusive).unwrap();
    let status = bench.provider.get_status(&bench.context(), &crate::tenant()).await.unwrap();
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));
    bench.destroy().await;
}

/// As `nohup` does, and a script with what it starts in the background.
#[tokio::test]
async fn what_whoever_started_the_engine_ignores_the_program_does_not() {
    let bench = crate::Bench::new("ignored");
    let mut engine = started_by(&bench, r#"trap '' HUP INT QUIT; exec "$@""#).await;
    let ignored = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
        u64::from_str_radix(mask, 16).unwrap() & 0b111
    };
    let owned = bench.provider.list_tenants(&bench.engine).await.unwrap();
    let program = crate::pid(&owned[0].resources).as_raw_nonzero().get().unsigned_abs();
    let masks = (ignored(engine.id()), ignored(program));
    engine.kill().unwrap();
    engine.wait().unwrap();
    bench.destroy().await;
    assert_eq!(masks, (0b111, 0), "of the engine, and of the program");
}

/// Prints 12 MB, says so in a file, and goes on.
const CHATTY: &str = r#"
yes "$(printf %01000d 0)" | head -c 12000000
echo; echo last
: >"$SAID"
exec sleep 60
"#;

#[tokio::test]
async fn the_log_of_a_chatty_program_is_bounded_and_costs_it_nothing() {
    let limits = LogLimits::default().file_bytes(1 << 20).files(3);
    let site = Site::with("chatty", |options| options.log_limits(limits));
    let said = site.path("said");
    let mut spec = site.value("acme", &Program::script(CHATTY).with("SAID", said.display()));
    // What bounds its own files does not bound its log.
    spec["resources"]["storage"] = 1.into();
    let cx = site.context("acme");
    site.provider.provision(&cx, &crate::tenants::checked(&spec)).await.unwrap();
    let leader = || site.processes().first().map(|(pid, _)| *pid);
    let first = leader();
    until("12 MB", || said.exists()).await;
    let logs = site.path("logs/acme");
    let last = || std::fs::read_to_string(logs.join("web.log")).unwrap_or_default();
    until("the last line", || last().ends_with(" last\n")).await;
    assert_eq!(leader(), first);
    let files: Vec<DirEntry> = std::fs::read_dir(&logs).unwrap().flatten().collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let bytes = file.metadata().unwrap().len();
        assert!(bytes <= 1 << 20, "{file:?} has {bytes} bytes");
    }
    site.destroy("acme").await;
    assert!(!logs.exists());
}

#[tokio::test]
async fn logs_that_are_to_stay_outlive_their_tenant() {
    let site = Site::with("stay", ProcessOptions::retain_logs);
    let log = || std::fs::read_to_string(site.path("logs/acme/web.log")).unwrap_or_default();
    let program =
        |version: u32| Program::script("echo version $VERSION; exec sleep 60").with("VERSION", version);
    for version in [1, 2] {
        let spec = site.spec("acme", &program(version));
        site.provider.provision(&site.context("acme"), &spec).await.unwrap();
        until("its line", || log().ends_with(&format!(" version {version}\n"))).await;
        site.destroy("acme").await;
        assert!(log().contains(" version 1\n") && log().ends_with(&format!(" version {version}\n")));
    }
}

/// A file system with room for little, until it is dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// None where this user may not have one.
    fn mount(at: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&at).output();
        match mount {
            Ok(mount) if mount.status.success() => Some(Self(at)),
            Ok(_) | Err(_) => None,
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _stays = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_disk_stops_nothing() {
    let site = Site::new("full");
    let logs = site.path("small");
    let Some(disk) = SmallDisk::mount(logs.clone()) else {
        let what = "a full log disk needs the right to mount one";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
        println!("not tried: {what}");
        return;
    };
    let provider = ProcessProvider::new(crate::options(site.dir.path()).logs_dir(logs));
    let store = SqliteStore::new(SqliteOptions::new(site.path("store.db")));
    let engine = engine(store, provider).await;
    let spec = |tenant: &str, program: &Program| {
        TenantComputeSpec::from_json(&site.value(tenant, program).to_string()).unwrap()
    };
    let (said, again) = (site.path("said"), site.path("again"));
    let chatty = |said: &std::path::Path| spec("acme", &Program::script(CHATTY).with("SAID", said.display()));
    let [acme, other] = ["acme", "other"].map(|name| engine.tenant(TenantId::new(name).unwrap()));
    let asked = acme.provision(chatty(&said), Options::default()).await.unwrap();
    assert_eq!(asked.await.unwrap(), Settled::Done);
    until("12 MB", || said.exists()).await;
    let free = rustix::fs::statvfs(&disk.0).unwrap().f_bfree;
    assert!(free <= 1, "{free} blocks are free on the disk");
    let asked = acme.update(chatty(&again), Options::default()).await.unwrap();
    assert_eq!(asked.await.unwrap(), Settled::Done);
    until("12 MB of the next one", || again.exists()).await;
    let asked = other.provision(spec("other", &Program::web(1)), Options::default()).await.unwrap();
    assert_eq!(asked.await.unwrap(), Settled::Done);
    for tenant in [other, acme] {
        assert_eq!(tenant.destroy(Options::default()).await.unwrap().await.unwrap(), Settled::Done);
    }
    assert_eq!((site.processes(), site.keepers()), (vec![], vec![]));
    engine.shutdown(Duration::from_secs(10)).await.unwrap();
}

/// Texts arrive as they are, and a name in them is a variable of the container.
#[tokio::test]
async fn special_text_arrives_as_it_is_and_names_stand_for_their_values() {
    let site = Site::new("text");
    let said = site.path("said");
    let script = r#"printf '[%s]' "$@" "$GLOB" "$MONEY" "$LINES_" "$UNI" "$JSON" "$EMPTY" "$PORTREF" >"$SAID.part"
        mv "$SAID.part" "$SAID"; exec sleep 600"#;
    let mut spec = site.value("acme", &Program::script("exit 1").with("SAID", said.display()));
    let container = &mut spec["containers"][0];
    container["command"] =
        json!(["sh", "-c", script, "sh", "--port=$(PORT)", "$$(PORT)", "--name=$(NAME)", "cost: 5$"]);
    container["ports"] = json!([{ "container_port": 80 }]);
    let texts = [
        ("GLOB", "value * here"),
        ("MONEY", "pa$$w0rd $HOME ${X} `id`"),
        ("LINES_", "one\ntwo\tthree"),
        ("UNI", "gr\u{fc}\u{df}e \u{1f680}"),
        ("JSON", r#"{"a":"b \"q\" \\ "}"#),
        ("EMPTY", ""),
        ("PORTREF", "$(PORT)"),
        ("NAME", "acme"),
    ];
    for (name, text) in texts {
        container["env"][name] = json!(text);
    }
    site.provider.provision(&site.context("acme"), &crate::tenants::checked(&spec)).await.unwrap();
    until("what it was given", || said.exists()).await;
    let port = site.variable("PORT").expect("a port");
    let expected = format!(
        "[--port={port}][$(PORT)][--name=acme][cost: 5$][value * here][pa$w0rd $HOME ${{X}} `id`][one\ntwo\tthree]\
         [gr\u{fc}\u{df}e \u{1f680}][{}][][{port}]",
        r#"{"a":"b \"q\" \\ "}"#
    );
    assert_eq!(std::fs::read_to_string(&said).unwrap(), expected);
    site.destroy("acme").await;
}
