//! Who listens on a port, asked of the kernel for that port alone (sock_diag(7)).
//!
//! `/proc/net/tcp` has a line for each connection of the machine, those that have ended a minute ago included; this
//! answer has only what listens.

use std::io;
use std::net::{IpAddr, SocketAddr};

use landlord_state_machines::planner::process::Protocol;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use rustix::process::Pid;

use super::procfs;

/// What the kernel writes at once in answer to a request for many.
const ANSWER: usize = 8 * 1024;

/// A socket that takes what is sent to a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The socket's number, which is in `/proc/<pid>/fd` of the processes that have it.
    pub(crate) inode: u32,
    /// The user who made it.
    pub(crate) uid: u32,
}

/// The socket that takes connections to this address of the machine, whether it listens at that address or at all of
/// them, in the network namespace of the caller: what a check of it reaches. The quicker of the two.
///
/// # Errors
/// The kernel does not answer such questions, and what it says.
pub(crate) fn listener(address: SocketAddr) -> io::Result<Option<Listener>> {
    let any = match address {
        SocketAddr::V4(_) => SocketId::new_v4(),
        SocketAddr::V6(_) => SocketId::new_v6(),
    };
    let id = SocketId {
        source_port: address.port(),
        source_address: address.ip(),
        // Whichever it is.
        cookie: [0xff; 8],
        ..any
    };
    let mut found = Vec::new();
    match ask(&open()?, NLM_F_REQUEST, Protocol::Tcp, id, &mut found) {
        Err(error) if is_absent(&error) => Ok(None),
        asked => asked.map(|()| found.pop()),
    }
}

/// The sockets that listen on a port, at any address, in the network namespace of the caller. Connections, which have
/// the same port, do not count.
///
/// # Errors
/// The kernel does not answer such questions, and what it says.
pub(crate) fn listeners(protocol: Protocol, port: u16) -> io::Result<Vec<Listener>> {
    let socket = open()?;
    let mut found = Vec::new();
    for any in [SocketId::new_v4(), SocketId::new_v6()] {
        let id = SocketId { source_port: port, ..any };
        match ask(&socket, NLM_F_REQUEST | NLM_F_DUMP, protocol, id, &mut found) {
            // A kernel without IPv6 has nobody listening there.
            Err(error) if is_absent(&error) => {}
            asked => asked?,
        }
    }
    Ok(found)
}

/// Whether a process has this socket; `false` when there is no such process.
///
/// # Errors
/// `PermissionDenied`: the process is another user's.
pub(crate) fn owns(pid: Pid, inode: u32) -> io::Result<bool> {
    let link = format!("socket:[{inode}]");
    let entries = match std::fs::read_dir(format!("/proc/{pid}/fd")) {
        Err(error) if procfs::is_gone(&error) => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        let target = entry.and_then(|entry| std::fs::read_link(entry.path()));
        match target {
            // One that was closed meanwhile, or all of them with the process.
            Err(error) if procfs::is_gone(&error) => {}
            target => {
                if target?.as_os_str() == link.as_str() {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// A process that has this socket, with the name of its program, for a message to a person. It looks at every process
/// of the machine. `None` when it is another user's, which only root is shown, or of another container.
pub(crate) fn holder(inode: u32) -> Option<(Pid, String)> {
    let pid = procfs::all().ok()?.into_iter().find(|pid| owns(*pid, inode).unwrap_or(false))?;
    Some((pid, procfs::name(pid)?))
}

/// Who listens on a port, for a message to a person.
pub(crate) fn holder_of(protocol: Protocol, port: u16) -> String {
    let found = listeners(protocol, port).ok().and_then(|mut found| found.pop());
    match found.map(|listener| (holder(listener.inode), listener.uid)) {
        Some((Some((pid, name)), _)) => format!("{name} (pid {pid})"),
        Some((None, uid)) => format!("a process of another container, or of user {uid}"),
        None => "something that the machine does not show".to_owned(),
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn open() -> io::Result<OwnedFd> {
    let (family, flags) = (AddressFamily::NETLINK, SocketFlags::CLOEXEC);
    Ok(socket_with(family, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?)
}

/// One request and all of its answer. The kernel picks out the sockets.
fn ask(
    socket: &OwnedFd,
    flags: u16,
    protocol: Protocol,
    socket_id: SocketId,
    found: &mut Vec<Listener>,
) -> io::Result<()> {
    let family = match socket_id.source_address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    };
    let (protocol, states) = match protocol {
        Protocol::Tcp => (IPPROTO_TCP, StateFlags::LISTEN),
        // What is bound, and not connected.
        Protocol::Udp => (IPPROTO_UDP, StateFlags::CLOSE),
    };
    let request = InetRequest { family, protocol, extensions: ExtensionFlags::empty(), states, socket_id };
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    send(socket, &bytes, SendFlags::empty())?;

    let mut buffer = vec![0; ANSWER];
    loop {
        let (length, _) = recv(socket.as_fd(), buffer.as_mut_slice(), RecvFlags::empty())?;
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest).map_err(io::Error::other)?;
            if let NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) = message.payload {
                let header = response.header;
                let address = SocketAddr::new(header.socket_id.source_address, header.socket_id.source_port);
                found.push(Listener { address, inode: header.inode, uid: header.uid });
                // One that was asked for alone has nothing after it.
                if flags & NLM_F_DUMP == 0 {
                    return Ok(());
                }
            } else if let NetlinkPayload::Done(done) = message.payload {
                return match done.code {
                    0 => Ok(()),
                    code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
                };
            } else if let NetlinkPayload::Error(error) = message.payload {
                return Err(error.to_io());
            } else {
                return Err(io::Error::other(format!("sock_diag answered {:?}", message.payload)));
            }
            // Each is aligned to four bytes.
            let size = usize::try_from(message.header.length).unwrap_or(length).next_multiple_of(4).max(4);
            rest = rest.get(size..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::process::{Command, Stdio};

    use rustix::process::{getpid, getuid};

    use super::*;

    /// Who listens on a port at one of these addresses. Another test, or the machine, may have the port at others.
    fn listeners_at(protocol: Protocol, port: u16, addresses: &[&str]) -> Vec<Listener> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let mut found = listeners(protocol, port).unwrap();
        found.retain(|one| addresses.contains(&one.address.ip()));
        found.sort_by_key(|one| one.address);
        found
    }

    fn addresses(found: &[Listener]) -> Vec<String> {
        found.iter().map(|one| one.address.to_string()).collect()
    }

    #[test]
    fn a_listener_is_found_with_its_holder_and_connections_are_not() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let _connected = (TcpStream::connect(address).unwrap(), socket.accept().unwrap());

        let found = listeners_at(Protocol::Tcp, address.port(), &["127.0.0.1"]);
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.address, one.uid), (address, getuid().as_raw()));
        assert_eq!(listener(address).unwrap().as_ref(), Some(one));
        assert!(owns(getpid(), one.inode).unwrap());
        let (pid, name) = holder(one.inode).unwrap();
        assert_eq!(pid, getpid());
        assert_eq!(name, std::fs::read_to_string("/proc/self/comm").unwrap().trim_end());
        assert_eq!(listeners_at(Protocol::Udp, address.port(), &["127.0.0.1"]), []);

        let mut other = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        assert!(!owns(Pid::from_child(&other), one.inode).unwrap());
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(!owns(Pid::from_child(&other), one.inode).unwrap());

        drop(socket);
        assert_eq!(listeners_at(Protocol::Tcp, address.port(), &["127.0.0.1"]), []);
        assert_eq!(listener(address).unwrap(), None);
        assert_eq!(holder(one.inode), None);
    }

    #[test]
    fn each_address_counts() {
        let first = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let second = TcpListener::bind(("127.0.0.3", port)).unwrap();
        let found = addresses(&listeners_at(Protocol::Tcp, port, &["127.0.0.2", "127.0.0.3", "127.0.0.4"]));
        assert_eq!(found, [format!("127.0.0.2:{port}"), format!("127.0.0.3:{port}")]);

        let reached = listener(SocketAddr::new("127.0.0.3".parse().unwrap(), port)).unwrap().unwrap();
        assert_eq!(reached.address, second.local_addr().unwrap());
        assert_eq!(listener(SocketAddr::new("127.0.0.4".parse().unwrap(), port)).unwrap(), None);
    }

    #[test]
    fn one_that_listens_everywhere_is_reached_by_both_families() {
        let any = match TcpListener::bind("[::]:0") {
            Ok(any) => any,
            Err(error) => {
                writeln!(io::stderr(), "NOT TESTED: listeners of IPv6: {error}").unwrap();
                return;
            }
        };
        let port = any.local_addr().unwrap().port();
        let found = listeners(Protocol::Tcp, port).unwrap();
        let reached = ["127.0.0.1", "::1"].map(|ip| SocketAddr::new(ip.parse().unwrap(), port));
        for address in reached {
            assert_eq!(listener(address).unwrap().as_ref(), found.first(), "{address}");
        }
        assert_eq!(addresses(&found), [format!("[::]:{port}")]);
    }

    #[test]
    fn datagrams_have_listeners_too() {
        let bound = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = bound.local_addr().unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(address).unwrap();

        let found = listeners_at(Protocol::Udp, address.port(), &["127.0.0.1"]);
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.address, address);
        assert!(owns(getpid(), one.inode).unwrap());
        let client_port = client.local_addr().unwrap().port();
        assert_eq!(listeners_at(Protocol::Udp, client_port, &["127.0.0.1"]), []);
    }
}
