//! One HTTP request at a time over a plain connection: enough for what a test asks an emulator itself, from any test
//! and from `Drop`, without a runtime. The provider under test has its own client.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when it is something else.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Sends a request to `url` (`http://host:port`, without a path) and reads the answer. HTTP/1.0, so the answer comes in
/// one piece and ends with the connection.
///
/// # Errors
/// The connection is refused, reset, silent for a minute, or ends before the answer does.
pub(crate) fn send(
    url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let authority = url.trim_start_matches("http://");
    let address =
        authority.parse().map_err(|_| io::Error::other(format!("{url} is not an address with a port")))?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut request =
        format!("{method} {path} HTTP/1.0\r\nhost: {authority}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(&[request.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut off"))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
    let headers: Vec<(String, String)> = fields
        .split("\r\n")
        .filter_map(|field| field.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse::<usize>());
    let body = answer[end + 4..].to_vec();
    match length {
        Some(Ok(length)) if length != body.len() => None,
        _ => Some(Answer { status: line.split(' ').nth(1)?.parse().ok()?, headers, body }),
    }
}
