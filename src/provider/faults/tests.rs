//! Every planner against every fault.

mod cloud;

use std::collections::BTreeSet;
use std::path::Path;

use super::{Explored, HARNESSES, Interrupt, Length, Part};

/// Tries a part on every planner, and says how much that was.
fn try_all(part: Part) -> Explored {
    let mut all = Explored::default();
    let only = std::env::var("LANDLORD_PLANNER").ok();
    for harness in HARNESSES.iter().filter(|it| only.as_ref().is_none_or(|only| only == it.planner)) {
        let explored = (harness.run)(part).unwrap_or_else(|breach| panic!("{breach}"));
        let Explored { cases, calls } = explored;
        println!("{} planner, {part:?}: {cases} cases, {calls} calls, no leak, none stuck", harness.planner);
        all += explored;
    }
    all
}

/// What an environment variable says, or else `default`.
fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|_| panic!("{name} is not a number")),
        Ok(_) | Err(_) => default,
    }
}

/// A planner cannot be added without being tested here.
#[test]
fn every_planner_has_its_faults() {
    let planners = Path::new(env!("CARGO_MANIFEST_DIR")).join("state-machines/src/planner");
    let modules = std::fs::read_dir(planners).unwrap().map(|entry| entry.unwrap().path());
    // A planner is a folder or a file; only `mod.rs` is none.
    let planners: BTreeSet<String> = modules
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "mod")
        .collect();
    let tested: BTreeSet<String> = HARNESSES.iter().map(|harness| harness.planner.to_owned()).collect();
    assert_eq!(planners, tested, "add a `Model` of the planner's platform to HARNESSES");
}

#[test]
fn i1_i3_every_single_fault_leaves_the_applied_spec_or_nothing() {
    assert!(try_all(Part::OneFault).cases >= 9000);
}

#[test]
fn i1_i3_every_single_fault_and_a_cancel_at_every_call() {
    assert!(try_all(Part::Interrupted(Interrupt::Cancel, Length::Short)).cases >= 6500);
}

#[test]
fn i1_i3_every_single_fault_and_a_destroy_at_every_call() {
    assert!(try_all(Part::Interrupted(Interrupt::Destroy, Length::Short)).cases >= 4000);
}

#[test]
#[ignore = "many minutes without optimisation"]
fn i1_i3_every_single_fault_and_a_cancel_at_every_call_of_long_operations() {
    assert!(try_all(Part::Interrupted(Interrupt::Cancel, Length::Long)).cases >= 100_000);
}

#[test]
#[ignore = "many minutes without optimisation"]
fn i1_i3_every_single_fault_and_a_destroy_at_every_call_of_long_operations() {
    assert!(try_all(Part::Interrupted(Interrupt::Destroy, Length::Long)).cases >= 65_000);
}

#[test]
fn i1_i3_several_faults_at_random() {
    let part = Part::Several {
        seed: number("LANDLORD_SEED", 20_261_123),
        cases: number("LANDLORD_FAULTS", 5).try_into().unwrap(),
    };
    println!("{part:?}; LANDLORD_SEED repeats it");
    try_all(part);
}
