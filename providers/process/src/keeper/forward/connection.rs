//! A client's connection and the server's that it is attached to, if any.

use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Registry, Token};

use super::http::Follower;
use super::pipe::{End, Pipe, Step};
use super::service::{HOLD, Reach};
use super::socket::{Connect, Read, Socket};
use super::targets::Targets;

/// How long a client without a server may send nothing. Common servers close idle connections after this or less.
pub(super) const IDLE: Duration = Duration::from_secs(75);
/// How many reads a connection gets in a direction before the others have their turn.
const READS: usize = 4;

#[derive(Debug)]
pub(super) struct Connection {
    /// The service that it came to.
    pub(super) service: usize,
    client: Socket,
    server: Server,
    /// From client to server.
    up: Pipe,
    /// From server to client.
    down: Pipe,
    follower: Follower,
}

/// Nothing is read from the client before there is a server for it.
#[derive(Debug)]
enum Server {
    /// Not needed before the client's next request. Idle since then.
    Detached {
        since: Instant,
    },
    /// Needed since then.
    Wanted {
        since: Instant,
    },
    Connecting {
        since: Instant,
        port: u16,
        socket: Socket,
    },
    Attached {
        since: Instant,
        port: u16,
        socket: Socket,
        used: Used,
    },
}

/// Whether a byte went to or came from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Used {
    No,
    Yes,
}

/// What a connection needs to go on.
pub(super) struct Round<'a> {
    pub(super) registry: &'a Registry,
    /// Of the server's side.
    pub(super) token: Token,
    pub(super) now: Instant,
    /// What becomes of a client that needs a server.
    pub(super) reach: Reach,
    /// The service's.
    pub(super) targets: &'a Targets,
    pub(super) scratch: &'a mut [u8],
}

/// How a turn of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes on with the next event.
    Rests,
    /// It has more to do, after the others.
    Again,
    /// It is attached now, and goes on.
    Attached,
    /// The server at this port refused it. It wants a server.
    Refused(u16),
    /// Both sides are done with it.
    Over,
    /// The server broke it.
    Broken,
    /// It waited for a server for too long.
    Unserved,
}

/// What a connection waits for besides events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A server, since then.
    Server(Instant),
    /// A request, since then.
    Request(Instant),
}

impl Connection {
    pub(super) fn new(service: usize, client: Socket, follower: Follower, now: Instant) -> Self {
        let (up, down) = (Pipe::default(), Pipe::default());
        Self { service, client, server: Server::Wanted { since: now }, up, down, follower }
    }

    pub(super) fn note_client(&mut self, event: &Event) {
        self.client.note(event);
    }

    pub(super) fn note_server(&mut self, event: &Event) {
        match &mut self.server {
            Server::Connecting { socket, .. } | Server::Attached { socket, .. } => socket.note(event),
            Server::Detached { .. } | Server::Wanted { .. } => {}
        }
    }

    /// Bytes of memory that are on their way.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.up.held() + self.down.held()
    }

    /// The port that it is attached to, or soon will be.
    pub(super) fn port(&self) -> Option<u16> {
        match self.server {
            Server::Connecting { port, .. } | Server::Attached { port, .. } => Some(port),
            Server::Detached { .. } | Server::Wanted { .. } => None,
        }
    }

    pub(super) fn wait(&self) -> Option<Wait> {
        match self.server {
            Server::Wanted { since } => Some(Wait::Server(since)),
            Server::Detached { since } => Some(Wait::Request(since)),
            Server::Connecting { .. } | Server::Attached { .. } => None,
        }
    }

    /// Does what can be done now.
    pub(super) fn turn(&mut self, round: &mut Round<'_>) -> Turn {
        match &mut self.server {
            Server::Detached { since } => {
                if round.now >= *since + IDLE {
                    return Turn::Over;
                }
                match self.client.peek() {
                    Read::Nothing if round.reach == Reach::Never => Turn::Over,
                    Read::Nothing => Turn::Rests,
                    Read::End | Read::Broken => Turn::Over,
                    Read::Bytes(_) => self.connect(round.now, round),
                }
            }
            Server::Wanted { since } => {
                let since = *since;
                self.connect(since, round)
            }
            Server::Connecting { since, port, socket } => {
                let (since, port) = (*since, *port);
                if !round.targets.has(port) {
                    return self.connect(since, round);
                }
                match socket.connected() {
                    Connect::Pending => Turn::Rests,
                    Connect::Made => {
                        self.attach(since, port);
                        Turn::Attached
                    }
                    Connect::Failed => self.refused(since, port),
                }
            }
            Server::Attached { .. } => self.exchange(round),
        }
    }

    /// Gets a server, which is needed since then.
    fn connect(&mut self, since: Instant, round: &mut Round<'_>) -> Turn {
        self.server = Server::Wanted { since };
        if round.now >= since + HOLD {
            return Turn::Unserved;
        }
        match round.reach {
            Reach::Never => Turn::Unserved,
            Reach::Wait => Turn::Rests,
            Reach::Connect(port) => match Socket::connect(port, round.registry, round.token) {
                Ok(socket) => {
                    self.server = Server::Connecting { since, port, socket };
                    Turn::Rests
                }
                Err(_) => self.refused(since, port),
            },
        }
    }

    fn refused(&mut self, since: Instant, port: u16) -> Turn {
        self.server = Server::Wanted { since };
        Turn::Refused(port)
    }

    fn attach(&mut self, since: Instant, port: u16) {
        if let Server::Connecting { socket, .. } =
            std::mem::replace(&mut self.server, Server::Wanted { since })
        {
            self.server = Server::Attached { since, port, socket, used: Used::No };
        }
    }

    fn exchange(&mut self, round: &mut Round<'_>) -> Turn {
        let Server::Attached { port, socket: server, used, .. } = &mut self.server else {
            return Turn::Rests;
        };
        let (is_gone, are_several) = (!round.targets.has(*port), round.targets.are_several());
        // Where there are several targets, the next request is another's.
        let leaves = |used: Used| is_gone || (are_several && used == Used::Yes);
        let (mut ups, mut downs) = (0, 0);
        let mut holds_back = false;
        while ups < READS {
            holds_back = leaves(*used) && self.up.is_empty() && self.follower.is_request_whole();
            if holds_back {
                // The next request is for the next target.
                break;
            }
            match self.up.step(&mut self.client, server, round.scratch, |read| self.follower.sent(read)) {
                Step::Moved(0) => {}
                Step::Moved(_) => *used = Used::Yes,
                Step::Stalled => break,
            }
            ups += 1;
        }
        while downs < READS {
            let seen = |read: &[u8]| {
                *used = Used::Yes;
                self.follower.received(read);
            };
            if self.down.step(server, &mut self.client, round.scratch, seen) == Step::Stalled {
                break;
            }
            downs += 1;
        }
        // What the server sent may have made it opaque, and nothing more tells of what the client sent before.
        let goes_on = holds_back && !self.follower.is_request_whole();
        let leaves = leaves(*used);
        let turn = self.settle(leaves, round.now);
        let more = goes_on || ups == READS || downs == READS;
        if turn == Turn::Rests && more { Turn::Again } else { turn }
    }

    /// Draws the conclusions from what ended and from where the follower stands.
    fn settle(&mut self, leaves: bool, now: Instant) -> Turn {
        let Server::Attached { since, port, socket: server, used } = &mut self.server else {
            return Turn::Rests;
        };
        let (since, port, used) = (*since, *port, *used);
        let drained = self.down.is_empty();
        let between = self.follower.is_between() && self.up.is_empty() && drained;
        let server_ended = drained && matches!(self.down.end, End::Finished | End::SenderBroken);
        let client_ended = matches!(self.up.end, End::Finished | End::Passed);

        if self.up.end == End::SenderBroken || self.down.end == End::ReaderBroken {
            return self.reset_server(now);
        }
        if between && !client_ended && (leaves || (server_ended && used == Used::No)) {
            self.detach(now);
            return Turn::Again;
        }
        if between && (leaves || server_ended) {
            return Turn::Over;
        }
        // A server that took nothing and said nothing has not served this client: it died.
        let broken = self.down.end == End::SenderBroken || self.up.end == End::ReaderBroken;
        if broken && drained && used == Used::No && self.down.end != End::Passed {
            self.up.restart();
            self.down = Pipe::default();
            return self.refused(since, port);
        }
        if self.up.end == End::ReaderBroken {
            self.up.discard();
        }
        if broken && (server_ended || self.down.end == End::Passed) {
            return Turn::Broken;
        }
        if server_ended {
            self.client.finish();
            self.down.end = End::Passed;
        }
        if self.up.is_empty() && self.up.end == End::Finished {
            server.finish();
            self.up.end = End::Passed;
        }
        if self.up.end == End::Passed && self.down.end == End::Passed { Turn::Over } else { Turn::Rests }
    }

    fn detach(&mut self, now: Instant) {
        self.server = Server::Detached { since: now };
        self.down.end = End::Open;
    }

    fn reset_server(&mut self, now: Instant) -> Turn {
        match std::mem::replace(&mut self.server, Server::Detached { since: now }) {
            Server::Connecting { socket, .. } | Server::Attached { socket, .. } => socket.reset(),
            Server::Detached { .. } | Server::Wanted { .. } => {}
        }
        Turn::Over
    }

    /// Breaks it, on both sides.
    pub(super) fn reset(mut self, now: Instant) {
        self.reset_server(now);
        self.client.reset();
    }
}
