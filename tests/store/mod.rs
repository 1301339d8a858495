//! What every store promises, and what one of them promises beyond that.

mod contract;
#[cfg(feature = "sqlite")]
mod damaged;
#[cfg(feature = "sqlite")]
mod disk;
#[cfg(feature = "sqlite")]
mod files;
#[cfg(feature = "sqlite")]
mod full_disk;
mod memory;
#[cfg(feature = "sqlite")]
mod power;
mod samples;
#[cfg(feature = "sqlite")]
mod sqlite;
