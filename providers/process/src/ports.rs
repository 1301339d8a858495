//! Host ports for tenants: which are free, and which comes next.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use landlord_state_machines::planner::process::Protocol;
use rustix::io::Errno;

/// No port of the range is free.
#[derive(Debug, thiserror::Error)]
#[error("no port from {first} to {last} is free; stop a tenant, or give the provider a wider port range")]
pub(super) struct NoFreePort {
    first: u16,
    last: u16,
}

/// Hands out free ports of a range in turn, so that one that was just given to a process which does not listen
/// yet is not given again until all others were.
#[derive(Debug)]
pub(super) struct Ports {
    range: RangeInclusive<u16>,
    next: Mutex<u16>,
}

impl Ports {
    /// Ports of `range`, from somewhere in it: another engine on this machine may use the same range.
    pub(super) fn new(range: RangeInclusive<u16>) -> Self {
        let somewhere = RandomState::new().build_hasher().finish() % (range.len().max(1) as u64);
        let next = range.clone().nth(usize::try_from(somewhere).unwrap_or(0)).unwrap_or(*range.start());
        Self { range, next: Mutex::new(next) }
    }

    /// A port that nobody listens on and that is not in `taken`: `before` where it is one, else the next.
    pub(super) fn allocate(
        &self,
        protocol: Protocol,
        before: Option<u16>,
        taken: &BTreeSet<u16>,
    ) -> Result<u16, NoFreePort> {
        let free = |port: &u16| !taken.contains(port) && is_free(protocol, *port);
        if let Some(before) = before.filter(free) {
            return Ok(before);
        }
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (*self.range.start(), *self.range.end());
        let from = *next;
        let port = (from..=last).chain(first..from).find(free).ok_or(NoFreePort { first, last })?;
        *next = if port == last { first } else { port + 1 };
        Ok(port)
    }
}

/// Whether a process could listen on the port now, at any address of this machine. Anything that prevents it,
/// such as a privileged port, counts as not free.
pub(super) fn is_free(protocol: Protocol, port: u16) -> bool {
    let any =
        [SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))];
    any.into_iter().all(|address| match bind(protocol, address) {
        Ok(()) => true,
        // A machine without IPv6 has nobody listening there.
        Err(error) => {
            address.is_ipv6()
                && (error.kind() == io::ErrorKind::AddrNotAvailable
                    || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error()))
        }
    })
}

fn bind(protocol: Protocol, address: SocketAddr) -> io::Result<()> {
    match protocol {
        Protocol::Tcp => TcpListener::bind(address).map(drop),
        Protocol::Udp => UdpSocket::bind(address).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_given() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let used = listener.local_addr().unwrap().port();
        assert!(!is_free(Protocol::Tcp, used));
        let ports = Ports::new(used..=used);
        let none = BTreeSet::new();
        assert_eq!(
            ports.allocate(Protocol::Tcp, Some(used), &none).unwrap_err().to_string(),
            format!(
                "no port from {used} to {used} is free; stop a tenant, or give the provider a wider port range"
            ),
        );
        drop(listener);
        assert_eq!(ports.allocate(Protocol::Tcp, None, &none).unwrap(), used);
        let taken = BTreeSet::from([used]);
        let refused = ports.allocate(Protocol::Tcp, Some(used), &taken);
        assert!(refused.is_err(), "given to a process that does not listen yet");
    }

    #[test]
    fn a_port_is_not_given_twice_in_a_row() {
        let ports = Ports::new(20000..=29999);
        let none = BTreeSet::new();
        let first = ports.allocate(Protocol::Udp, None, &none).unwrap();
        assert_ne!(ports.allocate(Protocol::Udp, None, &none).unwrap(), first);
        assert_eq!(
            ports.allocate(Protocol::Udp, Some(first), &none).unwrap(),
            first,
            "the one it had before"
        );
    }
}
