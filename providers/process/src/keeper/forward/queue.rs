//! Whose turn it is without an event.

use std::collections::{HashSet, VecDeque};

use super::token::Place;

/// First in, first out, each once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: VecDeque<Place>,
    members: HashSet<Place>,
}

impl Queue {
    pub(super) fn push(&mut self, place: Place) {
        if self.members.insert(place) {
            self.order.push_back(place);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Place> {
        let place = self.order.pop_front()?;
        self.members.remove(&place);
        Some(place)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
