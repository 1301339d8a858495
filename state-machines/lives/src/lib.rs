//! Lives of a tenant in a small simulated engine, and the rules that each of their steps keeps. The tests of the state
//! machines and the fuzzers live through the same.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "only tests and fuzzers use this, and a test that cannot go on stops"
)]

pub mod bytes;
pub mod documents;
pub mod moves;
pub mod rules;
pub mod world;
