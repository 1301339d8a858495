//! `events`: what happened and what happens, line by line.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use landlord_api::Cursor;
use landlord_client::{Begin, Client, EventsQuery, Message};
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent};
use serde_json::json;
use tokio::time::sleep;

use super::failure::Failure;
use super::patience::LOOK;
use super::place::Place;
use super::screen::Screen;
use super::signals::Signals;
use super::words;

/// From where events are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    Start,
    After(u64),
    Last(usize),
}

/// Shows what happened, and with `follow` what happens.
pub(crate) async fn events(
    screen: &Screen,
    place: &Place,
    tenant: Option<&TenantId>,
    from: From,
    follow: bool,
) -> Result<(), Failure> {
    let mut look = place.look().await?;
    let mut signals = Signals::listen()?;
    let mut lines = Lines::new(screen);
    let mut begin = match from {
        From::Start => Begin::Start,
        From::After(position) => Begin::After(cursor(&look, position).await?),
        From::Last(count) => Begin::Last(count),
    };
    loop {
        let events = look.events(tenant, &EventsQuery { begin, follow }).await?;
        let mut last = events.begins().clone();
        let mut pages = events.ready_chunks(PAGE);
        while let Some(page) = tokio::select! {
            page = pages.next() => page,
            _ = signals.next() => return Ok(()),
        } {
            let page: Vec<Message> = page.into_iter().collect::<Result<_, _>>()?;
            lines.show(&page)?;
            last = page.last().map_or(last, |message| message.cursor().clone());
        }
        if !follow {
            return Ok(());
        }
        // The server has ended; its store is still there, and another server may come.
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = signals.next() => return Ok(()),
        }
        (look, begin) = (place.look().await?, Begin::After(last));
    }
}

/// How many events are aligned with each other at least, where so many are there.
const PAGE: usize = 512;

/// A place in the store that answers.
async fn cursor(look: &Client, position: u64) -> Result<Cursor, Failure> {
    let now = EventsQuery { begin: Begin::Now, follow: false };
    let store = look.events(None, &now).await?.begins().store.clone();
    Ok(Cursor { store, position })
}

/// The steps that tenants are at. A provider reports a step when it begins and when it is over; for a person that is
/// once.
#[derive(Default)]
pub(crate) struct Steps(BTreeMap<TenantId, (OperationId, u32, String)>);

impl Steps {
    /// Whether an event says something that the one of its tenant before it did not say.
    pub(crate) fn is_news(&mut self, event: &LifecycleEvent) -> bool {
        let EventKind::Progressed { step } = &event.what else {
            self.0.remove(&event.tenant_id);
            return true;
        };
        let (Some(operation), Some(attempt)) = (event.operation, event.attempt) else { return true };
        let now = (operation, attempt, step.clone());
        self.0.insert(event.tenant_id.clone(), now.clone()) != Some(now)
    }
}

/// Events line by line: aligned text, or a document each.
pub(crate) struct Lines<'a> {
    screen: &'a Screen,
    steps: Steps,
    /// How wide the columns of names are so far.
    tenant: usize,
    operation: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(screen: &'a Screen) -> Self {
        Self { screen, steps: Steps::default(), tenant: 0, operation: 0 }
    }

    pub(crate) fn show(&mut self, page: &[Message]) -> Result<(), Failure> {
        for message in page {
            self.widen(message);
        }
        page.iter().try_for_each(|message| match message {
            Message::Event(event) => {
                // Programs get all there is.
                if !self.screen.is_for_programs() && !self.steps.is_news(&event.data) {
                    return Ok(());
                }
                let document = json!({ "cursor": event.id.position, "event": event.data });
                self.screen.show_one(&document, || self.line(&event.id, &event.data))
            }
            Message::Gap(gap) => {
                let resume = gap.resume.position;
                let document = json!({ "gap": { "resume": resume } });
                self.screen
                    .show_one(&document, || format!("… events up to cursor {resume} are no longer kept"))
            }
        })
    }

    fn widen(&mut self, message: &Message) {
        if let Message::Event(event) = message {
            self.tenant = self.tenant.max(event.subject.as_str().len());
            self.operation = self.operation.max(operation(&event.data).len());
        }
    }

    fn line(&self, cursor: &Cursor, event: &LifecycleEvent) -> String {
        let state = event.to.map_or("gone", |state| state.as_str());
        let (at, what) = (words::clock(event.at), words::event(event));
        format!(
            "{:>5}  {at}  {:<tenants$}  {state:<12}  {:<operations$}  {what}",
            cursor.position,
            event.tenant_id.as_str(),
            operation(event),
            tenants = self.tenant,
            operations = self.operation,
        )
    }
}

fn operation(event: &LifecycleEvent) -> String {
    match (event.operation, event.attempt) {
        (Some(operation), Some(attempt)) => format!("{operation}/{attempt}"),
        (Some(operation), None) => operation.to_string(),
        (None, _) => "-".to_owned(),
    }
}
