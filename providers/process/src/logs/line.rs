//! One line of a log.

use std::fmt;

use jiff::Timestamp;
use landlord_compute::provider::Source;
use landlord_state_machines::planner::process::LaunchId;

/// Both.
pub(crate) const SOURCES: [Source; 2] = [Source::Stdout, Source::Stderr];

/// How a source is named in a file.
pub(crate) fn name(source: Source) -> &'static str {
    match source {
        Source::Stdout => "stdout",
        Source::Stderr => "stderr",
    }
}

/// A line as it is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: Timestamp,
    pub(crate) launch: LaunchId,
    pub(crate) source: Source,
    /// Whether it ends here.
    pub(crate) whole: bool,
    pub(crate) text: Vec<u8>,
}

/// Adds a line to `to`.
pub(super) fn put(
    to: &mut Vec<u8>,
    at: &impl fmt::Display,
    launch: LaunchId,
    source: Source,
    whole: bool,
    text: &[u8],
) {
    let mark = if whole { 'F' } else { 'P' };
    to.extend_from_slice(format!("{at} {launch} {} {mark} ", name(source)).as_bytes());
    to.extend_from_slice(text);
    to.push(b'\n');
}

/// Reads a line without its end; `None` where it is not one.
pub(super) fn read(line: &[u8]) -> Option<Line> {
    let mut parts = line.splitn(5, |byte| *byte == b' ');
    let mut part = || std::str::from_utf8(parts.next()?).ok();
    let (at, launch) = (part()?.parse().ok()?, part()?.parse().ok()?);
    let named = part()?;
    let source = SOURCES.into_iter().find(|known| name(*known) == named)?;
    let whole = match part()? {
        "F" => true,
        "P" => false,
        _ => return None,
    };
    Some(Line { at, launch, source, whole, text: parts.next()?.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back() {
        let line = Line {
            at: Timestamp::UNIX_EPOCH,
            launch: "1-3".parse().unwrap(),
            source: Source::Stderr,
            whole: true,
            text: b" a \xff b ".to_vec(),
        };
        let mut bytes = Vec::new();
        put(&mut bytes, &line.at, line.launch, line.source, line.whole, &line.text);
        assert_eq!(bytes, b"1970-01-01T00:00:00Z 1-3 stderr F  a \xff b \n");
        assert_eq!(read(&bytes[..bytes.len() - 1]), Some(line));
        assert_eq!(read(b"something else"), None);
        assert_eq!(read(b"1970-01-01T00:00:00Z 1-3 stderr X a"), None);
    }
}
