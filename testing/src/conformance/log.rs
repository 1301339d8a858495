//! What is logged while a clause is checked.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// The span that the caller of a clause's calls is in.
pub(super) const CALLER: &str = "conformance";

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) level: Level,
    /// The fields of the event and of the spans around it.
    pub(super) text: String,
    /// Whether it says which tenant it is about.
    pub(super) names_tenant: bool,
    /// Whether it was logged within the caller's span.
    pub(super) within_caller: bool,
}

/// Collects the lines of whoever is given its dispatch.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Line>>>);

impl Log {
    /// Where to send the lines.
    pub(super) fn dispatch(&self) -> Dispatch {
        Dispatch::new(Registry::default().with(Collector(self.clone())))
    }

    /// The lines so far.
    pub(super) fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Collector(Log);

/// The fields of a span or an event.
#[derive(Default)]
struct Fields {
    text: String,
    names_tenant: bool,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.names_tenant |= field.name() == "tenant_id";
        // A string can always be written to.
        let _ = write!(self.text, " {}={value:?}", field.name());
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Collector {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut within_caller = false;
        for span in context.event_scope(event).into_iter().flatten() {
            within_caller |= span.name() == CALLER;
            if let Some(around) = span.extensions().get::<Fields>() {
                fields.text.push_str(&around.text);
                fields.names_tenant |= around.names_tenant;
            }
        }
        let line = Line {
            level: *event.metadata().level(),
            text: fields.text,
            names_tenant: fields.names_tenant,
            within_caller,
        };
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
