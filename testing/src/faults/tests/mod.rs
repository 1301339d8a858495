//! The harness itself.

mod cloud;
