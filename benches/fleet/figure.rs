//! What is measured, and the medians of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::subjects::Subject;
use crate::workloads::Workload;

/// One measurement, as a child prints it: a JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) measure: String,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
}

impl Figure {
    pub(crate) fn new(measure: impl Into<String>, unit: Unit, value: f64) -> Self {
        Self { measure: measure.into(), unit, value }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    PerSecond,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Bytes,
    Count,
    /// How many times something else.
    Times,
}

impl Unit {
    /// A value of this unit, for people.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{} /s", short(value)),
            Self::Seconds => format!("{} s", short(value)),
            Self::Milliseconds => format!("{} ms", short(value)),
            Self::Microseconds => format!("{} µs", short(value)),
            Self::Nanoseconds => format!("{} ns", short(value)),
            Self::Bytes => format!("{} B", short(value)),
            Self::Count => short(value),
            Self::Times => format!("{value:.2} ×"),
        }
    }
}

/// Three digits that count, thousands as k and millions as M.
fn short(value: f64) -> String {
    let (value, suffix) = match value.abs() {
        size if size >= 999_500.0 => (value / 1e6, " M"),
        size if size >= 9_995.0 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let decimals = match value.abs() {
        size if size >= 99.95 || size == 0.0 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.0995 => 2,
        _ => 4,
    };
    format!("{value:.decimals$}{suffix}")
}

/// What a figure is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) workload: Workload,
    pub(crate) measure: String,
    pub(crate) subject: Subject,
}

/// The measurements of one thing, one of each round.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) unit: Unit,
    by_round: BTreeMap<usize, f64>,
}

impl Series {
    pub(crate) fn spread(&self) -> Spread {
        Spread::of(self.by_round.values().copied())
    }

    /// How many times `baseline` this is. Each round is divided by the same round of the baseline, so that what
    /// slows the machine for a while is not taken for a difference.
    pub(crate) fn over(&self, baseline: &Self) -> Option<Spread> {
        let both =
            self.by_round.iter().filter_map(|(round, value)| Some(value / baseline.by_round.get(round)?));
        let both: Vec<f64> = both.collect();
        (!both.is_empty()).then(|| Spread::of(both.into_iter()))
    }
}

/// The middle and the ends of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
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
        Self { least: at(0), median, most: at(count.wrapping_sub(1)) }
    }
}

/// All that was measured so far, in the order in which it came.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    keys: Vec<Key>,
    series: BTreeMap<Key, Series>,
}

impl Samples {
    /// Notes what a round brought.
    ///
    /// # Errors
    /// [`Twice`] when the round brought it already: two children have the same name for different things.
    pub(crate) fn add(
        &mut self,
        round: usize,
        workload: Workload,
        subject: Subject,
        figures: Vec<Figure>,
    ) -> Result<(), Twice> {
        for Figure { measure, unit, value } in figures {
            let key = Key { workload, measure, subject };
            if !self.series.contains_key(&key) {
                self.keys.push(key.clone());
            }
            let series = self.series.entry(key.clone());
            let series = series.or_insert(Series { unit, by_round: BTreeMap::new() });
            if series.by_round.insert(round, value).is_some() {
                return Err(Twice(key));
            }
        }
        Ok(())
    }

    pub(crate) fn series(&self, workload: Workload, measure: &str, subject: Subject) -> Option<&Series> {
        self.series.get(&Key { workload, measure: measure.to_owned(), subject })
    }

    /// What a round brought.
    pub(crate) fn in_round(
        &self,
        round: usize,
        workload: Workload,
        measure: &str,
        subject: Subject,
    ) -> Option<f64> {
        self.series(workload, measure, subject)?.by_round.get(&round).copied()
    }

    /// Everything measured in a workload: by measure, then by subject, each in the order in which it came first.
    pub(crate) fn rows(&self, workload: Workload) -> Vec<(&Key, &Series)> {
        let keys: Vec<&Key> = self.keys.iter().filter(|key| key.workload == workload).collect();
        let mut measures: Vec<&str> = Vec::new();
        for key in &keys {
            if !measures.contains(&key.measure.as_str()) {
                measures.push(&key.measure);
            }
        }
        let of =
            |measure: &&str| keys.iter().copied().filter(|key| key.measure == *measure).collect::<Vec<_>>();
        let ordered = measures.iter().flat_map(of);
        ordered.filter_map(|key| Some((key, self.series.get(key)?))).collect()
    }
}

/// A measure came twice in one round.
#[derive(Debug)]
pub(crate) struct Twice(Key);

impl fmt::Display for Twice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Key { workload, measure, subject }) = self;
        write!(
            f,
            "{subject} printed {measure} of {workload} twice in a round; this is a defect of the benchmark"
        )
    }
}

impl std::error::Error for Twice {}
