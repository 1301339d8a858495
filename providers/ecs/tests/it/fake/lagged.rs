//! Something that is read as it was a while ago.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A value with what it was before its last writes.
#[derive(Clone, Debug)]
pub(super) struct Lagged<T> {
    /// What it is.
    pub(super) is: T,
    before: VecDeque<(Instant, T)>,
}

impl<T: Clone> Lagged<T> {
    /// Something that was not there before.
    pub(super) fn new(was: T, is: T, now: Instant) -> Self {
        Self { is, before: [(now, was)].into() }
    }

    /// Changes it; for a while it is still read as it was.
    pub(super) fn write(&mut self, now: Instant, lag: Duration) -> &mut T {
        self.before.retain(|(written, _)| *written + lag > now);
        self.before.push_back((now, self.is.clone()));
        &mut self.is
    }

    /// What a reader sees.
    pub(super) fn seen(&self, now: Instant, lag: Duration) -> &T {
        self.before.iter().find(|(written, _)| *written + lag > now).map_or(&self.is, |(_, was)| was)
    }
}
