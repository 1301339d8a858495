//! Where a chunked body stands.

use super::Lost;

/// The longest extension of a chunk, and the longest trailer section, in bytes.
const MAX_LINE: u16 = 16 * 1024;
/// As many hexadecimal digits as surely fit.
const MAX_DIGITS: u8 = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    Size {
        digits: u8,
        size: u64,
    },
    Extension {
        length: u16,
        size: u64,
    },
    SizeLineFeed {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataReturn,
    DataLineFeed,
    /// At the start of a line after the last chunk. `length` counts the trailers so far.
    TrailerStart {
        length: u16,
    },
    Trailer {
        length: u16,
    },
    TrailerLineFeed {
        length: u16,
    },
    LastLineFeed,
    Over,
}

impl Default for Chunks {
    fn default() -> Self {
        Self::Size { digits: 0, size: 0 }
    }
}

impl Chunks {
    pub(super) fn is_over(&self) -> bool {
        *self == Self::Over
    }

    /// Reads on until the body is over. Returns what comes after it.
    pub(super) fn read<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], Lost> {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.is_over() {
                return Ok(bytes);
            }
            if let Self::Data { left } = *self {
                let here = (bytes.len() as u64).min(left);
                *self = if here == left { Self::DataReturn } else { Self::Data { left: left - here } };
                // At most `bytes.len()`, as its line says.
                bytes = &bytes[here as usize..];
            } else {
                *self = self.after(first)?;
                bytes = rest;
            }
        }
        Ok(bytes)
    }

    fn after(self, byte: u8) -> Result<Self, Lost> {
        match (self, byte) {
            (Self::Size { digits: 1.., size }, b'\r') => Ok(Self::SizeLineFeed { size }),
            (Self::Size { digits: 1.., size }, b';' | b' ' | b'\t') => {
                Ok(Self::Extension { length: 0, size })
            }
            (Self::Size { digits, size }, _) if digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16).ok_or(Lost)?;
                Ok(Self::Size { digits: digits + 1, size: size * 16 + u64::from(digit) })
            }
            (Self::Extension { size, .. }, b'\r') => Ok(Self::SizeLineFeed { size }),
            (Self::Extension { length, size }, _) if byte != b'\n' && length < MAX_LINE => {
                Ok(Self::Extension { length: length + 1, size })
            }
            (Self::SizeLineFeed { size: 0 }, b'\n') => Ok(Self::TrailerStart { length: 0 }),
            (Self::SizeLineFeed { size }, b'\n') => Ok(Self::Data { left: size }),
            (Self::DataReturn, b'\r') => Ok(Self::DataLineFeed),
            (Self::DataLineFeed, b'\n') => Ok(Self::default()),
            (Self::TrailerStart { .. }, b'\r') => Ok(Self::LastLineFeed),
            (Self::Trailer { length }, b'\r') => Ok(Self::TrailerLineFeed { length }),
            (Self::TrailerStart { length } | Self::Trailer { length }, _)
                if byte != b'\n' && length < MAX_LINE =>
            {
                Ok(Self::Trailer { length: length + 1 })
            }
            (Self::TrailerLineFeed { length }, b'\n') => Ok(Self::TrailerStart { length }),
            (Self::LastLineFeed, b'\n') => Ok(Self::Over),
            (
                Self::Size { .. }
                | Self::Extension { .. }
                | Self::SizeLineFeed { .. }
                | Self::Data { .. }
                | Self::DataReturn
                | Self::DataLineFeed
                | Self::TrailerStart { .. }
                | Self::Trailer { .. }
                | Self::TrailerLineFeed { .. }
                | Self::LastLineFeed
                | Self::Over,
                _,
            ) => Err(Lost),
        }
    }
}
