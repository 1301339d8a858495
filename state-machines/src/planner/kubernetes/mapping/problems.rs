//! What is wrong with a spec, and what a cluster does not do of it, as it is found.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::spec::Problem;

/// Collects problems while a spec is mapped. With a problem, the result is not to be used.
#[derive(Default)]
pub(super) struct Problems {
    problems: Vec<Problem>,
    not_enforced: Vec<String>,
}

impl Problems {
    pub(super) fn add(&mut self, at: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(at, message));
    }

    /// What is not done of what was asked for, and why.
    pub(super) fn not_enforced(&mut self, at: impl Into<String>, why: impl Into<String>) {
        self.not_enforced.push(Problem::new(at, why).to_string());
    }

    /// A number within a range.
    pub(super) fn number<T>(&mut self, at: &str, given: i64, range: RangeInclusive<T>) -> T
    where
        T: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let (least, most) = (*range.start(), *range.end());
        match T::try_from(given).ok().filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                self.add(at, format!("{given} is out of range; Kubernetes takes {least} to {most}"));
                least
            }
        }
    }

    /// The problems, and what is not enforced.
    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<String>) {
        (self.problems, self.not_enforced)
    }
}

/// The path of a field of `provider_config`.
pub(super) fn config_at(field: &str) -> String {
    format!("provider_config.{field}")
}
