//! A tenant's containers as local processes.
//!
//! Each start is a *launch* with an id of its own. The launch's id and its [`Manifest`] are in the environment of
//! every process that it made, so that the processes alone tell all that matters: a ledger that was lost, or that
//! a crash kept from being written, leaves nothing unknown.

mod call;
mod config;
mod launch;

pub use call::{
    Call, Found, FoundLaunch, Life, Probe, Probed, Reply, ReservePorts, Signal, Start, Stop, WantedPort,
};
pub use config::{Config, ConfigError};
pub use launch::{
    Check, Exit, ExitCause, Fingerprint, LaunchId, LaunchIdError, Manifest, Port, Process, Protocol,
    Readiness,
};
