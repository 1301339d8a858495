//! The network interfaces of tasks.

use super::problems::{Problems, config_at};
use crate::planner::ecs::{EcsConfig, LaunchType, Network};
use crate::spec::{Spec, path};

/// The most subnets and security groups of a service.
const SUBNETS: usize = 16;
const GROUPS: usize = 5;

/// A list of the spec's, or else of the configuration's, and where it was given.
struct Given<'a> {
    at: String,
    list: &'a [String],
}

impl<'a> Given<'a> {
    fn of(name: &str, spec: &'a [String], config: &'a [String]) -> Self {
        match spec {
            [] => Self { at: config_at(name), list: config },
            list => Self { at: path::field("networking", name), list },
        }
    }

    fn check(&self, problems: &mut Problems, most: usize) {
        problems.at_most(&self.at, self.list.len(), most);
        for (n, name) in self.list.iter().enumerate() {
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                problems.add(path::index(&self.at, n), "not an id; write one like subnet-0123 or sg-0123");
            }
        }
    }

    /// Refuses the list where nothing can be done with it.
    fn refuse(&self, problems: &mut Problems, why: &str) {
        if !self.list.is_empty() {
            problems.add(&self.at, why);
        }
    }
}

/// The interface that each task gets; none: its containers are on the bridge of their host.
pub(super) fn network(
    problems: &mut Problems,
    spec: &Spec,
    config: &EcsConfig,
    on: LaunchType,
) -> Option<Network> {
    let wished = &spec.networking;
    let subnets = Given::of("subnets", &wished.subnets, &config.subnets);
    let groups = Given::of("security_groups", &wished.security_groups, &config.security_groups);
    // In the spec, `false` may mean that nothing was said; only `true` counts.
    let public = match (wished.public_ip, config.assign_public_ip) {
        (true, _) => Some("networking.public_ip".to_owned()),
        (false, Some(true)) => Some(config_at("assign_public_ip")),
        (false, Some(false) | None) => None,
    };
    subnets.check(problems, SUBNETS);
    groups.check(problems, GROUPS);
    match on {
        LaunchType::Fargate => {
            if subnets.list.is_empty() {
                problems.add(
                    &subnets.at,
                    "missing; tasks on FARGATE have a network interface of their own: give networking.subnets or \
                     provider_config.subnets",
                );
            }
        }
        LaunchType::Ec2 => {
            if subnets.list.is_empty() {
                let why =
                    "without subnets containers are on their host's bridge, which has none; give subnets";
                groups.refuse(problems, why);
            }
            if let Some(at) = &public {
                problems
                    .add(at, "tasks on EC2 get no public address of their own; leave it out, or use FARGATE");
            }
        }
        LaunchType::External => {
            let why = "tasks on EXTERNAL have no network interface of their own; leave it out";
            subnets.refuse(problems, why);
            groups.refuse(problems, why);
            if let Some(at) = &public {
                problems.add(at, why);
            }
        }
    }
    (!subnets.list.is_empty()).then(|| Network {
        subnets: subnets.list.iter().cloned().collect(),
        security_groups: groups.list.iter().cloned().collect(),
        assign_public_ip: public.is_some(),
    })
}
