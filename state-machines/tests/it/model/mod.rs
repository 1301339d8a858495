//! Every life of a tenant up to a depth, explored by a model checker: commands × outcomes × crashes × time × what
//! happens on the platform. The rules are the invariants of ARCHITECTURE.md, as far as they are the machine's.
//!
//! States that differ only in ids, in how long ago something was, or in how often something failed beyond the last
//! difference that it makes, are one state ([`key`]), so the number of states is finite. `LANDLORD_MODEL_DEPTH` sets the
//! depth; with `all` everything that can be reached is explored.

mod key;
mod properties;
mod world;

use std::time::Instant;

use landlord_state_machines::tenant::RepairPolicy;
use stateright::{Checker, DiscoveryClassification, Model, Property};

use world::{Action, World};

/// What the everyday tests have time for.
const DEPTH: usize = 8;

/// A machine with a policy, its engine and its platform.
#[derive(Clone)]
struct Life {
    repair: RepairPolicy,
}

impl Model for Life {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let new = World::new(self.repair.clone());
        vec![new.clone(), new.after_a_life_that_retained()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.possible(actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        world.after(action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

#[expect(clippy::print_stdout, reason = "it says how much was explored")]
fn explore(what: &str, repair: RepairPolicy) {
    let wanted = std::env::var("LANDLORD_MODEL_DEPTH").unwrap_or_else(|_| DEPTH.to_string());
    let began = Instant::now();
    // One thread, so that every state is met first on its shortest way, and the depth is exact.
    let checker = Life { repair }.checker().threads(1);
    let checker = match wanted.as_str() {
        "all" => checker,
        depth => checker.target_max_depth(depth.parse().expect("a number, or all")),
    };
    let checker = checker.spawn_bfs().join();
    println!(
        "{what}: {} states ({} transitions) to depth {} of {wanted}, in {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64(),
    );
    let broken = checker.discoveries().into_iter().filter_map(|(name, path)| {
        let broken =
            matches!(checker.discovery_classification(name), DiscoveryClassification::Counterexample);
        broken.then(|| format!("broken: {name}\n  by {:?}", path.into_actions()))
    });
    let broken: Vec<String> = broken.collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    // What should happen sometimes, does.
    checker.assert_properties();
    assert!(checker.unique_state_count() > 1_000, "almost nothing was explored");
}

#[test]
fn every_life_keeps_the_invariants() {
    explore("repair on", world::repair_on());
}

#[test]
fn every_life_keeps_the_invariants_without_repair() {
    explore("repair off", RepairPolicy::Off);
}
