//! What each container is given of what the tenant has.

use super::problems::Problems;
use super::quantities::{mebibytes, milli};
use crate::spec::{ContainerSpec, ResourceRequirements, Role, Spec, path};
use serde_json::{Value, json};

/// A container's part: millicores and MB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) cpu: u64,
    pub(super) memory: u64,
    pub(super) cpu_request: u64,
    pub(super) memory_request: u64,
    pub(super) storage: Option<u64>,
}

/// The shares of all containers, in their order. Those that have none of their own share evenly what the others leave. An init
/// container runs alone, so it has all.
pub(super) fn shares(problems: &mut Problems, spec: &Spec) -> Vec<Share> {
    let all = &spec.resources;
    let requests = |of: &ResourceRequirements, which: fn(&crate::spec::ResourceRequests) -> Option<i64>| {
        of.requests.as_ref().and_then(which)
    };
    let (asked_cpu, asked_memory) = (requests(all, |it| it.cpu), requests(all, |it| it.memory));
    let running = || spec.containers.iter().filter(|container| container.role != Role::Init);
    let own = |which: &dyn Fn(&ResourceRequirements) -> Option<i64>| -> Vec<Option<i64>> {
        running().map(|container| container.resources.as_ref().and_then(which)).collect()
    };
    let cpu = rest(problems, "cpu", all.cpu, &own(&|it| Some(it.cpu)), "millicores");
    let memory = rest(problems, "memory", all.memory, &own(&|it| Some(it.memory)), "MB");
    let storage = all.storage.map(|storage| rest(problems, "storage", storage, &own(&|it| it.storage), "MB"));
    // A container with its own resources and no requests asks for all of those.
    let set_aside = |asked: Option<i64>, own: Vec<Option<i64>>| {
        let taken: i64 = own.iter().flatten().sum();
        let others = i64::try_from(own.iter().filter(|own| own.is_none()).count()).unwrap_or(i64::MAX);
        Some((asked? - taken).max(0) / others.max(1))
    };
    let cpu_request = set_aside(asked_cpu, own(&|it| Some(requests(it, |it| it.cpu).unwrap_or(it.cpu))));
    let memory_request =
        set_aside(asked_memory, own(&|it| Some(requests(it, |it| it.memory).unwrap_or(it.memory))));
    let share = |container: &ContainerSpec| {
        let of = |number: i64| u64::try_from(number).unwrap_or_default().max(1);
        match (&container.resources, container.role) {
            (Some(own), _) => Share {
                cpu: of(own.cpu),
                memory: of(own.memory),
                cpu_request: of(requests(own, |it| it.cpu).unwrap_or(own.cpu)),
                memory_request: of(requests(own, |it| it.memory).unwrap_or(own.memory)),
                storage: own.storage.map(of).or(match container.role {
                    Role::Init => all.storage.map(of),
                    Role::Main | Role::Sidecar => storage.map(of),
                }),
            },
            (None, Role::Init) => Share {
                cpu: of(all.cpu),
                memory: of(all.memory),
                cpu_request: of(asked_cpu.unwrap_or(all.cpu)),
                memory_request: of(asked_memory.unwrap_or(all.memory)),
                storage: all.storage.map(of),
            },
            (None, Role::Main | Role::Sidecar) => Share {
                cpu: of(cpu),
                memory: of(memory),
                cpu_request: of(cpu_request.unwrap_or(cpu).min(cpu)),
                memory_request: of(memory_request.unwrap_or(memory).min(memory)),
                storage: storage.map(of),
            },
        }
    };
    spec.containers.iter().map(share).collect()
}

/// What each of those gets that have none of their own.
fn rest(problems: &mut Problems, field: &str, all: i64, own: &[Option<i64>], unit: &str) -> i64 {
    let taken: i64 = own.iter().flatten().sum();
    let others = own.iter().filter(|own| own.is_none()).count();
    let each = (all - taken) / i64::try_from(others.max(1)).unwrap_or(i64::MAX);
    let at = path::field("resources", field);
    if taken > all {
        problems.add(
            at,
            format!("the containers' own add up to {taken} {unit}, more than the tenant has; ask for more"),
        );
    } else if others > 0 && each < 1 {
        problems.add(
            at,
            format!(
                "the containers' own add up to {taken} {unit}, which leaves nothing for those without ({others}); ask for \
                 more"
            ),
        );
    }
    each
}

impl Share {
    /// As a container has it.
    pub(super) fn written(self, cpu_limits: bool) -> Value {
        let storage = self.storage.map(mebibytes);
        json!({
            "requests": {
                "cpu": milli(self.cpu_request),
                "memory": mebibytes(self.memory_request),
                "ephemeral-storage": storage,
            },
            "limits": {
                "cpu": cpu_limits.then(|| milli(self.cpu)),
                "memory": mebibytes(self.memory),
                "ephemeral-storage": storage,
            },
        })
    }

    fn and(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    fn or(self, other: Self) -> Self {
        self.with(other, u64::max)
    }

    fn with(self, other: Self, one: fn(u64, u64) -> u64) -> Self {
        Self {
            cpu: one(self.cpu, other.cpu),
            memory: one(self.memory, other.memory),
            cpu_request: one(self.cpu_request, other.cpu_request),
            memory_request: one(self.memory_request, other.memory_request),
            storage: self.storage.zip(other.storage).map(|(storage, other)| one(storage, other)),
        }
    }
}

/// What a pod takes: its containers together, or more where an init container does. Storage only where all containers have a
/// share of it.
pub(super) fn of_pod(containers: &[ContainerSpec], shares: &[Share]) -> Share {
    let nothing = Share { storage: Some(0), ..Share::default() };
    let (inits, running): (Vec<_>, Vec<_>) =
        containers.iter().zip(shares).partition(|(container, _)| container.role == Role::Init);
    let together = running.into_iter().fold(nothing, |sum, (_, share)| sum.and(*share));
    inits.into_iter().fold(together, |most, (_, share)| most.or(*share))
}
