//! The provider on a real cluster: API server with RBAC, controllers, scheduler, kubelet and containerd on this machine.
//!
//! `./test.sh backends` installs what starts it and runs these tests; without it they are ignored, and say so.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod choices;
mod cluster;
mod failing;
mod holding;
mod kills;
mod leased;
mod mishaps;
mod plans;
mod proxy;
mod registry;
mod rights;
mod secrets;
mod serves;
mod site;
mod strangers;
mod volumes;
