//! Clients: one request, or closed loops of them.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longer than anybody is to wait.
const PATIENCE: Duration = Duration::from_secs(15);

/// How a client uses connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// Each request has one of its own.
    New,
    /// All requests have the same.
    Kept,
}

/// What a server answered to one request on a connection of its own: its version.
pub(crate) fn get(port: u16) -> io::Result<String> {
    ask(&mut connect(port)?)
}

/// What it answered to so many, one after the other on one connection.
pub(crate) fn get_all(port: u16, requests: usize) -> io::Result<Vec<String>> {
    let mut stream = connect(port)?;
    (0..requests).map(|_| ask(&mut stream)).collect()
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream) -> io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            let what = format!("closed after {:?}", String::from_utf8_lossy(&answer));
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        answer.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split_once("content-length: ").map_or("0", |(_, rest)| rest.trim());
        if length.parse() != Ok(body.len()) {
            continue;
        }
        return match head.starts_with("HTTP/1.1 200 OK") {
            true => Ok(body.to_owned()),
            false => Err(io::Error::other(head.to_owned())),
        };
    }
}

/// Clients that each ask again as soon as they have an answer.
pub(crate) struct Load {
    ends: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Answer>>>,
}

/// What came of one request.
pub(crate) type Answer = Result<String, String>;

/// Those that failed.
pub(crate) fn failed(answers: &[Answer]) -> Vec<&String> {
    answers.iter().filter_map(|answer| answer.as_ref().err()).collect()
}

impl Load {
    /// Begins with clients of each kind.
    pub(crate) fn begin(port: u16, each: usize) -> Self {
        // So that the servers have the machine, which may be small.
        let pause = Duration::from_millis(1);
        Self::of(port, &[Connections::New, Connections::Kept].repeat(each), pause)
    }

    /// Begins with these clients, who pause between two requests.
    pub(crate) fn of(port: u16, clients: &[Connections], pause: Duration) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let clients = clients.iter().map(|connections| {
            let (ends, connections) = (Arc::clone(&ends), *connections);
            std::thread::spawn(move || client(port, connections, pause, &ends))
        });
        let clients = clients.collect();
        Self { ends, clients }
    }

    /// Ends; every request that was made.
    pub(crate) fn end(self) -> Vec<Answer> {
        self.ends.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }
}

fn client(port: u16, connections: Connections, pause: Duration, ends: &AtomicBool) -> Vec<Answer> {
    let mut made = Vec::new();
    let mut kept: Option<TcpStream> = None;
    while !ends.load(Ordering::Relaxed) {
        let answer = match kept.take() {
            Some(stream) => Ok(stream),
            None => connect(port),
        };
        let answer = answer.and_then(|mut stream| {
            let answer = ask(&mut stream)?;
            kept = (connections == Connections::Kept).then_some(stream);
            Ok(answer)
        });
        let answer = answer.map_err(|error| format!("{connections:?}: {error}"));
        if answer.is_err() {
            // A refused connection must not make this a busy loop.
            std::thread::sleep(Duration::from_millis(2));
        }
        made.push(answer);
        std::thread::sleep(pause);
    }
    made
}
