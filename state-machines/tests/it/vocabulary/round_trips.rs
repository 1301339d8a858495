//! Properties of any valid spec.

use std::collections::BTreeMap;

use landlord_state_machines::spec::{
    Condition, ContainerSpec, Dependency, DnsConfig, HealthCheckConfig, NetworkConfig, PortMapping,
    ResourceRequests, ResourceRequirements, Role, SecretReference, Spec, TenantComputeSpec, changes,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde_json::Value;

/// A text that a program may get, with what JSON and YAML have to escape or quote.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[ \\n\\t\"'\\\\:#{}\\[\\],&*!|>%@`-]{0,8}",
        proptest::sample::select(vec![
            "", "no", "~", "null", "true", "1.10", "0755", "1e3", "- a", "&a", ".inf"
        ])
        .prop_map(str::to_owned),
    ]
}

fn env() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map("[A-Z_][A-Z0-9_.-]{0,6}", value(), 0..4)
}

fn config() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        value().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map(value(), inner, 0..3).prop_map(|fields| fields.into_iter().collect::<Value>()),
        ]
    })
}

fn health_check() -> impl Strategy<Value = HealthCheckConfig> {
    (0..3, "/[a-z]{0,5}", 1..65_535_i64, 5..60_i64, 1..5_i64).prop_map(
        |(kind, http_path, port, interval, few)| HealthCheckConfig {
            kind: ["http", "tcp", "exec"][kind as usize].into(),
            http_path: Some(http_path).filter(|_| kind == 0),
            port: Some(port).filter(|_| kind < 2),
            command: if kind == 2 { vec!["true".into()] } else { vec![] },
            interval_seconds: interval,
            timeout_seconds: few.min(interval - 1),
            healthy_threshold: few,
            unhealthy_threshold: few,
            start_period_seconds: (few > 2).then_some(interval),
            ..HealthCheckConfig::default()
        },
    )
}

fn container() -> impl Strategy<Value = ContainerSpec> {
    let port = (of(Just("http".to_owned())), proptest::sample::select(vec!["", "tcp", "udp"]));
    let resources = of((1..128_i64, 1..128_i64, of(0..9_i64)));
    (env(), vec(value(), 0..3), vec(value(), 0..3), vec(port, 0..3), of(health_check()), resources).prop_map(
        |(env, command, args, ports, health_check, resources)| ContainerSpec {
            image: "nginx".into(),
            env,
            command,
            args,
            ports: (80..)
                .zip(ports)
                .map(|(number, (name, protocol))| PortMapping {
                    container_port: number,
                    host_port: None,
                    protocol: protocol.into(),
                    name,
                    ..PortMapping::default()
                })
                .collect(),
            health_check,
            resources: resources.map(|(cpu, memory, storage)| ResourceRequirements {
                cpu,
                memory,
                storage,
                ..ResourceRequirements::default()
            }),
            ..ContainerSpec::default()
        },
    )
}

fn secret() -> impl Strategy<Value = SecretReference> {
    ("[a-z]{1,2}", "[a-z]{1,3}").prop_map(|(name, key)| SecretReference {
        name,
        source: "file".into(),
        key,
        env_var: None,
        ..SecretReference::default()
    })
}

fn networking() -> impl Strategy<Value = NetworkConfig> {
    let dns = of((of("[a-z]{0,3}"), of("[a-z]{0,3}")));
    (any::<bool>(), vec("[a-z, ]{1,4}", 0..3), dns).prop_map(|(public_ip, security_groups, dns)| {
        NetworkConfig {
            public_ip,
            security_groups,
            subnets: vec![],
            dns: dns.map(|(hostname, domain)| DnsConfig { hostname, domain }),
        }
    })
}

/// Some of the fields that came after the specification.
fn newer(spec: &mut TenantComputeSpec, chosen: u32) {
    let full = super::fields::full();
    let mut bits = (0..32).map(|bit| chosen >> bit & 1 == 1);
    let mut chosen = || bits.next().unwrap();
    spec.replicas = full.replicas.filter(|_| chosen());
    spec.update = full.update.filter(|_| chosen());
    spec.deletion_protection = chosen();
    spec.resources.requests = chosen().then_some(ResourceRequests { cpu: Some(64), memory: None });
    let (web, of_full) = (&mut spec.containers[0], &full.containers[0]);
    if chosen() {
        spec.volumes = full.volumes;
        web.mounts.clone_from(&of_full.mounts);
    }
    if chosen() {
        web.files = vec![of_full.files[0].clone()];
    }
    web.liveness = of_full.liveness.clone().filter(|_| chosen());
    web.stop = of_full.stop.clone().filter(|_| chosen());
    web.user = of_full.user.clone().filter(|_| chosen());
    web.working_dir = of_full.working_dir.clone().filter(|_| chosen());
    web.read_only_root = chosen();
    if let Some(port) = web.ports.first_mut() {
        port.exposure = of_full.ports[0].exposure.clone().filter(|_| chosen());
        port.app_protocol = of_full.ports[0].app_protocol.clone().filter(|_| chosen());
    }
    if let [first, second, ..] = spec.containers.as_mut_slice()
        && chosen()
    {
        first.role = Role::Sidecar;
        second.depends_on = vec![Dependency { container: first.name.clone(), condition: Condition::Started }];
    }
}

fn spec() -> impl Strategy<Value = TenantComputeSpec> {
    (older(), any::<u32>()).prop_map(|(mut spec, chosen)| {
        newer(&mut spec, chosen);
        spec
    })
}

fn older() -> impl Strategy<Value = TenantComputeSpec> {
    let labels = btree_map("\\PC{1,8}", "\\PC{0,8}", 0..4);
    (vec(container(), 1..4), vec(secret(), 0..3), labels, of(config()), networking(), of(0..9_i64)).prop_map(
        |(mut containers, secrets, labels, provider_config, networking, storage)| {
            for (n, container) in containers.iter_mut().enumerate() {
                container.name = format!("c{n}");
            }
            TenantComputeSpec {
                tenant_id: "acme".into(),
                provider_type: "mock".into(),
                containers,
                resources: ResourceRequirements {
                    cpu: 128,
                    memory: 128,
                    storage,
                    ..ResourceRequirements::default()
                },
                networking,
                secrets,
                labels,
                provider_config,
                ..TenantComputeSpec::default()
            }
        },
    )
}

fn checked() -> impl Strategy<Value = Spec> {
    spec().prop_filter_map("valid", |spec| spec.check().ok())
}

proptest! {
    #[test]
    fn a_stored_spec_reads_back_the_same(spec in checked()) {
        let json = serde_json::to_string(&spec).unwrap();
        prop_assert_eq!(Spec::from_stored_json(&json).unwrap(), spec);
    }

    #[test]
    fn json_and_yaml_agree(spec in checked()) {
        let json = serde_json::to_string_pretty(&spec).unwrap();
        let yaml = serde_saphyr::to_string(&*spec).unwrap();
        let from_json = TenantComputeSpec::from_json(&json).unwrap();
        prop_assert_eq!(&TenantComputeSpec::from_yaml(&json).unwrap(), &from_json, "{}", json);
        prop_assert_eq!(&TenantComputeSpec::from_yaml(&yaml).unwrap(), &from_json, "{}", yaml);
    }

    #[test]
    fn there_are_changes_exactly_when_specs_differ(old in checked(), new in checked()) {
        prop_assert_eq!(changes(&old, &new).is_empty(), old == new);
        prop_assert!(changes(&old, &old).is_empty());
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC{0,200}|[ \\n:{}\\[\\]\"'a&*-]{0,60}") {
        let _ = TenantComputeSpec::from_json(&text);
        let _ = TenantComputeSpec::from_yaml(&text);
    }
}
