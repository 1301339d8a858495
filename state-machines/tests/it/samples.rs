//! The samples are complete and told apart.

use std::collections::HashSet;

use landlord_state_machines::tenant::samples::{Name, configurations, inputs};

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
        let Name { base, paused, queued } = Name::of(configuration.policy.attempts, &configuration.record);
        assert!(configuration.name.base.starts_with(&base), "{}", configuration.name);
        assert_eq!((configuration.name.paused, configuration.name.queued), (paused, queued));
    }
}
