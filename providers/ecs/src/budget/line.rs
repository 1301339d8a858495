//! Who is next: people before the engine, though not for ever, and among them each tenant in turn.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use landlord_state_machines::id::TenantId;
use tokio::sync::Notify;

use super::Who;
use landlord_compute::provider::Initiator;

/// How many people are served in a row while the engine waits.
const PEOPLE_IN_A_ROW: u32 = 4;

/// Those who wait for one quota.
#[derive(Debug, Default)]
pub(super) struct Line {
    people: Queue,
    engine: Queue,
    /// How many people were served since the engine was.
    in_a_row: u32,
}

/// A place in a line.
#[derive(Debug)]
pub(super) struct Ticket {
    initiator: Initiator,
    tenant: Option<TenantId>,
    turn: Turn,
}

/// Those of one kind. A tenant's first waiter is served in the round that goes on, its second one in the next, and so
/// on; so a tenant with many waiters holds up nobody who has one.
#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<Turn, Arc<Notify>>,
    /// For each tenant that waits: the round of its last waiter, and how many waiters it has.
    tenants: HashMap<Option<TenantId>, (u64, usize)>,
    /// The round that goes on.
    round: u64,
    /// How many have come.
    arrivals: u64,
}

/// When somebody is served; the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    round: u64,
    arrival: u64,
}

impl Line {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.people.waiting.len() + self.engine.waiting.len()
    }

    /// Takes a place. `called` is notified when it may have become the first.
    pub(super) fn join(&mut self, who: &Who, called: Arc<Notify>) -> Ticket {
        let turn = self.queue(who.initiator).join(&who.tenant, called);
        Ticket { initiator: who.initiator, tenant: who.tenant.clone(), turn }
    }

    /// Whether this place is the first.
    pub(super) fn is_first(&self, ticket: &Ticket) -> bool {
        let first = self.first().map(|(initiator, turn, _)| (initiator, turn));
        first == Some((ticket.initiator, ticket.turn))
    }

    /// The first one is served.
    pub(super) fn serve(&mut self, ticket: &Ticket) {
        self.in_a_row = match ticket.initiator {
            Initiator::Person => self.in_a_row.saturating_add(1),
            Initiator::Engine => 0,
        };
        let queue = self.queue(ticket.initiator);
        queue.round = queue.round.max(ticket.turn.round);
        queue.leave(ticket);
    }

    /// Somebody goes without having been served.
    pub(super) fn leave(&mut self, ticket: &Ticket) {
        self.queue(ticket.initiator).leave(ticket);
    }

    /// Wakes the first one, which may not have been told yet.
    pub(super) fn call_first(&self) {
        if let Some((_, _, called)) = self.first() {
            called.notify_one();
        }
    }

    fn first(&self) -> Option<(Initiator, Turn, &Notify)> {
        let person = self.people.first().map(|(turn, called)| (Initiator::Person, turn, called));
        let engine = self.engine.first().map(|(turn, called)| (Initiator::Engine, turn, called));
        if self.in_a_row < PEOPLE_IN_A_ROW { person.or(engine) } else { engine.or(person) }
    }

    fn queue(&mut self, initiator: Initiator) -> &mut Queue {
        match initiator {
            Initiator::Person => &mut self.people,
            Initiator::Engine => &mut self.engine,
        }
    }
}

impl Queue {
    fn join(&mut self, tenant: &Option<TenantId>, called: Arc<Notify>) -> Turn {
        self.arrivals += 1;
        let (last, waiting) = self.tenants.get(tenant).copied().unwrap_or_default();
        let round = if waiting == 0 { self.round } else { self.round.max(last + 1) };
        let turn = Turn { round, arrival: self.arrivals };
        self.tenants.insert(tenant.clone(), (round, waiting + 1));
        self.waiting.insert(turn, called);
        turn
    }

    fn leave(&mut self, ticket: &Ticket) {
        self.waiting.remove(&ticket.turn);
        if let Some((_, waiting)) = self.tenants.get_mut(&ticket.tenant) {
            *waiting -= 1;
            if *waiting == 0 {
                self.tenants.remove(&ticket.tenant);
            }
        }
    }

    fn first(&self) -> Option<(Turn, &Notify)> {
        self.waiting.first_key_value().map(|(turn, called)| (*turn, &**called))
    }
}
