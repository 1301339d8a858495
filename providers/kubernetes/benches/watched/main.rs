//! The watch benchmark: what many tenants at rest cost an engine, and how soon it notices that many pods died at once.
//!
//! `just bench-kubernetes-watch` (options: `--tenants 10000`, `--killed 1000`, `--seconds 60`). It prints what it measured and
//! whether it reaches the goals; it asserts nothing about time.
//!
//! The cluster is the tests' fake of an API server, in this process. The engine is a process of its own, with a store on disk:
//! one provisions the tenants, and another one starts over them. What a tenant takes is the difference between an engine of all
//! tenants and one of half of them, divided by that half: that leaves out what an engine has anyway, such as SQLite's cache of
//! pages, which is full with half of ten thousand (its limit is 32 MiB).
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

mod engine;
#[allow(dead_code, unused_imports, clippy::panic, reason = "tests use the rest of it")]
#[path = "../../tests/it/fake/mod.rs"]
mod fake;

use std::ops::Range;
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
    let half = {
        provision(dir.path(), 0..tenants / 2);
        let engine = resting(&fake, dir.path()).await;
        tokio::time::sleep(rests).await;
        engine.memory()
    };
    provision(dir.path(), tenants / 2..tenants);
    let mut engine = resting(&fake, dir.path()).await;
    fake.take_counts();
    tokio::time::sleep(rests).await;
    let asked: u64 = fake.take_counts().values().sum();
    let all = engine.memory();
    println!("memory of the engine: {} MiB with half of them, {} MiB with all", half >> 20, all >> 20);
    let bytes = all.saturating_sub(half) as f64 / (tenants - tenants / 2) as f64;
    tell("memory of one more tenant", &format!("{bytes:.0} B"), bytes < BYTES, "< 2 KB");
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

/// Has an engine provision the tenants with these numbers.
fn provision(dir: &Path, tenants: Range<u64>) {
    let (begun, count) = (Instant::now(), tenants.end - tenants.start);
    Child::start(Role::Provisions { from: tenants.start, to: tenants.end }, dir).until_over();
    println!("provisioned {count} in {:.0?}", begun.elapsed());
}

/// An engine that looks after all tenants, and watches.
async fn resting(fake: &Fake, dir: &Path) -> Child {
    let engine = Child::start(Role::Rests, dir);
    while fake.open_watches() != WATCHES {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    engine
}
