#![doc = include_str!("../README.md")]

// Only planners hash JSON.
#[cfg(any(feature = "ecs", feature = "kubernetes", feature = "process"))]
mod canonical;
pub mod error;
pub mod id;
pub mod ledger;
pub mod members;
pub mod observation;
pub mod planner;
pub mod render;
pub mod spec;
pub mod status;
pub mod sweep;
pub mod tenant;
pub mod trace;
