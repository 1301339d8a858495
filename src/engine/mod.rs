//! The engine: actors, calls, the committer, and what runs beside them.
//!
//! `ground` is what all stand on; `core` adds the actors and their calls. `api`, `handle` and `operation` are what an
//! embedder holds, `loops` what the engine does by itself.

mod actor;
pub(crate) mod api;
pub(crate) mod builder;
mod call;
mod calls;
pub(crate) mod closing;
mod commit;
pub(crate) mod config;
mod core;
mod count;
pub(crate) mod documents;
pub(crate) mod error;
pub(crate) mod events;
mod fingerprint;
mod ground;
pub(crate) mod handle;
mod loops;
pub(crate) mod operation;
mod ownership;
mod quotas;
mod sites;
mod telemetry;
mod waiters;
mod wakeups;
mod watched;
