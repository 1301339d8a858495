//! What every store promises, and what one of them promises beyond that.

mod contract;
#[cfg(feature = "sqlite")]
mod files;
mod memory;
mod samples;
#[cfg(feature = "sqlite")]
mod sqlite;
