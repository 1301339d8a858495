//! Where the clients of an address go: to each of its targets in turn.

use std::time::{Duration, Instant};

/// How often a target that refuses connections is tried.
pub(super) const RETRY: Duration = Duration::from_millis(25);

/// Where an address forwards to.
#[derive(Debug)]
pub(super) enum Targets {
    /// These ports of 127.0.0.1, at least one.
    At(Ring),
    /// Nowhere, since then.
    Nowhere(Instant),
}

/// Targets that take turns.
#[derive(Debug)]
pub(super) struct Ring {
    all: Vec<Target>,
    /// The one whose turn is next.
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Target {
    port: u16,
    /// When it is tried again, where it refused a connection.
    refuses: Option<Instant>,
}

impl Targets {
    /// These ports from now on. What is known of those that stay is kept.
    pub(super) fn become_those(&mut self, ports: &[u16], now: Instant) {
        *self = match (&*self, ports) {
            (Self::Nowhere(since), []) => Self::Nowhere(*since),
            (Self::At(_), []) => Self::Nowhere(now),
            (Self::Nowhere(_), _) => Self::At(Ring::of(ports, |_| None)),
            (Self::At(before), _) => Self::At(Ring::of(ports, |port| before.get(port)?.refuses)),
        };
    }

    /// The port whose turn it is, of those that do not refuse connections.
    pub(super) fn next(&self) -> Option<u16> {
        match self {
            Self::At(ring) => {
                ring.in_turn().find(|target| target.refuses.is_none()).map(|target| target.port)
            }
            Self::Nowhere(_) => None,
        }
    }

    /// A client goes to this port: the one after it is next.
    pub(super) fn took(&mut self, port: u16) {
        if let Self::At(ring) = self
            && let Some(place) = ring.all.iter().position(|target| target.port == port)
        {
            ring.next = (place + 1) % ring.all.len();
        }
    }

    pub(super) fn has(&self, port: u16) -> bool {
        self.ports().any(|one| one == port)
    }

    pub(super) fn ports(&self) -> impl Iterator<Item = u16> {
        let ring = match self {
            Self::At(ring) => Some(ring),
            Self::Nowhere(_) => None,
        };
        ring.into_iter().flat_map(|ring| ring.all.iter().map(|target| target.port))
    }

    /// Whether there is more than one, so that requests take turns.
    pub(super) fn are_several(&self) -> bool {
        match self {
            Self::At(ring) => ring.all.len() > 1,
            Self::Nowhere(_) => false,
        }
    }

    /// A target refused a connection, or is tried again: nobody goes there before then. Returns whether that is news.
    pub(super) fn refuses(&mut self, port: u16, until: Instant) -> bool {
        self.get_mut(port).is_some_and(|target| target.refuses.replace(until).is_none())
    }

    /// A target takes connections. Returns whether that is news.
    pub(super) fn accepts(&mut self, port: u16) -> bool {
        self.get_mut(port).is_some_and(|target| target.refuses.take().is_some())
    }

    /// One that refused connections and is to be tried again.
    pub(super) fn to_try(&self, now: Instant) -> Option<u16> {
        match self {
            Self::At(ring) => ring
                .all
                .iter()
                .find(|target| target.refuses.is_some_and(|at| now >= at))
                .map(|target| target.port),
            Self::Nowhere(_) => None,
        }
    }

    /// When [`to_try`](Self::to_try) is the next one.
    pub(super) fn retry(&self) -> Option<Instant> {
        match self {
            Self::At(ring) => ring.all.iter().filter_map(|target| target.refuses).min(),
            Self::Nowhere(_) => None,
        }
    }

    fn get_mut(&mut self, port: u16) -> Option<&mut Target> {
        match self {
            Self::At(ring) => ring.all.iter_mut().find(|target| target.port == port),
            Self::Nowhere(_) => None,
        }
    }
}

impl Ring {
    fn of(ports: &[u16], refuses: impl Fn(u16) -> Option<Instant>) -> Self {
        let all = ports.iter().map(|port| Target { port: *port, refuses: refuses(*port) });
        Self { all: all.collect(), next: 0 }
    }

    fn get(&self, port: u16) -> Option<&Target> {
        self.all.iter().find(|target| target.port == port)
    }

    fn in_turn(&self) -> impl Iterator<Item = &Target> {
        let (before, from) = self.all.split_at(self.next);
        from.iter().chain(before)
    }
}
