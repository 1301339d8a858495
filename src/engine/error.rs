//! Why the engine did not do what it was asked.

use std::sync::Arc;

use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{OperationId, ProviderName};
use landlord_state_machines::members::Site;
use landlord_state_machines::spec::Invalid;
use landlord_state_machines::tenant::Rejection;

use super::closing::Closed;
use crate::provider::registry::RegistryError;
use crate::store::StoreError;

/// Why an engine could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The providers cannot be registered together: two have one name.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A provider cannot say where its tenants are.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Tenants are at another site, where they may still run.
    #[error(
        "the tenants of provider {provider} are at {}, which only an engine of that site reaches, and this is {}; start the engine \
         there. Where that site is lost for good, with everything that ran and was kept there, say so by its id, {}: its tenants are \
         started here then",
        there.at, here.at, there.id
    )]
    Elsewhere {
        /// Whose.
        provider: ProviderName,
        /// Where they are.
        there: Box<Site>,
        /// Where this engine is.
        here: Box<Site>,
    },
    /// The actors could not be started.
    #[error("the supervisors could not be started: {0}")]
    Supervisors(String),
}

/// Why a command was not taken. Nothing was changed, except where it says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The spec is not valid; every problem is named.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Its provider is not registered.
    #[error(transparent)]
    Provider(#[from] RegistryError),
    /// The tenant's state does not allow it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The caller's name for the request is another request's of this tenant.
    #[error(
        "request id {request_id:?} is that of another request of this tenant{}; send a request again as it was, or under \
         another id",
        which_is(*by)
    )]
    RequestReused {
        /// The name.
        request_id: String,
        /// What the other request began, or is part of. None where nothing was on its way for it.
        by: Option<OperationId>,
    },
    /// Too much is on its way already; try again later.
    #[error("overloaded: {0}; try again later")]
    Overloaded(&'static str),
    /// The store cannot be used now. The command may have been recorded: send it again with the same request id.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The engine has ended.
    #[error("{0}")]
    Closed(Closed),
    /// The tenant's actor panics over this command again and again; this is a defect.
    #[error("the command could not be handled; this is a defect of the engine, see its log")]
    Defect,
}

fn which_is(operation: Option<OperationId>) -> String {
    operation.map_or_else(String::new, |operation| format!(", which is operation {operation}"))
}

/// Why a tenant's status is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatusError {
    /// The provider says so: not found, or no answer.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Its provider is not registered.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an operation's end is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The store has no such operation.
    #[error("there is no operation {0}")]
    Unknown(OperationId),
    /// The engine has ended; the operation goes on at the next start, and can be waited for then.
    #[error("{why}; operation {id} goes on when the engine is started again")]
    Closed {
        /// The operation.
        id: OperationId,
        /// Why the engine ended.
        why: Closed,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
