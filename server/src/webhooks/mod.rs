//! Webhooks: addresses that events are sent to. Each is a document of the store that says where, which events, and how far
//! they were delivered.

mod address;
mod deliver;
mod secret;
mod send;
mod trust;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use landlord_api::{
    Code, DeliveryTrouble, EventFilter, SecretSource, WebhookDocument, WebhookRequest, WebhooksDocument,
};
use landlord_compute::store::{Document, DocumentKind, Position, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use url::Url;

use crate::asked::{Asked, JsonBody, Named, ReaderName};
use crate::documents::{self, Change};
use crate::events::begins_after;
use crate::filter;
use crate::refused::Refused;
use crate::served::Served;
use crate::subscriptions::NamesQuery;

pub use deliver::Deliveries;
use secret::Secret;

const KIND: DocumentKind = DocumentKind::Webhook;
/// The longest address.
const LONGEST: usize = 2048;

/// What a store keeps of a webhook, under its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    url: String,
    filter: EventFilter,
    secret: SecretSource,
    previous_secret: Option<SecretSource>,
    delivered: u64,
    created_at: Timestamp,
}

impl Kept {
    /// Whether only what is delivered differs.
    fn is_configured_as(&self, other: &Self) -> bool {
        self.url == other.url
            && self.filter == other.filter
            && self.secret == other.secret
            && self.previous_secret == other.previous_secret
            && self.created_at == other.created_at
    }

    fn shown(self, served: &Served, name: String, head: Position) -> WebhookDocument {
        let Self { url, filter, secret, previous_secret, delivered, created_at } = self;
        WebhookDocument {
            trouble: served.webhooks().trouble(&name),
            name,
            url,
            filter,
            secret,
            previous_secret,
            delivered: served.cursor(Position(delivered)),
            behind: head.0.saturating_sub(delivered),
            created_at,
        }
    }
}

/// What requests and deliveries tell each other. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Webhooks(Arc<Told>);

#[derive(Default)]
struct Told {
    /// A webhook was made, changed or removed.
    changed: Notify,
    troubles: Mutex<HashMap<String, DeliveryTrouble>>,
}

impl Webhooks {
    fn troubles(&self) -> MutexGuard<'_, HashMap<String, DeliveryTrouble>> {
        self.0.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self, name: &str) -> Option<DeliveryTrouble> {
        self.troubles().get(name).cloned()
    }

    fn fails(&self, name: &str, error: String, next_try: Timestamp) {
        let mut troubles = self.troubles();
        let failing_since = troubles.get(name).map_or_else(Timestamp::now, |earlier| earlier.failing_since);
        troubles.insert(name.to_owned(), DeliveryTrouble { failing_since, error, next_try });
    }

    /// How many webhooks failed with their last delivery.
    pub(crate) fn failing(&self) -> u64 {
        self.troubles().len() as u64
    }

    fn well(&self, name: &str) {
        self.troubles().remove(name);
    }
}

/// How many events the slowest webhook has not delivered.
pub(crate) async fn slowest(served: &Served, head: Position) -> Result<u64, StoreError> {
    let all = documents::all(served, KIND).await?;
    let delivered =
        all.iter().filter_map(|document| documents::read::<Kept>(document).ok()).map(|kept| kept.delivered);
    Ok(delivered.min().map_or(0, |delivered| head.0.saturating_sub(delivered)))
}

fn unknown(name: &str) -> Refused {
    Refused::new(Code::WebhookNotFound, format!("there is no webhook {name} in this store"))
}

/// The webhooks, by name.
pub(crate) async fn list(
    State(served): State<Served>,
    Asked(query): Asked<NamesQuery>,
) -> Result<Json<WebhooksDocument>, Refused> {
    let head = served.reads().head().await?;
    let (page, next) = documents::page(&served, KIND, query.after).await?;
    let shown = page
        .into_iter()
        .map(|document| Ok(documents::read::<Kept>(&document)?.shown(&served, document.name, head)));
    let webhooks = shown.collect::<Result<_, Refused>>()?;
    Ok(Json(WebhooksDocument { webhooks, next }))
}

/// One webhook.
pub(crate) async fn webhook(
    State(served): State<Served>,
    Named(ReaderName(name)): Named<ReaderName>,
) -> Result<Json<WebhookDocument>, Refused> {
    let found = served.reads().document(KIND, &name).await?.ok_or_else(|| unknown(&name))?;
    let (kept, head) = (documents::read::<Kept>(&found)?, served.reads().head().await?);
    Ok(Json(kept.shown(&served, name, head)))
}

/// Makes a webhook, or changes one that exists. Where it stands it stays.
pub(crate) async fn put(
    State(served): State<Served>,
    Named(ReaderName(name)): Named<ReaderName>,
    JsonBody(request): JsonBody<WebhookRequest>,
) -> Result<(StatusCode, Json<WebhookDocument>), Refused> {
    let WebhookRequest { url, filter, secret, previous_secret, after } = request;
    check_url(&url)?;
    filter::check(&filter)?;
    let sources: Vec<SecretSource> = std::iter::once(secret.clone()).chain(previous_secret.clone()).collect();
    let reading = tokio::task::spawn_blocking(move || check_secrets(&sources));
    reading.await.map_err(|error| Refused::new(Code::Defect, error.to_string()))??;
    let head = served.reads().head().await?;
    let begin = begins_after(&served, after.as_deref(), head)?;
    let put = |found: Option<&Document>| {
        let (status, delivered, created_at) = match found {
            None => (StatusCode::CREATED, begin.0, Timestamp::now()),
            Some(found) => {
                let kept: Kept = documents::read(found)?;
                (StatusCode::OK, kept.delivered, kept.created_at)
            }
        };
        let (url, filter) = (url.clone(), filter.clone());
        let (secret, previous_secret) = (secret.clone(), previous_secret.clone());
        let kept = Kept { url, filter, secret, previous_secret, delivered, created_at };
        Ok((Change::to(found, &kept, Position(delivered))?, (status, kept)))
    };
    let (status, kept) = documents::change(&served, KIND, &name, put).await?;
    served.webhooks().0.changed.notify_one();
    Ok((status, Json(kept.shown(&served, name, head))))
}

/// Removes a webhook.
pub(crate) async fn remove(
    State(served): State<Served>,
    Named(ReaderName(name)): Named<ReaderName>,
) -> Result<StatusCode, Refused> {
    let remove = |found: Option<&Document>| match found {
        None => Err(unknown(&name)),
        Some(_) => Ok((Change::Remove, ())),
    };
    documents::change(&served, KIND, &name, remove).await?;
    served.webhooks().0.changed.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

fn check_url(text: &str) -> Result<(), Refused> {
    let invalid = |problem: String| Err(Refused::new(Code::InvalidRequest, format!("url: {problem}")));
    if text.len() > LONGEST {
        return invalid(format!("it has more than {LONGEST} bytes"));
    }
    match Url::parse(text) {
        Err(error) => invalid(error.to_string()),
        Ok(url) if !["https", "http"].contains(&url.scheme()) => {
            invalid("it begins with https://".to_owned())
        }
        Ok(url) if url.host().is_none() => invalid("it has no host".to_owned()),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => invalid(
            "it is kept as it is, and holds no password; receivers know us by the signature".to_owned(),
        ),
        Ok(_) => Ok(()),
    }
}

fn check_secrets(sources: &[SecretSource]) -> Result<(), Refused> {
    for source in sources {
        if let SecretSource::File(path) = source
            && !path.starts_with('/')
        {
            return Err(Refused::new(
                Code::InvalidRequest,
                format!("the secret's file {path:?}: give its whole path"),
            ));
        }
        Secret::read(source).map_err(|error| Refused::new(Code::InvalidRequest, error.to_string()))?;
    }
    Ok(())
}
