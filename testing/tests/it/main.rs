//! The conformance kit: what it says of our providers, and that each of its checks can fail.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod cloud;
mod defects;
mod model;
mod page;
mod scripted;

/// Runs on paused time.
fn on_paused_time<T>(run: impl AsyncFnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(run())
}
