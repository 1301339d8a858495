//! The engine as a whole: one binary, a module for each subject.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod engine;
mod examples;
mod house;
mod kills;
mod store;
