//! What is wrong with a spec, as it is found.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::spec::Problem;

/// Collects problems while a spec is mapped. With a problem, the result is not to be used.
#[derive(Default)]
pub(in crate::planner::ecs) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, at: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::new(at, message));
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
                self.add(at, format!("{given} is out of range; ECS takes {least} to {most}"));
                least
            }
        }
    }

    /// How many of something there are.
    pub(super) fn at_most(&mut self, at: &str, count: usize, most: usize) {
        if count > most {
            self.add(at, format!("{count} entries; ECS takes at most {most}"));
        }
    }

    pub(in crate::planner::ecs) fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

/// The path of a field of `provider_config`.
pub(super) fn config_at(field: &str) -> String {
    format!("provider_config.{field}")
}
