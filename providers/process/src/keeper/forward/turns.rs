//! Connections: how they come, take their turns, and go.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use mio::Registry;
use mio::net::TcpStream;

use super::Forwarder;
use super::address::{Protocol, Speech};
use super::connection::{Connection, Round, Turn, Wait};
use super::http::Follower;
use super::service::{Door, Reach, Service};
use super::socket::{self, Socket};
use super::targets::{RETRY, Targets};
use super::token::Place;
use super::udp::More;

/// How many clients a listener accepts before the others have their turn.
const ACCEPTS: usize = 32;
/// How long nothing is accepted after this process reached a limit.
const PAUSE: Duration = Duration::from_millis(100);

impl Forwarder {
    /// Takes the clients that wait at a door, if they may come.
    pub(super) fn accept(&mut self, registry: &Registry, index: usize, now: Instant) -> More {
        for _ in 0..ACCEPTS {
            let service = &mut self.services[index];
            let reach = service.reach(now);
            let Door::Tcp { listener, ready } = &mut service.door else {
                return More::No;
            };
            let waits = matches!(service.targets, Targets::Nowhere(_)) && reach == Reach::Wait;
            let full = reach != Reach::Never && self.connections.len() >= self.limits.connections;
            if waits || full || self.paused.is_some() {
                return More::No;
            }
            match listener.accept() {
                Ok((stream, _)) if reach == Reach::Never => {
                    self.counters.unserved += 1;
                    socket::reset(stream);
                }
                Ok((stream, _)) => self.insert(registry, index, stream, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    *ready = false;
                    return More::No;
                }
                // The client gave up before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A limit of this process or of the machine. The client waits in the kernel.
                Err(_) => {
                    self.paused = Some(now + PAUSE);
                    return More::No;
                }
            }
        }
        More::Yes
    }

    fn insert(&mut self, registry: &Registry, service: usize, stream: TcpStream, now: Instant) {
        let entry = self.connections.vacant_entry();
        let index = entry.key();
        let Ok(client) = Socket::accepted(stream, registry, self.tokens.token(Place::Client(index))) else {
            self.paused = Some(now + PAUSE);
            return;
        };
        let of = &mut self.services[service];
        let speech = match of.address.protocol {
            Protocol::Tcp(speech) => speech,
            Protocol::Udp => Speech::Opaque,
        };
        entry.insert(Connection::new(service, client, Follower::new(speech), now));
        of.connections += 1;
        of.waiting.insert((now, index));
        self.counters.total += 1;
        self.turn(registry, index, now);
    }

    /// A connection does what it can do now.
    pub(super) fn turn(&mut self, registry: &Registry, index: usize, now: Instant) {
        if let Some(connection) = self.connections.get(index) {
            let reach = self.services[connection.service].reach(now);
            self.turn_towards(registry, index, reach, now);
        }
    }

    /// As [`turn`](Self::turn), with this way to a server.
    pub(super) fn turn_towards(&mut self, registry: &Registry, index: usize, reach: Reach, now: Instant) {
        let token = self.tokens.token(Place::Server(index));
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let service = &mut self.services[connection.service];
        let before = connection.wait();
        let had = connection.port();
        let (targets, scratch) = (&service.targets, &mut *self.scratch);
        let turn = connection.turn(&mut Round { registry, token, now, reach, targets, scratch });
        let after = connection.wait();
        let port = connection.port();
        if let Some(port) = port
            && had != Some(port)
        {
            service.targets.took(port);
        }
        if before != after {
            if let Some((list, since)) = list(&mut self.idle, service, before) {
                list.remove(&(since, index));
            }
            if let Some((list, since)) = list(&mut self.idle, service, after) {
                list.insert((since, index));
            }
        }
        match turn {
            Turn::Rests => {}
            Turn::Again => self.queue.push(Place::Client(index)),
            Turn::Attached => {
                if port.is_some_and(|port| service.targets.accepts(port)) {
                    service.waiting.iter().for_each(|&(_, waiting)| self.queue.push(Place::Client(waiting)));
                }
                self.turn_towards(registry, index, reach, now);
            }
            Turn::Refused(port) => {
                service.targets.refuses(port, now + RETRY);
                // To another, where there is one.
                if service.targets.next().is_some() {
                    self.queue.push(Place::Client(index));
                }
            }
            Turn::Over => drop(self.remove(index)),
            Turn::Broken => self.remove(index).reset(now),
            Turn::Unserved => {
                self.counters.unserved += 1;
                self.remove(index).reset(now);
            }
        }
    }

    /// All connections of a service do what they can do now.
    pub(super) fn turn_all(&mut self, registry: &Registry, service: usize, now: Instant) {
        for index in self.of_service(service, |_| true) {
            self.turn(registry, index, now);
        }
    }

    /// Takes a connection out of all lists. Dropped, it ends on both sides.
    pub(super) fn remove(&mut self, index: usize) -> Connection {
        let was_full = self.connections.len() == self.limits.connections;
        let connection = self.connections.remove(index);
        if self.connections.is_empty() {
            self.connections.shrink_to_fit();
        }
        let service = &mut self.services[connection.service];
        service.connections -= 1;
        if let Some((list, since)) = list(&mut self.idle, service, connection.wait()) {
            list.remove(&(since, index));
        }
        self.forget_if_done(connection.service);
        if was_full {
            self.queue_doors();
        }
        connection
    }
}

/// The list that a waiting connection belongs to, and since when.
fn list<'a>(
    idle: &'a mut BTreeSet<(Instant, usize)>,
    service: &'a mut Service,
    wait: Option<Wait>,
) -> Option<(&'a mut BTreeSet<(Instant, usize)>, Instant)> {
    match wait? {
        Wait::Server(since) => Some((&mut service.waiting, since)),
        Wait::Request(since) => Some((idle, since)),
    }
}
