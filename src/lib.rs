//! landlord-compute: each tenant a supervised actor that owns a state machine and drives a compute provider.

mod actor;
mod calls;
pub mod clock;
mod closing;
#[cfg(feature = "conformance")]
pub mod conformance;
mod count;
mod engine;
mod events;
mod handle;
mod observers;
pub mod provider;
pub mod store;
mod sweep;
mod telemetry;
mod timers;
mod waiters;

pub use closing::Closed;
pub use engine::{Engine, EngineBuilder, Limits, StartError};
pub use events::Delivery;
pub use handle::{CommandError, OperationHandle, Options, Settling, StatusError, TenantHandle, WaitError};
pub use landlord_state_machines as machines;
pub use observers::ObservePolicy;
pub use sweep::{Missing, Orphan, Sweep, SweepError, sweep};
