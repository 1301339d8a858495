//! What a program may rely on, and what it cannot do to others: signals, descriptors, and its log.

use std::fs::{DirEntry, File};
use std::process::{Command, Stdio};

use landlord_compute::machines::status::{ComputeState, Health};
use landlord_compute::provider::Provider;
use landlord_provider_process::LogLimits;
use rustix::fs::{FlockOperation, flock};

use crate::tenants::program::Program;
use crate::tenants::{Site, until};

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
    for program in [Program::web("1"), Program::lines("1")] {
        let site = Site::new("left");
        let spec = site.spec("acme", &program.left_after(0.4));
        let refused = site.provider.provision(&site.context("acme"), &spec).await.unwrap_err().to_string();
        assert!(refused.contains("in the background; run it in the foreground"), "{refused}");
    }
}

#[tokio::test]
async fn a_lock_of_whoever_started_the_engine_ends_with_the_engine() {
    let bench = crate::Bench::new("lock");
    let lock = bench.dir.path().join("lock");
    let mut engine = Command::new("bash")
        .args(["-c", r#"exec 200>"$LOCK"; flock 200; exec "$@""#, "bash"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "provisions_when_asked", "--nocapture"])
        .env("LOCK", &lock)
        .env(crate::ROLE, "engine")
        .env("STATE_DIR", bench.dir.path())
        .env("ENGINE", &bench.engine)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the tenant", || bench.dir.path().join("provisioned").exists()).await;
    let locked = File::open(&lock).unwrap();
    flock(&locked, FlockOperation::NonBlockingLockExclusive).unwrap_err();
    engine.kill().unwrap();
    engine.wait().unwrap();
    flock(&locked, FlockOperation::NonBlockingLockExclusive).unwrap();
    let status = bench.provider.get_status(&bench.context(), &crate::tenant()).await.unwrap();
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));
    bench.destroy().await;
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

#[tokio::test]
async fn a_full_log_disk_stops_nothing() {
    let mut disk = None;
    let site = Site::with("full", |options| {
        let logs = options.state_dir.join("small");
        disk = SmallDisk::mount(logs.clone());
        options.logs_dir(logs)
    });
    let Some(disk) = disk else {
        println!("not tried: a full log disk needs the right to mount one");
        return;
    };
    let (said, again) = (site.path("said"), site.path("again"));
    let cx = &mut site.context("acme");
    let chatty =
        |said: &std::path::Path| site.spec("acme", &Program::script(CHATTY).with("SAID", said.display()));
    site.provider.provision(cx, &chatty(&said)).await.unwrap();
    until("12 MB", || said.exists()).await;
    let free = rustix::fs::statvfs(&disk.0).unwrap().f_bfree;
    assert!(free <= 1, "{free} blocks are free on the disk");
    cx.applied = Some(chatty(&said));
    site.provider.update(cx, &cx.subject.tenant, &chatty(&again)).await.unwrap();
    until("12 MB of the next one", || again.exists()).await;
    let other = site.context("other");
    site.provider.provision(&other, &site.spec("other", &Program::web(1))).await.unwrap();
    site.provider.destroy(&other, &other.subject.tenant).await.unwrap();
    site.destroy("acme").await;
}
