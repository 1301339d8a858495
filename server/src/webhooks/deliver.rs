//! Deliveries: a task for each webhook, which takes events in the order of the store and waits for its receiver. One
//! whose receiver is dead tries again and again, and keeps nobody else waiting.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use futures_util::{FutureExt, TryFutureExt};
use jiff::{SignedDuration, Timestamp};
use landlord_api::CloudEvent;
use landlord_compute::machines::tenant::Backoff;
use landlord_compute::store::{Document, Position, StoreError};
use landlord_compute::{Delivery, Engine, TenantId};
use serde_json::json;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::secret::Secret;
use super::send::{Message, Sender};
use super::trust::Trust;
use super::{KIND, Kept};
use crate::documents::{self, Change};
use crate::filter;
use crate::listen::{CertificateError, all_in};
use crate::refused::Refused;
use crate::served::Served;

/// How many events are on their way to one receiver, of different tenants at the same time.
const WINDOW: usize = 64;
/// How many of them at a time.
const AT_A_TIME: usize = 8;
/// After how long the webhooks are read again, where nobody said that they are others.
const LOOK: Duration = Duration::from_secs(30);
/// The pause after the store could not be read.
const PAUSE: Duration = Duration::from_secs(1);

/// How events are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deliveries {
    /// Whether also to addresses that are not on the internet: of private networks, of this machine.
    pub private_addresses: bool,
    /// A PEM file of authorities that receivers' certificates may be signed by, beside those that this machine trusts.
    pub authorities: Option<PathBuf>,
    /// The pauses between the tries of a delivery that fails.
    pub retry: Backoff,
}

impl Default for Deliveries {
    /// To the internet alone; tried again after a second, then after twice as long each time, up to ten minutes.
    fn default() -> Self {
        let retry = Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(600) };
        Self { private_addresses: false, authorities: None, retry }
    }
}

impl Deliveries {
    /// Whether the authorities can be read now. Deliveries read them when they need them, and say in `trouble` when they
    /// cannot.
    ///
    /// # Errors
    /// [`CertificateError`] says what is wrong with the file.
    pub fn check(&self) -> Result<(), CertificateError> {
        self.authorities.as_deref().map_or(Ok(()), |path| all_in(path).map(drop))
    }

    /// Delivers events to the webhooks of the served engine, until `stop`, or until the engine ends. A delivery that is
    /// on its way then is made again by the next server. Of several engines that share a store one delivers.
    pub async fn run(self, served: Served, stop: CancellationToken) {
        let Some(engine) = served.any_engine().map(Arc::clone) else { return };
        let sender = Sender::new(Trust::new(self.authorities), self.private_addresses);
        let mut tasks =
            Tasks { served: served.clone(), sender, retry: self.retry, on_the_way: HashMap::new() };
        let mut running = JoinSet::new();
        loop {
            let changed = served.webhooks().0.changed.notified();
            match documents::all(&served, KIND).await {
                Ok(found) if engine.leads() => tasks.follow(&engine, found, &mut running),
                Ok(_) => tasks.follow(&engine, Vec::new(), &mut running),
                Err(error) => tracing::warn!(%error, "the webhooks cannot be read now; they are read again"),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                _ = engine.closed() => break,
                () = changed => {}
                () = sleep(LOOK) => {}
                // One that ended by itself is begun again, after a moment.
                Some(_) = running.join_next() => sleep(PAUSE).await,
            }
        }
        running.shutdown().await;
    }
}

/// The task of a webhook, as it was configured when it began.
struct OnTheWay {
    kept: Kept,
    task: AbortHandle,
}

struct Tasks {
    served: Served,
    sender: Sender,
    retry: Backoff,
    on_the_way: HashMap<String, OnTheWay>,
}

impl Tasks {
    /// Begins what is new, ends what is gone, and does both where one is another now.
    fn follow(&mut self, engine: &Arc<Engine>, found: Vec<Document>, running: &mut JoinSet<()>) {
        let mut found: HashMap<String, Kept> = found
            .into_iter()
            .filter_map(|document| match documents::read::<Kept>(&document) {
                Ok(kept) => Some((document.name, kept)),
                Err(error) => {
                    tracing::warn!(error = error.problem().detail, "a webhook is left alone");
                    None
                }
            })
            .collect();
        self.on_the_way.retain(|name, on_the_way| {
            let same = found.get(name).is_some_and(|kept| kept.is_configured_as(&on_the_way.kept));
            if same && !on_the_way.task.is_finished() {
                found.remove(name);
                return true;
            }
            on_the_way.task.abort();
            self.served.webhooks().well(name);
            false
        });
        for (name, kept) in found {
            let hook = Hook {
                served: self.served.clone(),
                engine: Arc::clone(engine),
                sender: self.sender.clone(),
                retry: self.retry,
                name: name.clone(),
                kept: kept.clone(),
            };
            let task = running.spawn(hook.deliver());
            self.on_the_way.insert(name, OnTheWay { kept, task });
        }
    }
}

/// One webhook.
struct Hook {
    served: Served,
    engine: Arc<Engine>,
    sender: Sender,
    retry: Backoff,
    name: String,
    kept: Kept,
}

/// What is delivered together, each tenant's in order.
struct Window {
    lines: Vec<VecDeque<Message>>,
    /// How far it goes.
    reached: Position,
}

impl Hook {
    async fn deliver(self) {
        loop {
            let begin = match self.served.reads().document(KIND, &self.name).await {
                Ok(Some(document)) => match documents::read::<Kept>(&document) {
                    Ok(kept) => Position(kept.delivered),
                    Err(_) => return,
                },
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(webhook = self.name, %error, "the store cannot be read now; it is read again");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let mut coming = self.engine.subscribe(begin, filter::scope(&self.kept.filter)).boxed();
            while let Some(next) = coming.next().await {
                match self.window(next, &mut coming) {
                    Ok(window) => {
                        if !self.deliver_all(window).await {
                            return;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(webhook = self.name, %error, "events cannot be read now");
                        break;
                    }
                }
            }
            if self.engine.ended().is_some() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// What has come, and what is there with it.
    fn window(
        &self,
        first: Result<Delivery, StoreError>,
        coming: &mut (impl Stream<Item = Result<Delivery, StoreError>> + Unpin),
    ) -> Result<Window, StoreError> {
        let mut by_tenant: HashMap<Option<TenantId>, VecDeque<Message>> = HashMap::new();
        let (mut next, mut taken) = (Some(first), 0);
        let mut reached = Position::default();
        while let Some(delivery) = next {
            taken += 1;
            let is_gap = matches!(delivery, Ok(Delivery::Gap { .. }));
            let (position, message) = match delivery? {
                Delivery::Event { cursor, event } => {
                    let tenant = event.tenant_id.clone();
                    let wanted = filter::wants(&self.kept.filter, &event);
                    let event = CloudEvent::of(self.served.cursor(cursor), event);
                    (cursor, wanted.then(|| (Some(tenant), serde_json::to_vec(&event))))
                }
                Delivery::Gap { resume } => {
                    let cursor = self.served.cursor(resume);
                    let gap = json!({
                        "specversion": "1.0", "id": cursor, "source": format!("landlord/{}", cursor.store),
                        "type": "landlord.gap", "datacontenttype": "application/json", "data": { "resume": cursor },
                    });
                    (resume, Some((None, serde_json::to_vec(&gap))))
                }
            };
            reached = position;
            if let Some((tenant, Ok(body))) = message {
                // A full stop would stand between the parts of what is signed.
                let id = self.served.cursor(position).to_string().replace('.', "-");
                by_tenant.entry(tenant).or_default().push_back(Message { id, body: Bytes::from(body) });
            }
            // A gap is told before what comes after it.
            let more = !is_gap && taken < WINDOW;
            next = if more { coming.next().now_or_never().flatten() } else { None };
        }
        Ok(Window { lines: by_tenant.into_values().collect(), reached })
    }

    /// Delivers a window, however long it takes, and keeps how far that went. False when the webhook is another one now.
    async fn deliver_all(&self, Window { mut lines, reached }: Window) -> bool {
        let mut failures = 0;
        loop {
            let tried = stream::iter(lines).map(|line| self.line(line)).buffer_unordered(AT_A_TIME);
            let tried: Vec<(VecDeque<Message>, Option<String>)> = tried.collect().await;
            let error = tried.iter().find_map(|(_, error)| error.clone());
            lines = tried.into_iter().map(|(line, _)| line).filter(|line| !line.is_empty()).collect();
            let Some(error) = error else { break };
            failures += 1;
            let pause = self.retry.pause(failures, fastrand::u16(0..1000));
            let next_try = Timestamp::now() + SignedDuration::try_from(pause).unwrap_or_default();
            tracing::warn!(webhook = self.name, error, ?pause, "a delivery failed; it is tried again");
            self.served.webhooks().fails(&self.name, error, next_try);
            sleep(pause).await;
        }
        self.served.webhooks().well(&self.name);
        loop {
            match self.keep(reached).await {
                Ok(kept) => return kept,
                // What was delivered is delivered again if this is the end.
                Err(error) => {
                    let detail = error.problem().detail;
                    tracing::warn!(
                        webhook = self.name,
                        error = detail,
                        "what is delivered cannot be kept now"
                    );
                    if self.engine.ended().is_some() {
                        return false;
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Delivers one tenant's messages in order. Says what is left, and why.
    async fn line(&self, mut line: VecDeque<Message>) -> (VecDeque<Message>, Option<String>) {
        while let Some(message) = line.front() {
            if let Err(error) = self.one(message).await {
                return (line, Some(error));
            }
            line.pop_front();
        }
        (line, None)
    }

    async fn one(&self, message: &Message) -> Result<(), String> {
        let url = Url::parse(&self.kept.url).map_err(|error| error.to_string())?;
        let (secret, previous) = (self.kept.secret.clone(), self.kept.previous_secret.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let sources = std::iter::once(secret).chain(previous);
            sources.map(|source| Secret::read(&source)).collect::<Result<Vec<_>, _>>()
        });
        let secrets = reading.map_err(|error| error.to_string()).await?.map_err(|error| error.to_string())?;
        let timestamp = Timestamp::now().as_second();
        let signatures: Vec<String> =
            secrets.iter().filter_map(|secret| secret.sign(&message.id, timestamp, &message.body)).collect();
        let sent = self.sender.send(&url, message, timestamp, &signatures.join(" ")).await;
        sent.map_err(|error| error.to_string())
    }

    /// Keeps how far was delivered. False where the webhook is another one by now.
    async fn keep(&self, reached: Position) -> Result<bool, Refused> {
        documents::change(&self.served, KIND, &self.name, |found| {
            let kept = found.map(documents::read::<Kept>).transpose()?;
            let Some(kept) = kept.filter(|kept| kept.created_at == self.kept.created_at) else {
                return Ok((Change::Keep, false));
            };
            let delivered = kept.delivered.max(reached.0);
            Ok((Change::Write(documents::text(&Kept { delivered, ..kept })?, Position(delivered)), true))
        })
        .await
    }
}
