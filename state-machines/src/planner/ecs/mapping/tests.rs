//! Whole specs: what becomes of them, and all that is wrong with them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::error::{ErrorCode, ErrorKind, Remedy};
use crate::id::{Incarnation, TenantId};
use crate::planner::Subject;
use crate::planner::ecs::{Definition, Serves, Source, Wanted, check, problems, tags};
use crate::spec::{Spec, TenantComputeSpec};

fn subject(incarnation: u64) -> Subject {
    let tenant = TenantId::new("acme").unwrap();
    Subject { engine: "engine".into(), tenant, incarnation: Incarnation(incarnation) }
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
    assert_eq!(content(&full), "f9e3b59f015cafc37ff8e92607fe4f101773c6b29a09ae72d4e716cc518a8cad");
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
    let of_the_revision: [fn(&mut Value); 5] = [
        |spec| spec["containers"][0]["env"]["TOKEN"] = json!("hunter3"),
        |spec| spec["containers"][1]["image"] = json!("side:2"),
        |spec| spec["labels"]["team"] = json!("green"),
        |spec| spec["provider_config"]["tags"]["cost"] = json!("2"),
        |spec| spec["secrets"][0]["key"] = json!("/acme/other"),
    ];
    for change in of_the_revision {
        let after = wanted(&full(change));
        assert!(contents.insert(content(&after).to_owned()) && specs.insert(spec_of(&after)));
    }
    let of_the_service: [fn(&mut Value); 4] = [
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
fn a_plain_spec_on_each_launch_type() {
    let on = |launch_type: &str, subnets: Value| {
        wanted(&plain(|spec| {
            spec["provider_config"] = json!({ "launch_type": launch_type, "subnets": subnets });
        }))
    };
    let shown = |wanted: &Wanted| {
        let definition = definition(wanted);
        let network = wanted.settings.network.is_some();
        format!("{:?} {:?} {network}", definition.requires, definition.network_mode)
    };
    assert_eq!(shown(&on("FARGATE", json!(["a"]))), "Fargate Awsvpc true");
    assert_eq!(shown(&on("EC2", json!(["a"]))), "Ec2 Awsvpc true");
    assert_eq!(shown(&on("EC2", json!([]))), "Ec2 Bridge false");
    assert_eq!(shown(&on("EXTERNAL", json!([]))), "External Bridge false");
    assert_eq!(check(&plain(|_| ())), Ok(()));
}

#[test]
fn capacity_providers_say_what_they_are() {
    let on = |names: &[&str]| {
        let providers: Vec<Value> = names.iter().map(|name| json!({ "name": name, "weight": 1 })).collect();
        let wanted = wanted(&plain(|spec| spec["provider_config"]["capacity_providers"] = json!(providers)));
        definition(&wanted).requires
    };
    assert_eq!(format!("{:?}", on(&["FARGATE", "FARGATE_SPOT"])), "Fargate");
    assert_eq!(format!("{:?}", on(&["FARGATE_SPOT"])), "Fargate");
    assert_eq!(format!("{:?}", on(&["blue", "green"])), "Ec2");
    let refused =
        |providers: Value| told(&plain(|spec| spec["provider_config"]["capacity_providers"] = providers));
    let one = |n: usize| json!({ "name": format!("p{n}"), "weight": 1 });
    insta::assert_snapshot!(refused(json!([
        { "name": "FARGATE", "weight": 1001, "base": 1 }, { "name": "own", "base": 100_001 }, { "name": "own" }, { "name": "" },
    ])), @r"
    provider_config.capacity_providers[0].weight: 1001 is out of range; ECS takes 0 to 1000
    provider_config.capacity_providers[1].base: 100001 is out of range; ECS takes 0 to 100000
    provider_config.capacity_providers[2].name: given twice; join the two
    provider_config.capacity_providers[3].name: not a capacity provider's name: letters, digits, '-' and '_'
    provider_config.capacity_providers: more than one has a base; ECS takes one
    provider_config.capacity_providers: FARGATE and FARGATE_SPOT cannot be together with others; choose one kind
    ");
    insta::assert_snapshot!(refused(json!([{ "name": "own", "base": 1 }])), @"provider_config.capacity_providers: none has a weight, so that no task is placed; give one a weight of 1");
    insta::assert_snapshot!(refused((0..21).map(one).collect()), @"provider_config.capacity_providers: 21 entries; ECS takes at most 20");
    insta::assert_snapshot!(told(&plain(|spec| {
        spec["provider_config"]["launch_type"] = json!("EC2");
        spec["provider_config"]["capacity_providers"] = json!([one(1)]);
    })), @"provider_config.launch_type: given together with capacity_providers; leave one of them out");
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
    assert_eq!(wanted.site.place.region.as_deref(), Some("eu-west-1"));
    assert!(matches!(&wanted.serves[..], [Serves::At(at)] if at.address == "acme.example.com"));
}

#[test]
fn a_tenant_answers_where_tasks_or_what_stands_before_them_do() {
    let serves = |change: fn(&mut Value)| {
        let wanted = wanted(&plain(|spec| {
            spec["containers"][0]["ports"] = json!([{ "container_port": 80 }, { "container_port": 90 }, { "container_port": 53, "protocol": "udp" }]);
            spec["containers"][0]["health_check"] = json!({ "type": "http", "http_path": "/", "port": 90,
                "interval_seconds": 5, "timeout_seconds": 2, "healthy_threshold": 1, "unhealthy_threshold": 1 });
            change(spec);
        }));
        serde_json::to_string(&wanted.serves).unwrap()
    };
    insta::assert_snapshot!(serves(|_| ()), @r#"[{"task":{"container":"web","port":80,"kind":"tcp"}},{"task":{"container":"web","port":90,"kind":"http"}}]"#);
    insta::assert_snapshot!(serves(|spec| {
        let group = |id: &str, url: Value| json!({ "arn": format!("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/{id}"),
            "container_name": "web", "container_port": 80, "url": url });
        let url = json!("https://acme.example.com:8443/app");
        spec["provider_config"]["target_groups"] = json!([group("b", url.clone()), group("c", url), group("d", Value::Null)]);
    }), @r#"[{"at":{"type":"https","address":"acme.example.com","port":8443,"url":"https://acme.example.com:8443/app"}}]"#);
    // A name alone leads nowhere.
    let named =
        |spec: &mut Value| spec["networking"]["dns"] = json!({ "hostname": "acme", "domain": "svc.local" });
    assert_eq!(serves(named), serves(|_| ()));
    insta::assert_snapshot!(serves(|spec| {
        spec["networking"]["dns"] = json!({ "hostname": "acme", "domain": "svc.local" });
        spec["provider_config"]["service_registries"] = json!([{ "arn": "arn:aws:servicediscovery:eu-west-1:1:service/srv-1" }]);
    }), @r#"[{"at":{"type":"tcp","address":"acme.svc.local","port":80}},{"at":{"type":"http","address":"acme.svc.local","port":90,"url":"http://acme.svc.local:90"}}]"#);
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
    provider_config.unknown: unknown field `unknown`, expected one of `cluster`, `region`, `launch_type`, `capacity_providers`, `desired_count`, `subnets`, `security_groups`, `assign_public_ip`, `task_role_arn`, `execution_role_arn`, `service_name_prefix`, `service_name`, `task_definition_arn`, `target_groups`, `service_registries`, `log_group`, `tags`, `assume_role`, `circuit_breaker`, `minimum_healthy_percent`, `maximum_percent`, `health_check_grace_period_seconds`, `deployment_timeout_seconds`, `endpoint_url`
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

#[test]
fn a_role_is_needed_for_what_ecs_fetches() {
    let role = "provider_config.execution_role_arn";
    let secret = |spec: &mut Value| {
        spec["secrets"] = json!([{ "name": "x", "source": "aws-ssm", "key": "x", "env_var": "X" }]);
    };
    assert_eq!(refused(secret), [role]);
    assert_eq!(refused(|spec| spec["provider_config"]["log_group"] = json!("acme")), [role]);
    let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1";
    assert_eq!(refused(|spec| spec["containers"][0]["image"] = json!(ecr)), [role]);
    let on_ec2 = |spec: &mut Value| {
        spec["provider_config"]["launch_type"] = json!("EC2");
        spec["provider_config"]["log_group"] = json!("acme");
        spec["containers"][0]["image"] = json!(ecr);
    };
    assert_eq!(refused(on_ec2), Vec::<String>::new());
    assert_eq!(
        refused(|spec| {
            on_ec2(spec);
            secret(spec);
        }),
        [role]
    );
}

#[test]
fn storage_is_fargates_alone() {
    let gib = |storage: i64| {
        definition(&wanted(&plain(|spec| spec["resources"]["storage"] = json!(storage))))
            .ephemeral_storage_gib
    };
    for (asked, given) in [
        (0, None),
        (20 * 1024, None),
        (20 * 1024 + 1, Some(21)),
        (21 * 1024, Some(21)),
        (200 * 1024, Some(200)),
    ] {
        assert_eq!(gib(asked), given, "{asked}");
    }
    assert_eq!(refused(|spec| spec["resources"]["storage"] = json!(200 * 1024 + 1)), ["resources.storage"]);
    for (on, subnets) in [("EC2", json!(["a"])), ("EXTERNAL", json!([]))] {
        let spec = |storage: i64| {
            let subnets = subnets.clone();
            refused(move |spec| {
                spec["resources"]["storage"] = json!(storage);
                spec["provider_config"] = json!({ "launch_type": on, "subnets": subnets });
            })
        };
        assert_eq!((spec(0), spec(1)), (vec![], vec!["resources.storage".to_owned()]));
    }
    // Without a tenant's wish it is its containers'.
    let theirs = plain(|spec| {
        spec["containers"] = json!([
            { "name": "a", "image": "a", "resources": { "cpu": 100, "memory": 100, "storage": 15_000 } },
            { "name": "b", "image": "b", "resources": { "cpu": 100, "memory": 100, "storage": 15_000 } },
        ]);
    });
    assert_eq!(definition(&wanted(&theirs)).ephemeral_storage_gib, Some(30));
}

#[test]
fn a_network_is_what_the_launch_type_has() {
    let config = |config: Value| refused(|spec| spec["provider_config"] = config);
    assert_eq!(config(json!({})), ["provider_config.subnets"]);
    assert_eq!(
        config(json!({ "launch_type": "EC2", "security_groups": ["sg"], "assign_public_ip": true })),
        ["provider_config.security_groups", "provider_config.assign_public_ip"]
    );
    assert_eq!(
        config(json!({ "launch_type": "EC2", "subnets": ["a"], "security_groups": ["sg"] })),
        Vec::<String>::new()
    );
    assert_eq!(
        refused(|spec| {
            spec["provider_config"] = json!({ "launch_type": "EXTERNAL", "security_groups": ["sg"] });
            spec["networking"] = json!({ "public_ip": true, "subnets": ["a"] });
        }),
        ["networking.subnets", "provider_config.security_groups", "networking.public_ip"]
    );
    let public = |config: Value, wish: bool| {
        let wanted = wanted(&plain(|spec| {
            spec["provider_config"]["assign_public_ip"] = config;
            spec["networking"]["public_ip"] = json!(wish);
        }));
        wanted.settings.network.unwrap().assign_public_ip
    };
    assert_eq!(
        [public(json!(null), false), public(json!(false), true), public(json!(true), false)],
        [false, true, true]
    );
    // Host ports are free on a bridge.
    assert_eq!(
        refused(|spec| {
            spec["provider_config"] = json!({ "launch_type": "EC2" });
            spec["containers"][0]["ports"] = json!([{ "container_port": 80, "host_port": 8080 }]);
        }),
        Vec::<String>::new()
    );
}

#[test]
fn attachments_lead_to_containers() {
    let registry = |more: Value| {
        let mut registry = json!({ "arn": "arn:aws:servicediscovery:eu-west-1:1:service/srv-1" });
        registry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        registry
    };
    let with = |on: &str, subnets: Value, registries: Value| {
        refused(|spec| {
            spec["provider_config"] =
                json!({ "launch_type": on, "subnets": subnets, "service_registries": registries });
        })
    };
    let port = || registry(json!({ "container_name": "web", "container_port": 80 }));
    let (one, none) = (json!(["a"]), json!([]));
    assert_eq!(with("FARGATE", one.clone(), json!([registry(json!({}))])), Vec::<String>::new());
    assert_eq!(with("EC2", none.clone(), json!([port()])), Vec::<String>::new());
    let list = "provider_config.service_registries";
    assert_eq!(with("EC2", none.clone(), json!([registry(json!({}))])), [format!("{list}[0]")]);
    assert_eq!(with("FARGATE", one.clone(), json!([port(), port()])), [list]);
    assert_eq!(with("EXTERNAL", none, json!([port()])), [list]);
    let other = registry(json!({ "container_name": "web", "container_port": 81 }));
    assert_eq!(with("FARGATE", one, json!([other])), [format!("{list}[0].container_port")]);
}

#[test]
fn a_deployment_can_move() {
    let blocked = |desired: u32, least: u32, most: u32| {
        !refused(|spec| {
            spec["provider_config"]["desired_count"] = json!(desired);
            spec["provider_config"]["minimum_healthy_percent"] = json!(least);
            spec["provider_config"]["maximum_percent"] = json!(most);
        })
        .is_empty()
    };
    for (desired, least, most, stuck) in [
        (1, 100, 200, false),
        (1, 100, 100, true),
        (1, 50, 100, true),
        (2, 50, 100, false),
        (1, 0, 100, false),
        (1, 100, 150, true),
        (2, 100, 150, false),
        (0, 100, 100, false),
        (5000, 100, 100, true),
    ] {
        assert_eq!(blocked(desired, least, most), stuck, "{desired} {least} {most}");
    }
}

#[test]
fn logs_go_where_the_cluster_is() {
    let region = |config: Value| {
        let wanted = wanted(&plain(|spec| {
            spec["provider_config"] = json!({ "launch_type": "EC2", "log_group": "acme" });
            spec["provider_config"].as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        }));
        let log = definition(&wanted).containers[0].log.clone().unwrap();
        assert_eq!(log.region, wanted.site.place.region);
        log.region
    };
    let cluster = "arn:aws:ecs:eu-north-1:123456789012:cluster/tenants";
    assert_eq!(region(json!({})), None);
    assert_eq!(region(json!({ "region": "eu-west-1" })).as_deref(), Some("eu-west-1"));
    assert_eq!(region(json!({ "cluster": cluster })).as_deref(), Some("eu-north-1"));
    assert_eq!(
        refused(|spec| {
            spec["provider_config"]["cluster"] = json!(cluster);
            spec["provider_config"]["region"] = json!("eu-west-1");
        }),
        ["provider_config.region"]
    );
}

#[test]
fn grace_is_for_load_balancers() {
    let grace = |groups: Value| {
        wanted(&plain(|spec| {
            spec["provider_config"]["health_check_grace_period_seconds"] = json!(60);
            spec["provider_config"]["target_groups"] = groups;
        }))
        .settings
        .grace_period_seconds
    };
    assert_eq!(grace(json!([])), None);
    let group = json!({ "arn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/b", "container_name": "web", "container_port": 80 });
    assert_eq!(grace(json!([group])), Some(60));
}

#[test]
fn a_definition_has_its_limits() {
    let many: Vec<Value> = (0..11).map(|n| json!({ "name": format!("c{n}"), "image": "x" })).collect();
    assert_eq!(refused(|spec| spec["containers"] = json!(many)), ["containers"]);
    let long = "x".repeat(30_000);
    let entries =
        |n: usize| json!((0..n).map(|n| (format!("E{n}"), json!(long))).collect::<serde_json::Map<_, _>>());
    assert_eq!(refused(|spec| spec["containers"][0]["env"] = entries(2)), Vec::<String>::new());
    assert_eq!(refused(|spec| spec["containers"][0]["env"] = entries(3)), ["containers"]);
}

#[test]
fn containers_have_no_more_together_than_their_task() {
    let sizes = |task: [i64; 2], each: [i64; 2]| {
        refused(|spec| {
            let own = json!({ "cpu": each[0], "memory": each[1] });
            spec["containers"] = json!([{ "name": "a", "image": "a", "resources": own }, { "name": "b", "image": "b", "resources": own }]);
            spec["resources"] = json!({ "cpu": task[0], "memory": task[1] });
        })
    };
    assert_eq!(sizes([250, 512], [125, 256]), Vec::<String>::new());
    assert_eq!(sizes([250, 512], [126, 257]), ["resources.cpu", "resources.memory"]);
    let big = |spec: &mut Value| {
        spec["provider_config"] = json!({ "launch_type": "EC2" });
        spec["resources"] = json!({ "cpu": 192_001, "memory": 2_000_000 });
    };
    assert_eq!(told(&plain(big)), "resources.cpu: 192001 is out of range; ECS takes 125 to 192000");
    // What Fargate gives beyond the wish counts.
    assert_eq!(sizes([300, 1100], [250, 1024]), Vec::<String>::new());
}

#[test]
fn a_breaker_that_is_off_does_not_go_back() {
    let breaker = |given: Value| {
        let wanted = wanted(&plain(|spec| spec["provider_config"]["circuit_breaker"] = given));
        (wanted.settings.circuit_breaker.enable, wanted.settings.circuit_breaker.rollback)
    };
    assert_eq!(breaker(json!({ "enable": false })), (false, false));
    assert_eq!(breaker(json!({ "rollback": false })), (true, false));
    assert_eq!(breaker(json!({})), (true, true));
}
