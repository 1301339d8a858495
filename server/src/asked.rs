//! What a request asks for: its path, its query, its headers and the spec in its body, each with a problem document
//! where it cannot be read.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::BytesMut;
use futures_util::StreamExt;
use jiff::SignedDuration;
use landlord_api::Code;
use landlord_compute::machines::id::{NameError, TenantId};
use landlord_compute::machines::spec::{Draft, Format, MAX_DOCUMENT_BYTES};
use landlord_compute::machines::trace::TraceContext;
use landlord_compute::{Options, Revision};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use tokio::time::timeout;

use crate::refused::Refused;

/// The longest body that is read to its end, to be refused.
const THROWN_AWAY: usize = 16 * MAX_DOCUMENT_BYTES;
/// How long a body may take.
const BODY: Duration = Duration::from_secs(30);
/// The longest idempotency key and reason.
const MAX_TEXT: usize = 1024;

/// The one name in a path.
pub(crate) struct Named<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name))
            .map_err(|error| Refused::new(Code::InvalidRequest, error.body_text()))
    }
}

/// What a named reader of events is called: by the rule of tenants' ids, as its name goes into paths too.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ReaderName(pub(crate) String);

impl TryFrom<String> for ReaderName {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        TenantId::new(&name).map(|_| Self(name))
    }
}

/// A query. An unknown name in it is refused: it may be a typo.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(asked)| Self(asked))
            .map_err(|error| Refused::new(Code::InvalidRequest, error.body_text()))
    }
}

/// A spec in a body: JSON, or YAML where the content type says so.
pub(crate) struct SpecBody(pub(crate) Draft);

impl<S: Send + Sync> FromRequest<S> for SpecBody {
    type Rejection = Refused;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refused> {
        let format = format(request.headers())?;
        let body = body(request).await?;
        let text = std::str::from_utf8(&body)
            .map_err(|_| Refused::new(Code::InvalidRequest, "the body is not UTF-8 text"))?;
        Ok(Self(Draft::read(text, format)?))
    }
}

/// A body, which a client may send slowly, but not for ever.
async fn body(request: Request) -> Result<Bytes, Refused> {
    match timeout(BODY, bounded(request)).await {
        Ok(body) => body,
        Err(_elapsed) => {
            let detail = format!("the body did not come within {} s", BODY.as_secs());
            Err(Refused::new(Code::TimedOut, detail))
        }
    }
}

/// A body that is not too long. One that is, is read all the same, within reason: a client that is still sending would not
/// read why it is refused.
async fn bounded(request: Request) -> Result<Bytes, Refused> {
    let mut parts = request.into_body().into_data_stream();
    let (mut body, mut seen) = (BytesMut::new(), 0);
    while let Some(part) = parts.next().await {
        let part =
            part.map_err(|error| Refused::new(Code::InvalidRequest, format!("the body broke off: {error}")))?;
        seen += part.len();
        if seen <= MAX_DOCUMENT_BYTES {
            body.extend_from_slice(&part);
        } else if seen > THROWN_AWAY {
            break;
        }
    }
    if seen > MAX_DOCUMENT_BYTES {
        let detail = format!("the body is longer than the {MAX_DOCUMENT_BYTES} bytes that a spec may have");
        return Err(Refused::new(Code::TooLarge, detail));
    }
    Ok(body.freeze())
}

/// A document in a body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refused> {
        match format(request.headers())? {
            Format::Json => {}
            Format::Yaml => return Err(Refused::new(Code::UnsupportedMediaType, "this document is JSON")),
        }
        let body = body(request).await?;
        let document = serde_json::from_slice(&body);
        document.map(Self).map_err(|error| Refused::new(Code::InvalidRequest, format!("the body: {error}")))
    }
}

fn format(headers: &HeaderMap) -> Result<Format, Refused> {
    let given = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let media = given.map(|given| given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match media.as_deref() {
        None | Some("application/json") => Ok(Format::Json),
        Some("application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml") => Ok(Format::Yaml),
        Some(other) => {
            let detail = format!("a spec is application/json or application/yaml, and not {other:?}");
            Err(Refused::new(Code::UnsupportedMediaType, detail))
        }
    }
}

/// What goes with a command, in its query.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandQuery {
    /// Undo the operation when it has taken this long: `90s`, `5m`.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(with = "Option<String>")]
    pub(crate) deadline: Option<Duration>,
    /// Why, for the audit.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub(crate) reason: Option<String>,
}

/// A time span, as people write it: `30s`, `5m`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let custom = |error: &dyn std::fmt::Display| serde::de::Error::custom(error);
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let span: SignedDuration = text.parse().map_err(|error: jiff::Error| custom(&error))?;
    Duration::try_from(span).map(Some).map_err(|_| custom(&"a time span is not negative"))
}

/// What goes with a command, from its query and its headers: `If-Match` is the revision that the tenant must be at,
/// `Idempotency-Key` the caller's own name for the request.
pub(crate) fn options(query: CommandQuery, headers: &HeaderMap) -> Result<Options, Refused> {
    let mut options = Options::default();
    if query.reason.as_ref().is_some_and(|reason| reason.len() > MAX_TEXT) {
        return Err(Refused::new(Code::InvalidRequest, format!("a reason has at most {MAX_TEXT} bytes")));
    }
    (options.deadline, options.reason) = (query.deadline, query.reason);
    if let Some(revision) = text(headers, header::IF_MATCH.as_str())? {
        let number = revision.trim_matches('"').parse().map_err(|_| {
            Refused::new(
                Code::InvalidRequest,
                "If-Match is the revision of a tenant: a number, quoted or not",
            )
        })?;
        options.expected_revision = Some(Revision(number));
    }
    if let Some(key) = text(headers, "idempotency-key")? {
        if key.is_empty() || key.len() > MAX_TEXT {
            let detail = format!("an Idempotency-Key has 1 to {MAX_TEXT} bytes");
            return Err(Refused::new(Code::InvalidRequest, detail));
        }
        options.request_id = Some(key.to_owned());
    }
    // A trace that cannot be read is none.
    if let Ok(Some(traceparent)) = text(headers, "traceparent") {
        let tracestate = text(headers, "tracestate").ok().flatten().map(str::to_owned);
        options.trace = Some(TraceContext { traceparent: traceparent.to_owned(), tracestate });
    }
    Ok(options)
}

/// The text of a header.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refused> {
    let value = headers.get(name).map(|value| value.to_str());
    value
        .transpose()
        .map_err(|_| Refused::new(Code::InvalidRequest, format!("the header {name} is not plain text")))
}
