//! The ceiling of the store on PostgreSQL: one connection that sends the very bytes that the store sent for its commits, one
//! after the other, and reads what comes back. It makes no rows, no statements and no answers of it.
//!
//! The bytes come from a proxy between a store and its database. So the loop has the store's statements and values,
//! whatever they are, and the two cannot drift apart.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use landlord_testing::postgres::Statements;

/// What is in the statement of a commit, and in no other.
const COMMIT: &str = "happened AS";

/// What a client sends for one statement, up to and with `Sync`.
type Request = Vec<u8>;

/// A proxy that keeps what is sent for commits.
pub(crate) struct Recorder {
    port: u16,
    kept: Arc<Mutex<Vec<Request>>>,
}

impl Recorder {
    /// Before a server of this machine.
    pub(crate) fn before(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&kept);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).expect("the server listens");
                let both = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
                for stream in [&client, &server] {
                    stream.set_nodelay(true).expect("it is one of TCP");
                }
                let (back, forth) = ((both(&server), both(&client)), (client, server));
                let keeps = Arc::clone(&keeps);
                thread::spawn(move || pass(back, |_| {}));
                thread::spawn(move || {
                    let mut requests = Requests::new();
                    pass(forth, |bytes| requests.add(bytes, &keeps));
                });
            }
        });
        Self { port, kept }
    }

    /// What leads to a database of the server through it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// What was sent for commits since this was asked last.
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.kept.lock().expect("no panic"))
    }
}

/// Passes bytes from one to the other until one of them hangs up.
fn pass((mut from, mut to): (TcpStream, TcpStream), mut seen: impl FnMut(&[u8])) {
    let mut bytes = vec![0; 1 << 18];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        seen(&bytes[..read]);
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Write);
}

/// What a client sends, put together again.
struct Requests {
    bytes: Vec<u8>,
    /// The end of the last message.
    at: usize,
    /// The first message says who asks. It has no type.
    greeted: bool,
    commits: Statements,
}

impl Requests {
    fn new() -> Self {
        Self { bytes: Vec::new(), at: 0, greeted: false, commits: Statements::with(COMMIT) }
    }

    fn add(&mut self, bytes: &[u8], keeps: &Mutex<Vec<Request>>) {
        self.bytes.extend_from_slice(bytes);
        let typed = |greeted: bool| usize::from(greeted);
        while let Some(length) = self.bytes.get(self.at + typed(self.greeted)..).and_then(length) {
            let end = self.at + typed(self.greeted) + length;
            if self.bytes.len() < end {
                return;
            }
            let is_last = !self.greeted || self.bytes[self.at] == b'S';
            (self.at, self.greeted) = (end, true);
            if is_last {
                let rest = self.bytes.split_off(end);
                let request = std::mem::replace(&mut self.bytes, rest);
                self.at = 0;
                if self.commits.look(&request).is_some() {
                    keeps.lock().expect("no panic").push(request);
                }
            }
        }
    }
}

/// What a message says of its length, which counts itself.
fn length(bytes: &[u8]) -> Option<usize> {
    let bytes = bytes.first_chunk::<4>()?;
    usize::try_from(u32::from_be_bytes(*bytes)).ok()
}

/// Sends it all, one after the other, and says how long that took. The process that answered it is there as long as the
/// connection.
pub(crate) fn replay(port: u16, database: &str, requests: &[Request]) -> (Duration, TcpStream) {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server listens");
    server.set_nodelay(true).expect("it is one of TCP");
    let mut greeting = vec![0, 0, 0, 0, 0, 3, 0, 0];
    for word in ["user", "postgres", "database", database, ""] {
        greeting.extend_from_slice(word.as_bytes());
        greeting.push(0);
    }
    let length = u32::try_from(greeting.len()).expect("it is short").to_be_bytes();
    greeting[..4].copy_from_slice(&length);
    let mut answer = Vec::new();
    ask(&mut server, &greeting, &mut answer);
    let began = Instant::now();
    for request in requests {
        ask(&mut server, request, &mut answer);
    }
    (began.elapsed(), server)
}

/// Waits until the server is ready for the next one.
fn ask(server: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) {
    server.write_all(request).expect("it is sent");
    answer.clear();
    let (mut at, mut some) = (0, [0; 1 << 14]);
    loop {
        let read = server.read(&mut some).expect("it is answered");
        assert_ne!(read, 0, "the server hung up");
        answer.extend_from_slice(&some[..read]);
        while let Some(length) = answer.get(at + 1..).and_then(length) {
            if answer.len() < at + 1 + length {
                break;
            }
            let said = String::from_utf8_lossy(&answer[at..at + 1 + length]);
            match answer[at] {
                b'E' => panic!("the server refused it: {said}"),
                b'Z' => return,
                _ => at += 1 + length,
            }
        }
    }
}
