//! Specs: what becomes of them, and all that is wrong with them.

mod around;
mod grown;
mod tasks;
mod whole;

use serde_json::{Value, json};

use crate::id::{Incarnation, ProviderName, TenantId};
use crate::planner::Subject;
use crate::planner::ecs::{Definition, Source, Wanted, problems, tags};
use crate::spec::{Spec, TenantComputeSpec};

fn subject(incarnation: u64) -> Subject {
    let tenant = TenantId::new("acme").unwrap();
    Subject {
        engine: "engine".into(),
        provider: ProviderName::new("ecs").unwrap(),
        tenant,
        incarnation: Incarnation(incarnation),
    }
}

/// A spec with something of everything.
fn full(change: impl FnOnce(&mut Value)) -> Spec {
    let mut spec = json!({
        "tenant_id": "acme", "provider_type": "ecs",
        "containers": [
            {
                "name": "web", "image": "nginx:1.28", "command": ["nginx"], "args": ["-g", "daemon off;"],
                "env": { "TOKEN": "hunter2" },
                "ports": [
                    { "container_port": 80, "host_port": 80, "name": "http" },
                    { "container_port": 443 },
                    { "container_port": 53, "protocol": "udp" },
                ],
                "health_check": { "type": "http", "http_path": "/healthz", "port": 80, "interval_seconds": 10,
                    "timeout_seconds": 1, "healthy_threshold": 2, "unhealthy_threshold": 3 },
                "resources": { "cpu": 250, "memory": 300 },
            },
            { "name": "side", "image": "side", "args": ["--quiet"], "ports": [{ "container_port": 9000 }] },
        ],
        "resources": { "cpu": 1000, "memory": 1000, "storage": 30000 },
        "networking": { "public_ip": true, "subnets": ["subnet-b", "subnet-a"] },
        "secrets": [
            { "name": "db", "source": "aws-ssm", "key": "/acme/db", "env_var": "DB" },
        ],
        "labels": { "team": "blue" },
        "provider_config": {
            "cluster": "tenants", "region": "eu-west-1", "subnets": ["subnet-z"], "security_groups": ["sg-1"],
            "execution_role_arn": "arn:aws:iam::123456789012:role/execution",
            "task_role_arn": "arn:aws:iam::123456789012:role/task",
            "log_group": "/landlord", "tags": { "team": "red", "cost": "1" },
        },
    });
    change(&mut spec);
    read(spec)
}

fn plain(change: impl FnOnce(&mut Value)) -> Spec {
    let mut spec = json!({
        "tenant_id": "acme", "provider_type": "ecs",
        "containers": [{ "name": "web", "image": "nginx", "ports": [{ "container_port": 80 }] }],
        "resources": { "cpu": 250, "memory": 512 },
        "networking": { "public_ip": false },
        "provider_config": { "subnets": ["subnet-1"] },
    });
    change(&mut spec);
    read(spec)
}

fn read(spec: Value) -> Spec {
    TenantComputeSpec::from_json(&spec.to_string()).unwrap().check().unwrap()
}

fn wanted(spec: &Spec) -> Wanted {
    Wanted::of(&subject(2), spec).unwrap()
}

fn definition(wanted: &Wanted) -> &Definition {
    match &wanted.source {
        Source::Own { definition, .. } => definition,
        Source::Existing(arn) => panic!("{arn}"),
    }
}

fn content(wanted: &Wanted) -> &str {
    match &wanted.source {
        Source::Own { content, tags, .. } => {
            assert_eq!(tags.get(tags::CONTENT), Some(content));
            content
        }
        Source::Existing(arn) => panic!("{arn}"),
    }
}

/// The problems, a line each.
fn told(spec: &Spec) -> String {
    problems(spec).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The paths of the problems of a plain spec with this configuration.
fn refused(change: impl FnOnce(&mut Value)) -> Vec<String> {
    problems(&plain(change)).into_iter().map(|problem| problem.path).collect()
}
