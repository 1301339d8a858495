//! The clock: whether it goes evenly, and does not lie behind what was recorded.

use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use landlord_api::Finding;

/// Before this, no clock was right that runs this program.
const EARLIEST: Timestamp = Timestamp::constant(1_735_689_600, 0);
/// How far the clock may be behind what was recorded, and how far it may jump while it is looked at.
const LEEWAY: SignedDuration = SignedDuration::from_secs(1);

/// The clock, as it was looked at for a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    begun: Timestamp,
    ended: Timestamp,
    /// How long that took by the clock that nobody sets.
    took: Duration,
    /// When the newest event of the store was recorded.
    newest: Option<Timestamp>,
    zone: String,
}

/// A clock that is being looked at.
pub(super) struct Watch {
    begun: Timestamp,
    since: Instant,
}

impl Watch {
    pub(super) fn begin() -> Self {
        Self { begun: Timestamp::now(), since: Instant::now() }
    }

    pub(super) fn end(self, newest: Option<Timestamp>) -> Clock {
        let zone = TimeZone::system();
        let zone = zone.iana_name().unwrap_or("a zone without a name").to_owned();
        Clock { begun: self.begun, ended: Timestamp::now(), took: self.since.elapsed(), newest, zone }
    }
}

impl Clock {
    pub(super) fn now(&self) -> Timestamp {
        self.ended
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        const CHECK: &str = "clock";
        let Self { begun, ended, took, newest, zone } = self;
        let set = "set the clock, and have it kept right (NTP): retries, deadlines and ages go by it";
        if *ended < EARLIEST {
            return vec![Finding::failed(CHECK, format!("it says {ended:.0}, which is long ago"), set)];
        }
        let behind = newest.map(|newest| newest.duration_since(*ended)).filter(|behind| *behind > LEEWAY);
        if let Some(behind) = behind {
            let found = format!(
                "it says {ended:.0}, {} s before the newest event of the store: it was set back",
                behind.as_secs()
            );
            return vec![Finding::failed(CHECK, found, set)];
        }
        let jumped =
            ended.duration_since(*begun).saturating_sub(SignedDuration::try_from(*took).unwrap_or_default());
        if jumped.abs() > LEEWAY {
            let found = format!("it was set by {:.1} s while it was looked at", jumped.as_secs_f64());
            return vec![Finding::warning(CHECK, found, set)];
        }
        let found = format!(
            "{ended:.0}, and it goes evenly. All times are kept so, in UTC; this machine's zone ({zone}) is for what people read alone"
        );
        vec![Finding::ok(CHECK, found)]
    }
}

#[cfg(test)]
mod tests {
    use landlord_api::Grade;

    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_was_seen_of_it() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let now = 1_800_000_000;
        let well = Clock {
            begun: at(now),
            ended: at(now + 3),
            took: Duration::from_secs(3),
            newest: Some(at(now)),
            zone: "Europe/Berlin".to_owned(),
        };
        let judged = |clock: Clock| (clock.findings()[0].grade, clock.findings()[0].found.clone());
        assert_eq!(judged(well.clone()).0, Grade::Ok);
        let (grade, found) = judged(Clock { newest: Some(at(now + 3603)), ..well.clone() });
        assert!(grade == Grade::Failed && found.contains("3600 s before the newest event"), "{found}");
        let (grade, found) = judged(Clock { took: Duration::from_secs(63), ..well.clone() });
        assert!(grade == Grade::Warning && found.contains("set by -60.0 s"), "{found}");
        assert_eq!(judged(Clock { begun: at(0), ended: at(3), newest: None, ..well }).0, Grade::Failed);
    }
}
