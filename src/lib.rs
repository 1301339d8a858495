//! landlord-compute: each tenant a supervised actor that owns a state machine and drives a compute provider.

pub mod clock;
mod engine;
pub mod provider;
pub mod store;
mod sweep;

pub use engine::api::Engine;
pub use engine::builder::EngineBuilder;
pub use engine::closing::Closed;
pub use engine::config::{Limits, ObservePolicy};
pub use engine::error::{CommandError, StartError, StatusError, WaitError};
pub use engine::events::Delivery;
pub use engine::handle::{Options, TenantHandle};
pub use engine::operation::{OperationHandle, Settling};
pub use landlord_state_machines as machines;
pub use sweep::{Missing, Orphan, Sweep, SweepError, sweep};
