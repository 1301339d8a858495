//! What every store promises, and what one of them promises beyond that.

mod contract;
mod memory;
mod samples;
#[cfg(feature = "sqlite")]
mod sqlite;
