//! What a drive waits for, since when, and when that is worth a commit.

use jiff::{SignedDuration, Timestamp};
use landlord_state_machines::id::CallId;
use landlord_state_machines::ledger::Waiting;

/// A wait that lasts no longer is not told: most calls have some, and a commit costs more than it says.
const SHORT: SignedDuration = SignedDuration::from_secs(3);
/// The shortest and the longest time from one telling to the next. It doubles, so that a wait of any length costs a
/// commit a minute at most.
const PAUSE: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(1), SignedDuration::from_secs(60));

/// The waits of a drive since it wrote last.
#[derive(Default)]
pub(super) struct Waits {
    /// What was waited for, each with when that began. A plan may wait for one thing in the midst of another.
    begun: Vec<(&'static str, Timestamp)>,
    told: Option<Told>,
}

/// What was told last.
struct Told {
    what: String,
    /// Before then nothing is told.
    again: Timestamp,
    pause: SignedDuration,
}

impl Waits {
    /// Something is done: what was waited for is over.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Takes in that it is waited until then, and says what to tell of it: nothing where it is short, or told already, or
    /// where something was told a moment ago.
    pub(super) fn tell(
        &mut self,
        call: CallId,
        why: &'static str,
        so_far: Option<String>,
        now: Timestamp,
        until: Timestamp,
    ) -> Option<Waiting> {
        let since = match self.begun.iter().find(|(begun, _)| *begun == why) {
            Some((_, since)) => *since,
            None => {
                self.begun.push((why, now));
                now
            }
        };
        let pause = match &self.told {
            Some(told) if now < told.again => return None,
            Some(told) => told.pause,
            None => PAUSE.0,
        };
        let what = so_far.map_or_else(|| why.to_owned(), |so_far| format!("{why}: {so_far}"));
        let is_told = self.told.as_ref().is_some_and(|told| told.what == what);
        if is_told || until.duration_since(since) <= SHORT {
            return None;
        }
        let again = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        self.told = Some(Told { what: what.clone(), again, pause: (pause * 2).min(PAUSE.1) });
        Some(Waiting { call, what, since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallId = CallId(7);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Polls of 3 s for 20 minutes; what is told, and when.
    fn told(so_far: impl Fn(i64) -> Option<String>) -> Vec<(i64, Waiting)> {
        let mut waits = Waits::default();
        let polls = (0..1200).step_by(3);
        polls
            .filter_map(|second| {
                let (now, until) = (at(second), at(second + 3));
                let waiting = waits.tell(CALL, "the rollout completes", so_far(second), now, until)?;
                Some((second, waiting))
            })
            .collect()
    }

    #[test]
    fn what_stays_the_same_is_told_once() {
        let told = told(|_| None);
        let waiting = Waiting { call: CALL, what: "the rollout completes".to_owned(), since: at(0) };
        assert_eq!(told, [(3, waiting)]);
    }

    #[test]
    fn what_changes_all_the_time_is_told_at_growing_intervals() {
        let told = told(|second| Some(format!("{second} tasks failed")));
        let seconds: Vec<i64> = told.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds[..7], [3, 6, 9, 15, 24, 42, 75]);
        assert!(seconds[7..].windows(2).all(|pair| pair[1] - pair[0] == 60), "{seconds:?}");
        assert!(told.iter().all(|(_, waiting)| waiting.since == at(0)));
    }

    #[test]
    fn a_short_wait_is_not_told() {
        let mut waits = Waits::default();
        for second in 0..100 {
            assert_eq!(waits.tell(CALL, "it settles", None, at(second), at(second + 3)), None);
            waits.end();
        }
    }

    #[test]
    fn a_wait_goes_on_after_another_one() {
        let mut waits = Waits::default();
        let _ = waits.tell(CALL, "the rollout completes", None, at(0), at(3));
        let throttled = waits.tell(CALL, "ECS answers", None, at(3), at(10)).unwrap();
        let rollout = waits.tell(CALL, "the rollout completes", None, at(10), at(13)).unwrap();
        assert_eq!((throttled.since, rollout.since), (at(3), at(0)));
    }
}
