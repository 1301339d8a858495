//! Datagrams: a flow for each client and target.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Interest, Registry};
use slab::Slab;

use super::service::{Door, Reach, Service};
use super::token::{Place, Tokens};

/// How long a flow without a datagram stays.
pub(super) const IDLE: Duration = Duration::from_secs(60);
/// How many datagrams a socket gets before the others have their turn.
const DATAGRAMS: usize = 32;
/// No datagram is longer.
const LONGEST: usize = 65_535;

/// The flows of all services.
#[derive(Debug)]
pub(super) struct Flows {
    flows: Slab<Flow>,
    by_key: HashMap<Key, usize>,
    limit: usize,
    /// Empty before the first datagram.
    scratch: Vec<u8>,
}

/// A client whose target changed has two for a while: the older one still carries answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    service: usize,
    client: SocketAddr,
    port: u16,
}

#[derive(Debug)]
struct Flow {
    key: Key,
    socket: UdpSocket,
    used: Instant,
}

/// Whether a socket has more, after the others had their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    Yes,
    No,
}

impl Flows {
    pub(super) fn new(limit: usize) -> Self {
        Self { flows: Slab::new(), by_key: HashMap::new(), limit, scratch: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Takes what clients sent to a service. What cannot be sent on at once is lost, as datagrams may be.
    pub(super) fn receive(
        &mut self,
        registry: &Registry,
        tokens: Tokens,
        (index, service): (usize, &mut Service),
        now: Instant,
    ) -> More {
        let reach = service.reach(now);
        let (Door::Udp { socket, ready }, targets) = (&mut service.door, &mut service.targets) else {
            return More::No;
        };
        if reach == Reach::Wait {
            return More::No;
        }
        self.scratch.resize(LONGEST, 0);
        for _ in 0..DATAGRAMS {
            match socket.recv_from(&mut self.scratch) {
                Ok((length, client)) => {
                    // A client stays with its target.
                    let key = |port: u16| Key { service: index, client, port };
                    let met = targets.ports().find(|port| self.by_key.contains_key(&key(*port)));
                    if let Some(port) = met.or_else(|| targets.next())
                        && let Some(flow) = self.flow(registry, tokens, key(port), now)
                    {
                        if met.is_none() {
                            targets.took(port);
                        }
                        let flow = &mut self.flows[flow];
                        flow.used = now;
                        let datagram = &self.scratch[..length];
                        // The first call may only report that an earlier datagram was refused.
                        if flow.socket.send(datagram).is_err_and(|error| is_refused(&error)) {
                            let _ = flow.socket.send(datagram);
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    *ready = false;
                    return More::No;
                }
                Err(_) => {}
            }
        }
        More::Yes
    }

    /// The flow of a client, which is made when there is none. `None`: it cannot be made.
    fn flow(&mut self, registry: &Registry, tokens: Tokens, key: Key, now: Instant) -> Option<usize> {
        if let Some(&index) = self.by_key.get(&key) {
            return Some(index);
        }
        if self.flows.len() >= self.limit {
            let oldest = self.flows.iter().min_by_key(|(_, flow)| flow.used).map(|(index, _)| index)?;
            self.remove(oldest);
        }
        let entry = self.flows.vacant_entry();
        let index = entry.key();
        let mut socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).ok()?;
        socket.connect((Ipv4Addr::LOCALHOST, key.port).into()).ok()?;
        registry.register(&mut socket, tokens.token(Place::Flow(index)), Interest::READABLE).ok()?;
        entry.insert(Flow { key, socket, used: now });
        self.by_key.insert(key, index);
        Some(index)
    }

    /// Hands on what a server answered.
    pub(super) fn answer(&mut self, index: usize, services: &Slab<Service>, now: Instant) -> More {
        let Some(flow) = self.flows.get_mut(index) else {
            return More::No;
        };
        let Some(Service { door: Door::Udp { socket, .. }, .. }) = services.get(flow.key.service) else {
            return More::No;
        };
        self.scratch.resize(LONGEST, 0);
        for _ in 0..DATAGRAMS {
            match flow.socket.recv(&mut self.scratch) {
                Ok(length) => {
                    flow.used = now;
                    let _ = socket.send_to(&self.scratch[..length], flow.key.client);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return More::No,
                // A datagram was refused: the server is not there.
                Err(_) => {}
            }
        }
        More::Yes
    }

    /// Removes the flows to a port.
    pub(super) fn cut(&mut self, port: u16) {
        self.remove_all(|flow| flow.key.port == port);
    }

    /// Removes a service's flows.
    pub(super) fn close(&mut self, service: usize) {
        self.remove_all(|flow| flow.key.service == service);
    }

    /// Removes those that were idle for too long.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.remove_all(|flow| now >= flow.used + IDLE);
        if self.flows.is_empty() {
            self.scratch = Vec::new();
        }
    }

    /// When [`sweep`](Self::sweep) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.flows.iter().map(|(_, flow)| flow.used + IDLE).min()
    }

    fn remove_all(&mut self, which: impl Fn(&Flow) -> bool) {
        let by_key = &mut self.by_key;
        self.flows.retain(|_, flow| {
            let removed = which(flow);
            if removed {
                by_key.remove(&flow.key);
            }
            !removed
        });
    }

    fn remove(&mut self, index: usize) {
        let flow = self.flows.remove(index);
        self.by_key.remove(&flow.key);
    }
}

fn is_refused(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}
