//! Bytes, ends and resets, through the forwarder.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::{Protocol, Rig, Scope, Speech, connect, timed, until};
use crate::keeper::forward::READ;

const BOTH: [Protocol; 2] = [Protocol::Tcp(Speech::Opaque), Protocol::Tcp(Speech::Http)];

/// A client and the server that it reached.
fn pair(rig: &Rig, protocol: Protocol) -> (TcpStream, TcpStream, u16) {
    let address = rig.open(protocol);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    rig.target(address, Some(port));
    let client = connect(address.host_port);
    let served = timed(server.accept().unwrap().0);
    (client, served, port)
}

fn random_bytes(most: usize) -> Vec<u8> {
    let mut bytes = vec![0; fastrand::usize(..=most)];
    fastrand::fill(&mut bytes);
    bytes
}

/// Sends in pieces of random sizes, then ends its direction.
fn send(mut stream: TcpStream, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(fastrand::usize(1..=rest.len().min(70_000)));
        stream.write_all(piece).unwrap();
        rest = later;
    }
    stream.shutdown(Shutdown::Write).unwrap();
}

fn receive(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn bytes_are_exact_in_both_directions_and_each_direction_ends_by_itself() {
    let rig = Rig::new();
    for round in 0..40 {
        let (client, served, _) = pair(&rig, BOTH[round % 2]);
        let (up, down) = (random_bytes(1_000_000), random_bytes(1_000_000));
        std::thread::scope(|scope| {
            let [up, down] = [&up, &down];
            let (from_client, from_server) = (client.try_clone().unwrap(), served.try_clone().unwrap());
            scope.spawn(move || send(from_client, up));
            if round % 4 < 2 {
                scope.spawn(move || send(from_server, down));
                let arrived = scope.spawn(|| receive(served));
                assert!(receive(client) == *down, "from the server");
                assert!(arrived.join().unwrap() == *up, "from the client");
            } else {
                // The server answers after the client has ended its direction.
                let arrived = scope.spawn(move || {
                    let arrived = receive(served);
                    send(from_server, down);
                    arrived
                });
                assert!(receive(client) == *down, "from the server");
                assert!(arrived.join().unwrap() == *up, "from the client");
            }
        });
        until("nothing is left", || rig.counters().open == 0);
    }
}

#[test]
fn a_reset_is_handed_on() {
    let rig = Rig::new();
    for protocol in BOTH {
        for from_client in [true, false] {
            let (client, served, _) = pair(&rig, protocol);
            let (mut from, mut to) = if from_client { (client, served) } else { (served, client) };
            from.write_all(b"part of somethi").unwrap();
            to.read_exact(&mut [0; 15]).unwrap();
            set_socket_linger(&from, Some(Duration::ZERO)).unwrap();
            drop(from);
            assert_eq!(to.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
            until("nothing is left", || rig.counters().open == 0);
        }
    }
}

/// The sender is stopped, and what was sent arrives once the reader goes on.
#[test]
fn a_slow_reader_stops_the_sender() {
    let rig = Rig::new();
    for protocol in BOTH {
        let (mut client, mut served, _) = pair(&rig, protocol);
        served.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let piece = vec![b'x'; 64 * 1024];
        let mut sent = 0;
        let stopped = loop {
            match served.write(&piece) {
                Ok(written) => sent += written,
                Err(error) => break error,
            }
            // Far more than all buffers of the kernel on the way.
            assert!(sent < 64 << 20, "nothing stops the sender");
        };
        assert_eq!(stopped.kind(), ErrorKind::WouldBlock);
        assert!((1..=READ).contains(&rig.held()), "what is on its way is bounded: {}", rig.held());
        until("it rests", || rig.rests());
        served.shutdown(Shutdown::Write).unwrap();
        let mut arrived = Vec::new();
        client.read_to_end(&mut arrived).unwrap();
        assert_eq!(arrived.len(), sent);
        assert_eq!(rig.held(), 0, "an idle connection holds nothing");
    }
}

/// One client that sends without end does not keep another from its answer.
#[test]
fn a_busy_connection_leaves_the_others_their_turn() {
    let rig = Rig::new();
    let (mut flood, drain, _) = pair(&rig, BOTH[0]);
    let (mut client, mut served, _) = pair(&rig, BOTH[0]);
    std::thread::scope(|scope| {
        let control = flood.try_clone().unwrap();
        scope.spawn(move || while flood.write_all(&[7; 65_536]).is_ok() {});
        scope.spawn(move || {
            let mut drain = drain;
            let mut bytes = [0; 65_536];
            while drain.read(&mut bytes).is_ok_and(|read| read > 0) {}
        });
        for _ in 0..100 {
            client.write_all(b"ping").unwrap();
            served.read_exact(&mut [0; 4]).unwrap();
            served.write_all(b"pong").unwrap();
            client.read_exact(&mut [0; 4]).unwrap();
        }
        control.shutdown(Shutdown::Both).unwrap();
    });
}

#[test]
fn an_address_for_all_takes_clients_of_both_families() {
    let rig = Rig::new();
    let address = rig.open_for(BOTH[0], Scope::All);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    rig.target(address, Some(server.local_addr().unwrap().port()));
    let mut clients = vec![connect(address.host_port)];
    // Where the machine has IPv6.
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        clients.push(timed(TcpStream::connect((Ipv6Addr::LOCALHOST, address.host_port)).unwrap()));
    }
    for client in &mut clients {
        let (mut served, _) = server.accept().unwrap();
        served.write_all(b"hi").unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
    }
}
