//! Roles, volumes, files, counts: what a spec says beyond one program that runs.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{content, definition, full, plain, refused, told, wanted};
use crate::planner::ecs::{
    Container, Count, CpuArchitecture, EcsConfig, Efs, EfsPart, Ending, Mount, Serves, Until, Volume,
};
use crate::status::EndpointType;

const REGISTRY: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:registry-AbCdEf";

/// A plain spec, with this of its container.
fn of_web(change: impl FnOnce(&mut Value)) -> crate::spec::Spec {
    plain(|spec| change(&mut spec["containers"][0]))
}

fn web(change: impl FnOnce(&mut Value)) -> Container {
    definition(&wanted(&of_web(change))).containers[0].clone()
}

fn containers(list: Value) -> crate::spec::Spec {
    plain(|spec| spec["containers"] = list)
}

/// A container, what becomes of the task where it ends, and what it waits for.
type Waits = (String, Ending, Vec<(String, Until)>);

fn waits(list: Value) -> Vec<Waits> {
    let spec = containers(list);
    let of = |one: &Container| (one.name.clone(), one.ending, one.depends_on.clone().into_iter().collect());
    definition(&wanted(&spec)).containers.iter().map(of).collect()
}

#[test]
fn replicas_are_the_count_and_auto_only_the_first() {
    let count = |replicas: Value, config: Value| {
        let spec = plain(|spec| {
            spec["replicas"] = replicas;
            spec["provider_config"]["desired_count"] = config;
        });
        wanted(&spec).settings.desired_count
    };
    assert_eq!(count(json!(3), json!(null)), Count::Of(3));
    assert_eq!(count(json!(0), json!(null)), Count::Of(0));
    assert_eq!(count(json!("auto"), json!(2)), Count::Scaled { first: 2 });
    assert_eq!(count(json!("auto"), json!(null)), Count::Scaled { first: 1 });
    assert_eq!(count(json!(null), json!(4)), Count::Of(4));
}

#[test]
fn what_the_spec_and_its_configuration_both_say_is_a_problem() {
    let spec = plain(|spec| {
        spec["replicas"] = json!(5001);
        spec["update"] = json!({ "order": "stop_first", "deadline_seconds": 60 });
        spec["provider_config"]["desired_count"] = json!(5001);
        spec["provider_config"]["minimum_healthy_percent"] = json!(50);
        spec["provider_config"]["deployment_timeout_seconds"] = json!(60);
    });
    insta::assert_snapshot!(told(&spec), @"
    replicas: given together with provider_config.desired_count; leave one of them out
    update.order: given together with provider_config.minimum_healthy_percent; leave one of them out
    update.deadline_seconds: given together with provider_config.deployment_timeout_seconds; leave one of them out
    replicas: 5001 is out of range; ECS takes 0 to 5000
    ");
}

/// The operator's are there for tenants that say nothing.
#[test]
fn what_the_spec_says_itself_takes_the_operators_settings_place() {
    let spec = plain(|spec| {
        spec["replicas"] = json!(3);
        spec["update"] = json!({ "order": "start_first", "deadline_seconds": 90 });
    });
    let operators = json!({
        "desired_count": 2, "minimum_healthy_percent": 0, "maximum_percent": 150,
        "deployment_timeout_seconds": 60, "cluster": "theirs",
    });
    let merged = spec.with_provider_config(EcsConfig::merged_for(&operators, &spec).unwrap());
    let wanted = wanted(&merged);
    assert_eq!(wanted.settings.desired_count, Count::Of(3));
    assert_eq!((wanted.settings.minimum_healthy_percent, wanted.settings.maximum_percent), (100, 200));
    assert_eq!((wanted.deployment_timeout_seconds, &*wanted.site.place.cluster), (90, "theirs"));
    let silent = plain(|spec| spec["replicas"] = json!("auto"));
    let merged = silent.with_provider_config(EcsConfig::merged_for(&operators, &silent).unwrap());
    assert_eq!(super::wanted(&merged).settings.desired_count, Count::Scaled { first: 2 });
}

#[test]
fn an_order_says_how_many_tasks_there_are_meanwhile() {
    let percents = |order: &str| {
        let settings = wanted(&plain(|spec| spec["update"] = json!({ "order": order }))).settings;
        (settings.minimum_healthy_percent, settings.maximum_percent)
    };
    assert_eq!(percents("start_first"), (100, 200));
    assert_eq!(percents("stop_first"), (0, 100));
}

#[test]
fn roles_and_dependencies_are_what_containers_wait_for() {
    let list = json!([
        { "name": "web", "image": "web", "depends_on": [{ "container": "queue", "condition": "healthy" }] },
        { "name": "migrate", "image": "migrate", "role": "init" },
        { "name": "proxy", "image": "proxy", "role": "sidecar" },
        { "name": "seed", "image": "seed", "role": "init", "depends_on": [{ "container": "migrate", "condition": "completed" }] },
        { "name": "queue", "image": "queue", "role": "sidecar", "depends_on": [{ "container": "proxy" }],
          "health_check": { "type": "exec", "command": ["up"], "interval_seconds": 10, "timeout_seconds": 5,
              "healthy_threshold": 1, "unhealthy_threshold": 3 } },
    ]);
    let on =
        |names: &[(&str, Until)]| names.iter().map(|(name, until)| ((*name).to_owned(), *until)).collect();
    let (task, own) = (Ending::EndsTheTask, Ending::IsItsOwn);
    assert_eq!(
        waits(list),
        [
            (
                "web".to_owned(),
                task,
                on(&[("proxy", Until::Start), ("queue", Until::Healthy), ("seed", Until::Success)])
            ),
            ("migrate".to_owned(), own, on(&[])),
            ("proxy".to_owned(), task, on(&[("seed", Until::Success)])),
            ("seed".to_owned(), own, on(&[("migrate", Until::Success)])),
            ("queue".to_owned(), task, on(&[("proxy", Until::Start), ("seed", Until::Success)])),
        ]
    );
}

#[test]
fn init_containers_run_as_they_are_listed() {
    let spec = containers(json!([
        { "name": "seed", "image": "seed", "role": "init", "depends_on": [{ "container": "migrate", "condition": "completed" }] },
        { "name": "migrate", "image": "migrate", "role": "init" },
        { "name": "web", "image": "web" },
    ]));
    insta::assert_snapshot!(told(&spec), @"containers[0].depends_on[0].container: init containers run one after the other, as they are listed; list migrate before seed");
}

#[test]
fn a_container_is_stopped_in_the_time_that_ecs_has() {
    let grace = |seconds: u32| move |web: &mut Value| web["stop"] = json!({ "grace_seconds": seconds });
    assert_eq!(web(grace(2)).stop_timeout_seconds, Some(2));
    assert_eq!(web(grace(120)).stop_timeout_seconds, Some(120));
    for seconds in [1, 121] {
        let problem = told(&of_web(grace(seconds)));
        assert_eq!(
            problem,
            format!("containers[0].stop.grace_seconds: {seconds} is out of range; ECS takes 2 to 120")
        );
    }
    let on_instances = plain(|spec| {
        grace(600)(&mut spec["containers"][0]);
        spec["provider_config"]["launch_type"] = json!("EC2");
    });
    assert_eq!(definition(&wanted(&on_instances)).containers[0].stop_timeout_seconds, Some(600));
}

#[test]
fn a_container_is_who_and_where_the_spec_says() {
    let made = web(|web| {
        web["user"] = json!("1000:1000");
        web["working_dir"] = json!("/srv");
        web["read_only_root"] = json!(true);
        web["resources"] = json!({ "cpu": 100, "memory": 256, "requests": { "memory": 128, "cpu": 50 } });
        web["ports"][0] = json!({ "container_port": 80, "name": "http", "app_protocol": "http2" });
    });
    let unlabelled = Container { labels: BTreeMap::new(), ..made };
    insta::assert_json_snapshot!(unlabelled, @r#"
    {
      "name": "web",
      "image": "nginx",
      "entry_point": [],
      "command": [],
      "environment": {},
      "secrets": {},
      "ports": [
        {
          "container_port": 80,
          "udp": false,
          "name": "http",
          "app_protocol": "http2"
        }
      ],
      "cpu": 102,
      "memory": 256,
      "labels": {},
      "memory_reservation": 128,
      "user": "1000:1000",
      "working_directory": "/srv",
      "read_only_root": true
    }
    "#);
    // ECS takes only what is less.
    let same =
        web(|web| web["resources"] = json!({ "cpu": 100, "memory": 256, "requests": { "memory": 256 } }));
    assert_eq!(same.memory_reservation, None);
}

#[test]
fn a_protocol_is_one_that_ecs_knows_of_a_port_with_a_name() {
    let spec = of_web(|web| web["ports"][0]["app_protocol"] = json!("mqtt"));
    insta::assert_snapshot!(told(&spec), @r#"
    containers[0].ports[0].app_protocol: ECS takes it of a port with a name; give the port one, or remove it
    containers[0].ports[0].app_protocol: "mqtt" is unknown to ECS; use http, http2 or grpc, or remove it
    "#);
}

#[test]
fn a_secret_is_for_its_containers() {
    let spec = full(|spec| spec["secrets"][0]["containers"] = json!(["side"]));
    let of = |n: usize| definition(&wanted(&spec)).containers[n].secrets.keys().cloned().collect::<Vec<_>>();
    assert_eq!((of(0), of(1)), (vec![], vec!["DB".to_owned()]));
}

#[test]
fn images_are_fetched_with_a_whole_secret() {
    let with = |source: &str, key: &str| {
        full(|spec| {
            spec["secrets"] = json!([{ "name": "registry", "source": source, "key": key }]);
            spec["containers"][1]["image_pull"] = json!({ "credentials": "registry" });
        })
    };
    let spec = with("aws-secrets-manager", REGISTRY);
    let of = |n: usize| definition(&wanted(&spec)).containers[n].repository_credentials.clone();
    assert_eq!((of(0), of(1)), (None, Some(REGISTRY.to_owned())));
    for (source, key) in
        [("aws-ssm", "/acme/registry".to_owned()), ("aws-secrets-manager", format!("{REGISTRY}:part::"))]
    {
        let problem = told(&with(source, &key));
        assert!(
            problem.starts_with("containers[1].image_pull.credentials: secret \"registry\" is not one"),
            "{problem}"
        );
        assert!(!problem.contains(&key), "{problem}");
    }
    let nobody = plain(|spec| {
        spec["secrets"] = json!([{ "name": "registry", "source": "aws-secrets-manager", "key": REGISTRY }]);
        spec["containers"][0]["image_pull"] = json!({ "credentials": "registry" });
    });
    assert!(told(&nobody).starts_with("provider_config.execution_role_arn: missing"));
}

#[test]
fn volumes_are_each_tasks_own_or_where_the_configuration_says() {
    let spec = plain(|spec| {
        spec["volumes"] = json!([
            { "name": "scratch", "size_mb": 100 },
            { "name": "data", "persistent": true, "retain": true },
            { "name": "media", "persistent": true, "retain": true },
        ]);
        spec["containers"][0]["mounts"] = json!([
            { "volume": "data", "path": "/data" }, { "volume": "media", "path": "/media", "read_only": true },
        ]);
        spec["provider_config"]["efs_volumes"] = json!([
            { "name": "data", "file_system_id": "fs-0a1b", "root_directory": "/acme/data" },
            { "name": "media", "file_system_id": "fs-0a1b", "access_point_id": "fsap-0a1b" },
        ]);
        spec["provider_config"]["cpu_architecture"] = json!("ARM64");
    });
    let wanted = wanted(&spec);
    let definition = definition(&wanted);
    assert_eq!(definition.cpu_architecture, Some(CpuArchitecture::Arm));
    let kept = |part| Some(Efs { file_system_id: "fs-0a1b".to_owned(), part });
    let volume = |name: &str, kept| Volume { name: name.to_owned(), kept };
    assert_eq!(
        definition.volumes,
        [
            volume("scratch", None),
            volume("data", kept(EfsPart::Directory("/acme/data".to_owned()))),
            volume("media", kept(EfsPart::AccessPoint("fsap-0a1b".to_owned()))),
        ]
    );
    let mount = |volume: &str, path: &str, read_only| Mount {
        volume: volume.to_owned(),
        path: path.to_owned(),
        read_only,
    };
    assert_eq!(
        definition.containers[0].mounts,
        [mount("data", "/data", false), mount("media", "/media", true)]
    );
}

#[test]
fn what_is_to_persist_is_somewhere() {
    let spec = plain(|spec| {
        spec["volumes"] = json!([
            { "name": "lost", "persistent": true },
            { "name": "scratch" },
            { "name": "both", "persistent": true, "retain": true },
            { "name": "none", "persistent": true, "retain": true },
        ]);
        spec["provider_config"]["launch_type"] = json!("EXTERNAL");
        spec["provider_config"]["subnets"] = json!([]);
        spec["provider_config"]["efs_volumes"] = json!([
            { "name": "scratch", "file_system_id": "fs-1", "root_directory": "/" },
            { "name": "both", "file_system_id": "x", "root_directory": "/", "access_point_id": "fsap-1" },
            { "name": "none", "file_system_id": "fs-1" },
            { "name": "none", "file_system_id": "fs-1", "root_directory": "data" },
            { "name": "theirs", "file_system_id": "fs-1", "access_point_id": "ap-1" },
        ]);
    });
    insta::assert_snapshot!(told(&spec), @r#"
    provider_config.efs_volumes: tasks on EXTERNAL cannot mount EFS; leave it out
    provider_config.efs_volumes[0].name: volume "scratch" is not persistent; remove it, or set persistent to true
    provider_config.efs_volumes[1].file_system_id: not a file system's id; write one like fs-0123456789abcdef0
    provider_config.efs_volumes[1]: an access point has its own directory; give root_directory or access_point_id
    provider_config.efs_volumes[2]: which part of the file system it is, is missing; give root_directory or access_point_id
    provider_config.efs_volumes[3].root_directory: not an absolute path in the file system
    provider_config.efs_volumes[3].name: given twice; remove one of them
    provider_config.efs_volumes[4].name: "theirs" is no volume of the spec; remove it, or add it there
    provider_config.efs_volumes[4].access_point_id: not an access point's id; write one like fsap-0123456789abcdef0
    volumes[0].retain: what is on EFS is never removed, so it outlives the tenant; set retain to true
    volumes[0].persistent: nothing keeps it; give provider_config.efs_volumes an entry with the name lost, or set persistent to false
    "#);
}

#[test]
fn what_others_reach_is_in_a_target_group() {
    let with = |level: &str, port: u16| {
        plain(|spec| {
            spec["containers"][0]["ports"] =
                json!([{ "container_port": 80, "exposure": { "level": level } }, { "container_port": 81 }]);
            spec["provider_config"]["target_groups"] = json!([{
                "arn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/b", "container_name": "web",
                "container_port": port }]);
        })
    };
    for (level, port) in [("public", 80), ("internal", 80), ("none", 81)] {
        assert_eq!(told(&with(level, port)), "", "{level} {port}");
    }
    for level in ["public", "internal"] {
        assert_eq!(
            told(&with(level, 81)),
            "containers[0].ports[0].exposure.level: no load balancer leads to it; give provider_config.target_groups \
             an entry with container_name web and container_port 80"
        );
    }
    let contrary = told(&with("none", 80));
    assert!(
        contrary.starts_with("containers[0].ports[0].exposure.level: a load balancer leads to it"),
        "{contrary}"
    );
}

#[test]
fn variables_are_what_they_stand_for() {
    let made = web(|web| {
        web["command"] = json!(["server", "--listen=$(PORT)"]);
        web["args"] = json!(["$(URL)", "$$(PORT)", "$(PORT_admin)", "$(PORT_9090)", "$HOME", "$(date +%s)"]);
        web["env"] = json!({ "URL": "http://$(HOST):$(PORT_80)/", "HOST": "localhost" });
        web["ports"] = json!([{ "container_port": 80 }, { "container_port": 9090, "name": "admin" }]);
    });
    assert_eq!(made.entry_point, ["server", "--listen=80"]);
    assert_eq!(made.command, ["http://localhost:80/", "$(PORT)", "9090", "9090", "$HOME", "$(date +%s)"]);
    let env: Vec<String> = made.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        env,
        [
            "HOST=localhost",
            "PORT=80",
            "PORT_80=80",
            "PORT_9090=9090",
            "PORT_admin=9090",
            "URL=http://localhost:80/"
        ]
    );
}

/// Else all services of older builds would be deployed anew.
#[test]
fn a_container_whose_texts_name_no_port_gets_no_variable() {
    assert!(web(|_| ()).environment.is_empty());
    let own = web(|web| {
        web["args"] = json!(["$(PORT)"]);
        web["env"] = json!({ "PORT": "8080" });
    });
    assert_eq!((&*own.command[0], &*own.environment["PORT"]), ("8080", "8080"));
}

#[test]
fn a_secret_is_nothing_that_a_text_can_stand_on() {
    let spec = full(|spec| {
        spec["containers"][0]["args"] = json!(["--password=$(DB)"]);
        spec["containers"][0]["env"] = json!({ "URL": "db://user:$(DB)@db" });
    });
    let problems = told(&spec);
    let paths: Vec<&str> = problems.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(paths, ["containers[0].args[0]", "containers[0].env.URL"], "{problems}");
    // Of another container it is no variable at all, which the spec's own rules tell.
    let shell = full(|spec| spec["containers"][0]["args"] = json!(["-c", "exec app --password=$DB"]));
    assert_eq!(told(&shell), "");
}

#[test]
fn a_tenant_that_is_checked_over_tls_answers_there() {
    let spec = of_web(|web| {
        web["health_check"] = json!({ "type": "http", "http_path": "/", "port": 80, "scheme": "https",
            "interval_seconds": 10, "timeout_seconds": 5, "healthy_threshold": 1, "unhealthy_threshold": 3 });
    });
    assert!(matches!(&wanted(&spec).serves[..], [Serves::Task { kind: EndpointType::Https, .. }]));
}

#[test]
fn a_tenant_does_not_answer_where_an_init_container_listens() {
    let spec = containers(json!([
        { "name": "migrate", "image": "migrate", "role": "init", "ports": [{ "container_port": 81 }] },
        { "name": "web", "image": "web", "ports": [{ "container_port": 80 }] },
    ]));
    assert!(matches!(&wanted(&spec).serves[..], [Serves::Task { port: 80, .. }]));
}

/// The least that shared rules take is less than ECS's.
#[test]
fn a_check_is_as_often_as_ecs_can() {
    let every = |seconds: u32| {
        refused(|spec| {
            spec["containers"][0]["health_check"] = json!({ "type": "tcp", "port": 80, "interval_seconds": seconds,
                "timeout_seconds": 1, "healthy_threshold": 1, "unhealthy_threshold": 3 });
        })
    };
    for seconds in [1, 4, 301] {
        assert_eq!(every(seconds), ["containers[0].health_check.interval_seconds"], "{seconds}");
    }
    assert!(every(5).is_empty() && every(300).is_empty());
}

/// What one field says differs from what no field says, and so is sent.
#[test]
fn each_new_field_is_another_revision() {
    let changes: [fn(&mut Value); 8] = [
        |web| web["user"] = json!("1000"),
        |web| web["working_dir"] = json!("/srv"),
        |web| web["read_only_root"] = json!(true),
        |web| web["stop"] = json!({ "grace_seconds": 60 }),
        |web| web["resources"] = json!({ "cpu": 100, "memory": 256 }),
        |web| web["resources"] = json!({ "cpu": 100, "memory": 256, "requests": { "memory": 128 } }),
        |web| web["ports"] = json!([{ "container_port": 80, "name": "http" }]),
        |web| web["ports"] = json!([{ "container_port": 80, "name": "http", "app_protocol": "http" }]),
    ];
    let all = changes.map(|change| content(&wanted(&of_web(change))).to_owned());
    let before = content(&wanted(&of_web(|_| ()))).to_owned();
    let distinct: BTreeSet<&String> = all.iter().chain([&before]).collect();
    assert_eq!(distinct.len(), all.len() + 1);
}

proptest! {
    /// Of a fleet of an older build no task definition may differ.
    #[test]
    fn a_text_without_a_dollar_is_sent_as_it_is(texts in proptest::collection::vec("[^$\\x00]{0,20}", 0..6)) {
        let made = web(|web| {
            web["command"] = json!(texts);
            web["args"] = json!(texts);
            web["env"] = texts.iter().enumerate().map(|(n, text)| (format!("V{n}"), json!(text))).collect();
        });
        prop_assert_eq!(&made.entry_point, &texts);
        prop_assert_eq!(&made.command, &texts);
        prop_assert_eq!(made.environment.values().collect::<Vec<_>>(), texts.iter().collect::<Vec<_>>());
    }

    /// ECS refuses a definition whose containers wait in a circle, or for one that is not there.
    #[test]
    fn what_containers_wait_for_starts_before_them(roles in proptest::collection::vec(0_usize..3, 1..9)) {
        let roles = roles.iter().map(|role| ["main", "sidecar", "init"][*role]);
        let mut list: Vec<Value> = roles
            .enumerate()
            .map(|(n, role)| json!({ "name": format!("c{n}"), "image": "app", "role": role }))
            .collect();
        list.push(json!({ "name": "web", "image": "app" }));
        let waits = waits(json!(list));
        let mut started: BTreeSet<&String> = BTreeSet::new();
        while started.len() < waits.len() {
            let ready = waits.iter().filter(|(_, _, on)| on.iter().all(|(name, _)| started.contains(name)));
            let ready: BTreeSet<&String> = ready.map(|(name, _, _)| name).collect();
            prop_assert!(ready.len() > started.len(), "{waits:?}");
            started = ready;
        }
        for (_, _, on) in &waits {
            for (name, until) in on {
                let ending = waits.iter().find(|(known, _, _)| known == name).map(|(_, ending, _)| *ending);
                prop_assert_eq!(*until == Until::Success, ending == Some(Ending::IsItsOwn));
            }
        }
    }
}
