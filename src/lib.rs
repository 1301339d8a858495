//! landlord-compute: each tenant a supervised actor that owns a state machine and drives a compute provider.

pub mod clock;
pub mod provider;
pub mod store;

pub use landlord_state_machines as machines;
