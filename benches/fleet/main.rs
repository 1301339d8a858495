//! The fleet benchmark: many tenants through provision, update and destroy with a provider that does nothing, next
//! to what one would write without the engine, in one run. Prints medians and ratios; asserts nothing.
//!
//! `cargo bench --bench fleet` (options: `-- --tenants 100000 --runs 5 --clients 64 --idle 1000000`)
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

mod bare_ractor;
mod bare_tokio;
mod idle;
mod ours;

use std::time::Duration;

/// The same for all that is measured: one that frees across threads cheaply, as a busy server would choose.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How large a run is.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) tenants: usize,
    pub(crate) clients: usize,
    pub(crate) runs: usize,
}

/// Provision, update and destroy each begin and end: six transitions a tenant.
pub(crate) const TRANSITIONS: usize = 6;

fn words(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}

fn option(name: &str, default: usize) -> usize {
    words(name).and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(option("--workers", 2))
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Measures `what` in turn with the others, so that a slow moment of the machine hits all alike.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() {
    if let Some(folder) = words("--child") {
        return idle::child(folder.as_ref());
    }
    let size = Size {
        tenants: option("--tenants", 100_000),
        clients: option("--clients", 64),
        runs: option("--runs", 5),
    };
    let idle = option("--idle", 1_000_000);
    println!("{} tenants, {} clients, {} runs, 2 workers; medians\n", size.tenants, size.clients, size.runs);
    type Measure = fn(Size) -> Duration;
    let mut rows: Vec<(&str, Measure, Vec<Duration>)> = vec![
        ("bare tokio task + mpsc, in memory", bare_tokio::lifecycle, Vec::new()),
        ("bare ractor on demand, 64 supervisors, in memory", bare_ractor::lifecycle, Vec::new()),
        ("landlord-compute, memory store", ours::in_memory, Vec::new()),
        ("landlord-compute, SQLite with fsync", ours::in_sqlite, Vec::new()),
    ];
    if let Some(only) = words("--only") {
        rows.retain(|(name, _, _)| name.contains(&only));
    }
    for _ in 0..size.runs {
        for (_, measure, times) in &mut rows {
            times.push(measure(size));
        }
    }
    let transitions = (size.tenants * TRANSITIONS) as f64;
    let ours = rows.iter().map(|(name, _, times)| (*name, transitions / median(times.clone()).as_secs_f64()));
    let rates: Vec<(&str, f64)> = ours.collect();
    let ractor = rates.iter().find(|(name, _)| name.contains("ractor")).map_or(f64::NAN, |(_, rate)| *rate);
    println!("| lifecycle | transitions/s | of bare ractor |\n| --- | ---: | ---: |");
    for (name, rate) in &rates {
        println!("| {name} | {:.0} k | {:.2} |", rate / 1000.0, rate / ractor);
    }
    if idle > 0 {
        idle::report(idle);
    }
}
