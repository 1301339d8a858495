//! A receiver of OTLP: takes what is sent, and decodes it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

/// Everything that came. Clones are the same.
#[derive(Clone)]
pub(super) struct Receiver {
    address: String,
    came: Arc<Mutex<Came>>,
}

#[derive(Default)]
pub(super) struct Came {
    pub(super) spans: Vec<Span>,
    /// Those of the last request.
    pub(super) metrics: Vec<Metric>,
    pub(super) resource: Vec<KeyValue>,
    pub(super) authorization: Vec<String>,
    /// The bytes of every request.
    pub(super) bytes: Vec<u8>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let receiver = Self { address, came: Arc::default() };
        let answering = receiver.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                let receiver = answering.clone();
                tokio::spawn(async move {
                    let answer = service_fn(move |request| {
                        let receiver = receiver.clone();
                        async move { Ok::<_, Infallible>(receiver.take(request).await) }
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        receiver
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn came(&self) -> MutexGuard<'_, Came> {
        self.came.lock().expect("no panic in here")
    }

    async fn take(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        assert_eq!(head.headers["content-type"], "application/x-protobuf");
        {
            let mut came = self.came();
            came.bytes.extend_from_slice(&body);
            let authorization = head.headers.get("authorization");
            came.authorization.extend(authorization.map(|it| it.to_str().expect("text").to_owned()));
            match head.uri.path() {
                "/v1/traces" => {
                    let request = ExportTraceServiceRequest::decode(body).expect("a request");
                    for of_resource in request.resource_spans {
                        came.resource = of_resource.resource.expect("a resource").attributes;
                        came.spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
                    }
                }
                "/v1/metrics" => {
                    let request = ExportMetricsServiceRequest::decode(body).expect("a request");
                    let scopes = request.resource_metrics.into_iter().flat_map(|of| of.scope_metrics);
                    came.metrics = scopes.flat_map(|scope| scope.metrics).collect();
                }
                other => panic!("nothing is sent to {other}"),
            }
        }
        Response::new(Full::default())
    }
}

/// The attributes of a span or a point, as text.
pub(super) fn attributes(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |value: &any_value::Value| match value {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::BoolValue(flag) => flag.to_string(),
        any_value::Value::DoubleValue(number) => number.to_string(),
        other @ (any_value::Value::ArrayValue(_)
        | any_value::Value::KvlistValue(_)
        | any_value::Value::BytesValue(_)
        | any_value::Value::StringValueStrindex(_)) => panic!("no such value is sent: {other:?}"),
    };
    attributes
        .iter()
        .map(|pair| {
            let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
            (pair.key.clone(), value.map(text).unwrap_or_default())
        })
        .collect()
}

/// What a counter or a gauge is, by the values of its labels.
pub(super) fn numbers(metric: &Metric) -> Vec<(String, f64)> {
    let points = match metric.data.as_ref().expect("data") {
        metric::Data::Sum(sum) => &sum.data_points,
        metric::Data::Gauge(gauge) => &gauge.data_points,
        other @ (metric::Data::Histogram(_)
        | metric::Data::ExponentialHistogram(_)
        | metric::Data::Summary(_)) => panic!("no number: {other:?}"),
    };
    let number = |value: &number_data_point::Value| match value {
        number_data_point::Value::AsInt(number) => *number as f64,
        number_data_point::Value::AsDouble(number) => *number,
    };
    points
        .iter()
        .map(|point| {
            let labels: Vec<String> =
                attributes(&point.attributes).into_iter().map(|(_, value)| value).collect();
            (labels.join(" "), point.value.as_ref().map(number).unwrap_or_default())
        })
        .collect()
}
