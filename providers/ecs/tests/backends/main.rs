//! The provider on other people's emulators of ECS, MiniStack and moto, each behind a proxy that fails calls.
//!
//! `./test.sh backends` installs the emulators and runs these tests; without it they are ignored, and say so.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod containers;
mod emulators;
mod examples;
mod faulted;
mod kit;
mod leased;
mod site;
