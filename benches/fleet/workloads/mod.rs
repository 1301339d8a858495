//! What is done, and measured.

pub(crate) mod batches;
pub(crate) mod claim;
pub(crate) mod engines;
pub(crate) mod fanout;
pub(crate) mod growth;
pub(crate) mod hot;
pub(crate) mod instructions;
pub(crate) mod latency;
pub(crate) mod lifecycle;
pub(crate) mod memory;
mod open_loop;
pub(crate) mod start;

use std::path::Path;

use landlord_benchmark_page::{Figure, Results};

pub(crate) use landlord_benchmark_page::Workload;

use crate::parameters::Parameters;
use crate::subjects::Subject;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// What the goals are about.
    Full,
    /// Just enough to try the program.
    Quick,
}

impl Size {
    /// One of two numbers.
    pub(crate) fn of(self, full: usize, quick: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// What one round of a workload with a subject can depend on.
pub(crate) struct Round<'a> {
    pub(crate) number: usize,
    pub(crate) size: Size,
    /// For what is made once a run.
    pub(crate) folder: &'a Path,
    /// What was measured before, in this round too: subjects are measured in the order of [`subjects`].
    pub(crate) results: &'a Results,
}

/// Who can do it, in the order in which they are measured.
pub(crate) fn subjects(workload: Workload) -> &'static [Subject] {
    match workload {
        Workload::Instructions => instructions::SUBJECTS,
        Workload::Lifecycle => lifecycle::SUBJECTS,
        Workload::Latency => latency::SUBJECTS,
        Workload::Start => start::SUBJECTS,
        Workload::Fanout => fanout::SUBJECTS,
        Workload::Hot => hot::SUBJECTS,
        Workload::Growth => growth::SUBJECTS,
        Workload::Memory => memory::SUBJECTS,
        Workload::Batches => batches::SUBJECTS,
        Workload::Engines => engines::SUBJECTS,
        Workload::Claim => claim::SUBJECTS,
    }
}

/// What the children of a round are given, one after the other.
///
/// # Errors
/// Says what has to be measured before it.
pub(crate) fn children(
    workload: Workload,
    subject: Subject,
    round: &Round<'_>,
) -> Result<Vec<Parameters>, String> {
    match workload {
        Workload::Instructions => Ok(vec![Parameters::default()]),
        Workload::Lifecycle => lifecycle::children(subject, round),
        Workload::Latency => Ok(latency::children(subject, round)),
        Workload::Start => start::children(subject, round),
        Workload::Fanout => Ok(fanout::children(subject, round)),
        Workload::Hot => Ok(hot::children(subject, round)),
        Workload::Growth => growth::children(subject, round),
        Workload::Memory => memory::children(subject, round),
        Workload::Batches => Ok(batches::children(round)),
        Workload::Engines => Ok(engines::children(round)),
        Workload::Claim => Ok(claim::children(round)),
    }
}

/// Does it, in a child.
pub(crate) fn run(workload: Workload, subject: Subject, parameters: &Parameters) -> Vec<Figure> {
    match workload {
        Workload::Instructions => panic!("{workload} has a program of its own"),
        Workload::Lifecycle => lifecycle::run(subject, parameters),
        Workload::Latency => latency::run(subject, parameters),
        Workload::Start => start::run(subject, parameters),
        Workload::Fanout => fanout::run(subject, parameters),
        Workload::Hot => hot::run(subject, parameters),
        Workload::Growth => growth::run(subject, parameters),
        Workload::Memory => memory::run(subject, parameters),
        Workload::Batches => batches::run(subject, parameters),
        Workload::Engines => engines::run(parameters),
        Workload::Claim => claim::run(parameters),
    }
}

/// What follows from the figures of all children of a round.
pub(crate) fn derived(workload: Workload, figures: &[Figure]) -> Vec<Figure> {
    match workload {
        Workload::Growth => growth::derived(figures),
        Workload::Engines => engines::derived(figures),
        Workload::Instructions
        | Workload::Lifecycle
        | Workload::Latency
        | Workload::Start
        | Workload::Fanout
        | Workload::Hot
        | Workload::Memory
        | Workload::Batches
        | Workload::Claim => Vec::new(),
    }
}
