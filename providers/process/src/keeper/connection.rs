//! A socket that carries lines of JSON, and is never waited for.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::UnixStream;
use serde::Serialize;

/// The longest line: a spec's document with its environment fits several times.
const LONGEST: usize = 8 << 20;

/// The other side is gone, or says something that is no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, input: Vec::new(), output: Vec::new() }
    }

    /// The lines that have come, each without its end. What was sent before the other side closed is read first.
    pub(super) fn lines(&mut self) -> (Vec<Vec<u8>>, Result<(), Gone>) {
        let end = self.fill();
        let mut lines = Vec::new();
        while let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = self.input.drain(..=end).collect();
            line.pop();
            lines.push(line);
        }
        if self.input.is_empty() {
            // It may have held a whole launch, with its secrets.
            self.input = Vec::new();
        }
        (lines, end)
    }

    fn fill(&mut self) -> Result<(), Gone> {
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(Gone),
                Ok(_) if self.input.len() > LONGEST => return Err(Gone),
                Ok(read) => self.input.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
    }

    /// Sends a line, now or when the other side takes it.
    pub(super) fn send(&mut self, what: &impl Serialize) -> Result<(), Gone> {
        // Everything that is sent is made of numbers, text and lists.
        serde_json::to_writer(&mut self.output, what).map_err(|_| Gone)?;
        self.output.push(b'\n');
        self.flush()
    }

    /// Goes on sending.
    pub(super) fn flush(&mut self) -> Result<(), Gone> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return Err(Gone),
                Ok(sent) => {
                    self.output.drain(..sent);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
        self.output = Vec::new();
        Ok(())
    }
}

/// Two ends of a connection: one for this process, one for a child.
pub(super) fn pair() -> io::Result<(Connection, std::os::unix::net::UnixStream)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((Connection::new(UnixStream::from_std(ours)), theirs))
}
