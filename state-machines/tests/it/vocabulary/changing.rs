//! The changes from one spec to the next.

use landlord_state_machines::spec::{
    ContainerSpec, DnsConfig, HealthCheckConfig, PortMapping, TenantComputeSpec, changes,
};
use serde_json::json;

use super::{checked, http_check, secret, web};

/// The changes from one variation of the valid spec to another.
fn between(
    old: impl FnOnce(&mut TenantComputeSpec),
    new: impl FnOnce(&mut TenantComputeSpec),
) -> Vec<String> {
    changes(&checked(old), &checked(new))
}

fn after(new: impl FnOnce(&mut TenantComputeSpec)) -> Vec<String> {
    between(|_| {}, new)
}

#[test]
fn the_same_spec_has_no_changes() {
    assert!(after(|_| {}).is_empty());
}

#[test]
fn the_contracts_example() {
    assert_eq!(
        after(|spec| spec.containers[0].image = "nginx:1.28".into()),
        ["containers[web].image: nginx:1.27 → nginx:1.28"]
    );
}

#[test]
fn every_field_is_compared() {
    let all = between(
        |spec| {
            spec.provider_config =
                Some(json!({ "cluster": "hunter1", "gone": 1, "deep": { "key": "hunter1" } }))
        },
        |spec| {
            spec.tenant_id = "other".into();
            spec.provider_type = "nomad".into();
            let web = &mut spec.containers[0];
            web.image = "nginx:1.28".into();
            web.command = vec!["hunter2".into()];
            web.args = vec![];
            web.env = [("API_KEY".to_owned(), "hunter2".to_owned()), ("odd.name".to_owned(), "x".to_owned())]
                .into();
            web.ports.push(PortMapping {
                container_port: 53,
                protocol: "udp".into(),
                ..PortMapping::default()
            });
            web.health_check = Some(HealthCheckConfig {
                kind: "exec".into(),
                http_path: None,
                port: Some(81),
                command: vec!["hunter2".into()],
                interval_seconds: 11,
                timeout_seconds: 6,
                healthy_threshold: 3,
                unhealthy_threshold: 4,
                start_period_seconds: Some(30),
                ..HealthCheckConfig::default()
            });
            web.resources = None;
            spec.resources.cpu = 1025;
            spec.resources.memory = 2049;
            spec.resources.storage = Some(4097);
            spec.networking.public_ip = true;
            spec.networking.security_groups = vec!["sg-1".into(), "sg-2".into()];
            spec.networking.subnets = vec!["subnet-1".into()];
            spec.networking.dns =
                Some(DnsConfig { hostname: Some("app".into()), domain: Some("acme.example".into()) });
            spec.secrets[0].source = "file".into();
            spec.secrets[0].key = "/run/db".into();
            spec.secrets[0].env_var = None;
            spec.labels = [("tier".to_owned(), "gold".to_owned())].into();
            spec.provider_config =
                Some(json!({ "cluster": "hunter2", "new": [1], "deep": { "key": "hunter2" } }));
        },
    );
    insta::assert_snapshot!(all.join("\n"));
    assert!(!all.join("\n").contains("hunter"));
}

/// Every field that came after the specification, given and taken away.
#[test]
fn every_new_field_is_compared() {
    let (plain, full) = (checked(|_| ()), super::fields::full().check().unwrap());
    let there_and_back = [changes(&plain, &full), changes(&full, &plain)].map(|changes| changes.join("\n"));
    insta::assert_snapshot!(there_and_back.join("\n\nand back:\n"));
    assert!(!there_and_back.concat().contains("hunter"));
}

#[test]
fn env_values_are_never_shown() {
    let env = |value: &str| [("API_KEY".to_owned(), value.to_owned())].into();
    let changed = between(
        |spec| spec.containers[0].env = env("hunter1"),
        |spec| spec.containers[0].env = env("hunter2"),
    );
    assert_eq!(changed, ["containers[web].env.API_KEY: changed"]);
}

#[test]
fn containers_are_matched_by_name() {
    let cron = || ContainerSpec { name: "cron".into(), ports: vec![], ..web() };
    assert_eq!(
        after(|spec| spec.containers[1] = cron()),
        ["containers[worker]: removed", "containers[cron]: added"]
    );
    assert_eq!(after(|spec| spec.containers.insert(0, cron())), ["containers[cron]: added"]);
    assert_eq!(after(|spec| spec.containers.swap(0, 1)), ["containers: order changed"]);
}

#[test]
fn secrets_of_one_name_are_told_apart() {
    let two = |spec: &mut TenantComputeSpec| {
        spec.secrets.push(landlord_state_machines::spec::SecretReference {
            env_var: Some("DB_USER".into()),
            ..secret()
        });
    };
    let changed = between(two, |spec| {
        two(spec);
        spec.secrets[1].key = "prod/user".into();
    });
    assert_eq!(changed, ["secrets[db#2].key: prod/db → prod/user"]);
    assert_eq!(between(two, |_| {}), ["secrets[db#2]: removed"]);
}

#[test]
fn lists_that_read_alike_still_differ() {
    let groups = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let changed = between(
        |spec| spec.networking.security_groups = groups(&["a, b"]),
        |spec| spec.networking.security_groups = groups(&["a", "b"]),
    );
    assert_eq!(changed.len(), 1);
}

#[test]
fn a_health_check_comes_and_goes() {
    let removed = after(|spec| spec.containers[0].health_check = None);
    assert_eq!(removed, ["containers[web].health_check: removed"]);
    let added = after(|spec| spec.containers[1].health_check = Some(http_check()));
    assert_eq!(added, ["containers[worker].health_check: added"]);
}
