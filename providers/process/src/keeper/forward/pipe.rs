//! One direction of a connection.

use super::socket::{Read, Socket};

/// Bytes on their way from one side to the other. Holds memory only while the reader is slower than the sender.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    pending: Vec<u8>,
    /// How many of the pending bytes are written.
    written: usize,
    pub(super) end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Open,
    /// The sender sends no more.
    Finished,
    /// The reader knows that.
    Passed,
    /// The sender broke the connection.
    SenderBroken,
    /// The reader broke the connection. What is pending cannot be delivered.
    ReaderBroken,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It wrote this many bytes, or read some.
    Moved(usize),
    /// Nothing moves before the next event, or ever.
    Stalled,
}

impl Pipe {
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Reads once and writes, or writes what is pending. `seen` is called with what was read.
    pub(super) fn step(
        &mut self,
        from: &mut Socket,
        to: &mut Socket,
        scratch: &mut [u8],
        seen: impl FnOnce(&[u8]),
    ) -> Step {
        if !self.pending.is_empty() {
            return self.flush(to);
        }
        if self.end != End::Open {
            return Step::Stalled;
        }
        match from.read(scratch) {
            Read::Bytes(read) => {
                let bytes = &scratch[..read];
                seen(bytes);
                let written = self.write(to, bytes);
                self.pending.extend_from_slice(&bytes[written..]);
                Step::Moved(written)
            }
            Read::Nothing => Step::Stalled,
            Read::End => {
                self.end = End::Finished;
                Step::Stalled
            }
            Read::Broken => {
                self.end = End::SenderBroken;
                Step::Stalled
            }
        }
    }

    fn flush(&mut self, to: &mut Socket) -> Step {
        if self.end == End::ReaderBroken {
            return Step::Stalled;
        }
        let pending = std::mem::take(&mut self.pending);
        let written = self.write(to, &pending[self.written..]);
        self.written += written;
        if self.written < pending.len() {
            self.pending = pending;
        } else {
            self.written = 0;
        }
        if written > 0 { Step::Moved(written) } else { Step::Stalled }
    }

    fn write(&mut self, to: &mut Socket, bytes: &[u8]) -> usize {
        to.write(bytes).unwrap_or_else(|_| {
            self.end = End::ReaderBroken;
            0
        })
    }

    /// Bytes of memory that it holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.pending.capacity()
    }

    /// Gives up what is pending.
    pub(super) fn discard(&mut self) {
        (self.pending, self.written) = (Vec::new(), 0);
    }

    /// Begins again with another reader, which gets what is pending.
    pub(super) fn restart(&mut self) {
        self.written = 0;
        self.end = match self.end {
            End::Open | End::ReaderBroken => End::Open,
            End::Finished | End::Passed => End::Finished,
            End::SenderBroken => End::SenderBroken,
        };
    }
}
