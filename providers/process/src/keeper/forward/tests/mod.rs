//! The forwarder with real sockets, on a thread of its own.

mod following;
mod forwarding;
mod launch;
mod limits;
mod targets;
mod udp;

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Registry, Token, Waker};

use super::address::{Address, Protocol, Scope, Speech};
use super::counters::Counters;
use super::{Forwarder, Limits};

/// Long enough for anything on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// The keeper's own token, below the forwarder's.
const OWN: Token = Token(7);

type Task = Box<dyn FnOnce(&mut Forwarder, &Registry) + Send>;

/// A forwarder's loop, as a keeper has it.
struct Rig {
    tasks: Option<Sender<Task>>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Rig {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), OWN).unwrap());
        let (tasks, todo) = channel();
        let thread = std::thread::spawn(move || run(poll, &todo, limits));
        Self { tasks: Some(tasks), waker, thread: Some(thread) }
    }

    /// Has the loop do something, and returns what came of it.
    fn ask<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Forwarder, &Registry) -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = channel();
        let task: Task = Box::new(move |forwarder, registry| answer.send(task(forwarder, registry)).unwrap());
        self.tasks.as_ref().unwrap().send(task).unwrap();
        self.waker.wake().unwrap();
        answered.recv_timeout(LONG).expect("the loop does not answer")
    }

    /// Opens an address at a free port.
    fn open(&self, protocol: Protocol) -> Address {
        self.open_for(protocol, Scope::Loopback)
    }

    fn open_for(&self, protocol: Protocol, scope: Scope) -> Address {
        let address = Address { host_port: free_port(protocol), protocol, scope };
        self.ask(move |forwarder, registry| forwarder.open(registry, address, Instant::now())).unwrap();
        address
    }

    fn target(&self, address: Address, port: Option<u16>) {
        self.target_at(address, port, Instant::now());
    }

    /// As if it were set then.
    fn target_at(&self, address: Address, port: Option<u16>, now: Instant) {
        self.targets_at(address, port.as_slice().to_vec(), now);
    }

    fn targets(&self, address: Address, ports: Vec<u16>) {
        self.targets_at(address, ports, Instant::now());
    }

    fn targets_at(&self, address: Address, ports: Vec<u16>, now: Instant) {
        assert!(self.ask(move |forwarder, registry| forwarder.target(registry, address, &ports, now)));
    }

    fn close(&self, address: Address) {
        self.ask(move |forwarder, registry| forwarder.close(registry, address, Instant::now()));
    }

    fn connections(&self, port: u16) -> usize {
        self.ask(move |forwarder, _| forwarder.connections(port))
    }

    fn cut(&self, port: u16) -> usize {
        self.ask(move |forwarder, _| forwarder.cut(port, Instant::now()))
    }

    /// Bytes of memory that are on their way.
    fn held(&self) -> usize {
        self.ask(|forwarder, _| forwarder.connections.iter().map(|(_, connection)| connection.held()).sum())
    }

    /// Whether it waits for an event or a time to come.
    fn rests(&self) -> bool {
        self.ask(|forwarder, _| {
            let now = Instant::now();
            forwarder.next_deadline(now).is_none_or(|at| at > now)
        })
    }

    fn counters(&self) -> Counters {
        self.ask(|forwarder, _| forwarder.counters())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.tasks = None;
        self.waker.wake().unwrap();
        if self.thread.take().unwrap().join().is_err() && !std::thread::panicking() {
            panic!("the loop panicked");
        }
    }
}

fn run(mut poll: Poll, todo: &Receiver<Task>, limits: Limits) {
    let mut forwarder = Forwarder::new(OWN.0 + 1, limits);
    let mut events = Events::with_capacity(128);
    loop {
        let now = Instant::now();
        let timeout = forwarder.next_deadline(now).map(|at| at.saturating_duration_since(now));
        if let Err(error) = poll.poll(&mut events, timeout) {
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
        }
        let now = Instant::now();
        for event in &events {
            forwarder.handle(poll.registry(), event, now);
        }
        forwarder.tick(poll.registry(), now);
        loop {
            match todo.try_recv() {
                Ok(task) => task(&mut forwarder, poll.registry()),
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
            }
        }
    }
}

fn free_port(protocol: Protocol) -> u16 {
    let any = (Ipv4Addr::LOCALHOST, 0);
    match protocol {
        Protocol::Tcp(_) => TcpListener::bind(any).unwrap().local_addr().unwrap().port(),
        Protocol::Udp => UdpSocket::bind(any).unwrap().local_addr().unwrap().port(),
    }
}

/// Connects, with time-outs that end a test that hangs.
fn connect(port: u16) -> TcpStream {
    timed(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap())
}

fn timed(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    stream
}

/// Waits for a condition.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {LONG:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
