//! What became of spans and metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Spans,
    Metrics,
}

/// Why something was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// The receiver is slower than what comes.
    QueueFull,
    /// The receiver did not answer in time.
    TimedOut,
    /// The receiver cannot be reached.
    Unreachable,
    /// The receiver does not take it.
    Refused,
    /// The program ended.
    Ended,
}

const SIGNALS: [(Signal, &str); 2] = [(Signal::Spans, "spans"), (Signal::Metrics, "metrics")];
const REASONS: [(Dropped, &str); 5] = [
    (Dropped::QueueFull, "queue_full"),
    (Dropped::TimedOut, "timed_out"),
    (Dropped::Unreachable, "unreachable"),
    (Dropped::Refused, "refused"),
    (Dropped::Ended, "ended"),
];

/// What became of spans and metrics.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    traced: AtomicU64,
    exported: [AtomicU64; SIGNALS.len()],
    dropped: [[AtomicU64; REASONS.len()]; SIGNALS.len()],
}

impl Tally {
    /// A span ended.
    pub(crate) fn trace(&self) {
        self.traced.fetch_add(1, Ordering::Relaxed);
    }

    /// So many were taken.
    pub(crate) fn export(&self, signal: Signal, count: u64) {
        self.exported[signal as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// So many were dropped.
    pub(crate) fn lose(&self, signal: Signal, why: Dropped, count: u64) {
        self.dropped[signal as usize][why as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn traced(&self) -> u64 {
        self.traced.load(Ordering::Relaxed)
    }

    pub(crate) fn exported(&self) -> impl Iterator<Item = (&'static str, u64)> {
        SIGNALS.iter().map(|(signal, name)| (*name, self.exported[*signal as usize].load(Ordering::Relaxed)))
    }

    pub(crate) fn dropped(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        SIGNALS.iter().flat_map(move |(signal, name)| {
            REASONS.iter().map(move |(why, reason)| {
                (*name, *reason, self.dropped[*signal as usize][*why as usize].load(Ordering::Relaxed))
            })
        })
    }

    /// Spans that are neither exported nor dropped yet.
    pub(crate) fn waiting(&self) -> u64 {
        let spans = Signal::Spans as usize;
        let over: u64 = self.dropped[spans].iter().map(|dropped| dropped.load(Ordering::Relaxed)).sum();
        let over = over + self.exported[spans].load(Ordering::Relaxed);
        self.traced().saturating_sub(over)
    }
}
