//! In which order containers start, and which waits for which.

use std::collections::BTreeSet;

use super::cluster::Cluster;
use super::problems::Problems;
use crate::spec::{Condition, ContainerSpec, Role, path};

/// The containers, by their places in the spec: those that run to their end or go on beside the others, and those that are
/// started after them.
pub(super) struct Order {
    /// Init containers, and sidecars where the cluster knows them.
    pub(super) first: Vec<usize>,
    /// All others.
    pub(super) then: Vec<usize>,
}

/// The order of a spec's containers. The kubelet starts each list from its beginning on.
pub(super) fn order(problems: &mut Problems, containers: &[ContainerSpec], cluster: Cluster<'_>) -> Order {
    let of = |role: Role| {
        let places = containers.iter().enumerate().filter(move |(_, one)| one.role == role);
        sorted(containers, places.map(|(n, _)| n).collect())
    };
    let (mut first, sidecars, main) = (of(Role::Init), of(Role::Sidecar), of(Role::Main));
    not_enforced(problems, containers, cluster);
    match cluster.has_sidecars() {
        true => {
            first.extend(sidecars);
            Order { first, then: main }
        }
        false => Order { first, then: sidecars.into_iter().chain(main).collect() },
    }
}

/// Each after those of the same list that it waits for, else as they are listed.
fn sorted(containers: &[ContainerSpec], places: Vec<usize>) -> Vec<usize> {
    let (mut left, mut sorted) = (places, Vec::new());
    while !left.is_empty() {
        let waiting: BTreeSet<&str> = left.iter().map(|n| containers[*n].name.as_str()).collect();
        let is_free = |n: &usize| {
            let mut waits = containers[*n].depends_on.iter();
            waits.all(|dependency| !waiting.contains(dependency.container.as_str()))
        };
        // A circle is a problem of the spec; here it only has to end.
        let next = left.iter().position(is_free).unwrap_or_default();
        sorted.push(left.remove(next));
    }
    sorted
}

fn not_enforced(problems: &mut Problems, containers: &[ContainerSpec], cluster: Cluster<'_>) {
    for (n, container) in containers.iter().enumerate() {
        let at = path::index("containers", n);
        if container.role == Role::Sidecar && !cluster.has_sidecars() {
            problems.not_enforced(
                path::field(&at, "role"),
                format!(
                    "{} has no sidecars: it starts with the main containers and stops with them",
                    cluster.version()
                ),
            );
        }
        for (k, dependency) in container.depends_on.iter().enumerate() {
            let role = containers.iter().find(|one| one.name == dependency.container).map(|one| one.role);
            let is_waited_for = match (role, dependency.condition) {
                (Some(Role::Init), _) | (None, _) => true,
                (Some(Role::Sidecar), _) => cluster.has_sidecars(),
                (Some(Role::Main), Condition::Started | Condition::Completed) => true,
                (Some(Role::Main), Condition::Healthy) => false,
            };
            if !is_waited_for {
                problems.not_enforced(
                    path::field(&path::index(&path::field(&at, "depends_on"), k), "condition"),
                    format!(
                        "container {} is started before this one, and nobody waits until it is healthy",
                        dependency.container
                    ),
                );
            }
        }
    }
}
