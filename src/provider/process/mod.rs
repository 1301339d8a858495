//! Tenants as real processes of this machine.

mod procfs;
#[cfg(test)]
mod testing;
