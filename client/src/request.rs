//! What is asked for.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use jiff::{SignedDuration, Timestamp};
use landlord_api::{Cursor, LabelSelector, Problem};
use landlord_state_machines::id::{ProviderName, Revision, TenantId};
use landlord_state_machines::status::Health;
use landlord_state_machines::tenant::StateName;
use landlord_state_machines::trace::TraceContext;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Body, BoxError, Client, ClientError};

/// A spec as its author wrote it. It has no `Debug` with its text, which may hold a secret.
#[derive(Clone)]
pub struct SpecText {
    media: &'static str,
    text: String,
}

impl SpecText {
    /// In JSON.
    pub fn json(text: impl Into<String>) -> Self {
        Self { media: "application/json", text: text.into() }
    }

    /// In YAML.
    pub fn yaml(text: impl Into<String>) -> Self {
        Self { media: "application/yaml", text: text.into() }
    }
}

impl std::fmt::Debug for SpecText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpecText").field("media", &self.media).finish_non_exhaustive()
    }
}

/// What is commanded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Make it run a spec, whether it exists or not.
    Put(SpecText),
    /// Make it run a spec.
    Provision(SpecText),
    /// Make it, which runs something, run another spec.
    Update(SpecText),
    /// Start anew what it runs.
    Restart,
    /// Remove everything of it.
    Destroy,
    /// Stop what is on its way, and undo it.
    Cancel,
    /// Try again now what waits.
    Retry,
    /// Begin nothing for it.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Give up a destroy or a release; [`CommandOptions::reason`] is required.
    Abandon,
    /// Remove what it has retained: there, or where its last life did.
    Release(Option<ProviderName>),
}

impl Command {
    pub(crate) fn ask(self, tenant: &TenantId) -> Ask {
        let post = |what| Ask::of(Method::POST, tenant, what);
        match self {
            Self::Put(spec) => Ask::of(Method::PUT, tenant, "").spec(spec),
            Self::Provision(spec) => post("/provision").spec(spec),
            Self::Update(spec) => post("/update").spec(spec),
            Self::Restart => post("/restart"),
            Self::Destroy => post("/destroy"),
            Self::Cancel => post("/cancel"),
            Self::Retry => post("/retry"),
            Self::Pause => post("/pause"),
            Self::Resume => post("/resume"),
            Self::Abandon => post("/abandon"),
            Self::Release(None) => post("/release"),
            Self::Release(Some(provider)) => post("/release").pair("provider", provider.as_str()),
        }
    }
}

/// What goes with a command.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CommandOptions {
    /// Undo the operation when it has taken this long.
    pub deadline: Option<Duration>,
    /// Refuse the command unless the tenant is at this revision.
    pub expected_revision: Option<Revision>,
    /// The caller's own name for the request: the same request of a tenant twice is the same operation.
    pub request_id: Option<String>,
    /// Why, for the audit.
    pub reason: Option<String>,
    /// The caller's trace.
    pub trace: Option<TraceContext>,
}

/// Which tenants are listed, and from where on.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ListQuery {
    /// Only those in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateName>,
    /// Only those of this provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    /// Only those of this health, as it was last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Only those whose labels fulfil this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelSelector>,
    /// Only those whose id begins with this.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Only those after this one, as `next` of the page before says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<TenantId>,
}

/// Which lines of a tenant's logs are wanted.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct LogsQuery {
    /// Only those of this container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Only those from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// And what is written from now on.
    pub follow: bool,
    /// Only those of the run of each container before the current one; not with `follow`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub previous: bool,
}

/// From where events are told.
#[derive(Clone, Debug, Default)]
pub enum Begin {
    /// What happens from now on.
    #[default]
    Now,
    /// All that are kept.
    Start,
    /// What comes after this cursor.
    After(Cursor),
    /// The last so many of those that there are, and what happens from now on.
    Last(usize),
}

/// Which events are wanted.
#[derive(Clone, Debug)]
pub struct EventsQuery {
    /// From where.
    pub begin: Begin,
    /// Whether to go on with what happens from now on.
    pub follow: bool,
}

impl Default for EventsQuery {
    fn default() -> Self {
        Self { begin: Begin::Now, follow: true }
    }
}

#[derive(Serialize)]
pub(crate) struct EventsWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<usize>,
    follow: bool,
}

impl EventsQuery {
    pub(crate) fn wire(&self) -> EventsWire {
        let (after, last) = match &self.begin {
            Begin::Now => (None, None),
            Begin::Start => (Some("start".to_owned()), None),
            Begin::After(cursor) => (Some(cursor.to_string()), None),
            Begin::Last(count) => (None, Some(*count)),
        };
        EventsWire { after, last, follow: self.follow }
    }
}

/// A request that is being put together.
pub(crate) struct Ask {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
    /// Why it cannot be sent.
    unsendable: Option<ClientError>,
}

impl Ask {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            unsendable: None,
        }
    }

    /// About a tenant. Its name needs no escapes.
    pub(crate) fn of(method: Method, tenant: &TenantId, what: &str) -> Self {
        Self::new(method, format!("/v1/tenants/{tenant}{what}"))
    }

    pub(crate) fn pair(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Fields that are texts, numbers and the like.
    pub(crate) fn query(mut self, query: &impl Serialize) -> Self {
        match serde_json::to_value(query) {
            Ok(serde_json::Value::Object(fields)) => {
                for (name, value) in fields {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    self.query.push((name, text));
                }
            }
            Ok(_) => {}
            Err(error) => self.unsendable = Some(ClientError::NotUnderstood(error.to_string())),
        }
        self
    }

    pub(crate) fn spec(mut self, spec: SpecText) -> Self {
        self.headers.push((header::CONTENT_TYPE, spec.media.to_owned()));
        self.body = spec.text.into();
        self
    }

    pub(crate) fn document(mut self, document: &impl Serialize) -> Self {
        self.headers.push((header::CONTENT_TYPE, "application/json".to_owned()));
        match serde_json::to_vec(document) {
            Ok(body) => self.body = body.into(),
            Err(error) => self.unsendable = Some(ClientError::NotUnderstood(error.to_string())),
        }
        self
    }

    pub(crate) fn options(mut self, options: &CommandOptions) -> Self {
        let CommandOptions { deadline, expected_revision, request_id, reason, trace } = options;
        if let Some(deadline) = deadline {
            let span = SignedDuration::try_from(*deadline).unwrap_or(SignedDuration::MAX);
            self = self.pair("deadline", format!("{span:#}"));
        }
        if let Some(reason) = reason {
            self = self.pair("reason", reason);
        }
        if let Some(revision) = expected_revision {
            self.headers.push((header::IF_MATCH, revision.to_string()));
        }
        if let Some(id) = request_id {
            self.headers.push((HeaderName::from_static("idempotency-key"), id.clone()));
        }
        if let Some(TraceContext { traceparent, tracestate }) = trace {
            self.headers.push((HeaderName::from_static("traceparent"), traceparent.clone()));
            let state = tracestate.iter().cloned();
            self.headers.extend(state.map(|state| (HeaderName::from_static("tracestate"), state)));
        }
        self
    }

    fn address(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.query).finish();
        format!("{}?{query}", self.path)
    }

    /// Sends it; an answer that is a problem is an error.
    pub(crate) async fn stream(self, client: &Client) -> Result<Response<Body>, ClientError> {
        let address = self.address();
        if let Some(error) = self.unsendable {
            return Err(error);
        }
        let mut request = Request::builder().method(self.method).uri(address);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(self.body));
        let request =
            request.map_err(|error| ClientError::NotUnderstood(format!("it cannot be sent: {error}")))?;
        let response = client.transport.send(request).await.map_err(ClientError::Unreachable)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = whole(response).await?;
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(problem.into()),
            Err(_) => Err(ClientError::NotUnderstood(format!("{status}"))),
        }
    }

    /// Sends it, and reads the answer.
    pub(crate) async fn json<T: DeserializeOwned>(self, client: &Client) -> Result<T, ClientError> {
        let body = whole(self.stream(client).await?).await?;
        serde_json::from_slice(&body).map_err(|error| ClientError::NotUnderstood(error.to_string()))
    }
}

async fn whole(response: Response<Body>) -> Result<Bytes, ClientError> {
    let body = response.into_body().collect().await;
    body.map(|body| body.to_bytes()).map_err(|error: BoxError| ClientError::Unreachable(error))
}
