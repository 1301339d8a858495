//! One address, and where its connections go.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, UdpSocket};
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use super::address::{Address, Protocol, Scope};
use super::targets::Targets;

/// How long a client waits for a target.
pub(super) const HOLD: Duration = Duration::from_secs(10);
/// After how long without a byte a client is asked whether it is still there.
const KEEP_IDLE: Duration = Duration::from_secs(300);
/// As many clients wait in the kernel, if its own limit (`net.core.somaxconn`) is not lower.
const BACKLOG: i32 = 4096;

#[derive(Debug)]
pub(super) struct Service {
    pub(super) address: Address,
    pub(super) door: Door,
    pub(super) targets: Targets,
    /// The clients that wait for a connection to a target, by since when.
    pub(super) waiting: BTreeSet<(Instant, usize)>,
    /// Connections of it, attached or not.
    pub(super) connections: usize,
}

/// What listens.
#[derive(Debug)]
pub(super) enum Door {
    /// Somebody may wait at it when it is `ready`: its last event was not used up.
    Tcp {
        listener: TcpListener,
        ready: bool,
    },
    Udp {
        socket: UdpSocket,
        ready: bool,
    },
    /// The address is closed. What was begun at it goes on.
    Closed,
}

/// What becomes of a client that needs a target now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Connect(u16),
    Wait,
    /// Nobody is expected there any more.
    Never,
}

impl Service {
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.door, Door::Closed)
    }

    pub(super) fn reach(&self, now: Instant) -> Reach {
        match (&self.door, &self.targets) {
            (Door::Closed, _) => Reach::Never,
            (Door::Tcp { .. } | Door::Udp { .. }, Targets::At(_)) => {
                self.targets.next().map_or(Reach::Wait, Reach::Connect)
            }
            (Door::Tcp { .. } | Door::Udp { .. }, Targets::Nowhere(since)) => {
                if now < *since + HOLD {
                    Reach::Wait
                } else {
                    Reach::Never
                }
            }
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        match self.door {
            Door::Tcp { ready, .. } | Door::Udp { ready, .. } => ready,
            Door::Closed => false,
        }
    }

    pub(super) fn note_ready(&mut self) {
        match &mut self.door {
            Door::Tcp { ready, .. } | Door::Udp { ready, .. } => *ready = true,
            Door::Closed => {}
        }
    }

    /// When it next has something to do without an event.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let hold_ends = self.waiting.first().map(|(since, _)| *since + HOLD);
        let other = match &self.targets {
            Targets::At(_) => self.targets.retry(),
            Targets::Nowhere(since) => (self.is_ready() || !self.waiting.is_empty()).then_some(*since + HOLD),
        };
        [hold_ends, other].into_iter().flatten().min()
    }
}

impl Door {
    /// Listens at an address.
    ///
    /// # Errors
    /// As binding a socket. `AddrInUse`: another program, or this one, has the port.
    pub(super) fn open(address: &Address, registry: &Registry, token: Token) -> io::Result<Self> {
        let port = address.host_port;
        let v4 = |ip| open(address, SocketAddr::from((ip, port)));
        let mut door = match address.scope {
            Scope::Loopback => v4(Ipv4Addr::LOCALHOST)?,
            Scope::All => match open(address, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
                // A machine without IPv6.
                Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => v4(Ipv4Addr::UNSPECIFIED)?,
                opened => opened?,
            },
        };
        match &mut door {
            Self::Tcp { listener, .. } => registry.register(listener, token, Interest::READABLE)?,
            Self::Udp { socket, .. } => registry.register(socket, token, Interest::READABLE)?,
            Self::Closed => {}
        }
        Ok(door)
    }
}

/// A socket of IPv6 takes clients of IPv4 too.
fn open(address: &Address, at: SocketAddr) -> rustix::io::Result<Door> {
    let (family, kind) = (
        if at.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET },
        match address.protocol {
            Protocol::Tcp(_) => SocketType::STREAM,
            Protocol::Udp => SocketType::DGRAM,
        },
    );
    let socket = socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    if at.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    Ok(match address.protocol {
        Protocol::Tcp(_) => {
            // Connections that ended a moment ago do not keep the port.
            sockopt::set_socket_reuseaddr(&socket, true)?;
            // Accepted connections have these from their listener. The first: small pieces go at once.
            sockopt::set_tcp_nodelay(&socket, true)?;
            // Clients that vanished do not stay for ever: a server's own probes only reach the forwarder.
            sockopt::set_socket_keepalive(&socket, true)?;
            sockopt::set_tcp_keepidle(&socket, KEEP_IDLE)?;
            bind(&socket, &at)?;
            listen(&socket, BACKLOG)?;
            Door::Tcp { listener: TcpListener::from_std(socket.into()), ready: false }
        }
        Protocol::Udp => {
            bind(&socket, &at)?;
            Door::Udp { socket: UdpSocket::from_std(socket.into()), ready: false }
        }
    })
}
