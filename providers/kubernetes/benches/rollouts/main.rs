//! The rollout benchmark: many tenants on a real cluster until all of them are ready, beside `kubectl apply` and
//! `kubectl rollout status` with the same manifests, as many at a time, on the same cluster, in one run.
//!
//! `just bench-kubernetes` (options: `--tenants 1000`, `--concurrency 32`, `--rounds 3`, `--server-side`). It prints what it
//! measured, the ratios and whether they reach the goals; it asserts nothing about time.
//!
//! The cluster has an API server, controllers and a scheduler. Its nodes are this program in a process of its own, and so is the
//! engine: what a node does counts for nobody.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

#[allow(dead_code, unused_imports, reason = "tests use the rest of it")]
#[path = "../../tests/backends/cluster/mod.rs"]
mod cluster;
mod cost;
mod kubectl;
mod manifests;
mod nodes;
mod ours;
mod round;
#[allow(dead_code, reason = "tests use the rest of it")]
#[path = "../../tests/backends/site.rs"]
mod site;
mod summary;

/// How it is asked for.
pub(crate) struct Asked {
    pub(crate) tenants: usize,
    pub(crate) concurrency: usize,
    pub(crate) rounds: usize,
    pub(crate) apply: kubectl::Apply,
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|word| word != name).nth(1)
}

fn number(name: &str, otherwise: usize) -> usize {
    option(name).map_or(otherwise, |given| given.parse().expect("a number"))
}

fn main() {
    let asked = Asked {
        tenants: number("--tenants", 1_000),
        concurrency: number("--concurrency", 32),
        rounds: number("--rounds", 3),
        apply: match std::env::args().any(|word| word == "--server-side") {
            true => kubectl::Apply::ServerSide,
            false => kubectl::Apply::ClientSide,
        },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match (option(nodes::ROLE), option(ours::ROLE)) {
            (Some(kubeconfig), _) => nodes::run(kubeconfig.as_ref()).await,
            (None, Some(kubeconfig)) => ours::run(&asked, kubeconfig.as_ref()).await,
            (None, None) => round::all(&asked).await,
        }
    });
}
