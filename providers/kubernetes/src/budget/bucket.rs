//! A token bucket that fills more slowly when the platform throttles, and as before again when it does not.

use std::time::Duration;

use tokio::time::Instant;

/// A rate is never halved below this part of what it began with.
const FLOOR: f64 = 1.0 / 16.0;
/// Seconds in which a rate recovers from zero to what it began with; from half of it, half of this.
const RECOVERY: f64 = 30.0;
/// The rate is halved at most once in this time: requests that were on their way together are throttled together.
const CUT_PAUSE: Duration = Duration::from_secs(1);
/// The rounding error that sums of fractions may have.
const OFF: f64 = 1e-6;

/// Tokens: as many as come in a second at most.
#[derive(Debug)]
pub(super) struct Bucket {
    full: f64,
    tokens: f64,
    /// Tokens in a second, now.
    rate: f64,
    /// When the two were true. It is later than now while the platform wants no request.
    at: Instant,
    cut: Option<Instant>,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let full = f64::from(per_second.max(1));
        Self { full, tokens: full, rate: full, at: now, cut: None }
    }

    /// Takes a token; else says in what time there is one at the latest.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.fill(now);
        if self.tokens + OFF < 1.0 {
            let comes = Duration::from_secs_f64((1.0 - self.tokens) / self.rate);
            return Err(self.at.saturating_duration_since(now) + comes);
        }
        self.tokens = (self.tokens - 1.0).max(0.0);
        Ok(())
    }

    /// The platform throttled a request: the bucket is empty, nothing comes for `pause`, and then less for a while. Returns the new
    /// rate a second, if it changed.
    pub(super) fn throttled(&mut self, now: Instant, pause: Duration) -> Option<f64> {
        self.fill(now);
        self.tokens = 0.0;
        self.at = self.at.max(now + pause);
        if self.cut.is_some_and(|cut| now.duration_since(cut) < CUT_PAUSE) {
            return None;
        }
        self.cut = Some(now);
        self.rate = (self.rate / 2.0).max(self.full * FLOOR);
        Some(self.rate)
    }

    /// How many come in a second now, and how many at best.
    pub(super) fn rates(&mut self, now: Instant) -> (f64, f64) {
        self.fill(now);
        (self.rate, self.full)
    }

    /// How long it takes until so many came.
    pub(super) fn time_for(&self, tokens: usize) -> Duration {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        Duration::from_secs_f64(f64::from(tokens) / self.rate)
    }

    /// Adds the tokens since the last look. The rate rises evenly until it is what it began with.
    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        let growth = self.full / RECOVERY;
        let rising = ((self.full - self.rate) / growth).clamp(0.0, passed);
        let came = self.rate * rising + growth * rising * rising / 2.0 + self.full * (passed - rising);
        self.rate = (self.rate + growth * rising).min(self.full);
        self.tokens = (self.tokens + came).min(self.full);
    }
}
