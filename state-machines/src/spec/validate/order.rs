//! The rules of which container waits for which.

use std::collections::BTreeMap;

use super::{CONTAINERS, Rules};
use crate::spec::path::{self, Place};
use crate::spec::{Condition, ContainerSpec, Dependency, Role, leads_back};

impl Rules {
    pub(super) fn order(&mut self, containers: &[ContainerSpec]) {
        let list = Place::Root.field("containers");
        if !containers.is_empty() && containers.iter().all(|container| container.role != Role::Main) {
            self.add(&list, "none has the role main; a tenant runs while its main containers run");
        }
        let by_name: BTreeMap<&str, &ContainerSpec> =
            containers.iter().map(|container| (container.name.as_str(), container)).collect();
        for (n, container) in containers.iter().enumerate() {
            let at = list.index(n);
            let at = at.field("depends_on");
            self.count(&at, container.depends_on.len(), CONTAINERS);
            let mut seen = BTreeMap::new();
            for (n, dependency) in container.depends_on.iter().enumerate() {
                let at = at.index(n);
                let name = &dependency.container;
                match by_name.get(name.as_str()) {
                    None => {
                        self.known(&at.field("container"), name, containers.iter().map(|known| &known.name));
                    }
                    Some(other) => self.dependency(&at, container, dependency, other),
                }
                self.unique(&mut seen, name, &at, "container", || path::quoted(name));
            }
            let waits_for = |name| {
                let dependencies = by_name.get(name).into_iter().flat_map(|known| &known.depends_on);
                dependencies.map(|dependency| dependency.container.as_str())
            };
            if leads_back(&container.name, waits_for) {
                self.add(
                    &at,
                    format!("container {} waits for itself in the end; remove one of them", container.name),
                );
            }
        }
    }

    fn dependency(
        &mut self,
        at: &Place<'_>,
        container: &ContainerSpec,
        dependency: &Dependency,
        other: &ContainerSpec,
    ) {
        let condition = at.field("condition");
        match (dependency.condition, other.role) {
            (Condition::Healthy, Role::Main | Role::Sidecar) if other.health_check.is_none() => {
                self.add(&condition, format!("container {} has no health_check", other.name));
            }
            (Condition::Completed, Role::Main | Role::Sidecar) => {
                self.add(&condition, format!("container {} does not end; its role is not init", other.name));
            }
            (Condition::Started | Condition::Healthy, Role::Init) => {
                self.add(&condition, format!("container {} is an init container; use completed", other.name));
            }
            (Condition::Started | Condition::Healthy, Role::Main | Role::Sidecar)
            | (Condition::Completed, Role::Init) => {}
        }
        if rank(other.role) > rank(container.role) {
            let message = format!("container {} starts after this one, by their roles", other.name);
            self.add(&at.field("container"), message);
        }
    }
}

/// The order in which roles start.
fn rank(role: Role) -> u8 {
    match role {
        Role::Init => 0,
        Role::Sidecar => 1,
        Role::Main => 2,
    }
}
