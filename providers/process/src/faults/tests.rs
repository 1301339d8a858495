//! The planner against every fault, through the whole engine.

use landlord_testing::faults::{Interrupt, Length, Part, trial};

use super::Processes;

/// How many scenarios have several faults, at least.
const SCENARIOS: usize = 34;

/// One case in so many is tried every day, and all of them in `./test.sh long`.
const EVERY_DAY: usize = 6;

#[test]
fn i1_i3_every_single_fault_leaves_the_applied_spec_or_nothing() {
    trial::share::<Processes>(Part::OneFault, EVERY_DAY, 1_500);
}

#[test]
fn i1_i3_every_single_fault_and_a_cancel_at_every_call() {
    trial::share::<Processes>(Part::Interrupted(Interrupt::Cancel, Length::Short), EVERY_DAY, 2_500);
}

#[test]
fn i1_i3_every_single_fault_and_a_destroy_at_every_call() {
    trial::share::<Processes>(Part::Interrupted(Interrupt::Destroy, Length::Short), EVERY_DAY, 1_500);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_every_single_fault_in_full() {
    trial::all::<Processes>(Part::OneFault, 9_000);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_every_single_fault_and_a_cancel_at_every_call_in_full() {
    trial::for_a_while::<Processes>(Part::Interrupted(Interrupt::Cancel, Length::Short), 15_000);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_every_single_fault_and_a_destroy_at_every_call_in_full() {
    trial::for_a_while::<Processes>(Part::Interrupted(Interrupt::Destroy, Length::Short), 8_000);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_every_single_fault_and_a_cancel_at_every_call_of_long_operations() {
    trial::for_a_while::<Processes>(Part::Interrupted(Interrupt::Cancel, Length::Long), 98_000);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_every_single_fault_and_a_destroy_at_every_call_of_long_operations() {
    trial::for_a_while::<Processes>(Part::Interrupted(Interrupt::Destroy, Length::Long), 62_000);
}

#[test]
fn i1_i3_several_faults_at_random() {
    trial::several::<Processes>(SCENARIOS);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_several_faults_for_a_share_of_time() {
    let part = Part::Several { seed: 20_261_123, cases: 100 };
    trial::for_a_while::<Processes>(part, 100 * SCENARIOS);
}
