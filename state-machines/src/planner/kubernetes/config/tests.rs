//! What is read as a configuration, and how two become one.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::*;

fn messages(value: &Value) -> Vec<String> {
    KubernetesConfig::read_all(value).1.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_written_is_read_back() {
    let much = KubernetesConfig {
        cluster: Some(ClusterSource::Kubeconfig { path: Some("/etc/kube".to_owned()), context: None }),
        namespaces: Namespaces::Shared { name: "tenants".to_owned() },
        exposure: Some(Exposes::Gateway),
        gateway: Some(Gateway { name: "web".to_owned(), namespace: "edge".to_owned(), section: None }),
        secrets: SecretsFrom::External { store: "vault".to_owned(), kind: StoreKind::ClusterSecretStore },
        tolerations: vec![Toleration {
            effect: Some(TaintEffect::NoExecute),
            seconds: Some(5),
            ..Toleration::default()
        }],
        drift: Drift::Repair,
        ..KubernetesConfig::default()
    };
    for config in [KubernetesConfig::default(), much] {
        assert_eq!(KubernetesConfig::read(&serde_json::to_value(&config).unwrap()), Ok(config));
    }
    assert_eq!(KubernetesConfig::read(&Value::Null), Ok(KubernetesConfig::default()));
}

#[test]
fn an_operator_writes_it_like_this() {
    let config = KubernetesConfig::read(&json!({
        "cluster": "in_cluster", "namespaces": "own", "exposure": "ingress", "pod_security": "restricted",
        "secrets": { "copy": { "namespace": "vault" } }, "drift": "repair", "node_selector": null,
    }));
    let expected = KubernetesConfig {
        cluster: Some(ClusterSource::InCluster),
        exposure: Some(Exposes::Ingress),
        pod_security: PodSecurity::Restricted,
        secrets: SecretsFrom::Copy { namespace: "vault".to_owned() },
        drift: Drift::Repair,
        ..KubernetesConfig::default()
    };
    assert_eq!(config, Ok(expected));
}

#[test]
fn no_cluster_is_guessed() {
    let told = KubernetesConfig::default().cluster().unwrap_err().to_string();
    assert!(told.starts_with("provider_config.cluster: missing; write \"in_cluster\""), "{told}");
    let config =
        KubernetesConfig::read(&json!({ "cluster": { "kubeconfig": { "context": "blue" } } })).unwrap();
    let blue = ClusterSource::Kubeconfig { path: None, context: Some("blue".to_owned()) };
    assert_eq!(config.cluster(), Ok(&blue));
}

#[test]
fn a_tenants_fields_come_over_the_operators() {
    let operators = json!({
        "cluster": "in_cluster", "labels": { "team": "red", "cost": "1" }, "replicas": 2,
        "namespaces": { "shared": { "name": "tenants" } }, "secrets": { "copy": { "namespace": "vault" } },
        "image_pull_secrets": ["a", "b"],
    });
    let merged = |tenants: Value| KubernetesConfig::merged(&operators, &tenants).unwrap();
    assert_eq!(merged(Value::Null), operators);
    let tenant = merged(json!({
        "labels": { "team": "blue", "cost": null }, "namespaces": "own", "replicas": null, "image_pull_secrets": ["c"],
        "secrets": { "external": { "store": "s", "kind": "SecretStore" } }, "cluster": null,
    }));
    assert_eq!(
        tenant,
        json!({
            "cluster": "in_cluster", "labels": { "team": "blue", "cost": "1" }, "replicas": 2, "namespaces": "own",
            "secrets": { "external": { "store": "s", "kind": "SecretStore" } }, "image_pull_secrets": ["c"],
        })
    );
    assert!(KubernetesConfig::read(&tenant).is_ok());
}

/// Else a tenant could be made in a cluster that its engine does not look at.
#[test]
fn a_tenant_does_not_say_which_cluster_it_is() {
    let told = KubernetesConfig::merged(&json!({}), &json!({ "cluster": "in_cluster" })).unwrap_err();
    assert_eq!(
        told.to_string(),
        "provider_config.cluster: which cluster it is, is the operator's to say; remove it"
    );
}

#[test]
fn every_field_that_is_wrong_is_told() {
    assert_eq!(messages(&Value::Null), Vec::<String>::new());
    let found = messages(&json!({
        "replicas": -1, "exposure": "dns", "image_pull_secrets": ["a", 7], "cluster": { "kubeconfig": { "file": "x" } },
        "tolerations": [{ "key": "a", "effect": "No" }], "secrets": { "copy": {} }, "namespaces": "all",
        "host_pattern": "{tenant}.example.com",
    }));
    insta::assert_snapshot!(found.join("\n"), @"
    provider_config.cluster: unknown field `file`, expected `path` or `context`
    provider_config.exposure: unknown variant `dns`, expected one of `none`, `node_port`, `load_balancer`, `ingress`, `gateway`
    provider_config.image_pull_secrets[1]: invalid type: integer `7`, expected a string
    provider_config.namespaces: unknown variant `all`, expected `own` or `shared`
    provider_config.replicas: invalid value: integer `-1`, expected u32
    provider_config.secrets: missing field `namespace`
    provider_config.tolerations[0]: unknown variant `No`, expected one of `NoSchedule`, `PreferNoSchedule`, `NoExecute`
    ");
    let (config, _) = KubernetesConfig::read_all(&json!({ "unknown": "x", "replicas": 3 }));
    assert_eq!(config.replicas, 3);
    for wrong in [json!(["a"]), json!("cluster")] {
        assert!(KubernetesConfig::read(&wrong).unwrap_err().to_string().contains("not an object"), "{wrong}");
        assert!(KubernetesConfig::merged(&wrong, &Value::Null).is_err());
        assert!(KubernetesConfig::merged(&Value::Null, &wrong).is_err());
        assert!(messages(&wrong)[0].starts_with("provider_config: "), "{wrong}");
    }
}

#[test]
fn the_schema_describes_every_field_and_its_range() {
    let schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<KubernetesConfig>().to_value();
    let types = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let fields = types.filter_map(|of| of["properties"].as_object()).flatten();
    let bare: Vec<&String> =
        fields.filter(|(_, field)| field["description"].is_null()).map(|(name, _)| name).collect();
    assert_eq!(bare, Vec::<&String>::new());
    assert_eq!(schema["additionalProperties"], false);
    let range = |field: &str| {
        let field = &schema["properties"][field];
        (field["minimum"].clone(), field["maximum"].clone())
    };
    assert_eq!(range("replicas"), (json!(0), json!(10_000)));
    assert_eq!(range("deadline_seconds"), (json!(1), json!(86_400)));
}
