//! The samples are complete and told apart.

use std::collections::{BTreeSet, HashSet, VecDeque};

use landlord_state_machines::tenant::samples::{Name, configurations, inputs};
use landlord_state_machines::tenant::{Command, Decision, Input, Policy, Record, Rejection, Request, step};

#[test]
fn every_configuration_has_its_own_name() {
    let names: Vec<_> = configurations().into_iter().map(|each| each.name).collect();
    let distinct: HashSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}

#[test]
fn every_input_of_a_configuration_has_its_own_name() {
    for configuration in configurations() {
        let names: Vec<_> = inputs(&configuration.record).iter().map(ToString::to_string).collect();
        let distinct: HashSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{}", configuration.name);
    }
}

#[test]
fn a_sample_is_named_by_what_it_is() {
    for configuration in configurations() {
        let name = Name::of(configuration.policy.attempts, &configuration.record);
        assert_eq!(Name { repair_off: false, ..configuration.name }, name);
    }
}

/// Walks the machine with every sampled input, from nothing: what can be reached, and nothing else, is sampled.
#[test]
fn exactly_the_configurations_that_can_be_reached_are_sampled() {
    let policy = Policy::default();
    let sampled: BTreeSet<_> = configurations()
        .into_iter()
        .filter(|each| each.policy == policy)
        .map(|each| each.name.to_string())
        .collect();
    // The tenant that knows most specs is asked for all of them.
    let with_every_spec: Vec<_> =
        configurations().iter().map(|each| inputs(&each.record)).max_by_key(Vec::len).unwrap();
    let with_a_protected_spec: Vec<_> = configurations()
        .iter()
        .filter(|each| each.name.protected)
        .flat_map(|each| inputs(&each.record))
        .collect();
    let mut seen = HashSet::new();
    let mut reached = BTreeSet::new();
    let mut ahead = VecDeque::from([configurations()[0].record.clone()]);
    while let Some(record) = ahead.pop_front() {
        let name = Name::of(policy.attempts, &record);
        let attempt = match &record {
            Record::Absent(_) | Record::Gone(_) => None,
            Record::Live(tenant) => tenant.attempt(),
        };
        if !seen.insert((name.clone(), attempt)) || attempt > Some(policy.attempts) {
            continue;
        }
        reached.insert(sampled_as(name).to_string());
        let known = with_every_spec.iter().chain(&with_a_protected_spec).cloned();
        for sample in inputs(&record).into_iter().chain(known) {
            if let Decision::Apply(transition) = step(&policy, &record, sample.stamp, sample.input) {
                ahead.push_back(transition.record);
            }
        }
    }
    let missing: Vec<_> = reached.difference(&sampled).collect();
    let idle: Vec<_> = sampled.difference(&reached).collect();
    assert!(missing.is_empty() && idle.is_empty(), "not sampled: {missing:#?}, not reached: {idle:#?}");
}

/// Protection is sampled by itself only: what a tenant answers otherwise does not depend on what else it is.
fn sampled_as(name: Name) -> Name {
    let protected = name.protected && !name.paused && name.queued.is_none();
    Name { protected, ..name }
}

/// Each protected configuration answers all but a destroy as it does without protection.
#[test]
fn protection_refuses_a_destroy_and_changes_nothing_else() {
    let refused = Decision::Reject(Rejection::Protected);
    let mut protected_ones = 0;
    for protected in configurations().into_iter().filter(|each| each.name.protected) {
        protected_ones += 1;
        for sample in inputs(&protected.record) {
            let destroys = matches!(
                &sample.input,
                Input::Command(Command { request: Request::Destroy, expected: None })
            );
            let decision = step(&protected.policy, &protected.record, sample.stamp, sample.input.clone());
            assert_eq!(decision == refused, destroys, "{}: {sample}", protected.name);
        }
    }
    assert!(protected_ones > 0);
}
