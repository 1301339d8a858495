//! What goes between an engine and PostgreSQL: its messages, taken together as requests and answers.

use std::io;

use landlord_testing::postgres::{Does, Statements};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;

/// What ends a request. Only with it is what was asked for committed.
const SYNC: &[u8] = &[b'S', 0, 0, 0, 4];

/// Statements that a trial brings late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// It makes a batch.
    Commit,
    /// It keeps an engine's lease.
    Renewal,
}

/// The statements of one connection.
pub(crate) struct Known {
    commits: Statements,
    renewals: Statements,
}

impl Known {
    pub(crate) fn new() -> Self {
        Self {
            commits: Statements::with("happened AS"),
            renewals: Statements::with("UPDATE landlord.beats SET beat = beat + 1"),
        }
    }

    /// What a request carries out, of these. Each request of the connection is to be looked at.
    pub(crate) fn look(&mut self, request: &[u8]) -> Option<Statement> {
        match (self.commits.look(request), self.renewals.look(request)) {
            (Some(Does::CarryOut), _) => Some(Statement::Commit),
            (_, Some(Does::CarryOut)) => Some(Statement::Renewal),
            (Some(Does::Make | Does::GiveUp) | None, Some(Does::Make | Does::GiveUp) | None) => None,
        }
    }
}

/// Where the message begins that ends a request.
pub(crate) fn end_of(request: &[u8]) -> usize {
    request.len().saturating_sub(SYNC.len())
}

/// Reads one message into a buffer; what kind it is. The first one of a connection has none.
async fn message(
    from: &mut BufReader<OwnedReadHalf>,
    into: &mut Vec<u8>,
    has_kind: bool,
) -> io::Result<Option<u8>> {
    let kind = if has_kind { Some(from.read_u8().await?) } else { None };
    into.extend(kind);
    let length = from.read_u32().await?;
    into.extend(length.to_be_bytes());
    let body = usize::try_from(length).map_err(io::Error::other)?.saturating_sub(4);
    let begins = into.len();
    into.resize(begins + body, 0);
    from.read_exact(into.get_mut(begins..).unwrap_or_default()).await?;
    Ok(kind)
}

/// What an engine asks, one request after the other.
pub(crate) struct Requests {
    from: BufReader<OwnedReadHalf>,
    begun: bool,
}

impl Requests {
    pub(crate) fn of(from: OwnedReadHalf) -> Self {
        Self { from: BufReader::new(from), begun: false }
    }

    /// The next one, whole.
    ///
    /// # Errors
    /// The connection has ended.
    pub(crate) async fn next(&mut self) -> io::Result<Vec<u8>> {
        let mut request = Vec::new();
        loop {
            let kind = message(&mut self.from, &mut request, self.begun).await?;
            self.begun = true;
            // Sync, a simple query, the end; or the message that begins a connection.
            if matches!(kind, None | Some(b'S' | b'Q' | b'X')) {
                return Ok(request);
            }
        }
    }
}

/// What the server answers.
pub(crate) struct Answers {
    from: BufReader<OwnedReadHalf>,
    rows: usize,
}

/// Some bytes of answers.
pub(crate) struct Part {
    pub(crate) bytes: Vec<u8>,
    /// It ends the answer to a request, which had that many rows.
    pub(crate) ends: Option<usize>,
}

impl Answers {
    pub(crate) fn of(from: OwnedReadHalf) -> Self {
        Self { from: BufReader::new(from), rows: 0 }
    }

    /// What has come, up to the end of an answer at most.
    ///
    /// # Errors
    /// The connection has ended.
    pub(crate) async fn next(&mut self) -> io::Result<Part> {
        let mut bytes = Vec::new();
        loop {
            match message(&mut self.from, &mut bytes, true).await? {
                Some(b'Z') => return Ok(Part { bytes, ends: Some(std::mem::take(&mut self.rows)) }),
                Some(b'D') => self.rows += 1,
                _ => {}
            }
            if self.from.buffer().is_empty() {
                return Ok(Part { bytes, ends: None });
            }
        }
    }
}
