//! What a trial measures: it is always printed, and judged where that was asked for, because a machine may be busy with something else.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::cloud::Asked;
use super::mishaps::When;
use super::quota;
use super::said::Said;
use super::wire::Statement;

/// How soon a resting tenant of an engine that was killed is called by another one: of ninety-nine of a hundred, and of every one.
const CALLED: (Duration, Duration) = (Duration::from_secs(8), Duration::from_secs(10));
/// How soon after a new primary is there commands are taken.
const WORKS: Duration = Duration::from_secs(5);

/// An engine was stopped.
pub(crate) struct Pause {
    pub(crate) epoch: u64,
    /// Whether others ended it meanwhile.
    pub(crate) was_ended: bool,
    pub(crate) woke: Duration,
}

/// An engine was killed while nothing else was wrong.
pub(crate) struct Calm {
    /// Which, by the order in which they were started.
    pub(crate) engine: u64,
    pub(crate) killed: Duration,
    /// When its tenants had been called by others.
    pub(crate) over: Duration,
}

/// The primary was lost.
pub(crate) struct Promotion {
    pub(crate) lost: Duration,
    /// When another one was there.
    pub(crate) there: Duration,
    /// The epochs of the engines that were well.
    pub(crate) well: Vec<u64>,
    /// Those of them that others ended all the same.
    pub(crate) ended: Vec<u64>,
}

/// A statement came late.
pub(crate) struct Late {
    pub(crate) what: Statement,
    pub(crate) when: When,
    /// Whether its engine was ended when it had arrived.
    pub(crate) was_ended: bool,
    /// How many rows it answered with, if it was answered.
    pub(crate) rows: Option<usize>,
}

#[derive(Default)]
pub(crate) struct Figures {
    /// The engines that something happened to, by epoch, and since when.
    pub(crate) touched: HashMap<u64, Duration>,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) calm: Vec<Calm>,
    /// After a kill, how long until a tenant that rested was called by another engine.
    pub(crate) takeovers: Vec<Duration>,
    pub(crate) promotions: Vec<Promotion>,
    pub(crate) late: Vec<Late>,
    pub(crate) cuts: usize,
}

/// The one that so many of a thousand are not above.
fn percentile(sorted: &[Duration], thousandths: usize) -> Duration {
    let place = (sorted.len() * thousandths).div_ceil(1000).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

impl Figures {
    /// Prints all of it; what is beyond its limit, a sentence each.
    pub(crate) fn tell(&mut self, said: &Said, asked: &[Asked], fenced: &HashSet<u64>) -> Vec<String> {
        let mut beyond = self.tell_takeovers(said);
        self.tell_pauses(asked);
        beyond.extend(self.tell_promotions(said));
        let healthy: Vec<&u64> = fenced.iter().filter(|epoch| !self.touched.contains_key(epoch)).collect();
        println!(
            "{} engines were ended by others, of which to {} nothing had happened",
            fenced.len(),
            healthy.len()
        );
        if !healthy.is_empty() {
            beyond.push(format!("engines were ended that nothing had happened to: {healthy:?}"));
        }
        self.tell_late();
        println!(
            "at most {} requests came within a second, and {:.0} more within a time than the quota gives in it, of {:.0} at most",
            most_within_a_second(asked),
            quota::most_beyond(asked).0,
            quota::allowed()
        );
        beyond
    }

    fn tell_takeovers(&mut self, said: &Said) -> Vec<String> {
        self.takeovers.sort();
        let is_meanwhile = |(engine, at): &(u64, Duration)| {
            self.calm.iter().any(|calm| *engine != calm.engine && (calm.killed..calm.over).contains(at))
        };
        let failed = said.failed.iter().filter(|failure| is_meanwhile(failure)).count();
        let [half, most, all] = [500, 990, 1000].map(|part| percentile(&self.takeovers, part));
        println!(
            "{} kills in calm: {} tenants that rested were called by others after {half:.1?} (half), {most:.1?} (99 %), {all:.1?} (all); \
             {failed} commands failed at the others meanwhile",
            self.calm.len(),
            self.takeovers.len(),
        );
        let mut beyond = Vec::new();
        if most > CALLED.0 || all >= CALLED.1 {
            beyond.push("tenants are called too late after a kill".to_owned());
        }
        if failed > 0 {
            beyond.push("commands failed at engines that nothing had happened to".to_owned());
        }
        beyond
    }

    fn tell_pauses(&self, asked: &[Asked]) {
        let ended = self.pauses.iter().filter(|pause| pause.was_ended).count();
        let (pauses, late) = (self.pauses.len(), self.woken(asked).len());
        println!(
            "{pauses} engines were stopped and woke, {ended} of them ended meanwhile: {late} requests of these"
        );
    }

    /// The requests of engines that were ended while they were stopped, and woke.
    pub(crate) fn woken<'a>(&self, asked: &'a [Asked]) -> Vec<&'a Asked> {
        let ended = self.pauses.iter().filter(|pause| pause.was_ended);
        let woke: HashMap<u64, Duration> = ended.map(|pause| (pause.epoch, pause.woke)).collect();
        asked.iter().filter(|asked| woke.get(&asked.epoch).is_some_and(|woke| asked.began >= *woke)).collect()
    }

    fn tell_promotions(&self, said: &Said) -> Vec<String> {
        let mut beyond = Vec::new();
        for Promotion { lost, there, well, ended } in &self.promotions {
            let works = |epoch: &u64| {
                let mut answers = said.history.iter().filter(|(engine, did)| {
                    said.epochs.get(engine) == Some(epoch) && did.from > *lost && did.to >= *there
                });
                answers.next().map(|(_, did)| did.to - *there)
            };
            let works: Vec<Option<Duration>> = well.iter().map(works).collect();
            let slowest = works.iter().flatten().max().copied().unwrap_or_default();
            println!(
                "the primary was away for {:.1?}; {} engines were well, and worked {slowest:.1?} later; {} of them were ended",
                *there - *lost,
                well.len(),
                ended.len()
            );
            if slowest > WORKS || works.contains(&None) {
                beyond.push(format!("work does not go on after a promotion: {works:?}"));
            }
            if !ended.is_empty() {
                beyond.push(format!("engines that were well were ended after a promotion: {ended:?}"));
            }
        }
        beyond
    }

    fn tell_late(&self) {
        for (what, when) in [
            (Statement::Commit, When::During),
            (Statement::Commit, When::After),
            (Statement::Renewal, When::During),
            (Statement::Renewal, When::After),
        ] {
            let all: Vec<&Late> =
                self.late.iter().filter(|late| (late.what, late.when) == (what, when)).collect();
            let late = all.iter().filter(|late| late.was_ended).count();
            let made = all.iter().filter(|late| late.rows.is_some_and(|rows| rows > 0)).count();
            println!(
                "{} times a {what:?} came late ({when:?}): {late} after its engine was ended; {made} made",
                all.len()
            );
        }
        println!("{} ways were cut", self.cuts);
    }
}

fn most_within_a_second(asked: &[Asked]) -> usize {
    let (mut first, mut most) = (0, 0);
    for (last, now) in asked.iter().enumerate() {
        while asked
            .get(first)
            .is_some_and(|then| now.began.saturating_sub(then.began) >= Duration::from_secs(1))
        {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}
