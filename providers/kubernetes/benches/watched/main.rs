//! The watch benchmark: what many tenants at rest cost an engine, and how soon it notices that many pods died at once.
//!
//! `just bench-kubernetes-watch` (options: `--tenants 10000`, `--killed 1000`, `--seconds 60`). It prints what it measured and
//! whether it reaches the goals; it asserts nothing about time.
//!
//! The cluster is the tests' fake of an API server, in this process. The engine is a process of its own, with a store on disk:
//! one provisions the tenants, and another one starts over them. Its memory is compared with that of an engine over the same
//! tenants that has no cluster to watch: that leaves out what the store has, such as SQLite's cache of pages. Both read all tenants.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

mod engine;
#[allow(dead_code, unused_imports, clippy::panic, reason = "tests use the rest of it")]
#[path = "../../tests/it/fake/mod.rs"]
mod fake;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use engine::{Child, IMAGE, Role};
use fake::{Behaviour, Fake, Kind, Settings, User};

/// How many kinds are watched in a cluster that has all: each but Secret, and pods.
const WATCHES: usize = 15;
const TOKEN: &str = "engine-token";
/// What a tenant at rest may take, in bytes.
const BYTES: f64 = 2_048.0;
/// How often all tenants at rest may ask, a second.
const REQUESTS: f64 = 5.0;
/// How soon all deaths are to be noticed.
const NOTICED: Duration = Duration::from_secs(5);

fn number(name: &str, otherwise: u64) -> u64 {
    engine::option(name).map_or(otherwise, |given| given.parse().expect("a number"))
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match Role::asked_for() {
            Some(role) => engine::run(role).await,
            None => measure().await,
        }
    });
}

async fn measure() {
    let (tenants, killed) = (number("--tenants", 10_000), number("--killed", 1_000));
    let rests = Duration::from_secs(number("--seconds", 60));
    println!("{tenants} tenants at rest, {killed} of whose pods die at once\n");
    let (fake, dir) = cluster();
    let begun = Instant::now();
    Child::start(Role::Provisions { tenants }, dir.path()).until_over();
    println!("provisioned in {:.0?}", begun.elapsed());
    let blind = {
        let dir = blind_copy(dir.path());
        let engine = Child::start(Role::Rests, dir.path());
        tokio::time::sleep(rests).await;
        engine.memory()
    };

    let mut engine = Child::start(Role::Rests, dir.path());
    while fake.open_watches() != WATCHES {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fake.take_counts();
    tokio::time::sleep(rests).await;
    let asked: u64 = fake.take_counts().values().sum();
    let seeing = engine.memory();
    println!(
        "memory of the engine: {} MiB, and without a cluster to watch {} MiB",
        seeing >> 20,
        blind >> 20
    );
    let bytes = seeing.saturating_sub(blind) as f64 / tenants as f64;
    tell("memory for a tenant at rest", &format!("{bytes:.0} B"), bytes < BYTES, "< 2 KB");
    let rate = asked as f64 / rests.as_secs_f64();
    tell("requests of all of them", &format!("{rate:.2} /s"), rate < REQUESTS, "< 5 /s");

    // None comes back by itself, so each is a change of a tenant's health.
    fake.behave(IMAGE, Behaviour::NeverReady);
    let pods = fake.objects(Kind::Pod, "");
    let begun = Instant::now();
    for pod in pods.iter().take(usize::try_from(killed).expect("a few")) {
        let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
        fake.kill_pod(text("namespace"), text("name"));
    }
    engine.until_noticed(killed);
    let took = begun.elapsed();
    tell("until all deaths are noticed", &format!("{took:.1?}"), took < NOTICED, "< 5 s");
    let asked: u64 = fake.take_counts().values().sum();
    println!("with {asked} requests");
}

fn tell(what: &str, figure: &str, is_reached: bool, goal: &str) {
    let outcome = if is_reached { "reached" } else { "missed" };
    println!("{what}: {figure} (goal: {goal}, {outcome})");
}

/// A cluster that nobody is in, and a directory with the way to it.
fn cluster() -> (Fake, tempfile::TempDir) {
    let users = [(TOKEN.to_owned(), User::admin("engine"))].into();
    let fake = Fake::start(Settings { users, ..Settings::new_cluster() });
    let dir = tempfile::tempdir().expect("a directory");
    write_kubeconfig(dir.path(), &fake.url());
    (fake, dir)
}

fn write_kubeconfig(dir: &Path, url: &str) {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "contexts": [{ "name": "fake", "context": { "cluster": "fake", "user": "engine" } }],
        "clusters": [{ "name": "fake", "cluster": { "server": url } }],
        "users": [{ "name": "engine", "user": { "token": TOKEN } }],
    });
    std::fs::write(dir.join("kubeconfig"), kubeconfig.to_string()).expect("a file");
}

/// What an engine over these tenants has, with a way to a cluster at which nobody answers.
fn blind_copy(of: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for entry in std::fs::read_dir(of).expect("a directory") {
        let path = entry.expect("a file").path();
        std::fs::copy(&path, dir.path().join(path.file_name().expect("a name"))).expect("a copy");
    }
    write_kubeconfig(dir.path(), "http://127.0.0.1:1");
    dir
}
