//! The planner against every fault, through the whole engine.

use landlord_testing::faults::{Explored, Interrupt, Length, Part, run};
use landlord_testing::number;

use super::Ecs;

/// Tries a part, and says how much that was.
fn tried(part: Part) -> Explored {
    let explored = run::<Ecs>(part).unwrap_or_else(|breach| panic!("{breach}"));
    println!("{part:?}: {} cases, {} calls, no leak, none stuck", explored.cases, explored.calls);
    explored
}

#[test]
fn i1_i3_every_single_fault_leaves_the_applied_spec_or_nothing() {
    assert!(tried(Part::OneFault).cases >= 3300);
}

#[test]
fn i1_i3_every_single_fault_and_a_cancel_at_every_call() {
    assert!(tried(Part::Interrupted(Interrupt::Cancel, Length::Short)).cases >= 2600);
}

#[test]
fn i1_i3_every_single_fault_and_a_destroy_at_every_call() {
    assert!(tried(Part::Interrupted(Interrupt::Destroy, Length::Short)).cases >= 1500);
}

#[test]
#[ignore = "many minutes without optimisation"]
fn i1_i3_every_single_fault_and_a_cancel_at_every_call_of_long_operations() {
    assert!(tried(Part::Interrupted(Interrupt::Cancel, Length::Long)).cases >= 39000);
}

#[test]
#[ignore = "many minutes without optimisation"]
fn i1_i3_every_single_fault_and_a_destroy_at_every_call_of_long_operations() {
    assert!(tried(Part::Interrupted(Interrupt::Destroy, Length::Long)).cases >= 23000);
}

#[test]
fn i1_i3_several_faults_at_random() {
    let part = Part::Several {
        seed: number("LANDLORD_SEED", 20_261_123),
        cases: number("LANDLORD_FAULTS", 5).try_into().unwrap(),
    };
    println!("{part:?}; LANDLORD_SEED repeats it");
    tried(part);
}
