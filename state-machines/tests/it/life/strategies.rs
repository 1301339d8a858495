//! Random lives.

use std::time::Duration;

use landlord_state_machines::tenant::{Backoff, Policy, RepairPolicy};
use proptest::collection::vec;
use proptest::prelude::*;

use landlord_lives::moves::{Ending, Move, Sight};

pub(super) fn lives() -> impl Strategy<Value = Vec<Move>> {
    vec(moves(), 0..60)
}

fn moves() -> impl Strategy<Value = Move> {
    let deadline = prop::option::weighted(0.3, 0..200_u64);
    let asked = (0..3_usize, prop::bool::weighted(0.05), deadline.clone());
    prop_oneof![
        6 => asked.clone().prop_map(|(spec, elsewhere, deadline)| Move::Provision { spec, elsewhere, deadline }),
        8 => asked.prop_map(|(spec, elsewhere, deadline)| Move::Update { spec, elsewhere, deadline }),
        4 => deadline.prop_map(|deadline| Move::Restart { deadline }),
        1 => Just(Move::Destroy),
        2 => Just(Move::Cancel),
        2 => Just(Move::Retry),
        2 => Just(Move::Pause),
        3 => Just(Move::Resume),
        1 => Just(Move::Abandon),
        1 => (1..4_u64).prop_map(|life| Move::Reclaim { life }),
        2 => prop::bool::weighted(0.2).prop_map(|elsewhere| Move::Release { elsewhere }),
        1 => Just(Move::Outdated),
        20 => endings().prop_map(Move::CallEnds),
        4 => (any::<usize>(), endings()).prop_map(|(index, ending)| Move::StaleOutcome(index, ending)),
        2 => Just(Move::Progress),
        1 => any::<usize>().prop_map(Move::StaleProgress),
        3 => (0..100_u64).prop_map(Move::Wait),
        8 => Just(Move::WaitUntilWoken),
        2 => Just(Move::Timer),
        2 => Just(Move::Crash),
        2 => Just(Move::HandOver),
        6 => (sights(), 0..100_u64).prop_map(|(sight, ago)| Move::Look(sight, ago)),
    ]
}

fn endings() -> impl Strategy<Value = Ending> {
    prop_oneof![
        8 => Just(Ending::Succeeded),
        4 => prop::option::weighted(0.2, 0..100_u64).prop_map(|after| Ending::Retry { after }),
        3 => Just(Ending::Permanent),
        1 => Just(Ending::NeedsPerson),
        3 => Just(Ending::NotFound),
        1 => Just(Ending::TimedOut),
        1 => Just(Ending::Lost),
        1 => Just(Ending::Held),
    ]
}

fn sights() -> impl Strategy<Value = Sight> {
    prop_oneof![
        1 => Just(Sight::Healthy),
        1 => Just(Sight::Unhealthy),
        3 => Just(Sight::Broken),
        1 => Just(Sight::Unclear),
    ]
}

pub(super) fn policies() -> impl Strategy<Value = Policy> {
    let repair = prop_oneof![
        1 => Just(RepairPolicy::Off),
        3 => (backoffs(), 0..100_u64)
            .prop_map(|(backoff, quiet)| RepairPolicy::On { backoff, quiet: Duration::from_secs(quiet) }),
    ];
    (1..=4_u32, backoffs(), 0..40_u64, repair).prop_map(|(attempts, retry, stop_grace, repair)| Policy {
        attempts,
        retry,
        stop_grace: Duration::from_secs(stop_grace),
        repair,
    })
}

fn backoffs() -> impl Strategy<Value = Backoff> {
    (0..5_u64, 5..60_u64)
        .prop_map(|(first, cap)| Backoff { first: Duration::from_secs(first), cap: Duration::from_secs(cap) })
}
