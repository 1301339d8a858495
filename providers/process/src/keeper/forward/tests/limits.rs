//! What happens at a limit.

use std::fs::File;
use std::net::TcpListener;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::launch::{Client, Launch, request};
use super::{Limits, Protocol, Rig, Speech, connect, until};

const HTTP: Protocol = Protocol::Tcp(Speech::Http);

#[test]
fn beyond_the_limit_clients_wait_until_another_is_done() {
    let rig = Rig::with(Limits { connections: 2, flows: 1 });
    let address = rig.open(HTTP);
    let launch = Launch::start();
    rig.target(address, Some(launch.port));
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(address.host_port).unwrap()).collect();
    for client in &mut clients {
        client.send(&request(b"turn")).unwrap();
    }
    until("two are taken", || rig.counters().total == 2);
    clients[0].receive().unwrap();
    assert_eq!((rig.counters().open, rig.counters().total), (2, 2));
    // Whoever is done goes, and makes room for the next.
    let mut clients = clients.into_iter();
    drop(clients.next());
    for mut client in clients {
        assert_eq!(client.receive().unwrap(), (launch.port, b"turn".to_vec()));
    }
    assert_eq!(rig.counters().total, 4);
}

/// In a process of its own, where the limit disturbs no other test.
#[test]
fn without_a_free_descriptor_clients_wait() {
    const CHILD: &str = "FORWARDER_WITHOUT_DESCRIPTORS";
    if std::env::var_os(CHILD).is_some() {
        return wait_for_a_descriptor();
    }
    let name = "keeper::forward::tests::limits::without_a_free_descriptor_clients_wait";
    let child =
        Command::new(std::env::current_exe().unwrap()).args(["--exact", name]).env(CHILD, "").output();
    let child = child.unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

fn wait_for_a_descriptor() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
    let rig = Rig::new();
    let address = rig.open(Protocol::Tcp(Speech::Opaque));
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    rig.target(address, Some(server.local_addr().unwrap().port()));
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // For the client.
    taken.pop();
    let client = connect(address.host_port);
    until("accepting fails", || rig.ask(|forwarder, _| forwarder.paused.is_some()));
    assert_eq!(rig.counters().total, 0);
    // The client is accepted, but there is no descriptor for the connection to the server.
    taken.pop();
    until("the client is taken", || rig.counters().total == 1);
    drop(taken);
    let (served, _) = server.accept().unwrap();
    drop((client, served));
    until("nothing is left", || rig.counters().open == 0);
}
