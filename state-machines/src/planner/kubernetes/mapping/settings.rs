//! What the configuration says apart from what is run.

use std::net::IpAddr;

use super::labels::{annotations, is_key};
use super::names::{is_label, is_subdomain};
use super::problems::{Problems, config_at};
use crate::planner::kubernetes::config::{KubernetesConfig, Namespaces, SecretsFrom, TaintEffect};
use crate::planner::kubernetes::tags;
use crate::spec::path;

/// The most pods of a tenant.
pub(super) const PODS: u32 = 10_000;
/// A day: a rollout that takes longer does not end.
const DAY: u32 = 86_400;
/// The longest beginning of a namespace's name.
const PREFIX: usize = 40;

/// Checks every setting that can be judged by itself.
pub(super) fn check(problems: &mut Problems, config: &KubernetesConfig) {
    place(problems, config);
    let mut number = |name: &str, given: u32, range| problems.number(&config_at(name), given.into(), range);
    number("replicas", config.replicas, 0..=PODS);
    number("deadline_seconds", config.deadline_seconds, 1..=DAY);
    number("unschedulable_seconds", config.unschedulable_seconds, 1..=DAY);
    number("volume_size_mb", config.volume_size_mb, 1..=1_000_000_000);
    named(problems, config);
    outside(problems, config);
    nodes(problems, config);
    for (setting, given) in [
        ("service_annotations", &config.service_annotations),
        ("ingress_annotations", &config.ingress_annotations),
        ("service_account_annotations", &config.service_account_annotations),
    ] {
        annotations(problems, setting, given);
    }
    for (n, range) in config.network_policy_except.iter().enumerate() {
        if !is_network(range) {
            problems.add(
                path::index(&config_at("network_policy_except"), n),
                format!(
                    "{} is no network below 0.0.0.0/0 or ::/0; write one like 10.0.0.0/8",
                    path::quoted(range)
                ),
            );
        }
    }
}

fn place(problems: &mut Problems, config: &KubernetesConfig) {
    let prefix = &config.namespace_prefix;
    // With a character behind it, as a tenant's id is.
    if prefix.is_empty() || prefix.len() > PREFIX || !is_label(&format!("{prefix}x")) {
        problems.add(
            config_at("namespace_prefix"),
            format!("not the beginning of a namespace's name: 1 to {PREFIX} of a-z, 0-9 and '-', not beginning with '-'"),
        );
    }
    if prefix.starts_with("kube-") {
        problems.add(
            config_at("namespace_prefix"),
            "namespaces that begin with kube- are Kubernetes' own; choose another",
        );
    }
    if let Namespaces::Shared { name } = &config.namespaces {
        namespace(problems, &config_at("namespaces.shared.name"), name);
    }
    match &config.secrets {
        SecretsFrom::None => {}
        SecretsFrom::Copy { namespace: from } => {
            namespace(problems, &config_at("secrets.copy.namespace"), from)
        }
        SecretsFrom::External { store, kind: _ } => {
            subdomain(problems, &config_at("secrets.external.store"), store);
        }
    }
}

fn namespace(problems: &mut Problems, at: &str, name: &str) {
    if !is_label(name) {
        problems
            .add(at, format!("{} is no namespace's name: 1 to 63 of a-z, 0-9 and '-'", path::quoted(name)));
    } else if name.starts_with("kube-") {
        problems.add(at, "namespaces that begin with kube- are Kubernetes' own; choose another");
    }
}

fn subdomain(problems: &mut Problems, at: &str, name: &str) {
    if !is_subdomain(name) {
        problems.add(at, format!("{} is no object's name: a-z, 0-9, '-' and '.'", path::quoted(name)));
    }
}

/// The names of objects that are there.
fn named(problems: &mut Problems, config: &KubernetesConfig) {
    for (setting, given) in [
        ("ingress_class", &config.ingress_class),
        ("priority_class", &config.priority_class),
        ("runtime_class", &config.runtime_class),
        ("storage_class", &config.storage_class),
    ] {
        if let Some(name) = given {
            subdomain(problems, &config_at(setting), name);
        }
    }
    for (n, name) in config.image_pull_secrets.iter().enumerate() {
        subdomain(problems, &path::index(&config_at("image_pull_secrets"), n), name);
    }
    if let Some(gateway) = &config.gateway {
        subdomain(problems, &config_at("gateway.name"), &gateway.name);
        if !is_label(&gateway.namespace) {
            problems
                .add(config_at("gateway.namespace"), "not a namespace's name: 1 to 63 of a-z, 0-9 and '-'");
        }
        if let Some(section) = &gateway.section {
            subdomain(problems, &config_at("gateway.section"), section);
        }
    }
}

fn outside(problems: &mut Problems, config: &KubernetesConfig) {
    if let Some(pattern) = &config.host_pattern
        && (!pattern.contains("{tenant}") || !is_subdomain(&pattern.replace("{tenant}", "x")))
    {
        problems
            .add(config_at("host_pattern"), "not a pattern of hosts; write one like {tenant}.example.com");
    }
}

fn nodes(problems: &mut Problems, config: &KubernetesConfig) {
    for (key, value) in &config.node_selector {
        if !is_key(key) || !tags::is_value(value) {
            problems.add(path::key(&config_at("node_selector"), key), "not a label of a node");
        }
    }
    for (n, toleration) in config.tolerations.iter().enumerate() {
        let at = path::index(&config_at("tolerations"), n);
        match &toleration.key {
            Some(key) if !is_key(key) => problems.add(path::field(&at, "key"), "not the key of a taint"),
            None if toleration.value.is_some() => {
                problems.add(path::field(&at, "value"), "a value without a key; give the key, or remove it");
            }
            Some(_) | None => {}
        }
        if toleration.value.as_ref().is_some_and(|value| !tags::is_value(value)) {
            problems.add(path::field(&at, "value"), "not the value of a taint");
        }
        if toleration.seconds.is_some() && toleration.effect != Some(TaintEffect::NoExecute) {
            problems.add(
                path::field(&at, "seconds"),
                "only the effect NoExecute has them; set it, or remove them",
            );
        }
    }
}

/// Whether a text is a network, and not the whole internet.
fn is_network(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    !bits.starts_with('+') && bits.parse().is_ok_and(|bits: u8| (1..=most).contains(&bits))
}
