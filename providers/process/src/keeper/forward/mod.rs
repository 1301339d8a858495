//! Forwards a tenant's addresses to the launches that are their targets.
//!
//! [`Forwarder`] lives in another's [`mio::Poll`]. It never blocks and has no thread. The caller hands it the events of
//! its tokens, and calls [`Forwarder::tick`] after each round of events and by [`Forwarder::next_deadline`].
//!
//! # Guarantees
//! - No byte of a TCP connection is changed, lost while both sides stand, or sent twice.
//! - A half-closed connection stays half open. A reset reaches the other side as a reset.
//! - Several targets take turns: with each connection, and where HTTP/1 is spoken, with each request. One that refuses a
//!   connection is passed over, and no client sees that.
//! - When the targets change, an HTTP/1 connection goes over to another between two requests, and its client keeps the
//!   connection. Every other connection stays with its launch until it ends or is cut.
//! - A client that connects while there is no target, or while all targets refuse connections, waits for at most
//!   [`HOLD`](service::HOLD). After that it is reset.
//! - Memory: at most 16 KiB a direction and 16 KiB a head for each connection, only while bytes are on their way; an
//!   idle connection has none of that.
//!
//! # Caveats
//! - Datagrams are lost when a socket's buffer is full. An answer to a client leaves from the address that the
//!   machine's routes choose, as with every server that binds all addresses.
//! - The launch sees connections from 127.0.0.1.

pub(crate) mod address;
mod connection;
mod counters;
mod http;
mod pipe;
mod queue;
mod service;
mod socket;
mod targets;
#[cfg(test)]
mod tests;
mod token;
mod turns;
mod udp;

use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

use mio::Registry;
use mio::event::Event;
use slab::Slab;

use address::Address;
use connection::Connection;
pub(crate) use counters::Counters;
use queue::Queue;
use service::{Door, HOLD, Reach, Service};
use targets::{RETRY, Targets};
use token::{Place, Tokens};
use udp::{Flows, More};

/// The size of a read from a connection, and so the most that waits in a direction.
const READ: usize = 16 * 1024;
/// How many turns a tick gives.
const TURNS: usize = 64;

/// What one forwarder may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Clients' TCP connections. Each takes two descriptors. Beyond that, clients wait in the kernel.
    pub(crate) connections: usize,
    /// Flows of datagrams. Each takes one descriptor. Beyond that, the one that was idle longest is forgotten.
    pub(crate) flows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 4096, flows: 512 }
    }
}

/// Listens at a tenant's addresses, and forwards.
#[derive(Debug)]
pub(crate) struct Forwarder {
    tokens: Tokens,
    limits: Limits,
    services: Slab<Service>,
    connections: Slab<Connection>,
    flows: Flows,
    /// The connections without a server that wait for a request, by since when.
    idle: BTreeSet<(Instant, usize)>,
    queue: Queue,
    /// Nothing is accepted before then.
    paused: Option<Instant>,
    scratch: Vec<u8>,
    counters: Counters,
}

impl Forwarder {
    /// A forwarder without addresses, which uses the tokens from `base` on.
    pub(crate) fn new(base: usize, limits: Limits) -> Self {
        Self {
            tokens: Tokens { base },
            limits,
            services: Slab::new(),
            connections: Slab::new(),
            flows: Flows::new(limits.flows),
            idle: BTreeSet::new(),
            queue: Queue::default(),
            paused: None,
            scratch: vec![0; READ],
            counters: Counters::default(),
        }
    }

    /// Listens at an address. It has no target yet.
    ///
    /// # Errors
    /// As binding a socket. [`io::ErrorKind::AddrInUse`]: somebody listens there.
    pub(crate) fn open(&mut self, registry: &Registry, address: Address, now: Instant) -> io::Result<()> {
        let entry = self.services.vacant_entry();
        let door = Door::open(&address, registry, self.tokens.token(Place::Door(entry.key())))?;
        let (targets, waiting) = (Targets::Nowhere(now), BTreeSet::new());
        entry.insert(Service { address, door, targets, waiting, connections: 0 });
        Ok(())
    }

    /// Stops listening at an address, if it is open. Clients that are attached to a launch stay until they are done
    /// or cut; the others are disconnected.
    pub(crate) fn close(&mut self, registry: &Registry, address: Address, now: Instant) {
        let Some(index) = self.find(address) else {
            return;
        };
        let service = &mut self.services[index];
        service.door = Door::Closed;
        service.targets = Targets::Nowhere(now);
        self.flows.close(index);
        self.turn_all(registry, index, now);
        for idle in self.of_service(index, |connection| connection.port().is_none()) {
            self.remove(idle);
        }
        self.forget_if_done(index);
    }

    /// From now on, new connections and requests at the address go to these ports of 127.0.0.1 in turn. Returns whether
    /// the address is open.
    pub(crate) fn target(
        &mut self,
        registry: &Registry,
        address: Address,
        ports: &[u16],
        now: Instant,
    ) -> bool {
        let Some(index) = self.find(address) else {
            return false;
        };
        self.services[index].targets.become_those(ports, now);
        self.turn_all(registry, index, now);
        self.queue_door(index);
        true
    }

    /// How many clients are attached to a port, over all addresses. Datagrams do not count.
    pub(crate) fn connections(&self, port: u16) -> usize {
        self.connections.iter().filter(|(_, connection)| connection.port() == Some(port)).count()
    }

    /// Breaks the connections that are attached to a port, and returns how many they were. Flows of datagrams to it
    /// end too, and do not count.
    pub(crate) fn cut(&mut self, port: u16, now: Instant) -> usize {
        self.flows.cut(port);
        let attached =
            |(index, connection): (usize, &Connection)| (connection.port() == Some(port)).then_some(index);
        let cut: Vec<usize> = self.connections.iter().filter_map(attached).collect();
        for &index in &cut {
            self.remove(index).reset(now);
        }
        self.counters.cut += cut.len() as u64;
        cut.len()
    }

    /// What it did so far and has now.
    pub(crate) fn counters(&self) -> Counters {
        Counters { open: self.connections.len(), flows: self.flows.len(), ..self.counters }
    }

    /// Takes an event. Events of others are left alone.
    pub(crate) fn handle(&mut self, registry: &Registry, event: &Event, now: Instant) {
        let Some(place) = self.tokens.place(event.token()) else {
            return;
        };
        match place {
            Place::Door(index) => {
                if let Some(service) = self.services.get_mut(index) {
                    service.note_ready();
                }
            }
            Place::Client(index) => {
                if let Some(connection) = self.connections.get_mut(index) {
                    connection.note_client(event);
                }
            }
            Place::Server(index) => {
                if let Some(connection) = self.connections.get_mut(index) {
                    connection.note_server(event);
                }
            }
            Place::Flow(_) => {}
        }
        self.serve(registry, place, now);
    }

    /// When [`tick`](Self::tick) has something to do, if no event comes. It may be past.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        if self.queue.len() > 0 {
            return Some(now);
        }
        let services = self.services.iter().filter_map(|(_, service)| service.deadline()).min();
        // What a pause stops is not due before its end.
        let services = services.map(|at| self.paused.map_or(at, |until| at.max(until)));
        let idle = self.idle.first().map(|(since, _)| *since + connection::IDLE);
        [services, idle, self.paused, self.flows.deadline()].into_iter().flatten().min()
    }

    /// Goes on with what was left over and with what is due.
    pub(crate) fn tick(&mut self, registry: &Registry, now: Instant) {
        if self.paused.is_some_and(|until| now >= until) {
            self.paused = None;
            self.queue_doors();
        }
        while let Some(&(since, index)) = self.idle.first()
            && now >= since + connection::IDLE
        {
            self.turn(registry, index, now);
        }
        self.flows.sweep(now);
        for index in 0..self.services.capacity() {
            self.tick_service(registry, index, now);
        }
        for _ in 0..self.queue.len().min(TURNS) {
            if let Some(place) = self.queue.pop() {
                self.serve(registry, place, now);
            }
        }
    }

    fn tick_service(&mut self, registry: &Registry, index: usize, now: Instant) {
        while let Some(service) = self.services.get(index)
            && let Some(&(since, waiting)) = service.waiting.first()
            && (now >= since + HOLD || service.reach(now) == Reach::Never)
        {
            self.turn(registry, waiting, now);
        }
        let Some(service) = self.services.get_mut(index) else {
            return;
        };
        if let Targets::Nowhere(since) = service.targets
            && now >= since + HOLD
        {
            self.queue_door(index);
        }
        while let Some(service) = self.services.get_mut(index)
            && let Some(port) = service.targets.to_try(now)
        {
            if let Some(&(_, first)) = service.waiting.first() {
                service.targets.refuses(port, now + RETRY);
                self.turn_towards(registry, first, Reach::Connect(port), now);
            } else {
                service.targets.accepts(port);
            }
        }
    }

    fn serve(&mut self, registry: &Registry, place: Place, now: Instant) {
        let more = match place {
            Place::Door(index) => match self.services.get_mut(index) {
                Some(Service { door: Door::Tcp { .. }, .. }) => self.accept(registry, index, now),
                Some(service @ Service { door: Door::Udp { .. }, .. }) => {
                    self.flows.receive(registry, self.tokens, (index, service), now)
                }
                Some(Service { door: Door::Closed, .. }) | None => More::No,
            },
            Place::Client(index) | Place::Server(index) => {
                self.turn(registry, index, now);
                More::No
            }
            Place::Flow(index) => self.flows.answer(index, &self.services, now),
        };
        if more == More::Yes {
            self.queue.push(place);
        }
    }

    /// Forgets a closed address whose connections have ended.
    fn forget_if_done(&mut self, index: usize) {
        if self.services.get(index).is_some_and(|service| service.is_closed() && service.connections == 0) {
            self.services.remove(index);
        }
    }

    fn find(&self, address: Address) -> Option<usize> {
        let mut open = self.services.iter().filter(|(_, service)| !service.is_closed());
        open.find(|(_, service)| service.address == address).map(|(index, _)| index)
    }

    fn of_service(&self, service: usize, which: impl Fn(&Connection) -> bool) -> Vec<usize> {
        let those = self.connections.iter().filter(|(_, one)| one.service == service && which(one));
        those.map(|(index, _)| index).collect()
    }

    fn queue_door(&mut self, index: usize) {
        if self.services.get(index).is_some_and(Service::is_ready) {
            self.queue.push(Place::Door(index));
        }
    }

    fn queue_doors(&mut self) {
        for index in 0..self.services.capacity() {
            self.queue_door(index);
        }
    }
}
