//! Why a request was not done.

use landlord_api::Problem;

use crate::BoxError;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server says why.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// The server was not reached, or its answer broke off. A command may have been taken: send it again with the same
    /// request id.
    #[error("the server cannot be reached: {0}")]
    Unreachable(#[source] BoxError),
    /// The answer is none of this API: another version, or not this server at all.
    #[error("the server's answer is not understood: {0}")]
    NotUnderstood(String),
}

impl From<Problem> for ClientError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}
