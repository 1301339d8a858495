//! The provider with servers that people run, and on machines that the tests' own is not: with systemd, cgroup v2 and
//! reboots.
//!
//! `./test.sh backends` installs what starts them and runs these tests; without it they are ignored, and say so.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod cargo;
mod groups;
mod ordinary;
mod servers;
mod service;
mod uml;
