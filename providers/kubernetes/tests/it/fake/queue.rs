//! What controllers look at, and when.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::kinds::Key;

/// What controllers look at, and when.
#[derive(Debug, Default)]
pub(super) struct Queue {
    due: BTreeSet<(Instant, Key)>,
    at: BTreeMap<Key, Instant>,
}

impl Queue {
    /// Looks at something, not later than then.
    pub(super) fn add(&mut self, key: Key, at: Instant) {
        match self.at.get(&key) {
            Some(planned) if *planned <= at => return,
            Some(planned) => {
                self.due.remove(&(*planned, key.clone()));
            }
            None => {}
        }
        self.at.insert(key.clone(), at);
        self.due.insert((at, key));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(super) fn take(&mut self, now: Instant) -> Option<Key> {
        let (at, _) = self.due.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        self.at.remove(&key);
        Some(key)
    }
}
