//! Metrics in the text format that Prometheus reads.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{self, Registry};

use crate::catalogue::{Kind, Unit};
use crate::sample::{Family, Point, Value};

/// What an answer with the text of [`Telemetry::prometheus`](crate::Telemetry::prometheus) has as its `Content-Type`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The registry that writes what `sample` gives.
pub(crate) fn registry(sample: impl Fn() -> Vec<Family> + Send + Sync + 'static) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Sampled(Arc::new(sample))));
    registry
}

/// What the registry has, as text.
pub(crate) fn text(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, registry);
    text
}

struct Sampled(Arc<dyn Fn() -> Vec<Family> + Send + Sync>);

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sampled")
    }
}

impl Collector for Sampled {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { metric, points } in (self.0)() {
            let unit = match metric.unit {
                Unit::Things => None,
                Unit::Seconds => Some(registry::Unit::Seconds),
            };
            let kind = match metric.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut metric_encoder =
                encoder.encode_descriptor(metric.name, metric.help, unit.as_ref(), kind)?;
            for Point { labels, value } in &points {
                if labels.is_empty() {
                    write(&mut metric_encoder, value)?;
                } else {
                    let labels: Vec<(&str, &str)> =
                        metric.labels.iter().copied().zip(labels.iter().map(|label| &**label)).collect();
                    write(&mut metric_encoder.encode_family(&labels)?, value)?;
                }
            }
        }
        Ok(())
    }
}

fn write(encoder: &mut MetricEncoder<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Count(count) => encoder.encode_counter::<NoLabelSet, _, u64>(count, None),
        Value::Level(level) => encoder.encode_gauge(level),
        Value::Sizes { ends, sum, counts } => {
            let ends = ends.iter().copied().chain([f64::INFINITY]);
            let parts: Vec<(f64, u64)> = ends.zip(counts.parts).collect();
            let examples: Option<&HashMap<usize, Exemplar<NoLabelSet, f64>>> = None;
            encoder.encode_histogram(*sum, counts.count(), &parts, examples)
        }
    }
}
