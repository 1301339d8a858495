//! What goes over the wire: requests, replies, and errors in the words of AWS.

use std::time::Duration;

use hyper::HeaderMap;
use serde_json::{Value, json};

/// A request as it came.
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct EcsReply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) request_id: String,
    pub(crate) body: String,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is answered after this time.
    Answer(Duration, EcsReply),
    /// The connection is reset.
    Reset,
    /// Nobody ever answers.
    Hang,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// What an API answers.
pub(super) type Answer = Result<Value, Refusal>;

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into() }
    }

    pub(crate) fn client(message: impl Into<String>) -> Self {
        Self::new("ClientException", message)
    }

    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(crate) fn throttled() -> Self {
        Self::new("ThrottlingException", "Rate exceeded")
    }

    /// A failure of the service itself.
    pub(crate) fn server() -> Self {
        let message = "Service Unavailable. Please try again later.".to_owned();
        Self { status: 500, code: "ServerException", message }
    }

    pub(crate) fn denied(user: &str, api: &str, resource: &str) -> Self {
        Self::new(
            "AccessDeniedException",
            format!(
                "User: {user} is not authorized to perform: ecs:{api} on resource: {resource} because no \
                 identity-based policy allows the ecs:{api} action"
            ),
        )
    }
}

impl EcsReply {
    pub(super) fn of(answer: Answer, request_id: String) -> Self {
        let (status, body) = match answer {
            Ok(body) => (200, body),
            Err(refusal) => (refusal.status, json!({ "__type": refusal.code, "message": refusal.message })),
        };
        Self { status, content_type: "application/x-amz-json-1.1", request_id, body: body.to_string() }
    }
}

/// A text field of a request.
pub(super) fn text<'a>(body: &'a Value, field: &str) -> Option<&'a str> {
    body.get(field)?.as_str().filter(|text| !text.is_empty())
}

/// A list of texts of a request.
pub(super) fn texts<'a>(body: &'a Value, field: &str) -> Vec<&'a str> {
    list(body, field).iter().filter_map(Value::as_str).collect()
}

/// A list of a request.
pub(super) fn list<'a>(body: &'a Value, field: &str) -> &'a [Value] {
    body.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A count of a request.
pub(super) fn count(body: &Value, field: &str) -> Option<usize> {
    body.get(field)?.as_u64().and_then(|count| usize::try_from(count).ok())
}

/// One page of a list: what it holds, and where the next one begins.
pub(super) fn page<T>(
    all: Vec<T>,
    body: &Value,
    default: usize,
    most: usize,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let size = count(body, "maxResults").unwrap_or(default);
    if size == 0 || size > most {
        return Err(Refusal::parameter(format!("maxResults must be between 1 and {most}.")));
    }
    let from: usize = match text(body, "nextToken") {
        None => 0,
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|from| from.parse().ok())
            .ok_or_else(|| Refusal::parameter("Invalid token."))?,
    };
    let next = (all.len() > from + size).then(|| format!("page-{}", from + size));
    Ok((all.into_iter().skip(from).take(size).collect(), next))
}
