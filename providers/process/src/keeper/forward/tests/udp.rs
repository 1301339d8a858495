//! Datagrams.

use std::net::UdpSocket;

use super::{LONG, Limits, Protocol, Rig, until};

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket
}

fn client_of(port: u16) -> UdpSocket {
    let client = socket();
    client.connect(("127.0.0.1", port)).unwrap();
    client
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

#[test]
fn each_client_gets_its_own_answers_and_a_new_target_gets_the_next_datagrams() {
    let rig = Rig::new();
    let address = rig.open(Protocol::Udp);
    let (old, new) = (socket(), socket());
    rig.target(address, Some(port(&old)));
    let clients: Vec<UdpSocket> = (0..5).map(|_| client_of(address.host_port)).collect();
    let mut bytes = vec![0; 70_000];
    let mut peers = Vec::new();
    for (number, client) in clients.iter().enumerate() {
        // The longest that loopback carries.
        client.send(&vec![number as u8; 65_507]).unwrap();
        let (length, peer) = old.recv_from(&mut bytes).unwrap();
        assert_eq!((length, bytes[0]), (65_507, number as u8));
        peers.push(peer);
    }
    rig.target(address, Some(port(&new)));
    for (number, client) in clients.iter().enumerate() {
        client.send(b"next").unwrap();
        let (_, peer) = new.recv_from(&mut bytes).unwrap();
        // The old one answers late.
        old.send_to(&[number as u8], peers[number]).unwrap();
        assert_eq!((client.recv(&mut bytes).unwrap(), bytes[0]), (1, number as u8));
        new.send_to(b"new", peer).unwrap();
        assert_eq!(client.recv(&mut bytes).unwrap(), 3);
    }
    assert_eq!(rig.counters().flows, 10);
    assert_eq!(rig.cut(port(&old)), 0, "datagrams do not count");
    assert_eq!(rig.counters().flows, 5);
}

#[test]
fn datagrams_wait_for_a_target() {
    let rig = Rig::new();
    let address = rig.open(Protocol::Udp);
    let (client, server) = (client_of(address.host_port), socket());
    client.send(b"early").unwrap();
    rig.target(address, Some(port(&server)));
    assert_eq!(server.recv(&mut [0; 9]).unwrap(), 5);
}

#[test]
fn a_server_that_comes_back_gets_datagrams_again() {
    let rig = Rig::new();
    let address = rig.open(Protocol::Udp);
    let server = socket();
    let at = port(&server);
    rig.target(address, Some(at));
    let client = client_of(address.host_port);
    client.send(b"one").unwrap();
    server.recv(&mut [0; 9]).unwrap();
    drop(server);
    client.send(b"lost").unwrap();
    until("the datagram was taken", || rig.counters().flows == 1);
    let server = UdpSocket::bind(("127.0.0.1", at)).unwrap();
    server.set_read_timeout(Some(LONG)).unwrap();
    client.send(b"again").unwrap();
    let mut bytes = [0; 9];
    // The lost one may have been slow enough to arrive.
    while server.recv(&mut bytes).unwrap() != 5 {}
    assert_eq!(&bytes[..5], b"again");
}

#[test]
fn the_flow_that_was_idle_longest_makes_room() {
    let rig = Rig::with(Limits { connections: 1, flows: 2 });
    let address = rig.open(Protocol::Udp);
    let server = socket();
    rig.target(address, Some(port(&server)));
    let clients: Vec<UdpSocket> = (0..3).map(|_| client_of(address.host_port)).collect();
    let mut bytes = [0; 9];
    let mut ask = |client: &UdpSocket| {
        client.send(b"x").unwrap();
        server.recv_from(&mut bytes).unwrap().1
    };
    let (first, second) = (ask(&clients[0]), ask(&clients[1]));
    ask(&clients[2]);
    assert_eq!(ask(&clients[1]), second, "it kept its flow");
    assert_ne!(ask(&clients[0]), first, "it has another");
    assert_eq!(rig.counters().flows, 2);
}
