//! landlord-compute: each tenant a supervised actor that owns a state machine and drives a compute provider.

pub mod clock;
mod engine;
pub mod provider;
pub mod store;
mod sweep;
pub mod view;

pub use engine::api::Engine;
pub use engine::builder::EngineBuilder;
pub use engine::closing::Closed;
pub use engine::config::{Limits, ObservePolicy};
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
pub use sweep::{Missing, Orphan, Sweep, SweepError, sweep};
