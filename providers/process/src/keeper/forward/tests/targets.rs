//! What clients see when the target changes, goes, and comes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use super::launch::{Client, Launch, request};
use super::{Address, Protocol, Rig, Scope, Speech, connect, timed, until};
use crate::keeper::forward::service::HOLD;

const HTTP: Protocol = Protocol::Tcp(Speech::Http);
const OPAQUE: Protocol = Protocol::Tcp(Speech::Opaque);

#[derive(Clone, Copy)]
enum Loop {
    NewConnections,
    KeepAlive,
}

/// Closed loops of requests while the launch behind the address is replaced 20 times. Each launch dies as soon as
/// nobody is attached to it.
fn requests_through_changes(speech: Protocol, kind: Loop) -> (u64, u64) {
    let rig = Rig::new();
    let address = rig.open(speech);
    let mut launch = Launch::start();
    rig.target(address, Some(launch.port));
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let clients = 4;
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut client = Client::connect(address.host_port).unwrap();
                while !over.load(Ordering::SeqCst) {
                    let mut body = vec![0; fastrand::usize(..40_000)];
                    fastrand::fill(&mut body);
                    client.post(&body).unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                    if let Loop::NewConnections = kind {
                        client = Client::connect(address.host_port).unwrap();
                    }
                }
            });
        }
        for _ in 0..20 {
            let goal = done.load(Ordering::SeqCst) + 40;
            until("requests are answered", || done.load(Ordering::SeqCst) >= goal);
            let next = Launch::start();
            rig.target(address, Some(next.port));
            until("the old launch has no clients", || rig.connections(launch.port) == 0);
            std::mem::replace(&mut launch, next).die();
        }
        over.store(true, Ordering::SeqCst);
    });
    assert_eq!(rig.counters().unserved, 0);
    (rig.counters().total, clients)
}

#[test]
fn no_request_on_a_new_connection_fails_through_20_changes() {
    requests_through_changes(HTTP, Loop::NewConnections);
}

#[test]
fn no_request_on_a_new_connection_fails_where_the_forwarder_cannot_follow() {
    requests_through_changes(OPAQUE, Loop::NewConnections);
}

#[test]
fn a_client_keeps_its_one_connection_through_20_changes() {
    let (connections, clients) = requests_through_changes(HTTP, Loop::KeepAlive);
    assert_eq!(connections, clients);
}

#[test]
fn a_request_in_flight_ends_where_it_began_and_the_next_goes_to_the_new_target() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    let (old, new) = (Launch::start(), Launch::start());
    rig.target(address, Some(old.port));
    let mut client = Client::connect(address.host_port).unwrap();
    let whole = request(b"one");
    let (begin, end) = whole.split_at(20);
    client.send(begin).unwrap();
    until("it is attached", || rig.connections(old.port) == 1);
    // Attached is not forwarded: a second client shows that the loop came around since.
    Client::connect(address.host_port).unwrap().post(b"two").unwrap();
    rig.target(address, Some(new.port));
    assert_eq!(rig.connections(old.port), 1, "the request is in flight");
    client.send(end).unwrap();
    assert_eq!(client.receive().unwrap(), (old.port, b"one".to_vec()));
    assert_eq!(client.post(b"three").unwrap(), new.port);
    assert_eq!(rig.connections(old.port), 0);
}

/// Who answered how often.
fn tally(answers: impl Iterator<Item = u16>) -> Vec<usize> {
    let mut by_port = std::collections::BTreeMap::new();
    answers.for_each(|port| *by_port.entry(port).or_default() += 1);
    by_port.into_values().collect()
}

#[test]
fn several_targets_take_turns_by_connection() {
    let rig = Rig::new();
    for speech in [HTTP, OPAQUE] {
        let address = rig.open(speech);
        let launches = [Launch::start(), Launch::start(), Launch::start()];
        rig.targets(address, launches.iter().map(|launch| launch.port).collect());
        let ask = |_| Client::connect(address.host_port).unwrap().post(b"hello").unwrap();
        assert_eq!(tally((0..12).map(ask)), [4, 4, 4]);
    }
}

#[test]
fn several_targets_take_turns_by_request_where_requests_are_told_apart() {
    let rig = Rig::new();
    let launches = [Launch::start(), Launch::start(), Launch::start()];
    let of = |speech| {
        let address = rig.open(speech);
        rig.targets(address, launches.iter().map(|launch| launch.port).collect());
        let mut client = Client::connect(address.host_port).unwrap();
        tally((0..12).map(|_| client.post(b"hello").unwrap()))
    };
    assert_eq!(of(HTTP), [4, 4, 4]);
    assert_eq!(of(OPAQUE), [12], "a connection stays where it is");
    assert_eq!(rig.counters().total, 2);
}

#[test]
fn a_target_that_refuses_connections_is_passed_over() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    let (lives, dies) = (Launch::start(), Launch::start());
    rig.targets(address, vec![lives.port, dies.port]);
    let mut kept = Client::connect(address.host_port).unwrap();
    assert_eq!(tally((0..4).map(|_| kept.post(b"hello").unwrap())), [2, 2]);
    dies.die();
    for _ in 0..20 {
        assert_eq!(Client::connect(address.host_port).unwrap().post(b"hello").unwrap(), lives.port);
        assert_eq!(kept.post(b"hello").unwrap(), lives.port);
    }
    assert_eq!(rig.counters().unserved, 0);
}

#[test]
fn an_idle_connection_leaves_at_once() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    let (old, new) = (Launch::start(), Launch::start());
    rig.target(address, Some(old.port));
    let mut client = Client::connect(address.host_port).unwrap();
    client.post(b"one").unwrap();
    rig.target(address, Some(new.port));
    assert_eq!(rig.connections(old.port), 0);
    old.die();
    assert_eq!(client.post(b"two").unwrap(), new.port);
}

#[test]
fn pipelined_requests_all_get_their_answers_in_order() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    let (old, new) = (Launch::start(), Launch::start());
    rig.target(address, Some(old.port));
    let mut client = Client::connect(address.host_port).unwrap();
    for round in 0..20_u8 {
        let target = if round % 2 == 0 { new.port } else { old.port };
        let bodies: Vec<Vec<u8>> =
            (0..10).map(|number| vec![number; 1 + usize::from(number) * 999]).collect();
        for body in &bodies {
            client.send(&request(body)).unwrap();
        }
        rig.target(address, Some(target));
        for body in &bodies {
            assert!(client.receive().unwrap().1 == *body, "in order");
        }
        assert_eq!(client.post(b"next").unwrap(), target, "when both sides are even it goes over");
    }
    assert_eq!(rig.counters().total, 1);
}

#[test]
fn a_request_that_comes_while_another_is_in_flight_goes_to_the_new_target() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    rig.target(address, Some(port));
    let mut client = Client::connect(address.host_port).unwrap();
    client.send(&request(b"one")).unwrap();
    let mut served = timed(server.accept().unwrap().0);
    exact(&mut served, &request(b"one"));
    let new = Launch::start();
    rig.target(address, Some(new.port));
    client.send(&request(b"two")).unwrap();
    until("it rests", || rig.rests());
    assert_eq!(rig.connections(port), 1);
    let answer = format!("HTTP/1.1 200 OK\r\nX-Port: {port}\r\nContent-Length: 0\r\n\r\n");
    served.write_all(answer.as_bytes()).unwrap();
    assert_eq!(client.receive().unwrap().0, port);
    assert_eq!(client.receive().unwrap(), (new.port, b"two".to_vec()));
    let mut rest = Vec::new();
    served.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"", "the old launch got nothing of it");
}

/// A request may have had its effect when its server dies.
#[test]
fn a_request_is_never_sent_twice() {
    for protocol in [HTTP, OPAQUE] {
        let rig = Rig::new();
        let address = rig.open(protocol);
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        rig.target(address, Some(server.local_addr().unwrap().port()));
        let mut client = connect(address.host_port);
        client.write_all(b"POST / HT").unwrap();
        let mut served = timed(server.accept().unwrap().0);
        exact(&mut served, b"POST / HT");
        set_socket_linger(&served, Some(Duration::ZERO)).unwrap();
        drop(served);
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn an_upgraded_connection_stays_with_its_launch_until_it_is_cut() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    rig.target(address, Some(port));
    let mut client = connect(address.host_port);
    let ask = b"GET /chat HTTP/1.1\r\nHost: tenant\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(ask).unwrap();
    let mut served = timed(server.accept().unwrap().0);
    exact(&mut served, ask);
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    served.write_all(answer).unwrap();
    exact(&mut client, answer);

    let new = Launch::start();
    rig.target(address, Some(new.port));
    // What looks like HTTP is none any more.
    client.write_all(ask).unwrap();
    exact(&mut served, ask);
    served.write_all(b"\x81\x02hi").unwrap();
    exact(&mut client, b"\x81\x02hi");
    assert_eq!(rig.connections(port), 1);
    assert_eq!(rig.cut(port), 1);
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!((rig.connections(port), rig.cut(port), rig.counters().cut), (0, 0, 1));
}

#[test]
fn what_was_held_back_goes_on_when_the_connection_is_upgraded() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    rig.target(address, Some(server.local_addr().unwrap().port()));
    let mut client = connect(address.host_port);
    client.write_all(b"GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n").unwrap();
    let mut served = timed(server.accept().unwrap().0);
    exact(&mut served, b"GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n");
    rig.target(address, None);
    client.write_all(b"\x01early").unwrap();
    until("it rests", || rig.rests());
    served.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
    exact(&mut served, b"\x01early");
}

#[test]
fn a_server_that_ended_its_side_before_it_broke_is_not_tried_again() {
    let rig = Rig::new();
    let address = rig.open(OPAQUE);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    rig.target(address, Some(server.local_addr().unwrap().port()));
    let mut client = connect(address.host_port);
    let served = timed(server.accept().unwrap().0);
    served.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the client saw the end");
    set_socket_linger(&served, Some(Duration::ZERO)).unwrap();
    drop(served);
    client.write_all(b"more").unwrap();
    until("nothing is left", || rig.counters().open == 0);
    server.set_nonblocking(true).unwrap();
    assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_client_waits_for_a_target() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    let mut client = Client::connect(address.host_port).unwrap();
    client.send(&request(b"early")).unwrap();
    assert_eq!(rig.counters().total, 0, "it waits in the kernel");
    until("it rests", || rig.rests());
    let launch = Launch::start();
    rig.target(address, Some(launch.port));
    assert_eq!(client.receive().unwrap(), (launch.port, b"early".to_vec()));
}

#[test]
fn a_client_is_reset_when_there_was_no_target_for_the_hold_time() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    // The first call leaves a target, so that the second one says since when there is none.
    rig.target(address, Some(1));
    rig.target_at(address, None, Instant::now() - HOLD + Duration::from_millis(50));
    let mut client = connect(address.host_port);
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(rig.counters().unserved, 1);
    until("it rests", || rig.rests());
    let launch = Launch::start();
    rig.target(address, Some(launch.port));
    assert_eq!(Client::connect(address.host_port).unwrap().post(b"back").unwrap(), launch.port);
}

#[test]
fn a_client_of_a_target_that_refuses_is_held_until_it_is_back() {
    for protocol in [HTTP, OPAQUE] {
        let rig = Rig::new();
        let address = rig.open(protocol);
        let launch = Launch::start();
        let port = launch.port;
        rig.target(address, Some(port));
        launch.die();
        let mut clients: Vec<Client> = (0..10)
            .map(|_| {
                let mut client = Client::connect(address.host_port).unwrap();
                client.send(&request(b"patient")).unwrap();
                client
            })
            .collect();
        until("they are taken and held", || rig.counters().total == 10 && rig.connections(port) <= 1);
        until("it rests", || rig.rests());
        let _launch = Launch::at(port);
        for client in &mut clients {
            assert_eq!(client.receive().unwrap(), (port, b"patient".to_vec()));
        }
    }
}

#[test]
fn an_idle_server_that_closes_closes_the_client_unless_the_target_changed() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    let launch = Launch::start();
    rig.target(address, Some(launch.port));
    let mut client = Client::connect(address.host_port).unwrap();
    client.post(b"one").unwrap();
    launch.die();
    assert_eq!(client.rest().unwrap(), b"", "it sees an end, no reset");
    until("it is gone", || rig.counters().open == 0);

    let launch = Launch::start();
    rig.target(address, Some(launch.port));
    let mut client = Client::connect(address.host_port).unwrap();
    client.post(b"one").unwrap();
    rig.target(address, None);
    launch.die();
    let launch = Launch::start();
    rig.target(address, Some(launch.port));
    assert_eq!(client.post(b"two").unwrap(), launch.port);
}

#[test]
fn a_connection_that_the_server_said_it_closes_is_not_kept() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    rig.target(address, Some(port));
    let mut client = connect(address.host_port);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut served = timed(server.accept().unwrap().0);
    exact(&mut served, b"GET / HTTP/1.1\r\n\r\n");
    rig.target(address, None);
    served.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").unwrap();
    drop(served);
    let mut answer = String::new();
    // It ends: a client that reads to the end does not hang.
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("ok"), "{answer}");
}

/// The client ended its side while its next request was held back.
#[test]
fn a_client_that_sends_no_more_gets_its_answer_and_leaves_nothing() {
    for close in ["", "Connection: close\r\n"] {
        let rig = Rig::new();
        let address = rig.open(HTTP);
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        rig.target(address, Some(server.local_addr().unwrap().port()));
        let mut client = connect(address.host_port);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut served = timed(server.accept().unwrap().0);
        exact(&mut served, b"GET / HTTP/1.1\r\n\r\n");
        rig.target(address, None);
        client.shutdown(Shutdown::Write).unwrap();
        // The loop has seen the end by then.
        until("it rests", || rig.rests());
        let answer = format!("HTTP/1.1 200 OK\r\n{close}Content-Length: 2\r\n\r\nok");
        served.write_all(answer.as_bytes()).unwrap();
        drop(served);
        let mut bytes = String::new();
        client.read_to_string(&mut bytes).unwrap();
        assert_eq!(bytes, answer);
        drop(client);
        until("nothing is left", || rig.counters().open == 0);
    }
}

/// A server that dies before it took anything has served nobody: the client goes to the next.
#[test]
fn a_connection_that_the_server_never_used_is_given_to_the_next() {
    for protocol in [HTTP, OPAQUE] {
        let rig = Rig::new();
        let address = rig.open(protocol);
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        rig.target(address, Some(port));
        let mut client = Client::connect(address.host_port).unwrap();
        until("it is attached", || rig.connections(port) == 1);
        // Not accepted: the kernel resets it.
        drop(server);
        until("it is not attached", || rig.connections(port) == 0);
        let launch = Launch::start();
        rig.target(address, Some(launch.port));
        assert_eq!(client.post(b"one").unwrap(), launch.port);
    }
}

#[test]
fn a_closed_address_refuses_and_lets_its_requests_end() {
    let rig = Rig::new();
    let address = rig.open(HTTP);
    let launch = Launch::start();
    rig.target(address, Some(launch.port));
    let mut idle = Client::connect(address.host_port).unwrap();
    idle.post(b"one").unwrap();
    let mut busy = Client::connect(address.host_port).unwrap();
    let whole = request(b"two");
    busy.send(&whole[..30]).unwrap();
    until("both are attached", || rig.connections(launch.port) == 2);
    idle.post(b"the loop came around").unwrap();
    rig.close(address);
    assert_eq!(idle.rest().unwrap(), b"");
    assert!(Client::connect(address.host_port).is_err());
    busy.send(&whole[30..]).unwrap();
    assert_eq!(busy.receive().unwrap().1, b"two");
    assert_eq!(busy.rest().unwrap(), b"");
    // The same address again, as a new one.
    rig.ask(move |forwarder, registry| forwarder.open(registry, address, Instant::now())).unwrap();
    rig.target(address, Some(launch.port));
    assert_eq!(Client::connect(address.host_port).unwrap().post(b"three").unwrap(), launch.port);
}

#[test]
fn a_port_that_somebody_has_is_told_from_other_problems() {
    let rig = Rig::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let host_port = taken.local_addr().unwrap().port();
    for scope in [Scope::Loopback, Scope::All] {
        let address = Address { host_port, protocol: HTTP, scope };
        let opened = rig.ask(move |forwarder, registry| forwarder.open(registry, address, Instant::now()));
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}

fn exact(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, expected);
}
