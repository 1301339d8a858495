//! Writing the small named documents of the engine's store.

use std::sync::Arc;

use super::closing::Closed;
use super::core::Core;
use crate::store::{DocumentMismatch, DocumentRevision, DocumentWrite, StoreError};

/// Why a document was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Somebody else has changed it: nothing was written.
    #[error(transparent)]
    Mismatch(#[from] DocumentMismatch),
    /// The store cannot be used now. The document may have been written: read it before it is written again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine has ended.
    #[error("{0}")]
    Closed(Closed),
}

/// Writes documents under the engine's epoch; [`Engine::reads`](crate::Engine::reads) has them to look at. A document
/// is no part of a tenant's transition: it does not wait for the turn of those that commit transitions, and no subscriber
/// of events hears of it.
#[derive(Clone)]
pub struct Documents {
    core: Arc<Core>,
}

impl Documents {
    pub(super) fn of(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    /// Writes or removes a document, as [`Store::put_document`](crate::store::Store::put_document) says. Answers when it
    /// is durable. When the future is dropped it may or may not have been written.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub async fn put(&self, write: &DocumentWrite) -> Result<DocumentRevision, DocumentError> {
        if let Some(why) = self.core.closing.why() {
            return Err(DocumentError::Closed(why));
        }
        match self.core.store.put_document(self.core.opened.epoch, write).await {
            Ok(answer) => Ok(answer?),
            Err(error @ StoreError::Fenced { .. }) => {
                Err(DocumentError::Closed(self.core.closing.fenced(&error)))
            }
            Err(
                error @ (StoreError::Unavailable { .. }
                | StoreError::InUse { .. }
                | StoreError::Corrupt { .. }),
            ) => Err(error.into()),
        }
    }
}
