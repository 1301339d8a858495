//! What comes after a position, a batch at a time.

use std::time::Duration;

use futures_util::stream::StreamExt;
use futures_util::{FutureExt, Stream};
use landlord_api::{CloudEvent, EventBatch, EventFilter, Gap};
use landlord_compute::Delivery;
use landlord_compute::store::{Position, StoreError};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::asked::duration;
use crate::events::looking;
use crate::filter;
use crate::operations::LONGEST;
use crate::refused::Refused;
use crate::served::Served;

/// How many events are in a batch where nobody says.
const LIMIT: usize = 100;
/// The most events in a batch.
const MOST: usize = 1_000;
/// How many events are looked at for a batch. Where few pass the filter, it has fewer than it might.
const SCAN: usize = 10_000;

/// How much is pulled.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PullQuery {
    /// At most so many events. Default: 100.
    #[schemars(range(min = 1, max = 1_000))]
    limit: Option<usize>,
    /// Where there is none, how long to wait for one: `30s`. Default: not at all; at most five minutes.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(with = "Option<String>")]
    wait: Option<Duration>,
}

/// A batch that is being put together.
struct Batch<'s> {
    served: &'s Served,
    filter: &'s EventFilter,
    limit: usize,
    gap: Option<Gap>,
    events: Vec<CloudEvent>,
    /// How far it goes.
    reached: Position,
    seen: usize,
}

/// The events after a position that pass a filter.
pub(super) async fn after(
    served: &Served,
    acknowledged: Position,
    filter: &EventFilter,
    query: PullQuery,
) -> Result<EventBatch, Refused> {
    let limit = query.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let until = Instant::now() + query.wait.unwrap_or_default().min(LONGEST);
    let head = served.reads().head().await?;
    let scope = filter::scope(filter);
    let (gap, events) = (None, Vec::new());
    let mut batch = Batch { served, filter, limit, gap, events, reached: acknowledged, seen: 0 };

    let mut kept = Box::pin(looking(served.clone(), acknowledged, scope.clone(), Some(head)));
    let mut has_room = true;
    while has_room && let Some(delivery) = kept.next().await {
        has_room = batch.take(delivery?);
    }
    if has_room {
        // There is nothing more up to there, whoever's it might be.
        batch.reached = batch.reached.max(head);
    }
    if has_room && batch.is_empty() && query.wait.is_some() {
        let coming = match served.any_engine() {
            Some(engine) => engine.subscribe(batch.reached, scope).boxed(),
            None => looking(served.clone(), batch.reached, scope, None).boxed(),
        };
        batch.wait(coming, until).await?;
    }
    Ok(batch.over())
}

impl Batch<'_> {
    fn is_empty(&self) -> bool {
        self.gap.is_none() && self.events.is_empty()
    }

    /// Takes in what comes next. False when there is no room for it, or for more.
    fn take(&mut self, delivery: Delivery) -> bool {
        self.seen += 1;
        match delivery {
            // A gap comes before the events of a batch.
            Delivery::Gap { .. } if !self.events.is_empty() => return false,
            Delivery::Gap { resume } => {
                self.gap = Some(Gap { resume: self.served.cursor(resume) });
                self.reached = resume;
            }
            Delivery::Event { cursor, event } => {
                if filter::wants(self.filter, &event) {
                    self.events.push(CloudEvent::of(self.served.cursor(cursor), event));
                }
                self.reached = cursor;
            }
        }
        self.events.len() < self.limit && self.seen < SCAN
    }

    /// Waits for the first event, and takes what is there with it.
    async fn wait(
        &mut self,
        mut coming: impl Stream<Item = Result<Delivery, StoreError>> + Unpin,
        until: Instant,
    ) -> Result<(), Refused> {
        while self.is_empty()
            && let Ok(Some(delivery)) = timeout_at(until, coming.next()).await
        {
            if !self.take(delivery?) {
                return Ok(());
            }
        }
        while let Some(Some(delivery)) = coming.next().now_or_never() {
            if !self.take(delivery?) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn over(self) -> EventBatch {
        let Self { served, gap, events, reached, .. } = self;
        EventBatch { gap, events, cursor: served.cursor(reached) }
    }
}
