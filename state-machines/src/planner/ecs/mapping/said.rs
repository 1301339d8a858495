//! What a spec says in fields of its own that the configuration has settings for, too.

use serde_json::Value;

use super::problems::Problems;
use crate::planner::ecs::config::said_by;
use crate::planner::ecs::{Count, EcsConfig};
use crate::spec::{Replicas, Spec, UpdateConfig, UpdateOrder};

/// The most tasks of a service.
pub(super) const TASKS: u32 = 5000;

/// Puts what the spec says in the place of the configuration's settings, of which it gives none itself.
pub(super) fn over(problems: &mut Problems, spec: &Spec, config: &mut EcsConfig) {
    let given = spec.provider_config.as_ref().unwrap_or(&Value::Null);
    for (setting, field) in said_by(spec) {
        if given.get(setting).is_some_and(|value| !value.is_null()) {
            problems
                .add(field, format!("given together with provider_config.{setting}; leave one of them out"));
        }
    }
    if let Some(Replicas::Count(count)) = spec.replicas {
        config.desired_count = problems.number("replicas", count, 0..=TASKS);
    }
    let Some(UpdateConfig { order, deadline_seconds, rollback: _ }) = &spec.update else { return };
    match order {
        Some(UpdateOrder::StartFirst) => {
            (config.minimum_healthy_percent, config.maximum_percent) = (100, 200);
        }
        Some(UpdateOrder::StopFirst) => {
            (config.minimum_healthy_percent, config.maximum_percent) = (0, 100);
        }
        None => {}
    }
    if let Some(seconds) = deadline_seconds {
        config.deployment_timeout_seconds =
            problems.number("update.deadline_seconds", *seconds, 1..=u32::MAX);
    }
}

/// How many tasks, with what the spec says put over the configuration.
pub(super) fn count(spec: &Spec, config: &EcsConfig) -> Count {
    match spec.replicas {
        Some(Replicas::Auto) => Count::Scaled { first: config.desired_count },
        Some(Replicas::Count(_)) | None => Count::Of(config.desired_count),
    }
}
