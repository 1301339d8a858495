//! The supervision benchmark: many tenants with an HTTP check every 5 s, started, kept and stopped; beside supervisord,
//! which starts, keeps and stops the same programs without checks. All in one run, on one machine, one after the other.
//!
//! `cargo bench -p landlord-provider-process --bench supervised` (options after `--`: `--tenants 500`, `--seconds 60`,
//! `--supervisord path`, which is found by PATH else, `--program path` of a `landlord-compute` that applies the same
//! tenants as files too). Prints what it measured and the ratios; asserts nothing about
//! time.
//!
//! The programs are this one too, as a server of a few kilobytes. So both sides start the same file as often as there
//! are tenants; the engine also starts it as a keeper for each.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

mod applied;
mod ours;
mod server;
mod supervisord;
mod usage;

use std::path::Path;
use std::time::Duration;

/// How it is asked for.
struct Asked {
    tenants: usize,
    seconds: u64,
    supervisord: String,
}

/// How long one side took.
struct Took {
    start: Duration,
    /// Until the last program had ended.
    ended: Duration,
    /// Until nothing was left of them.
    stop: Duration,
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|word| word != name).nth(1)
}

fn number<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    option(name).and_then(|given| given.parse().ok()).unwrap_or(otherwise)
}

fn main() {
    server::serve_if_asked();
    landlord_provider_process::keeper::run_if_asked();
    let asked = Asked {
        tenants: number("--tenants", 500),
        seconds: number("--seconds", 60),
        supervisord: option("--supervisord").unwrap_or_else(|| "supervisord".to_owned()),
    };
    println!("{} tenants, each with an HTTP check every 5 s\n", asked.tenants);
    let ours = ours::measure(&asked);
    let theirs = supervisord::measure(&asked);
    let rows = [
        ("start all", ours.start, theirs.start),
        ("end all programs", ours.ended, theirs.ended),
        ("remove all", ours.stop, theirs.stop),
    ];
    let applied = option("--program").map(|program| applied::measure(&asked, Path::new(&program)));
    let rows = rows.into_iter().chain(applied.map(|applied| ("apply all", applied, theirs.start)));
    for (what, ours, theirs) in rows {
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        println!("{what}: landlord-compute {ours:.1?}, supervisord {theirs:.1?}, ratio {ratio:.2}");
    }
}
