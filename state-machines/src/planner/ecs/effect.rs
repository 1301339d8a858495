//! What an update does to the tasks that run.

use super::mapping::{self, Mapped, Tasking};
use crate::spec::Spec;

/// What an update does to the tasks that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deploys {
    /// They go on.
    Nothing,
    /// Others take their place, while enough of them serve.
    InTurn,
    /// They may all end before others serve.
    StopFirst,
}

/// What an update from one spec to another does to the tasks that run. How many there are, and what the service is tagged
/// with, is no affair of a task.
pub fn deploys(applied: &Spec, spec: &Spec) -> Deploys {
    let ((old, _), (new, _)) = (mapping::map(applied), mapping::map(spec));
    let settings = &new.settings;
    let least = u64::from(settings.desired_count.first()) * u64::from(settings.minimum_healthy_percent);
    match (tasks_of(&old) == tasks_of(&new), least) {
        (true, _) => Deploys::Nothing,
        (false, 0) => Deploys::StopFirst,
        (false, 1..) => Deploys::InTurn,
    }
}

/// What ECS makes a deployment for, where it changes.
fn tasks_of(mapped: &Mapped) -> impl PartialEq + '_ {
    let Mapped { source, settings, .. } = mapped;
    let definition = match source {
        Tasking::Existing(arn) => (Some(arn), None),
        Tasking::Own(definition) => (None, Some(definition)),
    };
    (definition, &settings.launch, &settings.network, &settings.load_balancers, &settings.registries)
}
