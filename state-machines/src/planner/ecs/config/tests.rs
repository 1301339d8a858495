//! What is read as a configuration, and how two become one.

use schemars::generate::SchemaSettings;
use serde_json::json;

use super::*;

fn messages(value: &Value) -> Vec<String> {
    EcsConfig::read_all(value).1.iter().map(ToString::to_string).collect()
}

#[test]
fn what_the_go_side_writes_is_read() {
    let config = EcsConfig::read(&json!({
        "region": "us-west-2",
        "cluster_arn": "arn:aws:ecs:us-west-2:123456789012:cluster/example",
        "task_definition_arn": "arn:aws:ecs:us-west-2:123456789012:task-definition/example:1",
        "service_name": "example",
        "service_name_prefix": "landlord-tenant-",
        "desired_count": 2,
        "launch_type": "fargate",
        "subnets": ["subnet-1", "subnet-2"],
        "security_groups": null,
        "assign_public_ip": true,
        "tags": { "team": "blue" },
        "assume_role": { "role_arn": "arn:aws:iam::123456789012:role/landlord", "external_id": null },
    }));
    let expected = EcsConfig {
        cluster: "arn:aws:ecs:us-west-2:123456789012:cluster/example".to_owned(),
        region: Some("us-west-2".to_owned()),
        launch_type: Some(LaunchType::Fargate),
        desired_count: 2,
        subnets: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
        assign_public_ip: Some(true),
        service_name_prefix: "landlord-tenant-".to_owned(),
        service_name: Some("example".to_owned()),
        task_definition_arn: Some("arn:aws:ecs:us-west-2:123456789012:task-definition/example:1".to_owned()),
        tags: BTreeMap::from([("team".to_owned(), "blue".to_owned())]),
        assume_role: Some(AssumeRole {
            role_arn: "arn:aws:iam::123456789012:role/landlord".to_owned(),
            external_id: None,
            session_name: None,
        }),
        ..EcsConfig::default()
    };
    assert_eq!(config, Ok(expected));
}

#[test]
fn what_is_written_is_read_back() {
    for config in [
        EcsConfig::default(),
        EcsConfig {
            launch_type: Some(LaunchType::Ec2),
            log_group: Some("acme".to_owned()),
            ..EcsConfig::default()
        },
    ] {
        assert_eq!(EcsConfig::read(&serde_json::to_value(&config).unwrap()), Ok(config));
    }
    assert_eq!(EcsConfig::read(&Value::Null), Ok(EcsConfig::default()));
}

#[test]
fn a_tenants_fields_come_over_the_operators() {
    let operators = json!({
        "cluster_arn": "shared", "launch_type": "EC2", "subnets": ["a", "b"],
        "tags": { "team": "red", "cost": "1" }, "circuit_breaker": { "rollback": false },
        "region": "eu-west-1", "service_name": "one",
    });
    let merged = |tenants: Value| EcsConfig::merged(&operators, &tenants).unwrap();
    assert_eq!(merged(Value::Null)["cluster"], "shared");
    let tenant = merged(json!({
        "cluster": "own", "subnets": ["c"], "tags": { "team": "blue" }, "region": null,
        "circuit_breaker": { "enable": true, "rollback": null }, "service_name_prefix": "acme-",
    }));
    assert_eq!(
        tenant,
        json!({
            "cluster": "own", "launch_type": "EC2", "subnets": ["c"],
            "tags": { "team": "blue", "cost": "1" }, "circuit_breaker": { "enable": true, "rollback": false },
            "region": "eu-west-1", "service_name_prefix": "acme-",
        })
    );
}

#[test]
fn a_launch_type_and_capacity_providers_replace_each_other() {
    let spot = json!({ "capacity_providers": [{ "name": "FARGATE_SPOT", "weight": 1 }] });
    let ec2 = json!({ "launch_type": "EC2" });
    assert_eq!(EcsConfig::merged(&spot, &ec2), Ok(ec2.clone()));
    assert_eq!(EcsConfig::merged(&ec2, &spot), Ok(spot));
    let none = json!({ "capacity_providers": [] });
    assert_eq!(EcsConfig::merged(&ec2, &none).unwrap()["launch_type"], "EC2");
}

#[test]
fn every_field_that_is_wrong_is_told() {
    assert_eq!(messages(&Value::Null), Vec::<String>::new());
    let messages = messages(&json!({
        "clutser": "x",
        "desired_count": -1,
        "launch_type": "LAMBDA",
        "subnets": ["a", 7],
        "target_groups": [{ "arn": "x", "container_name": "web", "container_port": 70000 }, { "arn": "y" }],
        "circuit_breaker": { "enabled": true },
        "region": "eu-west-1",
    }));
    insta::assert_snapshot!(messages.join("\n"), @r"
    provider_config.circuit_breaker: unknown field `enabled`, expected `enable` or `rollback`
    provider_config.clutser: unknown field `clutser`, expected one of `cluster`, `region`, `launch_type`, `capacity_providers`, `desired_count`, `subnets`, `security_groups`, `assign_public_ip`, `task_role_arn`, `execution_role_arn`, `service_name_prefix`, `service_name`, `task_definition_arn`, `cpu_architecture`, `efs_volumes`, `target_groups`, `service_registries`, `log_group`, `tags`, `assume_role`, `circuit_breaker`, `minimum_healthy_percent`, `maximum_percent`, `health_check_grace_period_seconds`, `deployment_timeout_seconds`, `endpoint_url`
    provider_config.desired_count: invalid value: integer `-1`, expected u32
    provider_config.launch_type: unknown variant `LAMBDA`, expected one of `EC2`, `ec2`, `FARGATE`, `fargate`, `EXTERNAL`, `external`
    provider_config.subnets[1]: invalid type: integer `7`, expected a string
    provider_config.target_groups[0]: invalid value: integer `70000`, expected u16
    provider_config.target_groups[1]: missing field `container_name`
    ");
    let (config, _) = EcsConfig::read_all(&json!({ "clutser": "x", "desired_count": 3 }));
    assert_eq!(config.desired_count, 3);
}

#[test]
fn an_external_id_is_not_shown() {
    let wrong = json!({ "assume_role": { "role_arn": "r", "external_id": 4711 } });
    let messages = messages(&wrong);
    assert_eq!(messages.len(), 1);
    assert!(messages[0].starts_with("provider_config.assume_role: "), "{messages:?}");
    assert!(!messages[0].contains("4711"), "{messages:?}");
    let right = json!({ "assume_role": { "role_arn": "r", "external_id": "4711" } });
    assert!(!format!("{:?}", EcsConfig::read(&right).unwrap()).contains("4711"));
}

#[test]
fn what_is_no_configuration_is_told() {
    for (wrong, word) in [
        (json!(["a"]), "not an object"),
        (json!("cluster"), "not an object"),
        (json!({ "cluster": "a", "cluster_arn": "b" }), "both cluster and cluster_arn"),
    ] {
        assert!(EcsConfig::read(&wrong).unwrap_err().to_string().contains(word), "{wrong}");
        assert!(
            EcsConfig::merged(&wrong, &Value::Null).is_err()
                && EcsConfig::merged(&Value::Null, &wrong).is_err()
        );
        assert!(messages(&wrong)[0].starts_with("provider_config: "), "{wrong}");
    }
}

#[test]
fn the_schema_describes_every_field_and_its_range() {
    let schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<EcsConfig>().to_value();
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
    assert_eq!(range("desired_count"), (json!(0), json!(5000)));
    assert_eq!(range("minimum_healthy_percent"), (json!(0), json!(100)));
    assert_eq!(range("maximum_percent"), (json!(100), json!(200)));
    assert_eq!(schema["properties"]["subnets"]["maxItems"], 16);
    assert_eq!(schema["properties"]["security_groups"]["maxItems"], 5);
}
