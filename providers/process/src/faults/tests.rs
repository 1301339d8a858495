//! The planner against every fault, through the whole engine.

use std::time::Duration;

use landlord_testing::faults::{Breach, Explored, Interrupt, Length, Part, run, run_within};
use landlord_testing::number;

use super::Processes;

/// How many scenarios have several faults, at least.
const LEAST_SCENARIOS: u64 = 20;

/// Says how much of a part was tried.
fn said(part: Part, explored: Result<Explored, Box<Breach>>) -> Explored {
    let explored = explored.unwrap_or_else(|breach| panic!("{breach}"));
    println!("{part:?}: {} cases, {} calls, no leak, none stuck", explored.cases, explored.calls);
    explored
}

/// Tries all of a part.
fn tried(part: Part) -> Explored {
    said(part, run::<Processes>(part))
}

/// Tries a part for the seconds that `LANDLORD_EXPLORE` says, or without it all of it.
fn explored(part: Part, all: usize) {
    let seconds = number("LANDLORD_EXPLORE", 0);
    if seconds == 0 {
        assert!(tried(part).cases >= all);
        return;
    }
    let seed = number("LANDLORD_SEED", fastrand::u64(..));
    println!("{part:?} for {seconds} s; LANDLORD_SEED={seed} repeats it");
    let within = run_within::<Processes>(part, seed, Duration::from_secs(seconds));
    assert!(said(part, within).cases >= 200, "too few for a share of time");
}

#[test]
fn i1_i3_every_single_fault_leaves_the_applied_spec_or_nothing() {
    assert!(tried(Part::OneFault).cases >= 5600);
}

#[test]
fn i1_i3_every_single_fault_and_a_cancel_at_every_call() {
    assert!(tried(Part::Interrupted(Interrupt::Cancel, Length::Short)).cases >= 4400);
}

#[test]
fn i1_i3_every_single_fault_and_a_destroy_at_every_call() {
    assert!(tried(Part::Interrupted(Interrupt::Destroy, Length::Short)).cases >= 2700);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_every_single_fault_and_a_cancel_at_every_call_of_long_operations() {
    explored(Part::Interrupted(Interrupt::Cancel, Length::Long), 98_000);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_every_single_fault_and_a_destroy_at_every_call_of_long_operations() {
    explored(Part::Interrupted(Interrupt::Destroy, Length::Long), 62_000);
}

#[test]
fn i1_i3_several_faults_at_random() {
    let cases = number("LANDLORD_FAULTS", 5);
    let seed = number("LANDLORD_SEED", 20_261_123);
    println!("{cases} cases a scenario; LANDLORD_SEED={seed} repeats it");
    let part = Part::Several { seed, cases: cases.try_into().unwrap() };
    // Each case is run without its faults first.
    assert!(tried(part).cases as u64 >= 2 * cases * LEAST_SCENARIOS);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_several_faults_for_a_share_of_time() {
    explored(Part::Several { seed: 20_261_123, cases: 100 }, 200 * LEAST_SCENARIOS as usize);
}
