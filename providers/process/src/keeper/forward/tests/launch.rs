//! An HTTP server that stands for a launch, and clients of it.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::timed;

/// Answers every request with its own port and the request's body. Keeps connections.
pub(super) struct Launch {
    pub(super) port: u16,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    dead: AtomicBool,
    /// By the port of the other side.
    streams: Mutex<HashMap<u16, TcpStream>>,
}

impl Launch {
    pub(super) fn start() -> Self {
        Self::at(0)
    }

    pub(super) fn at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner::default());
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let Ok(peer) = stream.peer_addr() else { continue };
                shared.streams.lock().unwrap().insert(peer.port(), stream.try_clone().unwrap());
                if shared.dead.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = serve(&stream, port);
                    shared.streams.lock().unwrap().remove(&peer.port());
                });
            }
            drop(listener);
            for (_, stream) in shared.streams.lock().unwrap().drain() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        Self { port, inner }
    }

    /// Dies at once, with all its connections. Returns when nobody listens any more.
    pub(super) fn die(self) {
        self.inner.dead.store(true, Ordering::SeqCst);
        for (_, stream) in self.inner.streams.lock().unwrap().drain() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            std::thread::yield_now();
        }
    }
}

fn serve(mut stream: &TcpStream, port: u16) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some((_, body)) = read_message(&mut reader)? {
        let head = format!("HTTP/1.1 200 OK\r\nX-Port: {port}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat())?;
    }
    Ok(())
}

/// Reads a head and the body whose length it gives. `None` at the end of the stream.
fn read_message(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return if head.is_empty() { Ok(None) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) };
        }
    }
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let length = field("Content-Length: ").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((head, body)))
}

/// A client that keeps its connection.
pub(super) struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    pub(super) fn connect(port: u16) -> std::io::Result<Self> {
        let stream = timed(TcpStream::connect(("127.0.0.1", port))?);
        let reader = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, reader })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The port of the launch that answered, and the body.
    pub(super) fn receive(&mut self) -> std::io::Result<(u16, Vec<u8>)> {
        let (head, body) = read_message(&mut self.reader)?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let port = head.lines().find_map(|line| line.strip_prefix("X-Port: ")).unwrap();
        Ok((port.parse().unwrap(), body))
    }

    /// Posts a body, which is to come back.
    pub(super) fn post(&mut self, body: &[u8]) -> std::io::Result<u16> {
        self.send(&request(body))?;
        let (port, answer) = self.receive()?;
        assert!(answer == body, "the body came back changed");
        Ok(port)
    }

    /// What comes when nothing more is asked for.
    pub(super) fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).map(|_| rest)
    }
}

pub(super) fn request(body: &[u8]) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: tenant\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
