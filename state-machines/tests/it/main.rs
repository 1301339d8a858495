//! The tenant machine: its page, its snapshots and its properties.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod page;
mod samples;
mod table;
