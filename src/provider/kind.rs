//! What a program that hosts several kinds of providers needs to know of each.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use landlord_state_machines::id::ProviderName;
use serde_json::Value;

use super::Provider;

/// A kind of provider: what it is, apart from the names under which an operator runs it.
///
/// A program lists the kinds that it was built with, and starts each of them by [`ProviderKind::start`].
pub trait ProviderKind {
    /// The kind's name: that of its planner, and of its provider where the operator gives it no other.
    const KIND: &'static str;
    /// The platform's name, for people.
    const PLATFORM: &'static str;
    /// Whether it cannot run tenants without a configuration of the operator's.
    const NEEDS_CONFIG: bool;
    /// Log targets of its libraries that print secrets when they are asked for everything. A program keeps them at
    /// `warn`.
    const SECRET_TARGETS: &'static [&'static str] = &[];

    /// The diagram of its planner, for a Mermaid viewer.
    fn diagram() -> &'static str;

    /// Makes a provider. Asks no platform.
    ///
    /// # Errors
    /// [`SetupError`] names everything in the configuration that is wrong.
    fn start(setup: Setup) -> Result<Arc<dyn Provider>, SetupError>;
}

/// What an operator sets one provider up with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its name, which specs give as their `provider_type`.
    pub name: ProviderName,
    /// Its configuration, as read from a file. `null` where there is none.
    pub config: Value,
    /// Where it keeps files, if it keeps any. It makes the directory when it first needs it.
    pub state_dir: PathBuf,
}

/// Why a provider could not be made: its configuration is wrong.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SetupError(Box<dyn Error + Send + Sync>);

impl SetupError {
    /// From the kind's own error, or a sentence that names what is wrong.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
