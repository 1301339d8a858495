//! From a spec to ECS's terms: what is wanted of it, and everything that is wrong with it.

mod attachments;
mod checks;
mod containers;
mod labels;
mod launch;
mod network;
mod order;
mod problems;
mod said;
mod secrets;
mod serves;
mod settings;
mod sizes;
#[cfg(test)]
mod tests;
mod texts;
mod url;
mod volumes;

use std::collections::BTreeMap;

use serde_json::Value;

use self::attachments::Tasks;
use self::problems::Problems;
use super::call::{Serves, Settings};
use super::config::{CircuitBreaker, EcsConfig};
use super::definition::{Definition, NetworkMode};
use super::site::Site;
use crate::spec::{Problem, Spec};

/// What a spec says, apart from whose it is.
pub(super) struct Mapped {
    pub(super) site: Site,
    pub(super) source: Tasking,
    pub(super) settings: Settings,
    /// The caller's own.
    pub(super) tags: BTreeMap<String, String>,
    pub(super) serves: Vec<Serves>,
    pub(super) deployment_timeout_seconds: u32,
}

/// What tasks are made from.
pub(super) enum Tasking {
    /// A task definition that is somebody else's.
    Existing(String),
    /// One that is made; its containers have no labels yet.
    Own(Definition),
}

/// Maps a spec. Where there are problems, the result is not to be used.
pub(super) fn map(spec: &Spec) -> (Mapped, Vec<Problem>) {
    let mut problems = Problems::default();
    let (mut config, mut unread) = EcsConfig::read_all(spec.provider_config.as_ref().unwrap_or(&Value::Null));
    said::over(&mut problems, spec, &mut config);
    let site = Site::of(&config, spec.tenant());
    settings::check(&mut problems, &config, &site);
    let (on, launch) = launch::launch(&mut problems, &config);
    let network = network::network(&mut problems, spec, &config, on);
    let source = match &config.task_definition_arn {
        Some(arn) => Tasking::Existing(arn.clone()),
        None => {
            let mode = if network.is_some() { NetworkMode::Awsvpc } else { NetworkMode::Bridge };
            let region = site.place.region.as_deref();
            Tasking::Own(containers::definition(&mut problems, spec, &config, region, (on, mode)))
        }
    };
    let containers = match &source {
        Tasking::Existing(_) => None,
        Tasking::Own(_) => Some(&*spec.containers),
    };
    let tasks = Tasks { on, own_interface: network.is_some(), containers };
    let load_balancers = attachments::load_balancers(&mut problems, &config, &tasks);
    if let Some(containers) = containers {
        attachments::exposures(&mut problems, containers, &config);
    }
    let registries = attachments::registries(&mut problems, &config, &tasks);
    let mapped = Mapped {
        serves: serves::serves(&mut problems, spec, &config, containers),
        tags: labels::tags(&mut problems, &spec.labels, &config.tags),
        settings: Settings {
            desired_count: said::count(spec, &config),
            launch,
            // It is about load balancers' checks; without load balancers ECS refuses it.
            grace_period_seconds: config
                .health_check_grace_period_seconds
                .or_else(|| checks::longest_start_period(&spec.containers))
                .filter(|_| !load_balancers.is_empty()),
            network,
            load_balancers,
            registries,
            circuit_breaker: breaker(config.circuit_breaker),
            minimum_healthy_percent: config.minimum_healthy_percent,
            maximum_percent: config.maximum_percent,
        },
        site,
        source,
        deployment_timeout_seconds: config.deployment_timeout_seconds,
    };
    unread.extend(problems.into_vec());
    (mapped, unread)
}

/// A circuit breaker that is off does not roll back either, whatever else was given.
fn breaker(given: CircuitBreaker) -> CircuitBreaker {
    CircuitBreaker { rollback: given.enable && given.rollback, ..given }
}
