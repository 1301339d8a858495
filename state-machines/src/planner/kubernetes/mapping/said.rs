//! What a spec says in fields of its own that the configuration has settings for, too.

use serde_json::Value;

use super::problems::Problems;
use crate::planner::kubernetes::config::said_by;
use crate::planner::kubernetes::{Count, KubernetesConfig};
use crate::spec::{Replicas, Spec};

/// Puts what the spec says in the place of the configuration's settings, of which it gives none itself.
pub(super) fn over(problems: &mut Problems, spec: &Spec, config: &mut KubernetesConfig) {
    let given = spec.provider_config.as_ref().unwrap_or(&Value::Null);
    for (setting, field) in said_by(spec) {
        if given.get(setting).is_some_and(|value| !value.is_null()) {
            problems
                .add(field, format!("given together with provider_config.{setting}; leave one of them out"));
        }
    }
    if let Some(Replicas::Count(count)) = spec.replicas {
        config.replicas = problems.number("replicas", count, 0..=super::settings::PODS);
    }
    if let Some(seconds) = spec.update.as_ref().and_then(|update| update.deadline_seconds) {
        config.deadline_seconds = problems.number("update.deadline_seconds", seconds, 1..=u32::MAX);
    }
}

/// How many pods, with what the spec says put over the configuration.
pub(super) fn count(spec: &Spec, config: &KubernetesConfig) -> Count {
    match spec.replicas {
        Some(Replicas::Auto) => Count::Scaled { first: config.replicas },
        Some(Replicas::Count(_)) | None => Count::Of(config.replicas),
    }
}
