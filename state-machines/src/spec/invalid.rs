//! What is wrong with a spec: all of it, each problem with its path.

use std::convert::Infallible;
use std::fmt;

use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};

/// The most problems that are listed; what is beyond is counted.
pub const MAX_PROBLEMS: usize = 100;

/// One thing that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, e.g. `containers[0].ports[1].container_port`; empty for the spec as a whole.
    pub path: String,
    /// What is wrong there and what to write instead. Never holds a value that may be a secret.
    pub message: String,
}

impl Problem {
    /// A problem at a path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// Everything that is wrong with a spec: at least one problem. Reads as one problem a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    problems: Vec<Problem>,
    unlisted: usize,
}

impl Invalid {
    /// Turns a list of problems into a result: fine when there are none. For providers' own checks too.
    ///
    /// # Errors
    /// The problems, when there are any.
    pub fn unless_empty(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::of(problems)) }
    }

    /// The error of these problems, of which there is at least one.
    pub(super) fn of(mut problems: Vec<Problem>) -> Self {
        let unlisted = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        Self { problems, unlisted }
    }

    /// The problems that are listed.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// The problems, in the order of the spec; the first [`MAX_PROBLEMS`] where there are absurdly many.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        match self.unlisted {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Invalid {}

/// What converts to a [`Spec`](super::Spec) and cannot fail has this error in place of [`Invalid`]: a bound
/// `TryInto<Spec, Error: Into<Invalid>>` takes a spec that is checked as well as one that is not.
impl From<Infallible> for Invalid {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// With the problems as its source, for programs.
impl From<Invalid> for ProviderError {
    fn from(invalid: Invalid) -> Self {
        Self::new(
            ErrorKind::InvalidSpec,
            Remedy::Permanent,
            ErrorCode::InvalidConfiguration,
            invalid.to_string(),
        )
        .with_source(invalid)
    }
}

/// What a provider found wrong with a spec: each problem where it says so, else its words as one.
impl From<&ProviderError> for Invalid {
    fn from(error: &ProviderError) -> Self {
        let source = error.source.as_deref().and_then(|source| source.downcast_ref::<Self>());
        source.cloned().unwrap_or_else(|| Self::of(vec![Problem::new("", error.message.clone())]))
    }
}
