//! What a request's or a response's head says about the body that follows, and about the connection.

use httparse::{EMPTY_HEADER, Header, Request, Response, Status};

use super::message::Body;
use super::{Answer, Lost};

/// More headers are not followed.
const MAX_HEADERS: usize = 100;

/// What comes after a response's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another response to the same request.
    Interim,
    Final(Body),
}

/// A whole request head's body, and the answer that it gets. Lost as well when no other request may follow it on the
/// connection.
pub(super) fn request(head: &[u8]) -> Result<(Body, Answer), Lost> {
    check_lines(head)?;
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    if request.parse(head) != Ok(Status::Complete(head.len())) {
        return Err(Lost);
    }
    let said = Said::of(request.version, request.headers)?;
    let answer = match request.method {
        Some("CONNECT") | None => return Err(Lost),
        Some("HEAD") => Answer::HeadOnly,
        Some(_) => Answer::Whole,
    };
    Ok((said.length.unwrap_or(Body::None), answer))
}

/// What comes after a whole response head. Lost as well when the connection ends with it or speaks something else
/// from here.
pub(super) fn response(head: &[u8], answer: Answer) -> Result<Next, Lost> {
    check_lines(head)?;
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut response = Response::new(&mut headers);
    if response.parse(head) != Ok(Status::Complete(head.len())) {
        return Err(Lost);
    }
    let status = response.code.ok_or(Lost)?;
    match status {
        // From here they speak another protocol.
        101 => return Err(Lost),
        100..=199 => return Ok(Next::Interim),
        200..=599 => {}
        _ => return Err(Lost),
    }
    let said = Said::of(response.version, response.headers)?;
    let body = match (answer, status) {
        (Answer::HeadOnly, _) | (Answer::Whole, 204 | 304) => Body::None,
        (Answer::Whole, _) => said.length.unwrap_or(Body::UntilClose),
    };
    Ok(Next::Final(body))
}

/// Refuses lines that end without a carriage return: not every server takes them as lines.
fn check_lines(head: &[u8]) -> Result<(), Lost> {
    let mut before = 0;
    for &byte in head {
        if byte == b'\n' && before != b'\r' {
            return Err(Lost);
        }
        before = byte;
    }
    Ok(())
}

/// What the headers say.
struct Said {
    length: Option<Body>,
}

impl Said {
    fn of(version: Option<u8>, headers: &[Header<'_>]) -> Result<Self, Lost> {
        let mut length = None;
        // HTTP/1.1 keeps a connection unless told, HTTP/1.0 only when told.
        let mut keeps = version == Some(1);
        let mut closes = false;
        for header in headers {
            let value = header.value.trim_ascii();
            let said = if header.name.eq_ignore_ascii_case("content-length") {
                Body::Sized(number(value)?)
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                if version != Some(1) || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Lost);
                }
                Body::Chunked
            } else {
                if header.name.eq_ignore_ascii_case("connection") {
                    keeps |= has_token(value, b"keep-alive");
                    closes |= has_token(value, b"close");
                }
                continue;
            };
            // Two lengths, even equal ones, are read in different ways by different servers.
            if length.replace(said).is_some() {
                return Err(Lost);
            }
        }
        if closes || !keeps { Err(Lost) } else { Ok(Self { length }) }
    }
}

fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|&byte| byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

fn number(digits: &[u8]) -> Result<u64, Lost> {
    // As many nines as surely fit.
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Lost);
    }
    Ok(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
