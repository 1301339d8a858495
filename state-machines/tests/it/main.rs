//! The vocabulary; the tenant machine: its samples, its page, its snapshots, and random lives; and that all is pure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[cfg(all(feature = "ecs", feature = "kubernetes", feature = "process"))]
mod examples;
mod explained;
mod fuzzed;
#[cfg(all(feature = "ecs", feature = "process"))]
mod hashes;
mod life;
mod model;
mod page;
mod purity;
mod samples;
mod table;
mod vocabulary;
