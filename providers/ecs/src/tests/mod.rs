//! The provider through the real SDK, against a server that answers what a test says.

mod answers;
mod calls;
mod errors;
mod finding;
mod lease;
mod secrets;
mod sharing;
