//! What becomes of a whole spec.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{content, definition, full, plain, subject, told, wanted};
use crate::error::{ErrorCode, ErrorKind, Remedy};
use crate::planner::ecs::wanted::content_with_labels;
use crate::planner::ecs::{Serves, Source, Wanted, tags};

#[test]
fn a_spec_becomes_a_definition() {
    insta::assert_json_snapshot!(definition(&wanted(&full(|_| ()))), @r#"
    {
      "requires": "FARGATE",
      "network_mode": "awsvpc",
      "cpu": 1024,
      "memory": 2048,
      "ephemeral_storage_gib": 30,
      "task_role_arn": "arn:aws:iam::123456789012:role/task",
      "execution_role_arn": "arn:aws:iam::123456789012:role/execution",
      "containers": [
        {
          "name": "web",
          "image": "nginx:1.28",
          "entry_point": [
            "nginx"
          ],
          "command": [
            "-g",
            "daemon off;"
          ],
          "environment": {
            "TOKEN": "hunter2"
          },
          "secrets": {
            "DB": "/acme/db"
          },
          "ports": [
            {
              "container_port": 80,
              "host_port": 80,
              "udp": false,
              "name": "http"
            },
            {
              "container_port": 443,
              "udp": false
            },
            {
              "container_port": 53,
              "udp": true
            }
          ],
          "health_check": {
            "command": [
              "CMD-SHELL",
              "if command -v curl >/dev/null 2>&1; then curl -gfsS --noproxy '*' -o /dev/null 'http://127.0.0.1:80/healthz'; else http_proxy= wget -q -O /dev/null 'http://127.0.0.1:80/healthz'; fi || exit 1"
            ],
            "interval_seconds": 10,
            "timeout_seconds": 2,
            "retries": 3
          },
          "cpu": 256,
          "memory": 300,
          "log": {
            "group": "/landlord",
            "region": "eu-west-1",
            "stream_prefix": "acme"
          },
          "labels": {
            "landlord.engine": "engine",
            "landlord.incarnation": "2",
            "landlord.owner": "landlord",
            "landlord.provider": "ecs",
            "landlord.tenant_id": "acme"
          }
        },
        {
          "name": "side",
          "image": "side",
          "entry_point": [],
          "command": [
            "--quiet"
          ],
          "environment": {},
          "secrets": {
            "DB": "/acme/db"
          },
          "ports": [
            {
              "container_port": 9000,
              "udp": false
            }
          ],
          "log": {
            "group": "/landlord",
            "region": "eu-west-1",
            "stream_prefix": "acme"
          },
          "labels": {
            "landlord.engine": "engine",
            "landlord.incarnation": "2",
            "landlord.owner": "landlord",
            "landlord.provider": "ecs",
            "landlord.tenant_id": "acme"
          }
        }
      ]
    }
    "#);
}

#[test]
fn a_spec_becomes_settings_and_tags() {
    let mut wanted = wanted(&full(|_| ()));
    assert!(wanted.tags.remove(tags::SPEC).is_some());
    insta::assert_json_snapshot!(json!({
        "site": wanted.site, "settings": wanted.settings, "tags": wanted.tags, "serves": wanted.serves,
    }), @r#"
    {
      "serves": [
        {
          "task": {
            "container": "web",
            "kind": "http",
            "port": 80
          }
        },
        {
          "task": {
            "container": "web",
            "kind": "tcp",
            "port": 443
          }
        },
        {
          "task": {
            "container": "side",
            "kind": "tcp",
            "port": 9000
          }
        }
      ],
      "settings": {
        "circuit_breaker": {
          "enable": true,
          "rollback": true
        },
        "desired_count": 1,
        "launch": {
          "type": "FARGATE"
        },
        "maximum_percent": 200,
        "minimum_healthy_percent": 100,
        "network": {
          "assign_public_ip": true,
          "security_groups": [
            "sg-1"
          ],
          "subnets": [
            "subnet-a",
            "subnet-b"
          ]
        }
      },
      "site": {
        "name": "landlord-acme",
        "place": {
          "cluster": "tenants",
          "region": "eu-west-1"
        }
      },
      "tags": {
        "cost": "1",
        "landlord.engine": "engine",
        "landlord.incarnation": "2",
        "landlord.owner": "landlord",
        "landlord.provider": "ecs",
        "landlord.tenant_id": "acme",
        "team": "blue"
      }
    }
    "#);
}

#[test]
fn both_hashes_stay_what_they_are() {
    let full = wanted(&full(|_| ()));
    assert_eq!(content(&full), "c399858950485e587f3d87af870073f4da3ed2bb69572cb0b75dd8bcb3ec850d");
    // As builds had it in which the caller's tags were a part of it.
    let Source::Own { definition, tags, .. } = &full.source else { panic!("it is the tenant's own") };
    let older = content_with_labels(&subject(2), definition, tags::callers(tags));
    assert_eq!(older, "f9e3b59f015cafc37ff8e92607fe4f101773c6b29a09ae72d4e716cc518a8cad");
    assert_eq!(full.tags[tags::SPEC], "56595cac87d44267f156525c6526c1a1831a9f37a6b7031e1686744285ba1f23");
    let existing = wanted(&plain(|spec| spec["provider_config"]["task_definition_arn"] = json!("web:7")));
    assert_eq!(existing.tags[tags::SPEC], "9a2131828a0fc79f16b7c8f5194977f9bcc8aa48352be7dcb2f8d2120416fbe0");
}

#[test]
fn any_change_is_another_hash() {
    let spec_of = |wanted: &Wanted| wanted.tags[tags::SPEC].clone();
    let before = wanted(&full(|_| ()));
    let mut contents = BTreeSet::from([content(&before).to_owned()]);
    let mut specs = BTreeSet::from([spec_of(&before)]);
    let of_the_revision: [fn(&mut Value); 3] = [
        |spec| spec["containers"][0]["env"]["TOKEN"] = json!("hunter3"),
        |spec| spec["containers"][1]["image"] = json!("side:2"),
        |spec| spec["secrets"][0]["key"] = json!("/acme/other"),
    ];
    for change in of_the_revision {
        let after = wanted(&full(change));
        assert!(contents.insert(content(&after).to_owned()) && specs.insert(spec_of(&after)));
    }
    let of_the_service: [fn(&mut Value); 6] = [
        |spec| spec["labels"]["team"] = json!("green"),
        |spec| spec["provider_config"]["tags"]["cost"] = json!("2"),
        |spec| spec["provider_config"]["desired_count"] = json!(2),
        |spec| spec["networking"]["subnets"] = json!(["subnet-c"]),
        |spec| spec["provider_config"]["circuit_breaker"] = json!({ "rollback": false }),
        |spec| {
            spec["provider_config"]["target_groups"] = json!([{
            "arn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/b", "container_name": "web",
            "container_port": 80 }])
        },
    ];
    for change in of_the_service {
        let after = wanted(&full(change));
        assert_eq!(content(&after), content(&before));
        assert!(specs.insert(spec_of(&after)));
    }
    let url = |url: &'static str| {
        move |spec: &mut Value| {
            spec["provider_config"]["target_groups"] = json!([{
                "arn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/b", "container_name": "web",
                "container_port": 80, "url": url }]);
        }
    };
    for at in ["https://a.example", "https://b.example"] {
        assert!(specs.insert(spec_of(&wanted(&full(url(at))))));
    }
    // A new life is not taken for the dead one's.
    let reborn = Wanted::of(&subject(3), &full(|_| ())).unwrap();
    assert!(contents.insert(content(&reborn).to_owned()) && specs.insert(spec_of(&reborn)));
    // What is written in another order is the same.
    let reordered = wanted(&full(|spec| spec["networking"]["subnets"] = json!(["subnet-a", "subnet-b"])));
    assert_eq!(spec_of(&reordered), spec_of(&before));
}

#[test]
fn nothing_that_may_be_secret_is_shown() {
    let wanted = wanted(&full(|spec| spec["containers"][0]["args"] = json!(["hunter2"])));
    assert!(!format!("{wanted:?}").contains("hunter2"));
}

#[test]
fn an_existing_definition_needs_no_containers_that_ecs_could_run() {
    let spec = plain(|spec| {
        spec["containers"] = json!([{ "name": "web", "image": "Not An Image", "ports": [{ "container_port": 1, "host_port": 2 }] }]);
        spec["resources"] = json!({ "cpu": 999_999, "memory": 999_999, "storage": 999_999 });
        spec["secrets"] = json!([{ "name": "x", "source": "file", "key": "x" }]);
        spec["labels"] = json!({ "team": "blue" });
        spec["provider_config"]["task_definition_arn"] =
            json!("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7");
        spec["provider_config"]["target_groups"] = json!([{
            "arn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/b", "container_name": "theirs",
            "container_port": 80, "url": "https://acme.example.com" }]);
    });
    let wanted = wanted(&spec);
    let arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7".to_owned();
    assert_eq!(wanted.source, Source::Existing(arn));
    assert_eq!(wanted.tags["team"], "blue");
    assert_eq!(wanted.tags[tags::TENANT], "acme");
    // Where the tenant is, its cluster says: another definition must not move it.
    assert_eq!(wanted.site.place.region, None);
    assert!(matches!(&wanted.serves[..], [Serves::At(at)] if at.address == "acme.example.com"));
}

#[test]
fn all_problems_are_told_at_once_with_their_paths() {
    let check = json!({ "type": "exec", "command": ["x"], "interval_seconds": 301, "timeout_seconds": 61,
        "healthy_threshold": 1, "unhealthy_threshold": 11 });
    let spec = full(|spec| {
        spec["containers"][0]["image"] = json!("Not An Image");
        spec["containers"][0]["health_check"] = check;
        spec["containers"][0]["ports"] = json!([
            { "container_port": 80, "host_port": 8080, "name": "The Port" }, { "container_port": 9000 },
        ]);
        spec["containers"][0]["resources"] = json!({ "cpu": 800, "memory": 5 });
        spec["containers"][1]["resources"] = json!({ "cpu": 800, "memory": 1000 });
        spec["resources"] = json!({ "cpu": 1000, "memory": 200_000, "storage": 300_000 });
        spec["networking"]["subnets"] = json!((0..17).map(|n| format!("subnet-{n}")).collect::<Vec<_>>());
        spec["networking"]["security_groups"] = json!((0..6).map(|n| format!("sg-{n}")).collect::<Vec<_>>());
        spec["networking"]["dns"] = json!({ "hostname": "a b" });
        spec["secrets"] = json!([{ "name": "x", "source": "file", "key": "x" }]);
        spec["labels"] = json!({ "aws:x": "y", "landlord.owner": "me" });
        spec["provider_config"] = json!({
            "unknown": 1, "cluster": "no cluster", "region": "eu west", "desired_count": 5001,
            "minimum_healthy_percent": 101, "maximum_percent": 99, "deployment_timeout_seconds": 0,
            "service_name_prefix": "no prefix", "task_role_arn": "role", "execution_role_arn": "role",
            "assume_role": { "role_arn": "role", "external_id": "#hunter2", "session_name": "#" },
            "log_group": "no group", "endpoint_url": "localhost",
            "target_groups": [{ "arn": "group", "container_name": "db", "container_port": 80, "url": "acme" },
                { "arn": "group", "container_name": "web", "container_port": 81 }],
            "service_registries": [{ "arn": "registry", "container_name": "web" }],
        });
    });
    insta::assert_snapshot!(told(&spec), @r#"
    provider_config.unknown: unknown field `unknown`, expected one of `cluster`, `region`, `launch_type`, `capacity_providers`, `desired_count`, `subnets`, `security_groups`, `assign_public_ip`, `task_role_arn`, `execution_role_arn`, `service_name_prefix`, `service_name`, `task_definition_arn`, `cpu_architecture`, `efs_volumes`, `target_groups`, `service_registries`, `log_group`, `tags`, `assume_role`, `circuit_breaker`, `minimum_healthy_percent`, `maximum_percent`, `health_check_grace_period_seconds`, `deployment_timeout_seconds`, `endpoint_url`
    provider_config.cluster: not a cluster; write its name, or arn:aws:ecs:region:account:cluster/name
    provider_config.region: not a region; write one like eu-west-1
    provider_config.endpoint_url: not a URL; write one like https://acme.example.com or http://127.0.0.1:4566
    provider_config.service_name_prefix: "no prefix-acme" is no name of a service: 1 to 255 letters, digits, '-' and '_'
    provider_config.task_role_arn: not a role's ARN: arn:aws:iam::account:role/name
    provider_config.execution_role_arn: not a role's ARN: arn:aws:iam::account:role/name
    provider_config.assume_role.role_arn: not a role's ARN: arn:aws:iam::account:role/name
    provider_config.assume_role.session_name: not a session's name: 2 to 64 letters, digits and _=,.@-
    provider_config.assume_role.external_id: not an external id: 2 to 1224 letters, digits and _+=,.@:/-
    provider_config.log_group: not a log group: 1 to 512 letters, digits and _-/.#
    provider_config.desired_count: 5001 is out of range; ECS takes 0 to 5000
    provider_config.minimum_healthy_percent: 101 is out of range; ECS takes 0 to 100
    provider_config.maximum_percent: 99 is out of range; ECS takes 100 to 200
    provider_config.deployment_timeout_seconds: 0 is out of range; ECS takes 1 to 86400
    networking.subnets: 17 entries; ECS takes at most 16
    networking.security_groups: 6 entries; ECS takes at most 5
    secrets[0].source: ECS cannot fetch from "file"; use aws-secrets-manager, aws-ssm or aws-parameter-store
    secrets[0].env_var: missing; a container gets a secret only in its environment
    containers[0].image: not a valid image reference: the name has upper-case letters; write it like nginx:1.28 or registry.example.com/team/app@sha256:…
    containers[0].ports[0].host_port: a task with a network interface of its own has no other ports; leave it out, or write 80
    containers[0].ports[0].name: not a port's name on ECS: 1 to 64 of a-z, 0-9, '_' and '-', not starting with '-'
    containers[0].health_check.interval_seconds: 301 is out of range; ECS takes 5 to 300
    containers[0].health_check.timeout_seconds: 61 is out of range; ECS takes 2 to 60
    containers[0].health_check.unhealthy_threshold: 11 is out of range; ECS takes 1 to 10
    containers[0].resources.memory: 5 is out of range; ECS takes 6 to 1000000000
    containers[1].ports[0].container_port: 9000/tcp is container web's, and containers of a task share one network interface
    resources: Fargate has no size for 1000 millicores with 200000 MB; it has 250 with 512 to 1024 MB in steps of 512; 250 with 2048 MB; 500 with 1024 to 4096 MB in steps of 1024; 1000 with 2048 to 8192 MB in steps of 1024; 2000 with 4096 to 16384 MB in steps of 1024; 4000 with 8192 to 30720 MB in steps of 1024; 8000 with 16384 to 61440 MB in steps of 4096; 16000 with 32768 to 122880 MB in steps of 8192
    resources.storage: 300000 MB; a Fargate task has at most 204800
    provider_config.target_groups[0].arn: not a target group's ARN: arn:aws:elasticloadbalancing:region:account:targetgroup/name/id
    provider_config.target_groups[0].container_name: "db" is no container of the spec; there is web, side
    provider_config.target_groups[1].arn: not a target group's ARN: arn:aws:elasticloadbalancing:region:account:targetgroup/name/id
    provider_config.target_groups[1].container_port: 81 is not among the ports of container web; add it there
    provider_config.service_registries[0].arn: not a service discovery service's ARN: arn:aws:servicediscovery:region:account:service/id
    provider_config.service_registries[0]: container_name and container_port go together; give both or none
    provider_config.target_groups[0].url: not a URL; write one like https://acme.example.com or http://127.0.0.1:4566
    networking.dns: not a name of DNS: letters, digits and '-', in parts of at most 63
    labels["aws:x"]: what begins with aws: is AWS's own; choose another key or value
    labels["landlord.owner"]: keys that begin with landlord. are the engine's; choose another
    "#);
    let error = Wanted::of(&subject(2), &spec).unwrap_err();
    assert_eq!(
        (error.kind, error.code, error.remedy),
        (ErrorKind::InvalidSpec, ErrorCode::InvalidConfiguration, Remedy::Permanent)
    );
    assert_eq!(error.message, told(&spec));
    assert!(!error.message.contains("hunter2"));
}
