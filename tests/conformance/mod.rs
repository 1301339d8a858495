//! The conformance kit: what it says of our providers, and that each of its checks can fail.

mod cloud;
mod defects;
mod model;
#[cfg(feature = "process")]
mod process;
mod scripted;

/// Runs on paused time.
fn on_paused_time<T>(run: impl AsyncFnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(run())
}
