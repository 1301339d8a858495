//! `events` and `run`: what happens, line by line.

use std::collections::{BTreeMap, VecDeque};

use futures_util::StreamExt;
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent, Record};
use landlord_compute::store::{Events, Position, Reads, Scope};
use landlord_compute::{Delivery, ObservePolicy};
use serde_json::json;

use super::args::Format;
use super::exit::Failure;
use super::patience::{GRACE, LOOK};
use super::place::{Missing, Place};
use super::screen::Screen;
use super::signals::{Hangups, Signals};
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
    let mut lines = Lines::new(screen);
    if let Some(count) = last {
        lines.show(&reader.last(count).await?)?;
    }
    loop {
        let page = reader.read().await?;
        lines.show(&page)?;
        if page.is_empty() {
            if !follow {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = signals.next() => return Ok(()),
            }
        }
    }
}

/// Keeps an engine running and shows what it does, until Ctrl-C or SIGTERM. Where its terminal is closed it goes on.
pub(crate) async fn run(screen: &Screen, place: &Place) -> Result<(), Failure> {
    let mut hangups = Hangups::listen()?;
    let engine = place.start(screen, Missing::Create, ObservePolicy::default()).await?;
    let mut signals = Signals::listen()?;
    screen.note(&format!(
        "running on {}; Ctrl-C ends the engine, and tenants go on running",
        place.store().display()
    ));
    let mut events = Box::pin(engine.subscribe(engine.head(), Scope::All).fuse());
    let mut lines = Lines::new(screen);
    let outcome = loop {
        tokio::select! {
            Some(delivery) = events.next() => match delivery {
                Ok(delivery) => match lines.show([&delivery]) {
                    Ok(()) => {}
                    Err(Failure::Output(_)) if hangups.came() => {}
                    Err(failure) => break Err(failure),
                },
                Err(error) => break Err(error.into()),
            },
            closed = engine.closed() => break Err(Failure::Closed(closed)),
            () = hangups.next() => screen.note("SIGHUP: there is nothing to reload; the engine runs on"),
            _ = signals.next() => break Ok(()),
        }
    };
    drop(events);
    if !matches!(outcome, Err(Failure::Closed(_))) {
        screen.note("ending; a second Ctrl-C ends at once");
        tokio::select! {
            closed = engine.shutdown(GRACE) => closed?,
            _ = signals.next() => {}
        }
    }
    outcome
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
struct Lines<'a> {
    screen: &'a Screen,
    steps: Steps,
    /// How wide the columns of names are so far.
    tenant: usize,
    operation: usize,
}

impl<'a> Lines<'a> {
    fn new(screen: &'a Screen) -> Self {
        Self { screen, steps: Steps::default(), tenant: 0, operation: 0 }
    }

    fn show<'d>(&mut self, page: impl IntoIterator<Item = &'d Delivery> + Clone) -> Result<(), Failure> {
        for delivery in page.clone() {
            self.widen(delivery);
        }
        page.into_iter().try_for_each(|delivery| match (self.screen.format(), delivery) {
            (Format::Json, Delivery::Event { cursor, event }) => {
                self.screen.print(&json!({ "cursor": cursor, "event": event }).to_string())
            }
            (Format::Json, Delivery::Gap { resume }) => {
                self.screen.print(&json!({ "gap": { "resume": resume } }).to_string())
            }
            (Format::Table, Delivery::Event { event, .. }) if !self.steps.is_news(event) => Ok(()),
            (Format::Table, Delivery::Event { cursor, event }) => {
                self.screen.print(&self.line(*cursor, event))
            }
            (Format::Table, Delivery::Gap { resume }) => {
                self.screen.print(&format!("… events up to cursor {} are no longer kept", resume.0))
            }
        })
    }

    fn widen(&mut self, delivery: &Delivery) {
        if let Delivery::Event { event, .. } = delivery {
            self.tenant = self.tenant.max(event.tenant_id.as_str().len());
            self.operation = self.operation.max(operation(event).len());
        }
    }

    fn line(&self, cursor: Position, event: &LifecycleEvent) -> String {
        let state = event.to.map_or("gone", |state| state.as_str());
        let (at, what) = (words::clock(event.at), words::event(event));
        format!(
            "{:>5}  {at}  {:<tenants$}  {state:<12}  {:<operations$}  {what}",
            cursor.0,
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
