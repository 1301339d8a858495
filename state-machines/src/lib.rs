//! The pure decisions of landlord-compute: no async, clock, randomness, IO or logging.
//!
//! Time and ids come in with the input; what should be done goes out as data.

mod canonical;
pub mod error;
pub mod id;
pub mod ledger;
pub mod observation;
pub mod planner;
pub mod render;
pub mod result;
pub mod spec;
pub mod sweep;
pub mod tenant;
pub mod trace;
