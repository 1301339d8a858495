//! The suite of the command line again, with every command through a server that runs.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

#[path = "../it/apply.rs"]
mod apply;
#[path = "../it/bad_input.rs"]
mod bad_input;
#[path = "../it/bench.rs"]
mod bench;
#[path = "../it/lifecycle.rs"]
mod lifecycle;
#[path = "../it/listing.rs"]
mod listing;
#[path = "../it/specs.rs"]
mod specs;
#[path = "../it/versions.rs"]
mod versions;

use bench::{Bench, Ran, Version, exchange};

const SERVED: bool = true;
