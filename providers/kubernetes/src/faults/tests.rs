//! The planner against every fault, through the whole engine.

use landlord_testing::faults::{Interrupt, Length, Part, trial};

use super::Kubernetes;

/// How many scenarios have several faults, at least.
const SCENARIOS: usize = 20;

#[test]
fn i1_i3_every_single_fault_leaves_the_applied_spec_or_nothing() {
    trial::share::<Kubernetes>(Part::OneFault, 80, 90);
}

#[test]
fn i1_i3_every_single_fault_and_a_cancel_at_every_call() {
    trial::share::<Kubernetes>(Part::Interrupted(Interrupt::Cancel, Length::Short), 100, 40);
}

#[test]
fn i1_i3_every_single_fault_and_a_destroy_at_every_call() {
    trial::share::<Kubernetes>(Part::Interrupted(Interrupt::Destroy, Length::Short), 100, 20);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_every_single_fault_in_full() {
    trial::for_a_while::<Kubernetes>(Part::OneFault, 7_000);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_every_single_fault_and_a_cancel_at_every_call_of_long_operations() {
    trial::for_a_while::<Kubernetes>(Part::Interrupted(Interrupt::Cancel, Length::Long), 39_000);
}

#[test]
#[ignore = "minutes: ./test.sh long"]
fn i1_i3_every_single_fault_and_a_destroy_at_every_call_of_long_operations() {
    trial::for_a_while::<Kubernetes>(Part::Interrupted(Interrupt::Destroy, Length::Long), 23_000);
}

#[test]
fn i1_i3_several_faults_at_random() {
    trial::several::<Kubernetes>(SCENARIOS);
}
