//! Spans, from when they end until the receiver has them.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::send::Sender;
use super::tally::{Dropped, Signal, Tally};

/// How many spans may wait. One more is dropped.
const QUEUE: usize = 4096;
/// How many are sent at a time.
const BATCH: usize = 512;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// The pauses before a batch is sent again that may be taken then.
const AGAIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Where spans wait: where they come in, and where they go on.
pub(crate) fn queue(tally: Arc<Tally>) -> (Ending, Ended) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Ending { queue: sender, tally }, Ended(receiver))
}

/// Takes spans as they end.
#[derive(Debug)]
pub(crate) struct Ending {
    queue: mpsc::Sender<SpanData>,
    tally: Arc<Tally>,
}

/// Spans that have ended.
pub(crate) struct Ended(mpsc::Receiver<SpanData>);

impl SpanProcessor for Ending {
    fn on_start(&self, _span: &mut Span, _context: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        self.tally.trace();
        if self.queue.try_send(span).is_err() {
            self.tally.lose(Signal::Spans, Dropped::QueueFull, 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _within: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Sends spans.
pub(crate) struct Spans {
    pub(crate) ended: Ended,
    pub(crate) sender: Sender,
    pub(crate) to: Uri,
    pub(crate) resource: Resource,
    pub(crate) tally: Arc<Tally>,
}

impl Spans {
    /// Sends what ends until `stop`, and then once more what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let resource = ResourceAttributesWithSchema::from(&self.resource);
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                first = self.ended.0.recv() => match first {
                    Some(first) => batch.push(first),
                    None => return,
                },
            }
            self.gather(&mut batch, &stop).await;
            self.send(batch, &resource, &stop).await;
        }
        while !self.ended.0.is_empty() {
            let mut batch = Vec::with_capacity(BATCH);
            self.ended.0.recv_many(&mut batch, BATCH).await;
            self.send(batch, &resource, &stop).await;
        }
    }

    /// Waits a moment for more.
    async fn gather(&mut self, batch: &mut Vec<SpanData>, stop: &CancellationToken) {
        let until = tokio::time::Instant::now() + GATHER;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(until) => return,
                count = self.ended.0.recv_many(batch, room) => if count == 0 { return },
            }
        }
    }

    async fn send(
        &self,
        batch: Vec<SpanData>,
        resource: &ResourceAttributesWithSchema,
        stop: &CancellationToken,
    ) {
        let count = batch.len() as u64;
        let resource_spans = group_spans_by_resource_and_scope(batch, resource);
        let request = ExportTraceServiceRequest { resource_spans };
        let mut pauses = AGAIN.into_iter();
        loop {
            let answer = self.sender.send::<ExportTraceServiceResponse>(&self.to, &request).await;
            let not_taken = match answer {
                Ok(answer) => {
                    let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
                    let rejected = u64::try_from(rejected).unwrap_or_default().min(count);
                    self.tally.export(Signal::Spans, count - rejected);
                    self.tally.lose(Signal::Spans, Dropped::Refused, rejected);
                    return;
                }
                Err(not_taken) => not_taken,
            };
            let pause = if not_taken.passes { pauses.next() } else { None };
            let goes_on = match pause {
                Some(pause) => tokio::select! {
                    () = tokio::time::sleep(pause) => true,
                    () = stop.cancelled() => false,
                },
                None => false,
            };
            if !goes_on {
                self.tally.lose(Signal::Spans, not_taken.why, count);
                return;
            }
        }
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        let left = self.ended.0.len() as u64;
        self.tally.lose(Signal::Spans, Dropped::Ended, left);
    }
}
