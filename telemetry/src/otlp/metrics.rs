//! Metrics, sent now and then.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Uri;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use prost::Message;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::send::Sender;
use super::tally::{Signal, Tally};
use crate::catalogue::{Kind, Unit};
use crate::sample::{Family, Point, Value};

/// Sends metrics.
pub(crate) struct Metrics {
    pub(crate) sample: Arc<dyn Fn() -> Vec<Family> + Send + Sync>,
    pub(crate) sender: Sender,
    pub(crate) to: Uri,
    pub(crate) resource: Resource,
    pub(crate) every: Duration,
    pub(crate) tally: Arc<Tally>,
}

impl Metrics {
    /// Sends them until `stop`, and then a last time.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let begun = SystemTime::now();
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first one comes at once, when nothing has happened yet.
        ticks.tick().await;
        loop {
            let last = tokio::select! {
                biased;
                () = stop.cancelled() => true,
                _ = ticks.tick() => false,
            };
            self.send(begun).await;
            if last {
                return;
            }
        }
    }

    async fn send(&self, begun: SystemTime) {
        let families = (self.sample)();
        let count = families.iter().map(|family| family.points.len() as u64).sum();
        let times = Times { begun: nanoseconds(begun), now: nanoseconds(SystemTime::now()) };
        let request = Bytes::from(request(families, &self.resource, times).encode_to_vec());
        match self.sender.send::<ExportMetricsServiceResponse>(&self.to, request).await {
            Ok(answer) => {
                let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_data_points);
                let rejected = u64::try_from(rejected).unwrap_or_default().min(count);
                self.tally.export(Signal::Metrics, count - rejected);
                self.tally.lose(Signal::Metrics, super::tally::Dropped::Refused, rejected);
            }
            // They are sums, so the next ones say this too.
            Err(not_taken) => self.tally.lose(Signal::Metrics, not_taken.why, count),
        }
    }
}

#[derive(Clone, Copy)]
struct Times {
    begun: u64,
    now: u64,
}

fn nanoseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn request(families: Vec<Family>, resource: &Resource, times: Times) -> ExportMetricsServiceRequest {
    let metrics = families.into_iter().filter(|family| !family.points.is_empty());
    let metrics = metrics.map(|family| written(family, times)).collect();
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let attributes = ResourceAttributesWithSchema::from(resource).attributes.0;
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(ProtoResource { attributes, ..ProtoResource::default() }),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    }
}

fn written(Family { metric, points }: Family, times: Times) -> Metric {
    let labels = |point: &Point| -> Vec<KeyValue> {
        let labels = metric.labels.iter().zip(&point.labels);
        let text = |value: &str| AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
        let labels = labels.map(|(key, value)| KeyValue {
            key: (*key).to_owned(),
            value: Some(text(value)),
            ..KeyValue::default()
        });
        labels.collect()
    };
    let number = |point: &Point| NumberDataPoint {
        attributes: labels(point),
        start_time_unix_nano: times.begun,
        time_unix_nano: times.now,
        value: Some(match &point.value {
            Value::Count(count) => number_data_point::Value::AsInt(i64::try_from(*count).unwrap_or(i64::MAX)),
            Value::Level(level) => number_data_point::Value::AsDouble(*level),
            Value::Sizes { sum, .. } => number_data_point::Value::AsDouble(*sum),
        }),
        ..NumberDataPoint::default()
    };
    let sizes = |point: &Point| {
        let Value::Sizes { ends, sum, counts } = &point.value else { return None };
        Some(HistogramDataPoint {
            attributes: labels(point),
            start_time_unix_nano: times.begun,
            time_unix_nano: times.now,
            count: counts.count(),
            sum: Some(*sum),
            bucket_counts: counts.parts.to_vec(),
            explicit_bounds: ends.clone(),
            ..HistogramDataPoint::default()
        })
    };
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data = match metric.kind {
        Kind::Counter => metric::Data::Sum(Sum {
            data_points: points.iter().map(number).collect(),
            aggregation_temporality,
            is_monotonic: true,
        }),
        Kind::Gauge => metric::Data::Gauge(Gauge { data_points: points.iter().map(number).collect() }),
        Kind::Histogram => metric::Data::Histogram(Histogram {
            data_points: points.iter().filter_map(sizes).collect(),
            aggregation_temporality,
        }),
    };
    let unit = match metric.unit {
        Unit::Things => "",
        Unit::Seconds => "s",
    };
    Metric {
        name: metric.name.to_owned(),
        description: metric.help.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}
