//! The last events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use landlord_state_machines::tenant::LifecycleEvent;

use crate::store::Position;

/// The last events.
#[derive(Debug, Default)]
pub(super) struct History {
    events: VecDeque<Happened>,
    /// How many are no longer kept: the position before the first that is.
    trimmed: u64,
}

/// An event, and where the same tenant's event before it is: so one tenant's events are found without an index
/// that every commit has to keep.
#[derive(Debug)]
struct Happened {
    event: Arc<LifecycleEvent>,
    previous: Position,
}

impl History {
    pub(super) fn head(&self) -> Position {
        Position(self.trimmed + self.events.len() as u64)
    }

    /// The position before the first event that is kept.
    pub(super) fn trimmed(&self) -> Position {
        Position(self.trimmed)
    }

    /// Keeps an event, and of all events the last `bound`. Older ones wait for a reader that has read up to `read`, until
    /// they are older than this event by more than `waits`.
    pub(super) fn push(
        &mut self,
        event: &Arc<LifecycleEvent>,
        previous: Position,
        bound: usize,
        read: Option<Position>,
        waits: Duration,
    ) -> Position {
        self.events.push_back(Happened { event: Arc::clone(event), previous });
        let head = self.head();
        while self.events.len() > bound
            && let Some(oldest) = self.events.front()
        {
            let is_read = read.is_none_or(|read| read.0 > self.trimmed);
            if !is_read && event.at.duration_since(oldest.event.at).unsigned_abs() <= waits {
                break;
            }
            self.events.pop_front();
            self.trimmed += 1;
        }
        head
    }

    /// The event at a position, if it is still kept.
    fn at(&self, position: Position) -> Option<&Happened> {
        let index = position.0.checked_sub(self.trimmed + 1)?;
        self.events.get(usize::try_from(index).ok()?)
    }

    /// All events after a position that is not before the first kept one.
    pub(super) fn all(&self, after: Position, limit: usize) -> Vec<(Position, Arc<LifecycleEvent>)> {
        (after.0 + 1..=self.head().0)
            .take(limit)
            .filter_map(|at| Some((Position(at), Arc::clone(&self.at(Position(at))?.event))))
            .collect()
    }

    /// One tenant's events after a position, whose last one is at `last`.
    pub(super) fn of_one(
        &self,
        last: Position,
        after: Position,
        limit: usize,
    ) -> Vec<(Position, Arc<LifecycleEvent>)> {
        let mut found = Vec::new();
        let mut at = last;
        while at > after
            && let Some(happened) = self.at(at)
        {
            found.push((at, Arc::clone(&happened.event)));
            at = happened.previous;
        }
        found.reverse();
        found.truncate(limit);
        found
    }
}
