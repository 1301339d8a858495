//! `events` and `run`: what happens, line by line.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt;
use landlord_compute::Delivery;
use landlord_compute::machines::tenant::{LifecycleEvent, Record};
use landlord_compute::store::{Events, Position, Reads, Scope};
use serde_json::json;

use super::args::Format;
use super::exit::Failure;
use super::patience::{GRACE, LOOK};
use super::place::{Missing, Place};
use super::screen::Screen;
use super::signals::Signals;
use super::words;

/// How many events are read at a time.
const PAGE: usize = 512;

/// Reads the events of a store one page after the other.
pub(crate) struct Reader<'a, S> {
    store: &'a S,
    scope: Scope,
    after: Position,
}

impl<'a, S: Reads> Reader<'a, S> {
    pub(crate) fn new(store: &'a S, scope: Scope, after: Position) -> Self {
        Self { store, scope, after }
    }

    /// What comes next; nothing when there is no more now.
    pub(crate) async fn read(&mut self) -> Result<Vec<Delivery>, Failure> {
        Ok(match self.store.events(self.after, &self.scope, PAGE).await? {
            Events::Gap { resume } => {
                self.after = resume;
                vec![Delivery::Gap { resume }]
            }
            Events::Page(page) => {
                self.after = page.last().map_or(self.after, |(position, _)| *position);
                page.into_iter().map(|(cursor, event)| Delivery::Event { cursor, event }).collect()
            }
        })
    }

    /// The last `count` events that there are now.
    pub(crate) async fn last(&mut self, count: usize) -> Result<VecDeque<Delivery>, Failure> {
        let mut last = VecDeque::new();
        loop {
            let page = self.read().await?;
            if page.is_empty() {
                return Ok(last);
            }
            last.extend(page.into_iter().filter(|delivery| matches!(delivery, Delivery::Event { .. })));
            last.drain(..last.len().saturating_sub(count));
        }
    }
}

/// Shows what happened, and with `follow` what happens.
pub(crate) async fn events(
    screen: &Screen,
    place: &Place,
    scope: Scope,
    after: u64,
    last: Option<usize>,
    follow: bool,
) -> Result<(), Failure> {
    let look = place.look()?;
    let mut signals = Signals::listen()?;
    if let Scope::Tenant(tenant) = &scope
        && let Record::Absent(id) = look.load(tenant).await?
    {
        return Err(Failure::NoTenant(id));
    }
    let mut reader = Reader::new(&look, scope, Position(after));
    if let Some(count) = last {
        for delivery in reader.last(count).await? {
            show(screen, &delivery)?;
        }
    }
    loop {
        let page = reader.read().await?;
        for delivery in &page {
            show(screen, delivery)?;
        }
        if page.is_empty() {
            if !follow {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = signals.next() => return Ok(()),
            }
        }
    }
}

/// Keeps an engine running and shows what it does, until Ctrl-C.
pub(crate) async fn run(screen: &Screen, place: &Place) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let engine = place.engine(Missing::Create)?.start().await?;
    screen.note(&format!(
        "running on {}; Ctrl-C ends the engine, and tenants go on running",
        place.store().display()
    ));
    let mut events = Box::pin(engine.subscribe(engine.head(), Scope::All).fuse());
    let outcome = loop {
        tokio::select! {
            Some(delivery) = events.next() => match delivery {
                Ok(delivery) => if let Err(failure) = show(screen, &delivery) { break Err(failure) },
                Err(error) => break Err(error.into()),
            },
            closed = engine.closed() => break Err(Failure::Closed(closed)),
            () = signals.next() => break Ok(()),
        }
    };
    drop(events);
    if !matches!(outcome, Err(Failure::Closed(_))) {
        screen.note("ending; a second Ctrl-C ends at once");
        tokio::select! {
            closed = engine.shutdown(GRACE) => closed?,
            () = signals.next() => {}
        }
    }
    outcome
}

/// One line for an event: text, or a document of its own.
fn show(screen: &Screen, delivery: &Delivery) -> Result<(), Failure> {
    match (screen.format(), delivery) {
        (Format::Json, Delivery::Event { cursor, event }) => {
            screen.print(&json!({ "cursor": cursor, "event": event }).to_string())
        }
        (Format::Json, Delivery::Gap { resume }) => {
            screen.print(&json!({ "gap": { "resume": resume } }).to_string())
        }
        (Format::Table, Delivery::Event { cursor, event }) => screen.print(&line(*cursor, event)),
        (Format::Table, Delivery::Gap { resume }) => {
            screen.print(&format!("… events up to cursor {} are no longer kept", resume.0))
        }
    }
}

fn line(cursor: Position, event: &Arc<LifecycleEvent>) -> String {
    let operation = match (event.operation, event.attempt) {
        (Some(operation), Some(attempt)) => format!("{operation}/{attempt}"),
        (Some(operation), None) => operation.to_string(),
        (None, _) => "-".to_owned(),
    };
    let state = event.to.map_or("gone", |state| state.as_str());
    let at = event.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let (tenant, what) = (&event.tenant_id, words::event(event));
    format!("{:>5}  {at}  {tenant:<12}  {state:<12}  {operation:<7}  {what}", cursor.0)
}
