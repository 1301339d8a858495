//! The pure decisions of landlord-compute: no async, clock, randomness, IO or logging.
//!
//! Time and ids come in with the input; what should be done goes out as data.
//!
//! The engine needs no feature. Each provider's planner is behind the feature of its name, with what it alone needs.

// Planners hash, and nothing else does.
#[cfg(any(feature = "ecs", feature = "process"))]
mod canonical;
pub mod error;
pub mod id;
pub mod ledger;
pub mod observation;
pub mod planner;
pub mod render;
pub mod spec;
pub mod status;
pub mod sweep;
pub mod tenant;
pub mod trace;
