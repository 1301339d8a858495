//! Tenants as real processes of this machine.

mod blocking;
mod environment;
mod exit;
mod files;
mod find;
mod launch;
mod launches;
mod ports;
mod probe;
mod problem;
mod procfs;
mod program;
mod secrets;
mod tags;
#[cfg(test)]
mod testing;
