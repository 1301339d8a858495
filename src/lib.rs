//! The compute engine of landlord, a control plane that gives each tenant of a product its own compute.
//!
//! Each tenant is a supervised actor that owns an explicit state machine and drives a compute provider. Operations on
//! one tenant are serial, different tenants run in parallel, and every transition is durable before anybody is told of
//! it. After a `kill -9` the next engine on the same store finishes or undoes what the last one had begun.
//!
//! An embedder gives an [`Engine`] a [`Store`](store::Store) and one [`Provider`] or more, and then
//! commands tenants through [`TenantHandle`]s. A command returns once it is durable; the [`OperationHandle`] that it
//! returns is a future, which ends when the operation has settled.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use landlord_compute::store::{MemoryOptions, MemoryStore};
//! use landlord_compute::{Engine, Options, Settled, TenantComputeSpec, TenantId};
//! use landlord_provider_process::{ProcessOptions, ProcessProvider};
//!
//! const SPEC: &str = "
//! tenant_id: acme
//! provider_type: process
//! containers: [{ name: worker, image: host, command: [sleep, '1000'] }]
//! resources: { cpu: 128, memory: 128 }
//! ";
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // The process provider starts this program again, as the keeper of each tenant.
//!     landlord_provider_process::keeper::run_if_asked();
//!     tokio::runtime::Runtime::new()?.block_on(run())
//! }
//!
//! async fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     let folder = tempfile::tempdir()?;
//!     let provider = ProcessProvider::new(ProcessOptions::new(folder.path()));
//!     let store = MemoryStore::new(MemoryOptions::default());
//!     let engine = Engine::builder(store).provider(provider).start().await?;
//!
//!     let acme = engine.tenant(TenantId::new("acme")?);
//!     let spec = TenantComputeSpec::from_yaml(SPEC)?;
//!     let operation = acme.provision(spec, Options::default().request_id("order 7")).await?; // durable
//!     assert_eq!(operation.await?, Settled::Done); // runs
//!     assert_eq!(acme.destroy(Options::default()).await?.await?, Settled::Done); // gone
//!
//!     engine.shutdown(Duration::from_secs(10)).await?;
//!     Ok(())
//! }
//! ```
//!
//! # What is where
//! - [`Engine`] and [`EngineBuilder`]: start, command, list, subscribe, sweep, shut down. [`Limits`] and
//!   [`ObservePolicy`] say how much an engine takes on, and how it looks after running tenants.
//! - [`provider`]: the contract of providers, and [`provider::converge`], which makes a provider of a planner.
//! - [`store`]: the contract of stores, and a store in memory. `landlord-store-sqlite` keeps everything in one file.
//! - [`machines`]: the crate of pure decisions, whose vocabulary (specs, ids, errors, events) all of this uses. What an
//!   embedder names most is at the root of this crate.
//! - [`telemetry`]: what an engine tells of itself. `landlord-telemetry` makes metrics and traces of it.
//! - `landlord-testing` has what providers and stores are tested with.
//!
//! # Guarantees
//! - The intent of each call is durable before the call is made. Every acknowledged command survives a crash.
//! - After an operation has settled, the platform holds exactly the resources of the applied spec, or none.
//! - One tenant's calls never overlap, and no tenant delays another. A panic of a provider fails its operation only.
//! - Every queue is bounded; beyond that a command is answered [`CommandError::Overloaded`].
//! - No value of a secret is in any log, span, event, error or stored row.
//!
//! # Assumptions
//! - The engine runs within a tokio runtime with time enabled.
//! - One engine owns a store at a time, or several divide its tenants, which the store ensures. Engines with different stores
//!   may share a platform.
//! - A provider keeps the contract; `landlord_testing::conformance` checks it.
//!
//! # Features
//! - `opentelemetry`: an operation's spans continue the trace that the caller is in, also after a restart. Off by
//!   default.

pub mod clock;
mod engine;
pub mod provider;
pub mod store;
mod sweep;
pub mod telemetry;

pub use engine::api::Engine;
pub use engine::builder::EngineBuilder;
pub use engine::closing::Closed;
pub use engine::config::{Limits, ObservePolicy};
pub use engine::documents::{DocumentError, Documents};
pub use engine::error::{CommandError, StartError, StatusError, WaitError};
pub use engine::events::Delivery;
pub use engine::handle::{Options, TenantHandle};
pub use engine::operation::{OperationHandle, Settling};
pub use landlord_state_machines as machines;
pub use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
pub use landlord_state_machines::id::{Incarnation, OperationId, ProviderName, Revision, TenantId};
pub use landlord_state_machines::spec::{Invalid, Spec, TenantComputeSpec};
pub use landlord_state_machines::status::{
    ComputeState, ComputeStatus, Endpoint, Health, ProvisionResult, UpdateResult,
};
pub use landlord_state_machines::tenant::{
    Backoff, EventKind, LifecycleEvent, Policy, Record, Rejection, RepairPolicy, Settled, StateName, Tenant,
    UndoCause,
};
pub use provider::{Context, Initiator, Provider};
pub use store::{MemoryStore, Position, Scope, TenantFilter};
pub use sweep::{Missing, OnPurpose, Orphan, Sweep, SweepError, sweep};

/// The code of README.md, which is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
