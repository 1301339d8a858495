//! The integration tests: one binary, a module for each subject.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "conformance")]
mod conformance;
#[cfg(feature = "ecs")]
mod ecs;
mod engine;
#[cfg(all(feature = "process", feature = "sqlite"))]
mod examples;
#[cfg(all(feature = "process", feature = "sqlite"))]
mod kills;
#[cfg(feature = "process")]
mod process_provider;
mod store;
