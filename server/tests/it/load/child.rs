//! A server in a process of its own, that can be killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use landlord_client::{Client, ListQuery};
use landlord_compute::{Engine, ObservePolicy};
use landlord_server::{Bounds, Deliveries, Served, Socket, router};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use landlord_testing::fixtures;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{bare, until};

const ROLE: &str = "LANDLORD_LOAD_ROLE";
const FOLDER: &str = "LANDLORD_LOAD_FOLDER";

/// What it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Engine,
    Bare,
}

pub(super) struct Child {
    process: std::process::Child,
    folder: PathBuf,
}

impl Child {
    pub(super) async fn start(folder: &TempDir, role: Role) -> Self {
        let process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "load::serves_when_asked", "--nocapture"])
            .env(ROLE, format!("{role:?}"))
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("it runs");
        let child = Self { process, folder: folder.path().to_owned() };
        let client = Client::unix(child.socket());
        until("its first answer", async || client.tenants(&ListQuery::default()).await.ok()).await;
        child
    }

    pub(super) fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    pub(super) fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("it is gone");
    }

    /// The most memory that it had, in bytes.
    pub(super) fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it lives");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::KILL);
        let _ = self.process.wait();
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("landlord.db.sock")
}

/// Serves for ever, in a process that was started for it.
pub(super) fn serve_if_asked() {
    let (Ok(role), Some(folder)) = (std::env::var(ROLE), std::env::var_os(FOLDER)) else { return };
    super::more_files();
    let folder = PathBuf::from(folder);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = SqliteStore::new(SqliteOptions::new(folder.join("landlord.db")));
        let served = if role == "Bare" {
            bare::router(store).await
        } else {
            let engine = Engine::builder(store).provider(fixtures::scripted()).observe(ObservePolicy::Off);
            let served = Served::engine(Arc::new(engine.start().await.expect("it starts")));
            let mut deliveries = Deliveries::default();
            // The receivers are on this machine.
            deliveries.private_addresses = true;
            tokio::spawn(deliveries.run(served.clone(), CancellationToken::new()));
            router(served)
        };
        let socket = Socket::bind(socket(&folder)).expect("bound");
        socket.serve(served, Bounds::default(), CancellationToken::new()).await;
    });
}
