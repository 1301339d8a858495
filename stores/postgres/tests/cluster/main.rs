//! Three engines on a PostgreSQL with a synchronous standby, while engines are killed and stopped and the primary is lost; and a cloud
//! that judges what they ask for.
//!
//! `just cluster kills=200 seed=7` runs it for long, `./test.sh backends` for a short while. This program is also the engines:
//! the judge starts itself again.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a trial that cannot go on says why and stops"
)]

mod cloud;
mod engine;
mod judge;
mod trial;

/// How many tenants the engines command.
const TENANTS: usize = 60;

/// What an engine says, by the first word of a line.
mod words {
    /// A command was accepted: tenant, operation.
    pub(crate) const ACCEPTED: &str = "accepted";
    /// It was heard how an operation ended.
    pub(crate) const SETTLED: &str = "settled";
    /// A command failed for the store.
    pub(crate) const FAILED: &str = "failed";
    /// A subscriber heard of an event: position, tenant, revision.
    pub(crate) const EVENT: &str = "event";
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        if !engine::run_if_told().await {
            trial::run().await;
        }
    });
}
