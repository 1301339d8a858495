//! The trace of an operation, as a receiver has it.

use std::collections::BTreeMap;
use std::fmt::Write;

use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::tenant::Method;
use landlord_compute::machines::trace::TraceContext;
use landlord_compute::{Options, Settled};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use landlord_testing::fixtures::{memory, scripted, spec, tenant};
use landlord_testing::scripted::Step;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::receiver::attributes;
use super::{Exporting, Receiver, engine};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn traced(flags: &str) -> Options {
    let traceparent = format!("00-{TRACE}-{CALLER}-{flags}");
    Options::default().trace(TraceContext { traceparent, tracestate: None })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes it");
        text
    })
}

/// The spans below each span, in the order in which they began.
fn tree(spans: &[Span]) -> String {
    let mut below: BTreeMap<String, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        assert_eq!(hex(&span.trace_id), TRACE, "{}", span.name);
        below.entry(hex(&span.parent_span_id)).or_default().push(span);
    }
    let mut text = String::new();
    write_below(&mut text, &mut below, CALLER, 0);
    assert!(below.is_empty(), "every span is below the caller's: {below:?}");
    text
}

fn write_below(text: &mut String, below: &mut BTreeMap<String, Vec<&Span>>, parent: &str, depth: usize) {
    let mut spans = below.remove(parent).unwrap_or_default();
    spans.sort_by_key(|span| span.start_time_unix_nano);
    for span in spans {
        let said = attributes(&span.attributes);
        let said = said.into_iter().filter(|(key, _)| key != "trace_id" && key != "level");
        let said: Vec<String> = said.map(|(key, value)| format!("{key}={value}")).collect();
        let failed = span.status.as_ref().is_some_and(|status| status.code == 2);
        let failed = if failed { " FAILED" } else { "" };
        writeln!(text, "{:indent$}{} {}{failed}", "", span.name, said.join(" "), indent = depth * 2)
            .expect("a text");
        write_below(text, below, &hex(&span.span_id), depth + 1);
    }
}

#[tokio::test]
async fn a_trace_goes_from_the_caller_to_the_calls_and_the_published_event() {
    let receiver = Receiver::start().await;
    let exporting = Exporting::to(receiver.address());
    let provider = scripted();
    let engine = engine(&exporting.telemetry, memory(), &provider).await;
    let operation = engine.tenant(tenant("acme")).provision(spec("acme", "v1"), traced("01")).await;
    assert_eq!(operation.expect("accepted").await.expect("settles"), Settled::Done);
    exporting.end().await;
    insta::assert_snapshot!(tree(&receiver.came().spans));
    let resource = attributes(&receiver.came().resource);
    assert!(resource.contains(&("service.name".to_owned(), "landlord-compute".to_owned())), "{resource:?}");
}

/// A retry later is part of it too, and so is the error's code.
#[tokio::test]
async fn a_failed_call_is_part_of_the_trace() {
    let receiver = Receiver::start().await;
    let exporting = Exporting::to(receiver.address());
    let provider = scripted();
    let error = ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Permanent, ErrorCode::Conflict, "no");
    provider.script(&tenant("acme"), Method::Provision, [Step::Fail(error)]);
    let engine = engine(&exporting.telemetry, memory(), &provider).await;
    let operation = engine.tenant(tenant("acme")).provision(spec("acme", "v1"), traced("01")).await;
    operation.expect("accepted").await.expect("settles");
    exporting.end().await;
    insta::assert_snapshot!(tree(&receiver.came().spans));
}

/// The operation's place in its trace is durable, so another engine over the same file goes on with it.
#[tokio::test]
async fn a_trace_goes_on_when_another_engine_takes_the_store_over() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let store = || SqliteStore::new(SqliteOptions::new(folder.path().join("landlord.db")));
    let provider = scripted();
    provider.script(&tenant("acme"), Method::Provision, [Step::Hang]);
    let first = Exporting::to(receiver.address());
    let dying = engine(&first.telemetry, store(), &provider).await;
    let operation = dying.tenant(tenant("acme")).provision(spec("acme", "v1"), traced("01")).await;
    let id = operation.expect("accepted").id().expect("an operation began");
    // Nothing is told to the store any more, as after a crash.
    dying.shutdown(std::time::Duration::ZERO).await.expect("the store is given up");
    drop(dying);
    first.end().await;

    let second = Exporting::to(receiver.address());
    let heir = engine(&second.telemetry, store(), &provider).await;
    heir.operation(id).await.expect("known").await.expect("settles");
    drop(heir);
    second.end().await;
    insta::assert_snapshot!(tree(&receiver.came().spans));
}

#[tokio::test]
async fn what_a_caller_does_not_sample_has_no_spans() {
    let receiver = Receiver::start().await;
    let exporting = Exporting::to(receiver.address());
    let engine = engine(&exporting.telemetry, memory(), &scripted()).await;
    let operation = engine.tenant(tenant("acme")).provision(spec("acme", "v1"), traced("00")).await;
    operation.expect("accepted").await.expect("settles");
    let operation = engine.tenant(tenant("beta")).provision(spec("beta", "v1"), Options::default()).await;
    operation.expect("accepted").await.expect("settles");
    // As a provider makes one for a look that is part of no operation.
    drop(tracing::info_span!(target: "landlord_compute::provider", "provider"));
    exporting.end().await;
    let came = receiver.came();
    assert!(!came.spans.is_empty());
    for span in &came.spans {
        let of_acme = attributes(&span.attributes).contains(&("tenant_id".to_owned(), "acme".to_owned()));
        assert!(!of_acme, "{span:?}");
    }
    let traces: std::collections::BTreeSet<_> = came.spans.iter().map(|span| &span.trace_id).collect();
    assert_eq!(traces.len(), 1, "one operation is one trace");
}
