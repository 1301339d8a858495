//! How patient the machine is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How patient the machine is; the same for all tenants of an engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How often a call towards a target is made before the operation is undone.
    pub attempts: u32,
    /// The pauses between tries, of undo and destroy too.
    pub retry: Backoff,
    /// How long a call that should stop may go on before the engine drops it.
    pub stop_grace: Duration,
    /// What happens when a running tenant breaks by itself.
    pub repair: RepairPolicy,
}

/// What happens when a running tenant breaks by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum RepairPolicy {
    /// Its health says so, nothing else.
    Off,
    /// It is provisioned again.
    On {
        /// The pauses between repairs.
        backoff: Backoff,
        /// After this long without one, the count starts again.
        quiet: Duration,
    },
}

/// Pauses that double up to a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause.
    pub cap: Duration,
}

impl Backoff {
    /// The pause after the `failures`th failure in a row (counted from 1): between a half and the whole of
    /// `first × 2^(failures-1)`, at most the cap. `jitter` (0 to 999) chooses where between.
    pub fn pause(&self, failures: u32, jitter: u16) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        let whole = doubled.min(self.cap);
        whole / 2 + (whole / 2).saturating_mul(u32::from(jitter.min(999))) / 1000
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 5,
            retry: Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(60) },
            stop_grace: Duration::from_secs(30),
            repair: RepairPolicy::On {
                backoff: Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(300) },
                quiet: Duration::from_secs(600),
            },
        }
    }
}

/// `now + pause` in whole microseconds, which is what stores keep; at most the end of time.
pub fn after(now: Timestamp, pause: Duration) -> Timestamp {
    SignedDuration::try_from(pause)
        .ok()
        .and_then(|pause| now.checked_add(pause).ok())
        .and_then(|then| Timestamp::from_microsecond(then.as_microsecond()).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_jitter_shortens_them() {
        let backoff = Backoff { first: Duration::from_secs(2), cap: Duration::from_secs(10) };
        let longest: Vec<u64> =
            (1..=6).map(|failures| backoff.pause(failures, 999).as_secs_f64().round() as u64).collect();
        assert_eq!(longest, [2, 4, 8, 10, 10, 10]);
        assert_eq!(backoff.pause(2, 0), Duration::from_secs(2));
        assert_eq!(backoff.pause(u32::MAX, 0), Duration::from_secs(5));
    }
}
