//! Sends spans and metrics to a receiver over OTLP: HTTP with protobuf. What is not sent in time is dropped and counted; the
//! engine waits for none of it.

mod batch;
mod metrics;
mod send;
mod spans;
mod tally;

pub(crate) use metrics::Metrics;
pub(crate) use send::Sender;
pub use send::SenderError;
pub(crate) use spans::{Spans, queue};
pub(crate) use tally::Tally;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

use crate::settings::Settings;

/// What is said of the program.
pub(crate) fn resource(settings: &Settings) -> Resource {
    let more = settings.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let name = KeyValue::new("service.name", settings.service_name.clone());
    Resource::builder_empty().with_attributes([version].into_iter().chain(more).chain([name])).build()
}
