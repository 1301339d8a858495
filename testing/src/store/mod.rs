//! The contract of stores, as a suite that any store is run against.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

pub mod contract;
pub mod documents;
pub mod members;
pub mod requests;
pub mod samples;
pub mod shared;
pub mod waiting;
