//! Random lives of a tenant in a small simulated engine.
//!
//! Whatever happens, in whatever order, each transition keeps the [`rules`](landlord_lives::rules). A failing life is shrunk and printed,
//! and its seed is kept beside this file; `PROPTEST_CASES` raises the number of lives.

mod strategies;

use landlord_state_machines::id::OperationId;
use landlord_state_machines::tenant::{Direction, Record, Request, Run, State};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use landlord_lives::world::World;
use strategies::{lives, policies};

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// The rules are checked at every step; then everything is given time, and calls that succeed.
    #[test]
    fn every_life_keeps_the_rules_and_comes_to_rest(policy in policies(), life in lives()) {
        let mut world = World::new(policy);
        world.live(life);
        world.come_to_rest();
        world.nothing_is_left_open();
    }

    /// I5: Destroy is accepted in every state, of a protected tenant once that is lifted, and ends once the platform
    /// answers.
    #[test]
    fn i5_a_destroy_ends_from_everywhere(policy in policies(), life in lives()) {
        let mut world = World::new(policy);
        world.live(life);
        world.destroy();
        world.go_on_without_commands();
        prop_assert!(
            matches!(world.record, Record::Absent(_) | Record::Gone(_)),
            "still there: {:?}", world.record
        );
        world.nothing_is_left_open();
    }

    /// I5: and if the platform never answers, it is abandoned.
    #[test]
    fn i5_a_destroy_can_be_abandoned_from_everywhere(policy in policies(), life in lives()) {
        let mut world = World::new(policy);
        world.live(life);
        world.destroy();
        for _ in 0..2 {
            // Two calls that never answer: the one that is stopped for the destroy, and the destroy's own.
            world.command(Request::Abandon { reason: "the platform is gone".to_owned() });
            world.let_time_pass();
        }
        prop_assert!(
            matches!(world.record, Record::Absent(_) | Record::Gone(_)),
            "still there: {:?}", world.record
        );
        world.nothing_is_left_open();
    }

    /// An engine that dies in every call of an operation gives it up when its budget is spent.
    #[test]
    fn a_crash_loop_spends_the_budget(policy in policies(), life in lives()) {
        let attempts = policy.attempts;
        let mut world = World::new(policy);
        world.live(life);
        let Some(operation) = calling_forward(&world.record) else { return Ok(()) };
        for _ in 0..attempts {
            world.crash();
            if calling_forward(&world.record).is_none() {
                return Ok(());
            }
        }
        prop_assert_ne!(calling_forward(&world.record), Some(operation), "it crashes for ever");
    }
}

/// The operation of a tenant that calls towards a target, not paused.
fn calling_forward(record: &Record) -> Option<OperationId> {
    let Record::Live(tenant) = record else { return None };
    let (State::Provisioning(change) | State::Updating { change, .. }) = &tenant.state else { return None };
    let forward = matches!(change.direction, Direction::Forward { .. } | Direction::Repair);
    let calling = matches!(change.run, Run::Calling(_));
    (forward && calling && tenant.paused.is_none()).then_some(change.operation)
}
