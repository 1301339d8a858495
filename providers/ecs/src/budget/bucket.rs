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

/// What a bucket begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seed {
    /// The most tokens.
    pub(super) burst: u32,
    /// How many come in a second.
    pub(super) per_second: u32,
}

impl Seed {
    /// How many tokens this part of a full bucket is.
    pub(super) fn reserve(self, part: f64) -> u32 {
        (f64::from(self.burst) * part).floor() as u32
    }

    /// So many times as much.
    pub(super) fn times(self, factor: u32) -> Self {
        Self { burst: self.burst.saturating_mul(factor), per_second: self.per_second.saturating_mul(factor) }
    }
}

/// The tokens of one quota.
#[derive(Debug)]
pub(super) struct Bucket {
    seed: Seed,
    tokens: f64,
    /// Tokens in a second, now.
    rate: f64,
    /// When the two were true.
    at: Instant,
    cut: Option<Instant>,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(seed: Seed, now: Instant) -> Self {
        let seed = Seed { burst: seed.burst.max(1), per_second: seed.per_second.max(1) };
        Self { seed, tokens: seed.burst.into(), rate: seed.per_second.into(), at: now, cut: None }
    }

    /// Whether there is a token, if this part of a full bucket stays; else in what time there is one at the latest.
    pub(super) fn has(&mut self, now: Instant, reserve: f64) -> Result<(), Duration> {
        self.fill(now);
        let enough = f64::from(self.seed.reserve(reserve)) + 1.0;
        if self.tokens + OFF < enough {
            return Err(Duration::from_secs_f64((enough - self.tokens) / self.rate));
        }
        Ok(())
    }

    /// Takes a token, which is there.
    pub(super) fn take(&mut self) {
        self.tokens = (self.tokens - 1.0).max(0.0);
    }

    /// The platform throttled a request: the bucket is empty, and fills more slowly for a while. Returns the new rate a
    /// second, if it changed.
    pub(super) fn throttled(&mut self, now: Instant) -> Option<f64> {
        self.fill(now);
        self.tokens = 0.0;
        if self.cut.is_some_and(|cut| now.duration_since(cut) < CUT_PAUSE) {
            return None;
        }
        self.cut = Some(now);
        self.rate = (self.rate / 2.0).max(self.full_rate() * FLOOR);
        Some(self.rate)
    }

    /// What it began with.
    pub(super) fn seed(&self) -> Seed {
        self.seed
    }

    /// How long it takes until so many came.
    pub(super) fn time_for(&self, tokens: usize) -> Duration {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        Duration::from_secs_f64(f64::from(tokens) / self.rate)
    }

    /// How many come in a second, now.
    pub(super) fn rate(&mut self, now: Instant) -> f64 {
        self.fill(now);
        self.rate
    }

    /// How many come in a second while the platform does not throttle.
    pub(super) fn full_rate(&self) -> f64 {
        self.seed.per_second.into()
    }

    /// Adds the tokens since the last look. The rate rises evenly until it is what it began with.
    fn fill(&mut self, now: Instant) {
        let passed = now.duration_since(self.at).as_secs_f64();
        self.at = now;
        let growth = self.full_rate() / RECOVERY;
        let rising = ((self.full_rate() - self.rate) / growth).clamp(0.0, passed);
        let came = self.rate * rising + growth * rising * rising / 2.0 + self.full_rate() * (passed - rising);
        self.rate = (self.rate + growth * rising).min(self.full_rate());
        self.tokens = (self.tokens + came).min(self.seed.burst.into());
    }
}
