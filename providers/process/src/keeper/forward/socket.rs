//! A TCP connection's end, with what is known of its readiness.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::net::sockopt;

/// Readiness comes as edges, so it is remembered until a call finds that there is nothing more.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    readable: bool,
    writable: bool,
    /// The other side has ended the connection or broken it. Reading goes on until that shows.
    hung: bool,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Bytes(usize),
    Nothing,
    /// The other side sends no more.
    End,
    /// The connection is broken.
    Broken,
}

/// What a look at a connection that is being made found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connect {
    Pending,
    Made,
    Failed,
}

impl Socket {
    /// A connection that was accepted. It has its options from its listener.
    ///
    /// # Errors
    /// It cannot be watched.
    pub(super) fn accepted(stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut socket = Self::new(stream);
        registry.register(&mut socket.stream, token, Interest::READABLE | Interest::WRITABLE)?;
        // Most clients have sent something by now, and the first event comes a round later.
        (socket.readable, socket.writable) = (true, true);
        Ok(socket)
    }

    /// Begins a connection to a port of 127.0.0.1.
    ///
    /// # Errors
    /// It was refused at once, or a limit of this process is reached.
    pub(super) fn connect(port: u16, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut socket = Self::new(TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?);
        registry.register(&mut socket.stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(socket)
    }

    fn new(stream: TcpStream) -> Self {
        Self { stream, readable: false, writable: false, hung: false }
    }

    pub(super) fn note(&mut self, event: &Event) {
        self.hung |= event.is_error() || event.is_read_closed();
        self.readable |= event.is_readable() || self.hung;
        self.writable |= event.is_writable() || event.is_error() || event.is_write_closed();
    }

    /// How far a begun connection is.
    pub(super) fn connected(&mut self) -> Connect {
        if !self.writable {
            return Connect::Pending;
        }
        if !matches!(self.stream.take_error(), Ok(None)) {
            return Connect::Failed;
        }
        match self.stream.peer_addr() {
            // Nobody listens there, and the kernel gave this socket the same port: it is connected to itself.
            Ok(peer) if self.stream.local_addr().is_ok_and(|own| own == peer) => Connect::Failed,
            Ok(_) => {
                // Without it small pieces are only slower.
                let _ = self.stream.set_nodelay(true);
                Connect::Made
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                self.writable = false;
                Connect::Pending
            }
            Err(_) => Connect::Failed,
        }
    }

    /// Looks whether there is something to read, and leaves it there.
    pub(super) fn peek(&mut self) -> Read {
        if !self.readable {
            return Read::Nothing;
        }
        loop {
            match self.stream.peek(&mut [0]) {
                Ok(0) => return Read::End,
                Ok(bytes) => return Read::Bytes(bytes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Read::Nothing;
                }
                Err(_) => return Read::Broken,
            }
        }
    }

    pub(super) fn read(&mut self, into: &mut [u8]) -> Read {
        if !self.readable {
            return Read::Nothing;
        }
        loop {
            match self.stream.read(into) {
                Ok(0) => return Read::End,
                Ok(read) => {
                    // Less than asked for was all there was: what comes later is another edge. Only an end that
                    // was already announced is not.
                    self.readable = read == into.len() || self.hung;
                    return Read::Bytes(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Read::Nothing;
                }
                Err(_) => return Read::Broken,
            }
        }
    }

    /// Writes what can be written now, and returns how much that is.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while self.writable && written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                // What was written is said first. The next call fails again.
                Err(_) if written > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Tells the other side that nothing more comes.
    pub(super) fn finish(&mut self) {
        // It fails when the other side is gone, which reading finds.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Breaks the connection.
    pub(super) fn reset(self) {
        reset(self.stream);
    }
}

/// Breaks a connection: the other side sees a reset, not an end.
pub(super) fn reset(stream: TcpStream) {
    // If it fails, the other side sees an end.
    let _ = sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
}
