//! What tasks run on.

use std::collections::BTreeSet;

use super::problems::{Problems, config_at};
use crate::planner::ecs::arn::is_name;
use crate::planner::ecs::{EcsConfig, Launch, LaunchType};
use crate::spec::path;

/// The most capacity providers of a strategy.
const PROVIDERS: usize = 20;
/// Those that are not an auto scaling group's.
const FARGATE: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];

/// What tasks run on, and how the service says so.
pub(super) fn launch(problems: &mut Problems, config: &EcsConfig) -> (LaunchType, Launch) {
    let providers = &config.capacity_providers;
    match (config.launch_type, providers.as_slice()) {
        (given, []) => {
            let on = given.unwrap_or(LaunchType::Fargate);
            (on, Launch::Type(on))
        }
        (given, _) => {
            if given.is_some() {
                problems.add(
                    config_at("launch_type"),
                    "given together with capacity_providers; leave one of them out",
                );
            }
            strategy(problems, config);
            let fargate = providers.iter().any(|provider| FARGATE.contains(&&*provider.name));
            let on = if fargate { LaunchType::Fargate } else { LaunchType::Ec2 };
            (on, Launch::Providers(providers.iter().cloned().collect()))
        }
    }
}

fn strategy(problems: &mut Problems, config: &EcsConfig) {
    let list = config_at("capacity_providers");
    let providers = &config.capacity_providers;
    problems.at_most(&list, providers.len(), PROVIDERS);
    let mut names = BTreeSet::new();
    for (n, provider) in providers.iter().enumerate() {
        let at = path::index(&list, n);
        if !is_name(&provider.name) {
            problems.add(
                path::field(&at, "name"),
                "not a capacity provider's name: letters, digits, '-' and '_'",
            );
        }
        if !names.insert(&provider.name) {
            problems.add(path::field(&at, "name"), "given twice; join the two");
        }
        problems.number(&path::field(&at, "weight"), provider.weight.into(), 0..=1000_u32);
        problems.number(&path::field(&at, "base"), provider.base.into(), 0..=100_000_u32);
    }
    if providers.iter().filter(|provider| provider.base > 0).count() > 1 {
        problems.add(&list, "more than one has a base; ECS takes one");
    }
    if providers.iter().all(|provider| provider.weight == 0) {
        problems.add(&list, "none has a weight, so that no task is placed; give one a weight of 1");
    }
    let fargate = names.iter().filter(|name| FARGATE.contains(&name.as_str())).count();
    if fargate > 0 && fargate < names.len() {
        problems.add(&list, "FARGATE and FARGATE_SPOT cannot be together with others; choose one kind");
    }
}
