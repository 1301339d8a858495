//! Commands, transitions, commits and provider calls are spans that say whose they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use landlord_compute::Options;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::tenant::Method;
use landlord_compute::machines::trace::TraceContext;
use landlord_testing::scripted::Step;
use tracing::Dispatch;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::{engine, memory, scripted, spec, tenant};

/// A span's name and fields.
pub(super) type Seen = (String, BTreeMap<String, String>);

/// Writes down every span of the engine that begins.
#[derive(Clone, Default)]
pub(super) struct Spans(pub(super) Arc<Mutex<Vec<Seen>>>);

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: tracing::Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if attributes.metadata().target().starts_with("landlord_compute") {
            let mut fields = BTreeMap::new();
            attributes.record(&mut Fields(&mut fields));
            let name = attributes.metadata().name().to_owned();
            self.0.lock().expect("no panic in here").push((name, fields));
        }
    }
}

/// Gives what this thread traces to `layer`, until it is dropped.
pub(super) fn listen(layer: impl Layer<Registry> + Send + Sync) -> DefaultGuard {
    // While there is only one subscriber, a span that another test's thread meets first is switched off for all.
    static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
    ANOTHER.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
    tracing::subscriber::set_default(tracing_subscriber::registry().with(layer))
}

#[tokio::test(start_paused = true)]
async fn everything_that_happens_to_a_tenant_is_a_span_that_names_it() {
    let spans = Spans::default();
    let _listening = listen(spans.clone());
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let error =
        ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Retry, ErrorCode::UnknownError, "once");
    provider.script(&tenant("acme"), Method::Provision, [Step::Fail(error)]);
    let trace = TraceContext { traceparent: "00-1-2-01".to_owned(), tracestate: None };
    let options = Options::default().trace(trace);
    let operation = engine.tenant(tenant("acme")).provision(spec("acme", "v1"), options).await;
    operation.expect("accepted").await.expect("settles");

    let seen = spans.0.lock().expect("no panic in here").clone();
    let named = |name: &str| -> Vec<BTreeMap<String, String>> {
        seen.iter().filter(|(span, _)| span == name).map(|(_, fields)| fields.clone()).collect()
    };
    for name in ["command", "transition", "call"] {
        for fields in named(name) {
            assert_eq!(fields["tenant_id"], "acme", "{name}");
            assert_eq!(fields["provider"], "scripted", "{name}");
            assert_eq!(fields["operation"], "1-1", "{name}");
        }
    }
    assert_eq!(named("command").len(), 1);
    let attempts = |name| -> Vec<String> {
        named(name).into_iter().map(|fields| fields.get("attempt").cloned().unwrap_or_default()).collect()
    };
    assert_eq!(attempts("call"), ["1", "2"]);
    assert_eq!(attempts("transition"), ["1", "2", "2", "2"], "began, failed, tried again, succeeded");
    assert_eq!(named("commit").len(), 4);
}

/// With OpenTelemetry, a call is part of its caller's trace, also when another engine makes it.
#[cfg(feature = "opentelemetry")]
#[tokio::test(start_paused = true)]
async fn a_call_continues_the_callers_trace_after_a_restart() {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

    let exporter = InMemorySpanExporter::default();
    let tracer_provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(tracer_provider.tracer("test"));
    let _listening = listen(layer);

    let store = memory();
    let provider = scripted();
    provider.script(&tenant("acme"), Method::Provision, [Step::Hang]);
    let first = engine(store.clone(), &provider).start().await.expect("starts");
    let operation = async {
        first
            .tenant(tenant("acme"))
            .provision(spec("acme", "v1"), Options::default())
            .await
            .expect("accepted")
    };
    let request = tracing::info_span!("request of a caller");
    let id =
        tracing::Instrument::instrument(operation, request.clone()).await.id().expect("an operation began");
    drop((request, first));
    let second = engine(store, &provider).start().await.expect("starts");
    second.operation(id).await.expect("known").await.expect("settles");
    drop(second);

    let spans = exporter.get_finished_spans().expect("exported");
    let trace_of = |name: &str| {
        let span = spans.iter().find(|span| span.name == name).expect("there is one");
        span.span_context.trace_id()
    };
    let calls: Vec<_> = spans.iter().filter(|span| span.name == "call").collect();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.span_context.trace_id() == trace_of("request of a caller")));
}
