//! The small things, each alone: one decision, one check of a spec, one row written and read, one activation.
//! `cargo bench --bench micro`, with a part of a name to run only some.
#![allow(
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark stops where it cannot go on"
)]

mod activation;
mod check;
#[path = "../common/engine.rs"]
mod engine;
mod lives;
#[path = "../common/spec.rs"]
mod spec;
mod sqlite;
mod step;

use criterion::{criterion_group, criterion_main};

/// The same that the fleet benchmark uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion_group!(all, step::measure, check::measure, sqlite::measure, activation::measure);
criterion_main!(all);
