//! The command line as a program: what it prints, what it ends with, and what it does to real processes.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod apply;
mod bad_input;
mod bench;
mod demo;
mod doctor;
mod first_use;
mod interrupted;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod lifecycle;
mod listing;
mod observed;
mod page;
mod remote;
mod secrets;
mod service;
mod specs;
mod stores;
mod sweep;
mod terminal;
mod truth;
mod versions;
mod waiting;

use bench::{Bench, Ran, Version, exchange};

/// Each command runs an engine of its own; `served` runs the same suite through a server.
const SERVED: bool = false;
