//! Knows when an HTTP/1 connection is between two requests.
//!
//! It reads along in both directions and changes nothing. It must never believe that a connection is between two
//! requests when one side thinks otherwise, because the connection could then move in the middle of a request. So it
//! is strict: whatever two implementations could read in different ways makes the connection opaque, for good.

mod chunks;
mod head;
mod message;

use super::address::Speech;
use head::Next;
use message::Message;

/// The bytes do not follow the rules, or say that HTTP/1 ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lost;

/// What is known of a connection's requests and responses.
#[derive(Debug)]
pub(super) enum Follower {
    /// Bytes without known boundaries. It stays so.
    Opaque,
    Http(Exchange),
}

#[derive(Debug, Default)]
pub(super) struct Exchange {
    request: Message,
    response: Message,
    owed: Owed,
}

impl Follower {
    pub(super) fn new(speech: Speech) -> Self {
        match speech {
            Speech::Http => Self::Http(Exchange::default()),
            Speech::Opaque => Self::Opaque,
        }
    }

    /// The client sent these bytes.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.read(|exchange| exchange.sent(bytes));
    }

    /// The server sent these bytes.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        self.read(|exchange| exchange.received(bytes));
    }

    fn read(&mut self, read: impl FnOnce(&mut Exchange) -> Result<(), Lost>) {
        if let Self::Http(exchange) = self
            && read(exchange) == Err(Lost)
        {
            *self = Self::Opaque;
        }
    }

    /// Whether every request has its whole response, and none has begun.
    pub(super) fn is_between(&self) -> bool {
        match self {
            Self::Opaque => false,
            Self::Http(exchange) => {
                exchange.request.is_between() && exchange.response.is_between() && exchange.owed.count == 0
            }
        }
    }

    /// Whether the client has sent the whole of its last request, so that its next bytes begin another.
    pub(super) fn is_request_whole(&self) -> bool {
        match self {
            Self::Opaque => false,
            Self::Http(exchange) => exchange.request.is_between(),
        }
    }
}

impl Exchange {
    fn sent(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        let owed = &mut self.owed;
        self.request.read(bytes, |head| {
            let (body, answer) = head::request(head)?;
            owed.push(answer)?;
            Ok(body)
        })
    }

    fn received(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        let owed = &mut self.owed;
        if owed.count == 0 && self.response.is_between() && !bytes.is_empty() {
            // Nobody asked for it.
            return Err(Lost);
        }
        self.response.read(bytes, |head| {
            let answer = owed.first().ok_or(Lost)?;
            match head::response(head, answer)? {
                Next::Interim => Ok(message::Body::None),
                Next::Final(body) => {
                    owed.pop();
                    Ok(body)
                }
            }
        })
    }
}

/// What the response to a request looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// As its head says.
    Whole,
    /// A head without a body, as for HEAD.
    HeadOnly,
}

/// The requests whose final responses have not begun, oldest first.
#[derive(Debug, Default)]
struct Owed {
    /// A bit for each request, the oldest lowest: set when its response has no body.
    head_only: u128,
    count: u8,
}

impl Owed {
    fn push(&mut self, answer: Answer) -> Result<(), Lost> {
        if u32::from(self.count) == u128::BITS {
            return Err(Lost);
        }
        if answer == Answer::HeadOnly {
            self.head_only |= 1 << self.count;
        }
        self.count += 1;
        Ok(())
    }

    fn first(&self) -> Option<Answer> {
        (self.count > 0).then_some(if self.head_only & 1 == 1 { Answer::HeadOnly } else { Answer::Whole })
    }

    fn pop(&mut self) {
        self.head_only >>= 1;
        self.count = self.count.saturating_sub(1);
    }
}
