//! What must be reached, and what each figure is compared with.

use crate::figure::Samples;
use crate::subjects::Subject;
use crate::workloads::Workload;

/// One thing that must be reached.
pub(crate) struct Goal {
    workload: Workload,
    measure: &'static str,
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
    /// At most this, in the measure's unit.
    Below(f64),
}

/// All goals, on two cores.
pub(crate) const GOALS: &[Goal] = &[
    Goal {
        workload: Workload::Lifecycle,
        measure: "transitions",
        subject: Subject::LandlordMemory,
        bound: Bound::AtLeast(2.5, Subject::Erlang),
    },
    Goal {
        workload: Workload::Lifecycle,
        measure: "transitions",
        subject: Subject::LandlordMemory,
        bound: Bound::AtLeast(0.6, Subject::BareRactor),
    },
    Goal {
        workload: Workload::Lifecycle,
        measure: "transitions",
        subject: Subject::LandlordSqlite,
        bound: Bound::AtLeast(0.7, Subject::BareSqlite),
    },
    Goal {
        workload: Workload::Lifecycle,
        measure: "transitions",
        subject: Subject::LandlordSqlite,
        bound: Bound::AtLeast(50.0, Subject::Restate),
    },
    Goal {
        workload: Workload::Latency,
        measure: "call_p99_at_50_percent",
        subject: Subject::LandlordMemory,
        bound: Bound::Below(1000.0),
    },
    Goal {
        workload: Workload::Start,
        measure: "calls_begun_again",
        subject: Subject::LandlordSqlite,
        bound: Bound::Below(5.0),
    },
    Goal {
        workload: Workload::Growth,
        measure: "cpu_growth",
        subject: Subject::LandlordMemory,
        bound: Bound::Below(1.2),
    },
    Goal {
        workload: Workload::Growth,
        measure: "cpu_growth",
        subject: Subject::LandlordSqlite,
        bound: Bound::AtMost(1.0, Subject::BareSqlite),
    },
    Goal {
        workload: Workload::Memory,
        measure: "idle",
        subject: Subject::LandlordSqlite,
        bound: Bound::Below(200.0),
    },
    Goal {
        workload: Workload::Memory,
        measure: "idle_after_a_start",
        subject: Subject::LandlordSqlite,
        bound: Bound::Below(200.0),
    },
];

/// What came of a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Reached,
    Missed,
    /// The figure or its baseline was left out.
    Unknown,
}

impl Outcome {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Missed => "MISSED",
            Self::Unknown => "not measured",
        }
    }
}

impl Goal {
    /// The goals of one figure.
    pub(crate) fn of(
        workload: Workload,
        measure: &str,
        subject: Subject,
    ) -> impl Iterator<Item = &'static Self> {
        let same = move |goal: &&Self| {
            goal.workload == workload && goal.measure == measure && goal.subject == subject
        };
        GOALS.iter().filter(same)
    }

    pub(crate) fn workload(&self) -> Workload {
        self.workload
    }

    /// Of what, and how much.
    pub(crate) fn title(&self, samples: &Samples) -> String {
        let measure = self.measure.replace('_', " ");
        format!("{}, {measure}, {}: {}", self.workload, self.subject, self.words(samples))
    }

    /// The subject that it is relative to.
    pub(crate) fn baseline(&self) -> Option<Subject> {
        match self.bound {
            Bound::AtLeast(_, baseline) | Bound::AtMost(_, baseline) => Some(baseline),
            Bound::Below(_) => None,
        }
    }

    /// What it wants, for people.
    pub(crate) fn words(&self, samples: &Samples) -> String {
        match self.bound {
            Bound::AtLeast(times, baseline) => format!("≥ {times} × {baseline}"),
            Bound::AtMost(times, baseline) => format!("≤ {times} × {baseline}"),
            Bound::Below(most) => {
                let series = samples.series(self.workload, self.measure, self.subject);
                format!("≤ {}", series.map_or_else(|| most.to_string(), |series| series.unit.show(most)))
            }
        }
    }

    /// What came of it, by medians.
    pub(crate) fn outcome(&self, samples: &Samples) -> Outcome {
        let Some(ours) = samples.series(self.workload, self.measure, self.subject) else {
            return Outcome::Unknown;
        };
        let ratio = |baseline| {
            let baseline = samples.series(self.workload, self.measure, baseline)?;
            Some(ours.over(baseline)?.median)
        };
        let reached = match self.bound {
            Bound::AtLeast(times, baseline) => ratio(baseline).map(|ratio| ratio >= times),
            Bound::AtMost(times, baseline) => ratio(baseline).map(|ratio| ratio <= times),
            Bound::Below(most) => Some(ours.spread().median <= most),
        };
        match reached {
            Some(true) => Outcome::Reached,
            Some(false) => Outcome::Missed,
            None => Outcome::Unknown,
        }
    }
}

/// What a subject's figures are put in relation to in the table, whether there is a goal or not.
pub(crate) fn baselines(subject: Subject) -> &'static [Subject] {
    match subject {
        Subject::LandlordMemory => &[Subject::BareTokio, Subject::BareRactor, Subject::Erlang],
        Subject::LandlordSqlite => &[Subject::BareSqlite, Subject::Restate],
        Subject::BareTokio
        | Subject::BareRactor
        | Subject::BareSqlite
        | Subject::Erlang
        | Subject::ErlangHibernated
        | Subject::Restate => &[],
    }
}
