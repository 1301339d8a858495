//! Which container waits for which.

use std::collections::BTreeMap;

use super::problems::Problems;
use crate::planner::ecs::{Ending, Until};
use crate::spec::{Condition, ContainerSpec, Role, path};

/// What becomes of the task where a container of this role ends. A sidecar's end is not ignored: ECS starts no container
/// again by itself, so the task is replaced.
pub(super) fn ending(role: Role) -> Ending {
    match role {
        Role::Main | Role::Sidecar => Ending::EndsTheTask,
        Role::Init => Ending::IsItsOwn,
    }
}

/// What each container waits for, in the order of the containers. Init containers run one after the other, and before all
/// others; main containers start after sidecars.
pub(super) fn order(problems: &mut Problems, containers: &[ContainerSpec]) -> Vec<BTreeMap<String, Until>> {
    let name = |container: &ContainerSpec| container.name.clone();
    let is = |role| move |container: &&ContainerSpec| container.role == role;
    let sidecars: Vec<String> = containers.iter().filter(is(Role::Sidecar)).map(name).collect();
    let last_init = containers.iter().rfind(is(Role::Init)).map(name);
    let each = containers.iter().enumerate().map(|(n, container)| {
        let (init, sidecars) = match container.role {
            Role::Init => (containers[..n].iter().rfind(is(Role::Init)).map(name), &[][..]),
            Role::Sidecar => (last_init.clone(), &[][..]),
            Role::Main => (last_init.clone(), &*sidecars),
        };
        let mut waits: BTreeMap<String, Until> =
            sidecars.iter().map(|it| (it.clone(), Until::Start)).collect();
        waits.extend(init.map(|init| (init, Until::Success)));
        let at = path::field(&path::index("containers", n), "depends_on");
        for (k, dependency) in container.depends_on.iter().enumerate() {
            let later =
                containers[n..].iter().filter(is(Role::Init)).any(|it| it.name == dependency.container);
            if container.role == Role::Init && later {
                problems.add(
                    path::field(&path::index(&at, k), "container"),
                    format!(
                        "init containers run one after the other, as they are listed; list {} before {}",
                        dependency.container, container.name
                    ),
                );
            }
            let until = match dependency.condition {
                Condition::Started => Until::Start,
                Condition::Healthy => Until::Healthy,
                Condition::Completed => Until::Success,
            };
            waits.insert(dependency.container.clone(), until);
        }
        waits
    });
    each.collect()
}
