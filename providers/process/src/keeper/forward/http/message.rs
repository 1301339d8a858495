//! Where one direction of an HTTP/1 connection stands: between two messages, in a head, in a body.

use super::Lost;
use super::chunks::Chunks;

/// A longer head is not followed. Common servers refuse it at the latest here.
const MAX_HEAD: usize = 16 * 1024;

/// How a message's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Sized(u64),
    Chunked,
    /// With the connection.
    UntilClose,
}

#[derive(Debug, Default)]
pub(super) enum Message {
    #[default]
    Between,
    /// In a head, of which this was read.
    Head(Vec<u8>),
    /// In a body of which this many bytes are to come, at least one.
    Sized(u64),
    Chunked(Chunks),
    UntilClose,
}

impl Message {
    pub(super) fn is_between(&self) -> bool {
        matches!(self, Self::Between)
    }

    /// Reads on. `head` is called with each whole head and says what body follows.
    pub(super) fn read(
        &mut self,
        mut bytes: &[u8],
        mut head: impl FnMut(&[u8]) -> Result<Body, Lost>,
    ) -> Result<(), Lost> {
        while let Some(&first) = bytes.first() {
            match self {
                // Every method, and `HTTP/`, begins with a letter.
                Self::Between if first.is_ascii_alphabetic() => *self = Self::Head(Vec::new()),
                Self::Between => return Err(Lost),
                Self::Head(held) => {
                    let (body, used) = match end_of_head(held, bytes)? {
                        None => return Ok(()),
                        Some(used) if held.is_empty() => (head(&bytes[..used])?, used),
                        Some(used) => {
                            held.extend_from_slice(&bytes[..used]);
                            (head(held)?, used)
                        }
                    };
                    bytes = &bytes[used..];
                    *self = Self::after_head(body);
                }
                Self::Sized(left) => {
                    let here = (bytes.len() as u64).min(*left);
                    *left -= here;
                    // At most `bytes.len()`, as the line above says.
                    bytes = &bytes[here as usize..];
                    if *left == 0 {
                        *self = Self::Between;
                    }
                }
                Self::Chunked(chunks) => {
                    bytes = chunks.read(bytes)?;
                    if chunks.is_over() {
                        *self = Self::Between;
                    }
                }
                Self::UntilClose => return Ok(()),
            }
        }
        Ok(())
    }

    fn after_head(body: Body) -> Self {
        match body {
            Body::None | Body::Sized(0) => Self::Between,
            Body::Sized(left) => Self::Sized(left),
            Body::Chunked => Self::Chunked(Chunks::default()),
            Body::UntilClose => Self::UntilClose,
        }
    }
}

/// How many of `bytes` belong to the head that began with `held`. `None`: all, and it goes on; they are then held.
fn end_of_head(held: &mut Vec<u8>, bytes: &[u8]) -> Result<Option<usize>, Lost> {
    const END: &[u8] = b"\r\n\r\n";
    // The end may have begun in what is held.
    let overlap = held.len().min(END.len() - 1);
    let mut seam = [0; 2 * (END.len() - 1)];
    let after = bytes.len().min(END.len() - 1);
    seam[..overlap].copy_from_slice(&held[held.len() - overlap..]);
    seam[overlap..overlap + after].copy_from_slice(&bytes[..after]);
    let find = |text: &[u8]| text.windows(END.len()).position(|part| part == END).map(|at| at + END.len());
    let used = find(&seam[..overlap + after]).map(|end| end - overlap).or_else(|| find(bytes));
    if held.len() + used.unwrap_or(bytes.len()) > MAX_HEAD {
        return Err(Lost);
    }
    if used.is_none() {
        held.extend_from_slice(bytes);
    }
    Ok(used)
}
