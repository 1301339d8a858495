//! Tenants as real processes of this machine.

mod api;
mod blocking;
mod environment;
mod exec;
mod exit;
mod files;
mod find;
mod launch;
mod launches;
mod machine;
mod ports;
mod probe;
mod problem;
mod procfs;
mod program;
mod secrets;
mod signal;
mod tags;
#[cfg(test)]
mod testing;
