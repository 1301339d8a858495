//! The PostgreSQL store on a real server, which each test starts for itself; through pgbouncer; and behind a proxy that
//! loses answers.
//!
//! `./test.sh backends` installs the servers and runs these tests; without it they are ignored, and say so.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod cluster;
mod contract;
mod kills;
mod lost;
mod migrations;
mod owners;
mod plans;
mod pooler;
mod promotion;
mod proxy;
mod refused;
mod retention;
mod secrets;
