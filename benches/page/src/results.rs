//! What a run recorded, and the medians of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::{Subject, Workload};
use crate::unit::Unit;

/// One measurement, as a child prints it: a JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured: `call_p99_at_50_percent`.
    pub measure: String,
    /// What the value counts.
    pub unit: Unit,
    /// In the unit, without a prefix.
    pub value: f64,
}

impl Figure {
    /// A measurement.
    pub fn new(measure: impl Into<String>, unit: Unit, value: f64) -> Self {
        Self { measure: measure.into(), unit, value }
    }
}

/// What a figure is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) workload: Workload,
    pub(crate) measure: String,
    pub(crate) subject: Subject,
}

impl Key {
    pub(crate) fn new(workload: Workload, measure: &str, subject: Subject) -> Self {
        Self { workload, measure: measure.to_owned(), subject }
    }
}

/// The figures of one thing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) unit: Unit,
    pub(crate) values: Values,
}

/// What is known of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    /// The figure of each round.
    Rounds(BTreeMap<usize, f64>),
    /// The figures of the rounds were not kept.
    Summary(Spread),
}

impl Values {
    fn spread(&self) -> Spread {
        match self {
            Self::Rounds(rounds) => Spread::of(rounds.values().copied()),
            Self::Summary(spread) => *spread,
        }
    }

    fn in_round(&self, round: usize) -> Option<f64> {
        match self {
            Self::Rounds(rounds) => rounds.get(&round).copied(),
            Self::Summary(_) => None,
        }
    }
}

/// The middle and the ends of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The one in the middle.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let (count, half) = (values.len(), values.len() / 2);
        let median = if count.is_multiple_of(2) {
            f64::midpoint(at(half.wrapping_sub(1)), at(half))
        } else {
            at(half)
        };
        Self { min: at(0), median, max: at(count.wrapping_sub(1)) }
    }
}

/// All that a run recorded, in the order in which it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    facts: Vec<(String, String)>,
    keys: Vec<Key>,
    series: BTreeMap<Key, Series>,
    /// Of series without rounds: how many times a baseline's they are.
    ratios: BTreeMap<(Key, Subject), f64>,
}

/// A measure came twice in one round.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{subject} has {measure} of {workload} twice in a round, or with two units; each measure needs a name of its own"
)]
pub struct Twice {
    workload: Workload,
    measure: String,
    subject: Subject,
}

impl From<Key> for Twice {
    fn from(Key { workload, measure, subject }: Key) -> Self {
        Self { workload, measure, subject }
    }
}

impl Results {
    /// Notes something about the run: its machine, its date.
    pub fn note(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.facts.push((name.into(), value.into()));
    }

    /// What was noted about the run.
    pub(crate) fn facts(&self) -> &[(String, String)] {
        &self.facts
    }

    /// Adds what a round brought.
    ///
    /// # Errors
    /// [`Twice`] when the round brought it already: two children have the same name for different things.
    pub fn add(
        &mut self,
        round: usize,
        workload: Workload,
        subject: Subject,
        figures: Vec<Figure>,
    ) -> Result<(), Twice> {
        for Figure { measure, unit, value } in figures {
            let key = Key { workload, measure, subject };
            let series = self.series_of(&key, || Series { unit, values: Values::Rounds(BTreeMap::new()) });
            match &mut series.values {
                Values::Rounds(rounds) if series.unit == unit && !rounds.contains_key(&round) => {
                    rounds.insert(round, value);
                }
                Values::Rounds(_) | Values::Summary(_) => return Err(key.into()),
            }
        }
        Ok(())
    }

    /// Adds what is known of a series whose rounds were not kept.
    pub(crate) fn add_summary(&mut self, key: Key, unit: Unit, spread: Spread) -> Result<(), Twice> {
        if self.series.contains_key(&key) {
            return Err(key.into());
        }
        self.series_of(&key, || Series { unit, values: Values::Summary(spread) });
        Ok(())
    }

    /// Adds how many times a baseline's figure is, where the rounds of both were not kept.
    pub(crate) fn add_ratio(&mut self, key: Key, baseline: Subject, ratio: f64) {
        self.ratios.insert((key, baseline), ratio);
    }

    fn series_of(&mut self, key: &Key, new: impl FnOnce() -> Series) -> &mut Series {
        if !self.series.contains_key(key) {
            self.keys.push(key.clone());
        }
        self.series.entry(key.clone()).or_insert_with(new)
    }

    fn series(&self, workload: Workload, measure: &str, subject: Subject) -> Option<&Series> {
        self.series.get(&Key::new(workload, measure, subject))
    }

    /// What a round brought.
    pub fn in_round(&self, round: usize, workload: Workload, measure: &str, subject: Subject) -> Option<f64> {
        self.series(workload, measure, subject)?.values.in_round(round)
    }

    /// The middle and the ends of what all rounds brought.
    pub fn spread(&self, workload: Workload, measure: &str, subject: Subject) -> Option<(Unit, Spread)> {
        let series = self.series(workload, measure, subject)?;
        Some((series.unit, series.values.spread()))
    }

    /// How many times the baseline's figure a subject's is. Each round is divided by the same round of the baseline, so
    /// that what slows the machine for a while is not taken for a difference; this is the median of that.
    pub fn ratio(
        &self,
        workload: Workload,
        measure: &str,
        subject: Subject,
        baseline: Subject,
    ) -> Option<f64> {
        let (ours, theirs) =
            (self.series(workload, measure, subject)?, self.series(workload, measure, baseline)?);
        match (&ours.values, &theirs.values) {
            (Values::Rounds(ours), Values::Rounds(theirs)) => {
                let both = ours.iter().filter_map(|(round, value)| Some(value / theirs.get(round)?));
                let both: Vec<f64> = both.collect();
                (!both.is_empty()).then(|| Spread::of(both.into_iter()).median)
            }
            (Values::Summary(_), _) | (_, Values::Summary(_)) => {
                self.ratios.get(&(Key::new(workload, measure, subject), baseline)).copied()
            }
        }
    }

    /// Who was measured in a workload, in the order in which they were.
    pub(crate) fn subjects(&self, workload: Workload) -> Vec<Subject> {
        let mut subjects = Vec::new();
        for key in self.keys.iter().filter(|key| key.workload == workload) {
            if !subjects.contains(&key.subject) {
                subjects.push(key.subject);
            }
        }
        subjects
    }

    /// All series, in the order in which they came.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Key, &Series)> {
        self.keys.iter().filter_map(|key| Some((key, self.series.get(key)?)))
    }

    /// All ratios of series without rounds.
    pub(crate) fn ratios(&self) -> impl Iterator<Item = (&Key, Subject, f64)> {
        self.ratios.iter().map(|((key, baseline), ratio)| (key, *baseline, *ratio))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKLOAD: Workload = Workload::Lifecycle;

    fn with(rounds: &[(f64, f64)]) -> Results {
        let mut results = Results::default();
        for (round, (ours, theirs)) in (1..).zip(rounds) {
            for (subject, value) in [(Subject::LandlordMemory, *ours), (Subject::Erlang, *theirs)] {
                let figure = Figure::new("transitions", Unit::PerSecond, value);
                results.add(round, WORKLOAD, subject, vec![figure]).expect("new");
            }
        }
        results
    }

    #[test]
    fn a_slow_moment_of_the_machine_is_in_no_ratio() {
        // In the second round both were ten times slower.
        let results = with(&[(20.0, 10.0), (2.0, 1.0), (22.0, 10.0)]);
        assert_eq!(
            results.ratio(WORKLOAD, "transitions", Subject::LandlordMemory, Subject::Erlang),
            Some(2.0)
        );
    }

    #[test]
    fn the_middle_of_an_even_number_of_rounds_is_between_two() {
        let results = with(&[(1.0, 1.0), (3.0, 1.0)]);
        let spread =
            results.spread(WORKLOAD, "transitions", Subject::LandlordMemory).map(|(_, spread)| spread);
        assert_eq!(spread, Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
    }

    #[test]
    fn a_measure_that_comes_twice_is_refused() {
        let mut results = with(&[(1.0, 1.0)]);
        let again = vec![Figure::new("transitions", Unit::PerSecond, 2.0)];
        assert!(results.add(1, WORKLOAD, Subject::Erlang, again).is_err());
    }
}
