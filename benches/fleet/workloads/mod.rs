//! What is done, and measured.

pub(crate) mod fanout;
pub(crate) mod growth;
pub(crate) mod hot;
pub(crate) mod latency;
pub(crate) mod lifecycle;
pub(crate) mod memory;
mod open_loop;
pub(crate) mod start;

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

use crate::figure::{Figure, Samples};
use crate::parameters::Parameters;
use crate::subjects::Subject;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Workload {
    /// Tenants are provisioned, updated and destroyed as fast as it goes.
    Lifecycle,
    /// From a command to its call, at parts of the maximal load.
    Latency,
    /// An engine starts over what a killed one left.
    Start,
    /// Subscribers read all events.
    Fanout,
    /// One tenant is commanded without a pause, among others.
    Hot,
    /// All of many tenants are provisioned, then updated, then destroyed.
    Growth,
    /// Tenants run and have nothing to do, or have a call open.
    Memory,
}

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
    /// What was measured before, in this round too: subjects are measured in the order of [`Workload::subjects`].
    pub(crate) samples: &'a Samples,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

impl Workload {
    pub(crate) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Who can do it, in the order in which they are measured.
    pub(crate) fn subjects(self) -> &'static [Subject] {
        match self {
            Self::Lifecycle => lifecycle::SUBJECTS,
            Self::Latency => latency::SUBJECTS,
            Self::Start => start::SUBJECTS,
            Self::Fanout => fanout::SUBJECTS,
            Self::Hot => hot::SUBJECTS,
            Self::Growth => growth::SUBJECTS,
            Self::Memory => memory::SUBJECTS,
        }
    }

    /// What the children of a round are given, one after the other.
    ///
    /// # Errors
    /// Says what has to be measured before it.
    pub(crate) fn children(self, subject: Subject, round: &Round<'_>) -> Result<Vec<Parameters>, String> {
        match self {
            Self::Lifecycle => lifecycle::children(subject, round),
            Self::Latency => Ok(latency::children(subject, round)),
            Self::Start => start::children(subject, round),
            Self::Fanout => Ok(fanout::children(subject, round)),
            Self::Hot => Ok(hot::children(subject, round)),
            Self::Growth => growth::children(subject, round),
            Self::Memory => memory::children(subject, round),
        }
    }

    /// Does it, in a child.
    pub(crate) fn run(self, subject: Subject, parameters: &Parameters) -> Vec<Figure> {
        match self {
            Self::Lifecycle => lifecycle::run(subject, parameters),
            Self::Latency => latency::run(subject, parameters),
            Self::Start => start::run(subject, parameters),
            Self::Fanout => fanout::run(subject, parameters),
            Self::Hot => hot::run(subject, parameters),
            Self::Growth => growth::run(subject, parameters),
            Self::Memory => memory::run(subject, parameters),
        }
    }

    /// What follows from the figures of all children of a round.
    pub(crate) fn derived(self, figures: &[Figure]) -> Vec<Figure> {
        match self {
            Self::Growth => growth::derived(figures),
            Self::Lifecycle | Self::Latency | Self::Start | Self::Fanout | Self::Hot | Self::Memory => {
                Vec::new()
            }
        }
    }
}
