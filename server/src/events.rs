//! What happens, as server-sent events: of all tenants or of one, from any place that is still kept, without loss.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use landlord_api::{CloudEvent, Code, Cursor, Gap};
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::tenant::LifecycleEvent;
use landlord_compute::store::{Events, Position, Scope, StoreError};
use landlord_compute::{Delivery, Record};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::asked::{Asked, Named, text};
use crate::operations::LOOK;
use crate::refused::Refused;
use crate::served::Served;

/// How many events are read at a time.
const PAGE: usize = 512;
/// The pause after which a stream shows that it is alive.
const ALIVE: Duration = Duration::from_secs(15);
/// Where a stream begins, so that it can be taken up again also where no event has come yet.
const CURSOR: HeaderName = HeaderName::from_static("landlord-cursor");

/// Which events are wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    /// Only those after this cursor; `start`: all that are kept. Without it, and without the header `Last-Event-ID`:
    /// what happens from now on.
    after: Option<String>,
    /// The last so many of those that there are now, and what happens from now on.
    #[schemars(range(min = 1, max = 10_000))]
    last: Option<usize>,
    /// Whether to go on with what happens from now on. Default: true.
    follow: Option<bool>,
}

/// Where a stream begins.
enum Begin {
    After(Position),
    /// With the last so many.
    Last(usize),
}

/// The events of all tenants.
pub(crate) async fn all(
    State(served): State<Served>,
    access: Access,
    Asked(query): Asked<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    answer(served, access, Scope::All, query, &headers).await
}

/// The events of one tenant.
pub(crate) async fn of_one(
    State(served): State<Served>,
    access: Access,
    Named(tenant): Named<TenantId>,
    Asked(query): Asked<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    if query.expects_a_tenant()
        && let Record::Absent(id) = served.reads().load(&tenant).await?
    {
        return Err(Refused::no_tenant(&id));
    }
    answer(served, access, Scope::Tenant(tenant), query, &headers).await
}

impl EventsQuery {
    /// Whoever only wants what comes may wait for a tenant that is not there yet.
    fn expects_a_tenant(&self) -> bool {
        self.after.is_some() || self.last.is_some() || self.follow == Some(false)
    }
}

async fn answer(
    served: Served,
    access: Access,
    scope: Scope,
    query: EventsQuery,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let follow = query.follow.unwrap_or(true);
    let head = served.reads().head().await?;
    let after = match begin(&served, &query, headers, head)? {
        Begin::After(position) => position,
        Begin::Last(count) => before_the_last(&served, &scope, head, count).await?,
    };
    let begins = served.cursor(after).to_string();
    let deliveries = match (follow, served.any_engine()) {
        (true, Some(engine)) => engine.subscribe(after, scope).boxed(),
        (true, None) => looking(served.clone(), after, scope, None).boxed(),
        (false, _) => looking(served.clone(), after, scope, Some(head)).boxed(),
    };
    let seen = deliveries.take_until(access.revoked()).filter(move |delivery| {
        std::future::ready(match delivery {
            Ok(Delivery::Event { event, .. }) => access.sees(&event.tenant_id),
            Ok(Delivery::Gap { .. }) | Err(_) => true,
        })
    });
    let events = seen.map(move |delivery| Ok::<_, Infallible>(sent(&served, delivery)));
    Ok(([(CURSOR, begins)], Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE))).into_response())
}

fn begin(
    served: &Served,
    query: &EventsQuery,
    headers: &HeaderMap,
    head: Position,
) -> Result<Begin, Refused> {
    // A client that connects again says where it was, whatever its address says.
    let after = text(headers, "last-event-id")?.or(query.after.as_deref());
    match (after, query.last) {
        (None, Some(count)) => Ok(Begin::Last(count.clamp(1, 10_000))),
        (after, _) => Ok(Begin::After(begins_after(served, after, head)?)),
    }
}

/// After which place a reader begins who asks for what comes after this cursor, or from `start`, or from now on.
pub(crate) fn begins_after(
    served: &Served,
    after: Option<&str>,
    head: Position,
) -> Result<Position, Refused> {
    match after {
        None => Ok(head),
        Some("start") => Ok(Position(0)),
        Some(cursor) => place(served, cursor, head),
    }
}

/// Where a cursor of this store stands.
pub(crate) fn place(served: &Served, cursor: &str, head: Position) -> Result<Position, Refused> {
    let unknown = |detail: String| Refused::new(Code::UnknownCursor, detail);
    let Cursor { store, position } =
        cursor.parse().map_err(|error: landlord_api::CursorError| unknown(error.to_string()))?;
    if store != **served.store_name() {
        return Err(unknown(format!("the cursor is of store {store}, and this is {}", served.store_name())));
    }
    if position > head.0 {
        return Err(unknown(format!("no event stands at {position}; the last one is at {}", head.0)));
    }
    Ok(Position(position))
}

/// After which place the last `count` events of a scope begin.
async fn before_the_last(
    served: &Served,
    scope: &Scope,
    head: Position,
    count: usize,
) -> Result<Position, Refused> {
    if *scope == Scope::All {
        return Ok(Position(head.0.saturating_sub(count as u64)));
    }
    let mut last = VecDeque::new();
    walk(served, scope, |position, _| {
        last.push_back(position);
        last.drain(..last.len().saturating_sub(count));
    })
    .await?;
    Ok(last.front().map_or(head, |first: &Position| Position(first.0 - 1)))
}

/// Shows every event of a scope that is kept, in order. Says where that ends.
pub(crate) async fn walk(
    served: &Served,
    scope: &Scope,
    mut show: impl FnMut(Position, Arc<LifecycleEvent>),
) -> Result<Position, StoreError> {
    let mut after = Position(0);
    loop {
        match served.reads().events(after, scope, PAGE).await? {
            Events::Gap { resume } => after = resume,
            Events::Page(page) if page.is_empty() => return Ok(after),
            Events::Page(page) => {
                for (position, event) in page {
                    after = position;
                    show(position, event);
                }
            }
        }
    }
}

/// The events of a store that is only looked at; up to `end`, or without an end.
pub(crate) fn looking(
    served: Served,
    after: Position,
    scope: Scope,
    end: Option<Position>,
) -> impl Stream<Item = Result<Delivery, StoreError>> + Send {
    let pages = stream::unfold((served, after, scope, end), |(served, after, scope, end)| async move {
        loop {
            match served.reads().events(after, &scope, PAGE).await {
                Ok(Events::Gap { resume }) => {
                    let page = vec![Ok(Delivery::Gap { resume })];
                    return Some((page, (served, resume, scope, end)));
                }
                Ok(Events::Page(page)) => {
                    let wanted = |(position, _): &(Position, _)| end.is_none_or(|end| *position <= end);
                    let page: Vec<_> = page.into_iter().filter(wanted).collect();
                    if let Some((last, _)) = page.last() {
                        let last = *last;
                        let page =
                            page.into_iter().map(|(cursor, event)| Ok(Delivery::Event { cursor, event }));
                        return Some((page.collect(), (served, last, scope, end)));
                    }
                    if end.is_some() {
                        return None;
                    }
                    tokio::time::sleep(LOOK).await;
                }
                // The reader is told, and connects again.
                Err(error) => return Some((vec![Err(error)], (served, after, scope, Some(Position(0))))),
            }
        }
    });
    pages.flat_map(stream::iter)
}

/// One message of a stream.
fn sent(served: &Served, delivery: Result<Delivery, StoreError>) -> Event {
    match delivery {
        Ok(Delivery::Event { cursor, event }) => {
            let cursor = served.cursor(cursor);
            let name = event.what.name();
            let event = CloudEvent::of(cursor, event);
            message(name, Some(&event.id), &event)
        }
        Ok(Delivery::Gap { resume }) => {
            let resume = served.cursor(resume);
            message("gap", Some(&resume), &Gap { resume: resume.clone() })
        }
        Err(error) => message("problem", None, &Refused::from(error).problem()),
    }
}

fn message(name: &str, id: Option<&Cursor>, data: &impl Serialize) -> Event {
    let event = match id {
        Some(id) => Event::default().id(id.to_string()),
        None => Event::default(),
    };
    // A JSON text is one line, as all control characters in it are escaped.
    event.event(name).data(serde_json::to_string(data).unwrap_or_default())
}
