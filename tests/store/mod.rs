//! What every store promises, kept by the one in memory.

mod memory;
