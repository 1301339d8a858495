//! One cluster: the client that is open to it, what may be asked of it, and what it was found to have.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use landlord_compute::provider::Lease;
use landlord_compute::telemetry;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::planner::kubernetes::ClusterSource;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tracing::instrument::WithSubscriber;
use tracing::{Dispatch, Span};

use super::budget::{Budget, Rank};
use super::discovery::Discovered;
use super::error::{Failure, Why};
use super::request::Ask;
use super::source::{self, SourceError};
use super::status::Refusal;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 256 << 20;
/// A client whose credentials end this soon is replaced.
const BEFORE_THE_END: SignedDuration = SignedDuration::from_secs(60);
/// How long a client that was never let in is kept, so that a plugin is not run for each request.
const KEPT_SHUT_OUT: Duration = Duration::from_secs(10);

/// A cluster.
pub(super) struct Cluster {
    source: ClusterSource,
    within: Duration,
    connection: Mutex<Arc<Connection>>,
    /// For how long anything may be sent; none where the engine is alone.
    lease: OnceLock<Lease>,
    pub(super) budget: Budget,
    pub(super) discovered: Mutex<Option<Arc<Discovered>>>,
}

/// One client, from when it is made until its credentials are of no use.
struct Connection {
    client: OnceCell<Result<Opened, SourceError>>,
    /// Whether the cluster has known its credentials.
    let_in: AtomicBool,
}

struct Opened {
    client: kube::Client,
    /// Where the API server is, for people.
    address: String,
    at: Instant,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Cluster {
    /// A cluster that is not asked yet.
    pub(super) fn new(source: ClusterSource, within: Duration, budget: Budget) -> Self {
        let connection = Mutex::new(Arc::new(Connection::new()));
        Self { source, within, connection, lease: OnceLock::new(), budget, discovered: Mutex::new(None) }
    }

    /// From now on nothing is sent once the lease has ended.
    pub(super) fn leased(&self, lease: Lease) {
        // An engine tells it once.
        let _ = self.lease.set(lease);
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(Connection::new());
    }

    /// Makes one request, once, when it is its turn, and reads the JSON of the answer.
    pub(super) async fn ask(&self, ask: &Ask, rank: Rank) -> Result<Value, Failure> {
        self.turn(rank).await?;
        self.ask_now(ask).await
    }

    /// Waits for the turn of a request.
    pub(super) async fn turn(&self, rank: Rank) -> Result<(), Failure> {
        self.budget.turn(rank).await.map_err(Failure::kept)
    }

    /// Makes one request whose turn it is.
    pub(super) async fn ask_now(&self, ask: &Ask) -> Result<Value, Failure> {
        let bytes = self.bytes(ask).await?;
        serde_json::from_slice(&bytes).map_err(|error| Failure::unreadable(ask, error.to_string()))
    }

    /// Makes one request whose turn it is; the bytes of the answer.
    pub(super) async fn bytes(&self, ask: &Ask) -> Result<Bytes, Failure> {
        let opened = self.open(ask).await?;
        self.read(ask, opened).await
    }

    /// The bytes of an answer that has to be read until then.
    async fn read(&self, ask: &Ask, (body, deadline): (Body, Instant)) -> Result<Bytes, Failure> {
        let body = whole(body).with_subscriber(Dispatch::none());
        match tokio::time::timeout_at(deadline, body).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(Failure::unreadable(ask, error.to_string())),
            Err(_) => Err(Failure::late(ask, self.within)),
        }
    }

    /// Makes one request whose turn it is; the answer as it comes. Its head comes in time; for the rest the caller waits as long as
    /// it likes.
    pub(super) async fn stream(&self, ask: &Ask) -> Result<Body, Failure> {
        let (body, _) = self.open(ask).await?;
        Ok(body)
    }

    /// The body of an answer that says yes, and until when it has to be read. An answer that knows the credentials no longer is
    /// asked for once more, with new ones: nothing has happened.
    async fn open(&self, ask: &Ask) -> Result<(Body, Instant), Failure> {
        let connection = self.connected(ask).await?;
        match self.exchange(&connection, ask).await {
            Err(failure) if failure.why == Why::Unauthorized && self.renewed(&connection) => {
                let connection = self.connected(ask).await?;
                self.exchange(&connection, ask).await
            }
            Err(failure) if failure.why == Why::Forbidden => match self.is_denied(&connection, ask).await {
                true => Err(failure),
                false => Err(failure.passing(ask)),
            },
            answer => answer,
        }
    }

    /// Whether the API server, which has refused this, says that the engine may not do it. One that has just started refuses
    /// everything, also the question, until it has read its roles.
    async fn is_denied(&self, connection: &Connection, ask: &Ask) -> bool {
        if ask.is_review() {
            return false;
        }
        for review in ask.reviews() {
            let answered = match self.exchange(connection, &review).await {
                Ok(opened) => self.read(&review, opened).await.ok(),
                Err(_) => None,
            };
            let answer: Option<Value> = answered.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let allowed = answer.and_then(|answer| answer.pointer("/status/allowed")?.as_bool());
            if allowed == Some(false) {
                return true;
            }
        }
        false
    }

    /// A connection whose client is made. That may take as long as a request: nothing has gone out yet.
    async fn connected(&self, ask: &Ask) -> Result<Arc<Connection>, Failure> {
        let connection = self.connection();
        let made = connection.client(self).with_subscriber(Dispatch::none());
        match tokio::time::timeout(self.within, made).await {
            Ok(Ok(_)) => Ok(connection),
            Ok(Err(error)) => Err(not_connected(ask, &error)),
            Err(_) => Err(Failure::no_client(ask, self.within)),
        }
    }

    /// Makes one request, and says until when its answer has to be read.
    async fn exchange(&self, connection: &Connection, ask: &Ask) -> Result<(Body, Instant), Failure> {
        let deadline = Instant::now() + self.within;
        let span = ask.span();
        let answer = connection.exchange(self, ask, &span).with_subscriber(Dispatch::none());
        let answer = tokio::time::timeout_at(deadline, answer).await;
        match answer.unwrap_or_else(|_| Err(Failure::late(ask, self.within))) {
            Ok(body) => Ok((body, deadline)),
            Err(failure) => {
                telemetry::request_failed(&span);
                Err(failure)
            }
        }
    }

    /// The connection to use now.
    fn connection(&self) -> Arc<Connection> {
        let mut current = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if current.is_over(Timestamp::now()) {
            *current = Arc::new(Connection::new());
        }
        Arc::clone(&current)
    }

    /// Replaces a connection that is not let in any more. False: it never was, a moment ago.
    fn renewed(&self, shut_out: &Arc<Connection>) -> bool {
        let mut current = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, shut_out) {
            // Somebody else has replaced it.
            return true;
        }
        if !shut_out.let_in.load(Ordering::Relaxed) && shut_out.is_new() {
            return false;
        }
        *current = Arc::new(Connection::new());
        true
    }
}

/// Reads a body to its end. Its pieces go as they come: a page of a list may have megabytes, and is in memory once.
async fn whole(body: Body) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let mut body = Limited::new(body, LARGEST);
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            bytes.extend_from_slice(&piece);
        }
    }
    Ok(bytes.freeze())
}

impl Connection {
    fn new() -> Self {
        Self { client: OnceCell::new(), let_in: AtomicBool::new(false) }
    }

    /// Whether its credentials have ended, or none could be had a while ago.
    fn is_over(&self, now: Timestamp) -> bool {
        match self.client.get() {
            None => false,
            // What failed is tried again with the next request.
            Some(Err(_)) => true,
            Some(Ok(opened)) => {
                let ends = opened.client.valid_until().is_some_and(|end| now + BEFORE_THE_END >= end);
                ends && opened.at.elapsed() >= KEPT_SHUT_OUT
            }
        }
    }

    fn is_new(&self) -> bool {
        match self.client.get() {
            Some(Ok(opened)) => opened.at.elapsed() < KEPT_SHUT_OUT,
            Some(Err(_)) | None => false,
        }
    }

    /// The client, which is made by the first who needs it.
    async fn client(&self, cluster: &Cluster) -> Result<&Opened, SourceError> {
        let made = self.client.get_or_init(async || {
            let (client, address) = source::connect(&cluster.source, cluster.lease.get().cloned()).await?;
            Ok(Opened { client, address, at: Instant::now() })
        });
        match made.await {
            Ok(opened) => Ok(opened),
            Err(error) => Err(error.clone()),
        }
    }

    async fn exchange(&self, cluster: &Cluster, ask: &Ask, span: &Span) -> Result<Body, Failure> {
        let opened = self.client(cluster).await.map_err(|error| not_connected(ask, &error))?;
        let request = ask.http().map_err(|error| Failure::not_built(ask, &error))?;
        let answer = opened.client.send(request).await;
        let answer = answer.map_err(|error| Failure::of_transport(ask, &opened.address, &error))?;
        let (head, body) = answer.into_parts();
        telemetry::request_answered(span, head.status.as_str());
        if head.status != StatusCode::UNAUTHORIZED {
            self.let_in.store(true, Ordering::Relaxed);
        }
        if head.status.is_success() {
            return Ok(body);
        }
        let said = whole(body).await.unwrap_or_default();
        let failure = Failure::of(ask, &Refusal::read(head.status.as_u16(), &head.headers, &said));
        if let Why::Throttled(pause) = failure.why {
            cluster.budget.throttled(pause);
        }
        Err(failure)
    }
}

/// The request did not go out, as there is no client.
fn not_connected(ask: &Ask, error: &SourceError) -> Failure {
    if let SourceError::Client(client) = error
        && let kube::Error::Auth(auth) = &**client
    {
        return Failure::no_credentials(&ask.to_string(), auth);
    }
    let message = format!("{ask}: {error}; correct it, then retry");
    let remedy = Remedy::NeedsPerson;
    Failure::kept(ProviderError::new(
        ErrorKind::ProvisionFailed,
        remedy,
        ErrorCode::InvalidConfiguration,
        message,
    ))
}
