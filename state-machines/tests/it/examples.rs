//! The specs among the examples are ones that their providers take.

use landlord_state_machines::planner::{ecs, kubernetes, process};
use landlord_state_machines::spec::{Spec, TenantComputeSpec};
use serde_json::json;

/// What the operator of an engine on Kubernetes has set.
fn over_kubernetes(spec: &Spec) -> Spec {
    let operators = json!({
        "cluster": "in_cluster",
        "exposure": "ingress",
        "host_pattern": "{tenant}.example.com",
        "secrets": { "copy": { "namespace": "landlord" } },
    });
    let merged = kubernetes::KubernetesConfig::merged_for(&operators, spec);
    spec.with_provider_config(merged.unwrap())
}

/// What the operator of an engine on ECS has set.
fn over_ecs(spec: &Spec) -> Spec {
    let mut config = json!({
        "region": "eu-west-1",
        "cluster": "main",
        "subnets": ["subnet-0a1b2c3d"],
        "execution_role_arn": "arn:aws:iam::123456789012:role/execution",
    });
    let own = spec.provider_config.as_ref().and_then(|own| own.as_object());
    for (name, value) in own.into_iter().flatten() {
        config[name] = value.clone();
    }
    spec.with_provider_config(config)
}

#[test]
fn every_example_is_one_that_its_provider_takes() {
    let page = include_str!("../../../examples/specs/README.md");
    let mut tried = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/specs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let spec = TenantComputeSpec::from_yaml(&text).unwrap().check();
        let spec = spec.unwrap_or_else(|invalid| panic!("{}: {invalid}", path.display()));
        let refused = match spec.provider().as_str() {
            "process" => spec.asked_of(&process::support).refused,
            "ecs" => {
                let found = ecs::problems(&over_ecs(&spec));
                spec.asked_of(&ecs::support).refused.into_iter().chain(found).collect()
            }
            "kubernetes" => {
                let found = kubernetes::problems(&over_kubernetes(&spec));
                spec.asked_of(&kubernetes::support).refused.into_iter().chain(found).collect()
            }
            other => panic!("{}: {other}", path.display()),
        };
        assert_eq!(refused, [], "{}", path.display());
        let name = path.file_name().unwrap().to_string_lossy();
        let row = format!("| [{name}]({name}) | `{}` |", spec.provider());
        assert!(page.contains(&row), "{row} is not in the page");
        tried += 1;
    }
    assert_eq!(tried, 8);
}
