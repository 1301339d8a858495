//! Which token belongs to which socket.

use mio::Token;

/// A socket, by where the forwarder keeps it. A number is given again after its socket was closed, so an event may
/// come late and reach the next socket. Every event is therefore a hint only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// What listens for a service.
    Door(usize),
    /// The client's side of a connection.
    Client(usize),
    /// The server's side of a connection.
    Server(usize),
    /// The server's side of a UDP flow.
    Flow(usize),
}

/// The tokens from `base` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens {
    pub(super) base: usize,
}

const KINDS: usize = 4;

impl Tokens {
    pub(super) fn token(self, place: Place) -> Token {
        let (index, kind) = match place {
            Place::Door(index) => (index, 0),
            Place::Client(index) => (index, 1),
            Place::Server(index) => (index, 2),
            Place::Flow(index) => (index, 3),
        };
        Token(self.base + index * KINDS + kind)
    }

    /// `None` for somebody else's token.
    pub(super) fn place(self, token: Token) -> Option<Place> {
        let offset = token.0.checked_sub(self.base)?;
        let index = offset / KINDS;
        Some(match offset % KINDS {
            0 => Place::Door(index),
            1 => Place::Client(index),
            2 => Place::Server(index),
            _ => Place::Flow(index),
        })
    }
}
