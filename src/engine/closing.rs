//! Why and when an engine ends.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

use crate::store::StoreError;

/// Why an engine ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// It was shut down, or dropped.
    #[error("the engine was shut down")]
    ShutDown,
    /// Another engine has taken the store over, or what this one had of it.
    #[error("{0}")]
    Fenced(String),
}

/// Tells everything of an engine that it has ended. The first reason stays.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    why: OnceLock<Closed>,
    token: CancellationToken,
}

impl Closing {
    pub(crate) fn close(&self, why: Closed) {
        let _ = self.why.set(why);
        self.token.cancel();
    }

    /// The store says that another engine has it: this one ends.
    pub(crate) fn fenced(&self, error: &StoreError) -> Closed {
        tracing::error!(%error, "fenced");
        let why = Closed::Fenced(error.to_string());
        self.close(why.clone());
        why
    }

    pub(crate) fn why(&self) -> Option<Closed> {
        self.why.get().cloned()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.why.get().is_some()
    }

    /// Returns when the engine has ended.
    pub(crate) async fn closed(&self) -> Closed {
        self.token.cancelled().await;
        self.why().unwrap_or(Closed::ShutDown)
    }
}
