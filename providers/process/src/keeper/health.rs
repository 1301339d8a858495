//! What the checks of a launch have shown, and when the next one is due.

use std::time::{Duration, Instant};

use landlord_state_machines::planner::process::Readiness;
use mio::Token;
use rustix::time::{ClockId, clock_gettime};

use super::check::{Try, Verdict};
use super::protocol::Streak;

/// The health of one launch.
#[derive(Debug)]
pub(super) struct Health {
    streak: Streak,
    /// Whether it ever passed often enough.
    was_ready: bool,
    due: Instant,
    /// The try that goes on, and its connection.
    trying: Option<(Token, Try)>,
    /// Who waits for it.
    waiting: Vec<Waiting>,
    /// Whether the try that goes on counts.
    counts: bool,
}

/// Who waits for a verdict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) who: Token,
    /// Whether it may be told that another has the launch's port.
    pub(super) tells_thieves: bool,
}

/// What a verdict changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that the engine does not expect.
    None,
    /// It was ready and is unhealthy now, or the other way round.
    Turned,
}

impl Health {
    /// Of a launch that was not checked yet.
    pub(super) fn unchecked(readiness: &Readiness) -> Self {
        Self {
            streak: Streak::Unchecked,
            was_ready: false,
            due: next_due(readiness),
            trying: None,
            waiting: Vec::new(),
            counts: false,
        }
    }

    pub(super) fn streak(&self) -> &Streak {
        &self.streak
    }

    pub(super) fn was_ready(&self) -> bool {
        self.was_ready
    }

    /// When something has to be done about it.
    pub(super) fn due(&self) -> Instant {
        self.trying.as_ref().map_or(self.due, |(_, trying)| trying.deadline())
    }

    pub(super) fn trying(&mut self) -> Option<&mut Try> {
        self.trying.as_mut().map(|(_, trying)| trying)
    }

    pub(super) fn try_now(&mut self, token: Token, trying: Try) {
        self.trying = Some((token, trying));
    }

    pub(super) fn wait(&mut self, who: Waiting) {
        self.waiting.push(who);
    }

    /// Says whether the try that begins, or goes on, counts as one of those in a row. At its interval it always does, and
    /// before the launch was ready.
    pub(super) fn note(&mut self, counts: bool) {
        self.counts |= counts || !self.was_ready || Instant::now() >= self.due;
    }

    /// Takes in what a try showed. Says who waited for it, what to tell them, and what changed.
    pub(super) fn conclude(
        &mut self,
        readiness: &Readiness,
        verdict: Verdict,
    ) -> (Vec<Waiting>, Streak, Change) {
        let was_unhealthy = self.is_unhealthy(readiness);
        let shows = match (&self.streak, verdict) {
            (Streak::Passing(times), Ok(())) => Streak::Passing(times.saturating_add(1)),
            (Streak::Unchecked | Streak::Failing(..), Ok(())) => Streak::Passing(1),
            (Streak::Failing(times, _), Err(why)) => Streak::Failing(times.saturating_add(1), why),
            (Streak::Unchecked | Streak::Passing(_), Err(why)) => Streak::Failing(1, why),
        };
        if !std::mem::replace(&mut self.counts, false) {
            return (self.give_up(), shows, Change::None);
        }
        self.streak = shows.clone();
        if let Streak::Passing(times) = self.streak {
            self.was_ready |= times >= readiness.healthy_threshold;
        }
        self.due = next_due(readiness);
        let change = match was_unhealthy == self.is_unhealthy(readiness) {
            true => Change::None,
            false => Change::Turned,
        };
        (self.give_up(), shows, change)
    }

    /// Ends the try that goes on. Says who waited for it.
    pub(super) fn give_up(&mut self) -> Vec<Waiting> {
        self.trying = None;
        std::mem::take(&mut self.waiting)
    }

    /// Whether it was ready and fails now as often as its spec allows.
    pub(super) fn is_unhealthy(&self, readiness: &Readiness) -> bool {
        match self.streak {
            Streak::Failing(times, _) => self.was_ready && times >= readiness.unhealthy_threshold,
            Streak::Passing(_) | Streak::Unchecked => false,
        }
    }
}

/// All keepers of a machine check at the same moments, so many to a second: an idle machine that wakes up for each of
/// 500 spends more on that than on the check.
const TOGETHER: Duration = Duration::from_millis(100);

/// The moment that is an interval from now, or a little less.
fn next_due(readiness: &Readiness) -> Instant {
    let interval = Duration::from_secs(readiness.interval_seconds.into());
    // The clock that an Instant reads. It counts from the same moment for all processes.
    let now = clock_gettime(ClockId::Monotonic);
    let since = u64::try_from(now.tv_nsec).unwrap_or(0) % u64::from(TOGETHER.subsec_nanos());
    Instant::now() + interval - Duration::from_nanos(since)
}
