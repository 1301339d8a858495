//! What the tests of a provider's crate call: a part of the harness, with what was tried said and asserted.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what it tried, and stops at the first breach"
)]

use std::time::Duration;

use super::{Breach, Explored, Model, Part, Share, run, run_within};
use crate::number;

/// Fewer cases than this in a share of time say that something is wrong with the exploration.
const LEAST: usize = 200;

/// Tries all of a part, which has at least so many cases.
///
/// # Panics
/// At the first case that breaks a promise; when there are fewer cases.
pub fn all<M: Model>(part: Part, least: usize) {
    let explored = said(M::NAME, part, run::<M>(part, Share::ALL));
    assert!(explored.cases >= least, "only {} cases", explored.cases);
}

/// Tries one of so many cases of a part, and has at least so many cases; `LANDLORD_SEED` chooses which ones.
///
/// # Panics
/// As [`all`].
pub fn share<M: Model>(part: Part, one_in: usize, least: usize) {
    let offset = usize::try_from(number("LANDLORD_SEED", 0)).unwrap_or_default() % one_in.max(1);
    println!("{}, {part:?}: one case in {one_in}; LANDLORD_SEED={offset} repeats them", M::NAME);
    let explored = said(M::NAME, part, run::<M>(part, Share { one_in, offset }));
    assert!(explored.cases >= least, "only {} cases", explored.cases);
}

/// Tries a part for the seconds that `LANDLORD_EXPLORE` says, in the order of `LANDLORD_SEED`; without the first all of
/// it, which has at least so many cases.
///
/// # Panics
/// As [`all`].
pub fn for_a_while<M: Model>(part: Part, least: usize) {
    let seconds = number("LANDLORD_EXPLORE", 0);
    if seconds == 0 {
        return all::<M>(part, least);
    }
    let seed = number("LANDLORD_SEED", fastrand::u64(..));
    println!("{}, {part:?} for {seconds} s; LANDLORD_SEED={seed} repeats it", M::NAME);
    let explored = said(M::NAME, part, run_within::<M>(part, seed, Duration::from_secs(seconds)));
    assert!(explored.cases >= LEAST, "only {} cases", explored.cases);
}

/// Several faults in each of `LANDLORD_FAULTS` (5) cases a scenario, chosen by `LANDLORD_SEED`; there are at least so many
/// scenarios.
///
/// # Panics
/// As [`all`].
pub fn several<M: Model>(scenarios: usize) {
    let cases = usize::try_from(number("LANDLORD_FAULTS", 5)).unwrap_or(usize::MAX);
    let seed = number("LANDLORD_SEED", 20_261_123);
    println!("{}, {cases} cases a scenario; LANDLORD_SEED={seed} repeats it", M::NAME);
    all::<M>(Part::Several { seed, cases }, cases * scenarios);
}

fn said(planner: &str, part: Part, explored: Result<Explored, Box<Breach>>) -> Explored {
    let explored = explored.unwrap_or_else(|breach| panic!("{breach}"));
    let Explored { cases, calls } = explored;
    println!("{planner} planner, {part:?}: {cases} cases, {calls} calls, no leak, none stuck");
    explored
}
