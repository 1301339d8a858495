//! Named readers of events. Each is a document of the store that says which events it wants and how far it has read.

mod acks;
mod batch;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use landlord_api::{
    Acknowledgement, Code, EventBatch, EventFilter, SubscriptionDocument, SubscriptionRequest,
    SubscriptionsDocument,
};
use landlord_compute::store::{Document, DocumentKind, Position, StoreError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::asked::{Asked, JsonBody, Named, ReaderName};
use crate::documents::{self, Change};
use crate::events::{begins_after, place};
use crate::filter;
use crate::refused::Refused;
use crate::served::Served;

pub(crate) use acks::Acks;
pub(crate) use batch::PullQuery;

const KIND: DocumentKind = DocumentKind::Subscription;

/// What a store keeps of a subscription, under its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    filter: EventFilter,
    acknowledged: u64,
    created_at: Timestamp,
}

impl Kept {
    fn shown(self, served: &Served, name: String, head: Position) -> SubscriptionDocument {
        let Self { filter, acknowledged, created_at } = self;
        SubscriptionDocument {
            name,
            filter,
            acknowledged: served.cursor(Position(acknowledged)),
            behind: head.0.saturating_sub(acknowledged),
            created_at,
        }
    }
}

/// How many events the slowest subscription has not acknowledged.
pub(crate) async fn slowest(served: &Served, head: Position) -> Result<u64, StoreError> {
    let all = documents::all(served, KIND).await?;
    let read = all
        .iter()
        .filter_map(|document| documents::read::<Kept>(document).ok())
        .map(|kept| kept.acknowledged);
    Ok(read.min().map_or(0, |read| head.0.saturating_sub(read)))
}

fn unknown(name: &str) -> Refused {
    Refused::new(Code::SubscriptionNotFound, format!("there is no subscription {name} in this store"))
}

/// From where a list goes on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamesQuery {
    /// Only those after this name, as `next` of the page before says.
    pub(crate) after: Option<String>,
}

/// The subscriptions, by name.
pub(crate) async fn list(
    State(served): State<Served>,
    access: Access,
    Asked(query): Asked<NamesQuery>,
) -> Result<Json<SubscriptionsDocument>, Refused> {
    let head = served.reads().head().await?;
    let (page, next) = documents::page(&served, KIND, query.after).await?;
    let mut subscriptions = Vec::new();
    for document in page {
        let kept: Kept = documents::read(&document)?;
        if access.must_see_events(kept.filter.tenant.as_ref()).is_ok() {
            subscriptions.push(kept.shown(&served, document.name, head));
        }
    }
    Ok(Json(SubscriptionsDocument { subscriptions, next }))
}

/// One subscription.
pub(crate) async fn subscription(
    State(served): State<Served>,
    access: Access,
    Named(ReaderName(name)): Named<ReaderName>,
) -> Result<Json<SubscriptionDocument>, Refused> {
    let (kept, head) = (find(&served, &access, &name).await?, served.reads().head().await?);
    Ok(Json(kept.shown(&served, name, head)))
}

/// A subscription that whoever asks may know of.
async fn find(served: &Served, access: &Access, name: &str) -> Result<Kept, Refused> {
    let found = served.reads().document(KIND, name).await?;
    read(access, found.as_ref().ok_or_else(|| unknown(name))?)
}

fn read(access: &Access, document: &Document) -> Result<Kept, Refused> {
    let kept: Kept = documents::read(document)?;
    access.must_see_events(kept.filter.tenant.as_ref())?;
    Ok(kept)
}

/// Makes a subscription, or gives one that exists another filter. Where it stands it stays.
pub(crate) async fn put(
    State(served): State<Served>,
    access: Access,
    Named(ReaderName(name)): Named<ReaderName>,
    JsonBody(request): JsonBody<SubscriptionRequest>,
) -> Result<(StatusCode, Json<SubscriptionDocument>), Refused> {
    access.must_see_events(request.filter.tenant.as_ref())?;
    filter::check(&request.filter)?;
    let head = served.reads().head().await?;
    let begin = begins_after(&served, request.after.as_deref(), head)?;
    let put = |found: Option<&Document>| {
        let filter = request.filter.clone();
        let (status, kept) = match found {
            None => {
                let kept = Kept { filter, acknowledged: begin.0, created_at: Timestamp::now() };
                (StatusCode::CREATED, kept)
            }
            Some(found) => (StatusCode::OK, Kept { filter, ..read(&access, found)? }),
        };
        Ok((Change::to(found, &kept, Position(kept.acknowledged))?, (status, kept)))
    };
    let (status, kept) = documents::change(&served, KIND, &name, put).await?;
    Ok((status, Json(kept.shown(&served, name, head))))
}

/// Removes a subscription.
pub(crate) async fn remove(
    State(served): State<Served>,
    access: Access,
    Named(ReaderName(name)): Named<ReaderName>,
) -> Result<StatusCode, Refused> {
    let remove = |found: Option<&Document>| match found {
        None => Err(unknown(&name)),
        Some(found) => read(&access, found).map(|_| (Change::Remove, ())),
    };
    documents::change(&served, KIND, &name, remove).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a subscription has not acknowledged. Where there is nothing, waits for it.
pub(crate) async fn pull(
    State(served): State<Served>,
    access: Access,
    Named(ReaderName(name)): Named<ReaderName>,
    Asked(query): Asked<PullQuery>,
) -> Result<Json<EventBatch>, Refused> {
    let kept = find(&served, &access, &name).await?;
    Ok(Json(batch::after(&served, Position(kept.acknowledged), &kept.filter, query).await?))
}

/// Everything up to a cursor is dealt with. What is acknowledged already stays so.
pub(crate) async fn acknowledge(
    State(served): State<Served>,
    access: Access,
    Named(ReaderName(name)): Named<ReaderName>,
    JsonBody(Acknowledgement { cursor }): JsonBody<Acknowledgement>,
) -> Result<Json<SubscriptionDocument>, Refused> {
    let kept = find(&served, &access, &name).await?;
    let head = served.reads().head().await?;
    let position = place(&served, &cursor.to_string(), head)?;
    let kept = served.acks().acknowledge(&served, &name, kept, position).await?;
    Ok(Json(kept.shown(&served, name, head)))
}
