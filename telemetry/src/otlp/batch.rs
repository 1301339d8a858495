//! Spans that go out together. Each is written as it comes, so that a batch is some kilobytes of bytes and not thousands of small
//! texts; what is around all of them is written last.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags, span};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;
use prost::encoding::{WireType, encoded_len_varint, fixed32, fixed64, int32, key_len, uint32};

/// `ExportTraceServiceRequest.resource_spans`.
const RESOURCE_SPANS: u32 = 1;
/// `ResourceSpans.resource`.
const RESOURCE: u32 = 1;
/// `ResourceSpans.scope_spans`.
const SCOPE_SPANS: u32 = 2;
/// `ScopeSpans.scope`.
const SCOPE: u32 = 1;
/// `ScopeSpans.spans`.
const SPANS: u32 = 2;
/// The fields of `Span`, but for its events and links.
const TRACE_ID: u32 = 1;
const SPAN_ID: u32 = 2;
const TRACE_STATE: u32 = 3;
const PARENT_SPAN_ID: u32 = 4;
const NAME: u32 = 5;
const KIND: u32 = 6;
const START: u32 = 7;
const END: u32 = 8;
const ATTRIBUTES: u32 = 9;
const DROPPED_ATTRIBUTES: u32 = 10;
const STATUS: u32 = 15;
const FLAGS: u32 = 16;
/// `Status.message`.
const MESSAGE: u32 = 2;
/// `Status.code`.
const CODE: u32 = 3;
/// `KeyValue.key`.
const KEY: u32 = 1;
/// `KeyValue.value`.
const VALUE: u32 = 2;
/// `AnyValue.string_value`.
const TEXT: u32 = 1;

/// What all requests say around their spans.
pub(crate) struct Frame {
    /// The field of `ResourceSpans`.
    resource: Vec<u8>,
    /// The field of `ScopeSpans`.
    scope: Vec<u8>,
}

impl Frame {
    pub(crate) fn of(resource: &Resource) -> Self {
        let attributes = ResourceAttributesWithSchema::from(resource).attributes.0;
        let scope = InstrumentationScope {
            name: env!("CARGO_PKG_NAME").to_owned(),
            ..InstrumentationScope::default()
        };
        let mut frame = Self { resource: Vec::new(), scope: Vec::new() };
        field(RESOURCE, &ProtoResource { attributes, ..ProtoResource::default() }, &mut frame.resource);
        field(SCOPE, &scope, &mut frame.scope);
        frame
    }
}

/// Spans, written.
#[derive(Default)]
pub(crate) struct Batch {
    count: usize,
    /// One of them, while its length is not known.
    span: Vec<u8>,
    spans: Vec<u8>,
}

impl Batch {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn add(&mut self, mut span: SpanData) {
        let name = full_name(&span);
        self.count += 1;
        if span.events.is_empty() && span.links.is_empty() {
            self.span.clear();
            write_span(&span, name.as_deref(), &mut self.span);
            begin(SPANS, self.span.len(), &mut self.spans);
            self.spans.extend_from_slice(&self.span);
        } else {
            // The engine makes none such.
            if let Some(name) = name {
                span.name = name.into();
            }
            field(SPANS, &Span::from(span), &mut self.spans);
        }
    }

    /// An `ExportTraceServiceRequest` of all spans.
    pub(crate) fn into_request(self, frame: &Frame) -> Bytes {
        let scope_spans = frame.scope.len() + self.spans.len();
        let resource_spans = frame.resource.len() + length(SCOPE_SPANS, scope_spans);
        let mut request = Vec::with_capacity(resource_spans + 16);
        begin(RESOURCE_SPANS, resource_spans, &mut request);
        request.extend_from_slice(&frame.resource);
        begin(SCOPE_SPANS, scope_spans, &mut request);
        request.extend_from_slice(&frame.scope);
        request.extend_from_slice(&self.spans);
        request.into()
    }
}

/// What a page lists the span as: `step look for processes`. There are as many such names as the program has words for them.
fn full_name(span: &SpanData) -> Option<String> {
    let key = match span.name.as_ref() {
        "command" => "command",
        "transition" => "kind",
        "call" | "provider" | "request" => "method",
        "step" => "step",
        _ => return None,
    };
    let said = span.attributes.iter().find(|attribute| attribute.key.as_str() == key)?;
    Some([&span.name, " ", &*said.value.as_str()].concat())
}

/// Writes a span that has neither events nor links, as the library would: its messages would be made only to be written, and with
/// them some thirty small texts.
fn write_span(span: &SpanData, name: Option<&str>, to: &mut Vec<u8>) {
    let (context, nanoseconds) = (&span.span_context, |at: SystemTime| {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    });
    bytes(TRACE_ID, &context.trace_id().to_bytes(), to);
    bytes(SPAN_ID, &context.span_id().to_bytes(), to);
    bytes(TRACE_STATE, context.trace_state().header().as_bytes(), to);
    if span.parent_span_id != SpanId::INVALID {
        bytes(PARENT_SPAN_ID, &span.parent_span_id.to_bytes(), to);
    }
    bytes(NAME, name.unwrap_or(&span.name).as_bytes(), to);
    int32::encode(KIND, &span::SpanKind::from(span.span_kind.clone()).into(), to);
    fixed64::encode(START, &nanoseconds(span.start_time), to);
    fixed64::encode(END, &nanoseconds(span.end_time), to);
    for attribute in &span.attributes {
        write_attribute(attribute, to);
    }
    uint32::encode(DROPPED_ATTRIBUTES, &span.dropped_attributes_count, to);
    write_status(&span.status, to);
    let remote = if span.parent_span_is_remote { SpanFlags::ContextIsRemoteMask as u32 } else { 0 };
    let flags = SpanFlags::ContextHasIsRemoteMask as u32 | remote | u32::from(context.trace_flags().to_u8());
    fixed32::encode(FLAGS, &flags, to);
}

/// Writes the field of a span that is an attribute.
fn write_attribute(KeyValue { key, value, .. }: &KeyValue, to: &mut Vec<u8>) {
    let (text, other) = match value {
        Value::String(text) => (text.as_str(), None),
        Value::Bool(_) | Value::I64(_) | Value::F64(_) | Value::Array(_) | _ => {
            ("", Some(AnyValue::from(value.clone())))
        }
    };
    let value_length = other.as_ref().map_or(length(TEXT, text.len()), AnyValue::encoded_len);
    begin(ATTRIBUTES, length(KEY, key.as_str().len()) + length(VALUE, value_length), to);
    bytes(KEY, key.as_str().as_bytes(), to);
    begin(VALUE, value_length, to);
    match other {
        None => bytes(TEXT, text.as_bytes(), to),
        Some(other) => other.encode_raw(to),
    }
}

/// Writes the field of a span that is how it ended.
fn write_status(status: &Status, to: &mut Vec<u8>) {
    let message = match status {
        Status::Error { description } => description.as_ref(),
        Status::Ok | Status::Unset => "",
    };
    let code: i32 = StatusCode::from(status).into();
    begin(STATUS, length(MESSAGE, message.len()) + int32::encoded_len(CODE, &code), to);
    bytes(MESSAGE, message.as_bytes(), to);
    int32::encode(CODE, &code, to);
}

/// Writes a field that is bytes, or a text.
fn bytes(tag: u32, bytes: &[u8], to: &mut Vec<u8>) {
    begin(tag, bytes.len(), to);
    to.extend_from_slice(bytes);
}

/// How long a field of this length is, with what says what it is.
fn length(tag: u32, length: usize) -> usize {
    key_len(tag) + encoded_len_varint(length as u64) + length
}

/// Writes a field that is a message.
fn field(tag: u32, message: &impl Message, to: &mut Vec<u8>) {
    begin(tag, message.encoded_len(), to);
    message.encode_raw(to);
}

/// Writes a number, seven bits a byte. Most take one.
fn varint(number: impl Into<u64>, to: &mut Vec<u8>) {
    let mut number = number.into();
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Begins a field of this length.
fn begin(tag: u32, length: usize, to: &mut Vec<u8>) {
    varint(tag << 3 | WireType::LengthDelimited as u32, to);
    varint(length as u64, to);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::time::Duration;

    use opentelemetry::trace::{Event, SpanContext, SpanKind, TraceFlags, TraceId, TraceState};
    use opentelemetry::{Array, InstrumentationScope};
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    fn span(name: &'static str, attributes: Vec<KeyValue>) -> SpanData {
        let flags = TraceFlags::SAMPLED;
        let state = TraceState::from_key_value([("vendor", "x")]).unwrap();
        SpanData {
            span_context: SpanContext::new(TraceId::from(7), SpanId::from(8), flags, false, state),
            parent_span_id: SpanId::from(9),
            parent_span_is_remote: true,
            span_kind: SpanKind::Client,
            name: name.into(),
            start_time: UNIX_EPOCH + Duration::from_secs(1),
            end_time: UNIX_EPOCH + Duration::from_secs(2),
            attributes,
            dropped_attributes_count: 1,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::error("no"),
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    #[test]
    fn a_receiver_reads_what_the_library_would_have_written() {
        let long = "x".repeat(300);
        let mut plain = span("commit", Vec::new());
        (plain.parent_span_id, plain.parent_span_is_remote, plain.status) =
            (SpanId::INVALID, false, Status::Unset);
        let mut told = span("other", vec![KeyValue::new("text", "x")]);
        told.events.events.push(Event::with_name("something"));
        let spans = [
            plain,
            told,
            span(
                "other",
                vec![
                    KeyValue::new("text", long),
                    KeyValue::new("empty", ""),
                    KeyValue::new("number", -3),
                    KeyValue::new("share", 0.5),
                    KeyValue::new("flag", true),
                    KeyValue::new("list", Value::Array(Array::I64(vec![1, 2]))),
                ],
            ),
        ];
        let mut batch = Batch::default();
        spans.iter().for_each(|span| batch.add(span.clone()));
        let resource = Resource::builder_empty().with_service_name("fleet").build();
        let request = batch.into_request(&Frame::of(&resource));
        let mut read = ExportTraceServiceRequest::decode(request).unwrap();
        let scope = read.resource_spans.remove(0).scope_spans.remove(0);
        assert_eq!(scope.spans, spans.map(Span::from));
    }

    #[test]
    fn a_name_says_which_span_it_is() {
        let mut batch = Batch::default();
        batch.add(span("call", vec![KeyValue::new("method", "update")]));
        batch.add(span("call", Vec::new()));
        let request = batch.into_request(&Frame::of(&Resource::builder_empty().build()));
        let mut read = ExportTraceServiceRequest::decode(request).unwrap();
        let spans = read.resource_spans.remove(0).scope_spans.remove(0).spans;
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["call update", "call"]);
    }
}
