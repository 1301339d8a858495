//! What the configuration says apart from what is run: names, roles, counts.

use super::problems::{Problems, config_at};
use super::said::TASKS;
use super::url;
use crate::planner::ecs::arn::{Arn, is_name, is_revision};
use crate::planner::ecs::{EcsConfig, Site};

/// A day: a deployment that takes longer does not end.
const LONGEST_DEPLOYMENT: u32 = 86_400;

/// Checks every setting that can be judged by itself.
pub(super) fn check(problems: &mut Problems, config: &EcsConfig, site: &Site) {
    place(problems, config);
    if let Some(problem) = site.name_problem() {
        let from = if config.service_name.is_some() { "service_name" } else { "service_name_prefix" };
        problems.add(config_at(from), problem);
    }
    let roles =
        [("task_role_arn", &config.task_role_arn), ("execution_role_arn", &config.execution_role_arn)];
    for (name, role) in roles {
        if let Some(arn) = role {
            self::role(problems, &config_at(name), arn);
        }
    }
    if let Some(assumed) = &config.assume_role {
        role(problems, &config_at("assume_role.role_arn"), &assumed.role_arn);
        session(problems, assumed.session_name.as_deref(), assumed.external_id.as_deref());
    }
    if let Some(given) = &config.task_definition_arn
        && !is_revision(given)
        && !Arn::named(given, "ecs", "task-definition/").is_some_and(is_revision)
    {
        problems.add(
            config_at("task_definition_arn"),
            "not a revision; write arn:aws:ecs:region:account:task-definition/family:revision, or family:revision",
        );
    }
    if let Some(group) = &config.log_group {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"_-/.#".contains(&b);
        if !(1..=512).contains(&group.len()) || !group.bytes().all(fits) {
            problems.add(config_at("log_group"), "not a log group: 1 to 512 letters, digits and _-/.#");
        }
    }
    counts(problems, config);
}

fn place(problems: &mut Problems, config: &EcsConfig) {
    let named = Arn::named(&config.cluster, "ecs", "cluster/");
    if !is_name(named.unwrap_or(&config.cluster)) {
        problems.add(
            config_at("cluster"),
            "not a cluster; write its name, or arn:aws:ecs:region:account:cluster/name",
        );
    }
    if let Some(region) = &config.region {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if region.is_empty() || !region.bytes().all(fits) {
            problems.add(config_at("region"), "not a region; write one like eu-west-1");
        } else if let Some(other) = Arn::region_of(&config.cluster).filter(|other| other != region) {
            problems.add(config_at("region"), format!("the cluster is in {other}; leave the region out"));
        }
    }
    if let Some(endpoint) = &config.endpoint_url
        && let Err(problem) = url::endpoint(endpoint)
    {
        problems.add(config_at("endpoint_url"), problem);
    }
}

fn role(problems: &mut Problems, at: &str, arn: &str) {
    if Arn::named(arn, "iam", "role/").is_none() {
        problems.add(at, "not a role's ARN: arn:aws:iam::account:role/name");
    }
}

fn session(problems: &mut Problems, name: Option<&str>, external_id: Option<&str>) {
    let fits = |text: &str, range: std::ops::RangeInclusive<usize>, more: &str| {
        range.contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    if name.is_some_and(|name| !fits(name, 2..=64, "_=,.@-")) {
        problems.add(
            config_at("assume_role.session_name"),
            "not a session's name: 2 to 64 letters, digits and _=,.@-",
        );
    }
    // Its text is not shown.
    if external_id.is_some_and(|id| !fits(id, 2..=1224, "_=,.@:/-+")) {
        problems.add(
            config_at("assume_role.external_id"),
            "not an external id: 2 to 1224 letters, digits and _+=,.@:/-",
        );
    }
}

fn counts(problems: &mut Problems, config: &EcsConfig) {
    let mut number = |name: &str, given: u32, range| problems.number(&config_at(name), given.into(), range);
    let desired = number("desired_count", config.desired_count, 0..=TASKS);
    let least = number("minimum_healthy_percent", config.minimum_healthy_percent, 0..=100);
    let most = number("maximum_percent", config.maximum_percent, 100..=200);
    number("deployment_timeout_seconds", config.deployment_timeout_seconds, 1..=LONGEST_DEPLOYMENT);
    if let Some(grace) = config.health_check_grace_period_seconds {
        number("health_check_grace_period_seconds", grace, 0..=2_147_483_647);
    }
    // ECS rounds the least up and the most down.
    if desired > 0 && (desired * most) / 100 <= (desired * least).div_ceil(100) {
        problems.add(
            config_at("maximum_percent"),
            format!(
                "with {desired} tasks, at least {least} % and at most {most} % of them, a deployment may neither stop a \
                 task nor start one; raise it or lower minimum_healthy_percent"
            ),
        );
    }
}
