//! What must be reached, and what each figure is compared with.

use crate::keeping_up::kept_up;
use crate::names::{Subject, Workload};
use crate::results::Results;
use crate::unit::Unit;

/// One thing that must be reached.
pub(crate) struct Goal {
    /// What it is about, for people.
    what: &'static str,
    workload: Workload,
    measure: &'static str,
    /// The load with which the subject has to keep up, or its figure does not count.
    load: Option<&'static str>,
    subject: Subject,
    bound: Bound,
}

/// How much it has to be.
#[derive(Clone, Copy)]
enum Bound {
    /// At least so many times the same measure of a baseline.
    AtLeast(f64, Subject),
    /// At most so many times the same measure of a baseline.
    AtMost(f64, Subject),
    /// At most this.
    Below(f64, Unit),
    /// At least this.
    Above(f64, Unit),
}

/// All goals, on two cores.
pub(crate) const GOALS: &[Goal] = &[
    Goal {
        what: "transitions a second in memory",
        workload: Workload::Lifecycle,
        measure: "transitions",
        load: None,
        subject: Subject::LandlordMemory,
        bound: Bound::AtLeast(2.5, Subject::Erlang),
    },
    Goal {
        what: "transitions a second in memory",
        workload: Workload::Lifecycle,
        measure: "transitions",
        load: None,
        subject: Subject::LandlordMemory,
        bound: Bound::AtLeast(0.6, Subject::BareRactor),
    },
    Goal {
        what: "transitions a second over SQLite",
        workload: Workload::Lifecycle,
        measure: "transitions",
        load: None,
        subject: Subject::LandlordSqlite,
        bound: Bound::AtLeast(0.7, Subject::BareSqlite),
    },
    Goal {
        what: "transitions a second over SQLite",
        workload: Workload::Lifecycle,
        measure: "transitions",
        load: None,
        subject: Subject::LandlordSqlite,
        bound: Bound::AtLeast(50.0, Subject::Restate),
    },
    Goal {
        what: "transitions a second over PostgreSQL",
        workload: Workload::Lifecycle,
        measure: "transitions",
        load: None,
        subject: Subject::LandlordPostgres,
        bound: Bound::Above(10e3, Unit::PerSecond),
    },
    Goal {
        what: "transitions a second over PostgreSQL",
        workload: Workload::Lifecycle,
        measure: "transitions",
        load: None,
        subject: Subject::LandlordPostgres,
        bound: Bound::AtLeast(0.7, Subject::BarePostgres),
    },
    Goal {
        what: "rows a second of PostgreSQL's store alone, 256 a commit",
        workload: Workload::Batches,
        measure: "rows_of_256",
        load: None,
        subject: Subject::LandlordPostgres,
        bound: Bound::AtLeast(0.7, Subject::BarePostgres),
    },
    Goal {
        what: "processor time of PostgreSQL a row, 256 a commit",
        workload: Workload::Batches,
        measure: "server_of_256",
        load: None,
        subject: Subject::LandlordPostgres,
        bound: Bound::Below(35e-6, Unit::Seconds),
    },
    Goal {
        what: "transitions a second of 2 engines together over PostgreSQL, over one's",
        workload: Workload::Engines,
        measure: "2_over_one",
        load: None,
        subject: Subject::LandlordPostgres,
        bound: Bound::Above(0.9, Unit::Times),
    },
    Goal {
        what: "transitions a second of 4 engines together over PostgreSQL, over one's",
        workload: Workload::Engines,
        measure: "4_over_one",
        load: None,
        subject: Subject::LandlordPostgres,
        bound: Bound::Above(0.9, Unit::Times),
    },
    Goal {
        what: "from a command to its provider call in memory, p99 at 50 % load",
        workload: Workload::Latency,
        measure: "call_p99_at_50_percent",
        load: Some("at_50_percent"),
        subject: Subject::LandlordMemory,
        bound: Bound::Below(1e-3, Unit::Seconds),
    },
    Goal {
        what: "start over a million tenants, until 10,000 lost calls are begun again",
        workload: Workload::Start,
        measure: "calls_begun_again",
        load: None,
        subject: Subject::LandlordSqlite,
        bound: Bound::Below(5.0, Unit::Seconds),
    },
    Goal {
        what: "claim of a lost engine's third of the shards, until its 10,000 calls are begun again",
        workload: Workload::Claim,
        measure: "calls_begun_again",
        load: None,
        subject: Subject::LandlordPostgres,
        bound: Bound::Below(2.0, Unit::Seconds),
    },
    Goal {
        what: "growth of a transition's processor time in memory, from 1,000 to 1,000,000 tenants",
        workload: Workload::Growth,
        measure: "cpu_growth",
        load: None,
        subject: Subject::LandlordMemory,
        bound: Bound::Below(1.2, Unit::Times),
    },
    Goal {
        what: "growth of a transition's processor time over SQLite, from 1,000 to 1,000,000 tenants",
        workload: Workload::Growth,
        measure: "cpu_growth",
        load: None,
        subject: Subject::LandlordSqlite,
        bound: Bound::AtMost(1.0, Subject::BareSqlite),
    },
    Goal {
        what: "memory of an idle tenant over SQLite",
        workload: Workload::Memory,
        measure: "idle",
        load: None,
        subject: Subject::LandlordSqlite,
        bound: Bound::Below(200.0, Unit::Bytes),
    },
    Goal {
        what: "memory of an idle tenant over SQLite, right after a start",
        workload: Workload::Memory,
        measure: "idle_after_a_start",
        load: None,
        subject: Subject::LandlordSqlite,
        bound: Bound::Below(200.0, Unit::Bytes),
    },
];

/// What came of a goal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// With this figure.
    Reached(String),
    /// With this figure.
    Missed(String),
    /// The figure or its baseline was left out.
    NotMeasured,
}

impl Goal {
    pub(crate) fn workload(&self) -> Workload {
        self.workload
    }

    /// Of what, and how much.
    pub(crate) fn title(&self) -> String {
        let bound = match self.bound {
            Bound::AtLeast(times, baseline) => format!("≥ {times} × `{baseline}`"),
            Bound::AtMost(times, baseline) => format!("≤ {times} × `{baseline}`"),
            Bound::Below(most, unit) => format!("≤ {}", plain(&unit.show(most))),
            Bound::Above(least, unit) => format!("≥ {}", plain(&unit.show(least))),
        };
        format!("{}: {bound}", self.what)
    }

    /// What came of it, by medians.
    pub(crate) fn outcome(&self, results: &Results) -> Outcome {
        let Some((unit, ours)) = results.spread(self.workload, self.measure, self.subject) else {
            return Outcome::NotMeasured;
        };
        if let Some(load) = self.load
            && !kept_up(results, self.workload, load, self.subject)
        {
            return Outcome::Missed("did not keep up".to_owned());
        }
        let ratio = |baseline| results.ratio(self.workload, self.measure, self.subject, baseline);
        let (figure, reached, unit) = match self.bound {
            Bound::Below(most, _) => (ours.median, ours.median <= most, unit),
            Bound::Above(least, _) => (ours.median, ours.median >= least, unit),
            Bound::AtLeast(times, baseline) => match ratio(baseline) {
                Some(ratio) => (ratio, ratio >= times, Unit::Times),
                None => return Outcome::NotMeasured,
            },
            Bound::AtMost(times, baseline) => match ratio(baseline) {
                Some(ratio) => (ratio, ratio <= times, Unit::Times),
                None => return Outcome::NotMeasured,
            },
        };
        if reached { Outcome::Reached(unit.show(figure)) } else { Outcome::Missed(unit.show(figure)) }
    }
}

/// A bound without the digits that only a measurement has: 1 ms for 1.00 ms.
fn plain(shown: &str) -> String {
    match shown.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        Some(_) | None => shown.to_owned(),
    }
}

/// What a subject's figures are compared with, whether there is a goal or not.
pub fn baselines(subject: Subject) -> &'static [Subject] {
    match subject {
        Subject::LandlordMemory => &[Subject::BareTokio, Subject::BareRactor, Subject::Erlang],
        Subject::LandlordSqlite => &[Subject::BareSqlite, Subject::Restate],
        Subject::LandlordPostgres => &[Subject::BarePostgres, Subject::TaskTable],
        Subject::BareTokio
        | Subject::BareRactor
        | Subject::BareSqlite
        | Subject::BarePostgres
        | Subject::TaskTable
        | Subject::Erlang
        | Subject::ErlangHibernated
        | Subject::Restate => &[],
    }
}

/// The engine that is compared with this baseline.
pub(crate) fn engine_beside(baseline: Subject) -> Option<Subject> {
    let engines = [Subject::LandlordMemory, Subject::LandlordSqlite, Subject::LandlordPostgres];
    engines.into_iter().find(|engine| baselines(*engine).contains(&baseline))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Figure;

    fn outcome(goal: &Goal, figures: &[(Subject, &str, f64)]) -> Outcome {
        let mut results = Results::default();
        for (subject, measure, value) in figures {
            let figure = Figure::new(*measure, Unit::Seconds, *value);
            results.add(1, goal.workload, *subject, vec![figure]).expect("new");
        }
        goal.outcome(&results)
    }

    fn goal(measure: &str, bound: fn(&Bound) -> bool) -> &'static Goal {
        GOALS.iter().find(|goal| goal.measure == measure && bound(&goal.bound)).expect("there is one")
    }

    #[test]
    fn a_bound_itself_is_reached() {
        let start = goal("calls_begun_again", |bound| matches!(bound, Bound::Below(..)));
        let with = |value| outcome(start, &[(Subject::LandlordSqlite, "calls_begun_again", value)]);
        assert_eq!(with(5.0), Outcome::Reached("5.00 s".to_owned()));
        assert_eq!(with(5.01), Outcome::Missed("5.01 s".to_owned()));
    }

    #[test]
    fn more_is_better_or_less_is() {
        let erlang = goal("transitions", |bound| matches!(bound, Bound::AtLeast(_, Subject::Erlang)));
        let with = |value| {
            let theirs = (Subject::Erlang, "transitions", 10.0);
            outcome(erlang, &[(Subject::LandlordMemory, "transitions", value), theirs])
        };
        assert_eq!(with(30.0), Outcome::Reached("3.00 ×".to_owned()));
        assert_eq!(with(20.0), Outcome::Missed("2.00 ×".to_owned()));

        let growth = goal("cpu_growth", |bound| matches!(bound, Bound::AtMost(..)));
        let with = |value| {
            let theirs = (Subject::BareSqlite, "cpu_growth", 2.0);
            outcome(growth, &[(Subject::LandlordSqlite, "cpu_growth", value), theirs])
        };
        assert_eq!(with(1.0), Outcome::Reached("0.50 ×".to_owned()));
        assert_eq!(with(3.0), Outcome::Missed("1.50 ×".to_owned()));
    }

    #[test]
    fn a_latency_does_not_count_when_the_subject_did_not_keep_up() {
        let latency = goal("call_p99_at_50_percent", |_| true);
        let with = |share| {
            let engine = Subject::LandlordMemory;
            let share = (engine, "settled_in_time_at_50_percent", share);
            outcome(latency, &[(engine, "call_p99_at_50_percent", 0.0005), share])
        };
        assert_eq!(with(0.99), Outcome::Reached("500 µs".to_owned()));
        assert_eq!(with(0.5), Outcome::Missed("did not keep up".to_owned()));
    }

    #[test]
    fn a_goal_without_its_baseline_is_not_measured() {
        let erlang = goal("transitions", |bound| matches!(bound, Bound::AtLeast(_, Subject::Erlang)));
        let alone = [(Subject::LandlordMemory, "transitions", 1.0)];
        assert_eq!(outcome(erlang, &alone), Outcome::NotMeasured);
        assert_eq!(outcome(erlang, &[]), Outcome::NotMeasured);
    }

    #[test]
    fn bounds_have_no_more_digits_than_they_need() {
        assert_eq!(plain(&Unit::Seconds.show(1e-3)), "1 ms");
        assert_eq!(plain(&Unit::Times.show(1.2)), "1.2 ×");
        assert_eq!(plain(&Unit::Bytes.show(200.0)), "200 B");
    }
}
