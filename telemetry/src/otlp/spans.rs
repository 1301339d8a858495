//! Spans, from when they end until the receiver has them.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Frame};
use super::send::Sender;
use super::tally::{Dropped, Signal, Tally};

/// How many spans may wait. One more is dropped.
const QUEUE: usize = 4096;
/// How many are sent at a time.
const BATCH: usize = 512;
/// How often, and after which pauses, more is added to a batch before it goes out. Nobody is woken for each span.
const LOOKS: u32 = 100;
const LOOK: Duration = Duration::from_millis(10);
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
        let frame = Frame::of(&self.resource);
        loop {
            let mut batch = Batch::default();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                first = self.ended.0.recv() => match first {
                    Some(first) => batch.add(first),
                    None => return,
                },
            }
            self.gather(&mut batch, &stop).await;
            self.send(batch, &frame, &stop).await;
        }
        loop {
            let mut batch = Batch::default();
            self.take(&mut batch);
            if batch.count() == 0 {
                return;
            }
            self.send(batch, &frame, &stop).await;
        }
    }

    /// What is there already.
    fn take(&mut self, batch: &mut Batch) {
        while batch.count() < BATCH
            && let Ok(span) = self.ended.0.try_recv()
        {
            batch.add(span);
        }
    }

    /// Waits a moment for more.
    async fn gather(&mut self, batch: &mut Batch, stop: &CancellationToken) {
        for _ in 0..LOOKS {
            self.take(batch);
            if batch.count() == BATCH {
                return;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn send(&self, batch: Batch, frame: &Frame, stop: &CancellationToken) {
        let count = batch.count() as u64;
        let request = batch.into_request(frame);
        let mut pauses = AGAIN.into_iter();
        loop {
            let answer = self.sender.send::<ExportTraceServiceResponse>(&self.to, request.clone()).await;
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
