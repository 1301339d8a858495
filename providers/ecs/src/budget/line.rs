//! Who is next: people before the engine, and looks last, though not for ever. Among each of these each tenant in turn,
//! with at most a pair of requests.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use landlord_state_machines::id::TenantId;
use tokio::sync::Notify;

use super::{Rank, Who};

/// How many people are served in a row while the engine waits.
const PEOPLE_IN_A_ROW: u32 = 4;
/// How many others are served in a row while a look waits: looks slow them down by less than a twentieth.
const OTHERS_IN_A_ROW: u32 = 24;
/// How many of a tenant's waiters are served in a round. A plan reads in pairs (the active and the inactive definitions, the
/// running and the stopped tasks), and half a pair is of no use: with one in a round, tenants that keep coming take every
/// token for their first halves, and nobody gets as far as a write, whose quota then lies idle.
const OF_A_TENANT: u32 = 2;

/// Those who wait for one quota.
#[derive(Debug, Default)]
pub(super) struct Line {
    people: Queue,
    engine: Queue,
    looks: Queue,
    /// How many people were served since the engine was.
    in_a_row: u32,
    /// How many others were served since a look was.
    since_a_look: u32,
}

/// A place in a line.
#[derive(Debug)]
pub(super) struct Ticket {
    rank: Rank,
    tenant: Option<TenantId>,
    turn: Turn,
}

/// Those of one kind. A tenant's first [`OF_A_TENANT`] waiters are served in the round that goes on, as many more in the
/// next, and so on; so a tenant with many waiters holds up nobody who has few.
#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<Turn, Arc<Notify>>,
    /// The tenants that wait.
    tenants: HashMap<Option<TenantId>, Waiters>,
    /// The round that goes on.
    round: u64,
    /// How many have come.
    arrivals: u64,
}

/// The waiters of a tenant, of which there is one at least.
#[derive(Clone, Copy, Debug)]
struct Waiters {
    count: usize,
    /// The round of the last one.
    last: u64,
    /// How many joined that round.
    joined: u32,
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
        self.people.waiting.len() + self.engine.waiting.len() + self.looks.waiting.len()
    }

    /// Takes a place. `called` is notified when it may have become the first.
    pub(super) fn join(&mut self, who: &Who, called: Arc<Notify>) -> Ticket {
        let turn = self.queue(who.rank).join(&who.tenant, called);
        Ticket { rank: who.rank, tenant: who.tenant.clone(), turn }
    }

    /// Whether this place is the first.
    pub(super) fn is_first(&self, ticket: &Ticket) -> bool {
        let first = self.first().map(|(rank, turn, _)| (rank, turn));
        first == Some((ticket.rank, ticket.turn))
    }

    /// The first one is served.
    pub(super) fn serve(&mut self, ticket: &Ticket) {
        match ticket.rank {
            Rank::Person => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                self.since_a_look = self.since_a_look.saturating_add(1);
            }
            Rank::Engine => {
                self.in_a_row = 0;
                self.since_a_look = self.since_a_look.saturating_add(1);
            }
            Rank::Look => self.since_a_look = 0,
        }
        let queue = self.queue(ticket.rank);
        queue.round = queue.round.max(ticket.turn.round);
        queue.leave(ticket);
    }

    /// Somebody goes without having been served.
    pub(super) fn leave(&mut self, ticket: &Ticket) {
        self.queue(ticket.rank).leave(ticket);
    }

    /// Wakes the first one, which may not have been told yet.
    pub(super) fn call_first(&self) {
        if let Some((_, _, called)) = self.first() {
            called.notify_one();
        }
    }

    /// Whether it should take no more than others leave.
    pub(super) fn leaves_a_reserve(&self, ticket: &Ticket) -> bool {
        match ticket.rank {
            Rank::Person | Rank::Engine => false,
            Rank::Look => self.since_a_look < OTHERS_IN_A_ROW,
        }
    }

    fn first(&self) -> Option<(Rank, Turn, &Notify)> {
        let person = self.people.first().map(|(turn, called)| (Rank::Person, turn, called));
        let engine = self.engine.first().map(|(turn, called)| (Rank::Engine, turn, called));
        let look = self.looks.first().map(|(turn, called)| (Rank::Look, turn, called));
        let other = if self.in_a_row < PEOPLE_IN_A_ROW { person.or(engine) } else { engine.or(person) };
        if self.since_a_look < OTHERS_IN_A_ROW { other.or(look) } else { look.or(other) }
    }

    fn queue(&mut self, rank: Rank) -> &mut Queue {
        match rank {
            Rank::Person => &mut self.people,
            Rank::Engine => &mut self.engine,
            Rank::Look => &mut self.looks,
        }
    }
}

impl Queue {
    fn join(&mut self, tenant: &Option<TenantId>, called: Arc<Notify>) -> Turn {
        self.arrivals += 1;
        let first = Waiters { count: 1, last: self.round, joined: 1 };
        let waiters = match self.tenants.get(tenant) {
            None => first,
            Some(before) if before.joined < OF_A_TENANT => {
                Waiters { count: before.count + 1, joined: before.joined + 1, ..*before }
            }
            Some(before) => Waiters { count: before.count + 1, last: before.last + 1, joined: 1 },
        };
        let turn = Turn { round: waiters.last, arrival: self.arrivals };
        self.tenants.insert(tenant.clone(), waiters);
        self.waiting.insert(turn, called);
        turn
    }

    fn leave(&mut self, ticket: &Ticket) {
        self.waiting.remove(&ticket.turn);
        if let Some(waiters) = self.tenants.get_mut(&ticket.tenant) {
            waiters.count -= 1;
            if waiters.count == 0 {
                self.tenants.remove(&ticket.tenant);
            }
        }
    }

    fn first(&self) -> Option<(Turn, &Notify)> {
        self.waiting.first_key_value().map(|(turn, called)| (*turn, &**called))
    }
}
