//! Three engines on a PostgreSQL with a synchronous standby, while engines are killed, stopped and cut off and the primary is lost; and
//! a cloud that judges what they ask for.
//!
//! `just cluster kills=200 seed=7` runs it for long, `./test.sh backends` for a short while. This program is also the engines:
//! the judge starts itself again.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a trial that cannot go on says why and stops"
)]

mod asks;
mod calm;
mod cloud;
mod database;
mod engine;
mod figures;
mod fleet;
mod history;
mod judge;
mod mishaps;
mod quota;
mod said;
mod trial;
mod way;
mod wire;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How many tenants the engines command.
const TENANTS: usize = 60;
/// How many others are at rest, until it is measured how soon they are somebody else's.
const RESTING: usize = 90;

/// What an engine says, by the first word of a line.
mod words {
    /// It is open: its epoch.
    pub(crate) const OPEN: &str = "open";
    /// What it was asked for, and what came of it: see [`Did`](super::history::Did).
    pub(crate) const DID: &str = "did";
    /// It was heard how an operation ended.
    pub(crate) const SETTLED: &str = "settled";
    /// A command failed for the store: when.
    pub(crate) const FAILED: &str = "failed";
    /// A subscriber heard of an event: position, tenant, revision.
    pub(crate) const EVENT: &str = "event";
    /// What an engine hears: command nobody any more.
    pub(crate) const OVER: &str = "over";
}

/// The one clock of the trial, which is the same in all processes.
fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        match engine::run_if_told().await {
            // Whatever still waits for the judge to say something.
            true => std::process::exit(0),
            false => trial::run().await,
        }
    });
}
