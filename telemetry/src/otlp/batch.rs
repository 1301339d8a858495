//! Spans that go out together. Each is written as it comes, so that a batch is some kilobytes of bytes and not thousands of small
//! texts; what is around all of them is written last.

use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

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
    spans: Vec<u8>,
}

impl Batch {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn add(&mut self, mut span: SpanData) {
        if let Some(name) = full_name(&span) {
            span.name = name.into();
        }
        field(SPANS, &Span::from(span), &mut self.spans);
        self.count += 1;
    }

    /// An `ExportTraceServiceRequest` of all spans.
    pub(crate) fn into_request(self, frame: &Frame) -> Bytes {
        let scope_spans = frame.scope.len() + self.spans.len();
        let resource_spans = frame.resource.len()
            + key_len(SCOPE_SPANS)
            + encoded_len_varint(scope_spans as u64)
            + scope_spans;
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
    Some(format!("{} {}", span.name, said.value))
}

/// Writes a field that is a message.
fn field(tag: u32, message: &impl Message, to: &mut Vec<u8>) {
    begin(tag, message.encoded_len(), to);
    message.encode_raw(to);
}

/// Begins a field of this length.
fn begin(tag: u32, length: usize, to: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, to);
    encode_varint(length as u64, to);
}
