//! Counts how large things were.

use std::sync::atomic::{AtomicU64, Ordering};

/// Into how many parts sizes are divided, the last one of which has no end.
pub(crate) const PARTS: usize = 16;

/// The ends of the parts of a kind of histogram, in its smallest unit. What is as large as an end is within it.
pub(crate) type Ends = [u64; PARTS - 1];

const fn milliseconds<const N: usize>(mut ends: [u64; N]) -> [u64; N] {
    let mut at = 0;
    while at < N {
        ends[at] *= 1_000_000;
        at += 1;
    }
    ends
}

/// Of operations and calls: 5 ms to 2 h, in nanoseconds.
pub(crate) const WORK: Ends = milliseconds([
    5, 25, 100, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 900_000, 3_600_000,
    7_200_000,
]);

/// Of commits: 10 µs to 10 s, in nanoseconds.
pub(crate) const COMMIT: Ends = [
    10_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    10_000_000_000,
];

/// Of batches.
pub(crate) const BATCH: Ends = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384];

/// How many things there were of each size. No lock: a reader may see one counted and not yet summed.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    parts: [AtomicU64; PARTS],
    sum: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, ends: &Ends, size: u64) {
        // Most is small, so that this ends sooner than a search by halves.
        let part = ends.iter().position(|end| size <= *end).unwrap_or(ends.len());
        self.parts[part].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(size, Ordering::Relaxed);
    }
}

/// What several histograms of the same ends have counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) parts: [u64; PARTS],
    pub(crate) sum: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, histogram: &Histogram) {
        for (part, more) in self.parts.iter_mut().zip(&histogram.parts) {
            *part += more.load(Ordering::Relaxed);
        }
        self.sum += histogram.sum.load(Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.parts.iter().sum()
    }
}
