//! The spans of single requests to a platform, as whoever subscribes to spans has them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use landlord_compute::telemetry::TRACE_TARGET;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// A request, as its span says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// What was asked: an API, or a verb.
    pub method: String,
    /// Of what.
    pub resource: String,
    /// What the platform calls its answer; none where there was none.
    pub status: Option<String>,
    /// It failed.
    pub failed: bool,
    /// The span that it is within.
    pub within: Option<&'static str>,
}

/// Keeps the spans of requests that ended.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<Requested>>>);

impl Requests {
    /// From now on, in this thread, until the guard is dropped.
    pub fn kept() -> (Self, DefaultGuard) {
        let requests = Self::default();
        let guard = tracing_subscriber::registry().with(requests.clone()).set_default();
        (requests, guard)
    }

    /// Those that ended since this was asked last.
    pub fn take(&self) -> Vec<Requested> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Requests {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.target() == TRACE_TARGET
            && metadata.name() == "request"
            && let Some(span) = context.span(id)
        {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
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

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Fields(mut fields)) = span.extensions_mut().remove::<Fields>() else { return };
        let requested = Requested {
            method: fields.remove("method").unwrap_or_default(),
            resource: fields.remove("resource").unwrap_or_default(),
            status: fields.remove("status"),
            failed: fields.remove("otel.status_code").is_some_and(|code| code == "ERROR"),
            within: span.parent().map(|parent| parent.name()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(requested);
    }
}
