//! What becomes of containers.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{body, first, old, on, plain, pod, refused, survey, told, told_on, wanted, web};
use crate::planner::kubernetes::{ObjectKind, Wanted};

fn http(change: impl FnOnce(&mut Value)) -> Value {
    let mut check = json!({ "type": "http", "http_path": "/healthz", "port": 80, "interval_seconds": 10,
        "timeout_seconds": 3, "healthy_threshold": 2, "unhealthy_threshold": 2 });
    change(&mut check);
    check
}

#[test]
fn a_check_becomes_three_probes() {
    let made = first(&web(|web| web["health_check"] = http(|_| ())));
    insta::assert_json_snapshot!(json!([made["readinessProbe"], made["livenessProbe"], made["startupProbe"]]), @r#"
    [
      {
        "failureThreshold": 2,
        "httpGet": {
          "path": "/healthz",
          "port": 80,
          "scheme": "HTTP"
        },
        "periodSeconds": 10,
        "successThreshold": 2,
        "timeoutSeconds": 3
      },
      {
        "failureThreshold": 3,
        "httpGet": {
          "path": "/healthz",
          "port": 80,
          "scheme": "HTTP"
        },
        "periodSeconds": 10,
        "successThreshold": 1,
        "timeoutSeconds": 3
      },
      {
        "failureThreshold": 300,
        "httpGet": {
          "path": "/healthz",
          "port": 80,
          "scheme": "HTTP"
        },
        "periodSeconds": 2,
        "successThreshold": 1,
        "timeoutSeconds": 3
      }
    ]
    "#);
    let none = first(&web(|_| ()));
    assert!(
        ["readinessProbe", "livenessProbe", "startupProbe"].iter().all(|probe| none.get(probe).is_none())
    );
}

#[test]
fn a_start_has_its_period_and_then_as_many_failures_as_later() {
    let budget = |check: Value| {
        let made = first(&web(|web| web["health_check"] = check));
        let of = |field: &str| made["startupProbe"][field].as_i64().unwrap();
        of("failureThreshold") * of("periodSeconds")
    };
    assert_eq!(budget(http(|check| check["start_period_seconds"] = json!(20))), 20 + 3 * 10);
    assert_eq!(budget(http(|_| ())), 600);
    let every_second =
        http(|check| (check["interval_seconds"], check["timeout_seconds"]) = (json!(1), json!(1)));
    assert_eq!(budget(every_second), 600);
}

#[test]
fn liveness_is_a_check_of_its_own() {
    let exec = json!({ "type": "exec", "command": ["check", "$(PORT)", "$HOME"], "interval_seconds": 5,
        "timeout_seconds": 1, "healthy_threshold": 4, "unhealthy_threshold": 5 });
    let made = first(&web(|web| (web["liveness"], web["health_check"]) = (exec.clone(), http(|_| ()))));
    // The kubelet replaces names here, too; the product does not.
    assert_eq!(made["livenessProbe"]["exec"]["command"], json!(["check", "$$(PORT)", "$$HOME"]));
    let thresholds =
        |probe: &str| (made[probe]["failureThreshold"].clone(), made[probe]["successThreshold"].clone());
    assert_eq!(thresholds("livenessProbe"), (json!(5), json!(1)));
    assert_eq!(thresholds("readinessProbe"), (json!(2), json!(2)));
    let alone = first(&web(|web| web["liveness"] = exec));
    assert!(alone.get("readinessProbe").is_none() && alone["startupProbe"].get("exec").is_some());
    let secure = http(|check| (check["scheme"], check["headers"]) = (json!("https"), json!({ "Host": "a" })));
    let secure = first(&web(|web| web["health_check"] = secure));
    assert_eq!(secure["readinessProbe"]["httpGet"]["scheme"], "HTTPS");
    assert_eq!(secure["readinessProbe"]["httpGet"]["httpHeaders"], json!([{ "name": "Host", "value": "a" }]));
}

#[test]
fn variables_come_after_what_they_stand_on() {
    let made = first(&plain(|spec| {
        let web = &mut spec["containers"][0];
        web["command"] = json!(["server", "--listen=$(PORT)"]);
        web["args"] = json!(["$(A)", "$$(PORT)", "$(PORT_admin)", "$HOME", "$(date +%s)"]);
        web["env"] = json!({ "A": "<$(Z)>", "B": "$$(A)", "Z": "$(TOKEN)@$(PORT_80)", "EMPTY": "" });
        web["ports"] = json!([{ "container_port": 80 }, { "container_port": 9090, "name": "admin" }]);
        spec["secrets"] =
            json!([{ "name": "db", "source": "kubernetes-secret", "key": "token", "env_var": "TOKEN" }]);
        spec["provider_config"]["namespaces"] = json!({ "shared": { "name": "tenants" } });
    }));
    assert_eq!(made["command"], json!(["server", "--listen=$(PORT)"]));
    assert_eq!(made["args"], json!(["$(A)", "$$(PORT)", "$(PORT_admin)", "$$HOME", "$$(date +%s)"]));
    assert_eq!(
        made["env"],
        json!([
            { "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "db", "key": "token" } } },
            { "name": "PORT", "value": "80" },
            { "name": "PORT_80", "value": "80" },
            { "name": "PORT_9090", "value": "9090" },
            { "name": "PORT_admin", "value": "9090" },
            { "name": "Z", "value": "$(TOKEN)@$(PORT_80)" },
            { "name": "A", "value": "<$(Z)>" },
            { "name": "B", "value": "$$(A)" },
            { "name": "EMPTY" },
        ])
    );
    let own = first(&web(|web| web["env"] = json!({ "PORT": "8080" })));
    assert_eq!(
        own["env"],
        json!([{ "name": "PORT_80", "value": "80" }, { "name": "PORT", "value": "8080" }])
    );
}

/// A few lines would otherwise fill a node's memory.
#[test]
fn a_text_that_grows_beyond_what_a_program_gets_is_told() {
    let spec = web(|web| {
        let env = (0..40).map(|n| (format!("V{n}"), json!(format!("$(V{0})$(V{0})", n + 1))));
        let last = [("V40".to_owned(), json!("x".repeat(100)))];
        web["env"] = env.chain(last).collect();
        web["args"] = json!(["$(V0)"]);
    });
    assert!(told(&spec).contains("containers[0].env.V0: it is too long"), "{}", told(&spec));
    let long = web(|web| {
        web["env"] = json!({ "A": "x".repeat(32_000), "B": "$(A)$(A)$(A)$(A)" });
    });
    assert_eq!(told(&long), "");
}

#[test]
fn init_containers_run_in_the_order_in_which_they_wait() {
    let with = |minor| {
        let spec = plain(|spec| {
            spec["containers"] = json!([
                { "name": "web", "image": "web", "depends_on": [{ "container": "db", "condition": "started" }] },
                { "name": "b", "image": "b", "role": "init", "depends_on": [{ "container": "a", "condition": "completed" }] },
                { "name": "log", "image": "log", "role": "sidecar", "depends_on": [{ "container": "net" }] },
                { "name": "net", "image": "net", "role": "sidecar" },
                { "name": "a", "image": "a", "role": "init" },
                { "name": "db", "image": "db" },
            ]);
        });
        on(&spec, &survey(minor))
    };
    let names = |wanted: &Wanted, list: &str| -> Vec<String> {
        let all = pod(wanted)[list].as_array().unwrap();
        all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let new = with(29);
    assert_eq!(names(&new, "initContainers"), ["a", "b", "net", "log"]);
    assert_eq!(names(&new, "containers"), ["db", "web"]);
    let restarts: Vec<bool> = pod(&new)["initContainers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.get("restartPolicy") == Some(&json!("Always")))
        .collect();
    assert_eq!(restarts, [false, false, true, true]);
    assert_eq!(new.not_enforced, Vec::<String>::new());
    let before = with(28);
    assert_eq!(names(&before, "initContainers"), ["a", "b"]);
    assert_eq!(names(&before, "containers"), ["net", "log", "db", "web"]);
    insta::assert_snapshot!(before.not_enforced.join("\n"), @"
    containers[2].role: Kubernetes 1.28 has no sidecars: it starts with the main containers and stops with them
    containers[2].depends_on[0].condition: container net is started before this one, and nobody waits until it is healthy
    containers[3].role: Kubernetes 1.28 has no sidecars: it starts with the main containers and stops with them
    ");
}

#[test]
fn whom_nobody_waits_for_is_told() {
    let spec = plain(|spec| {
        spec["containers"][0]["health_check"] = http(|_| ());
        spec["containers"].as_array_mut().unwrap().push(json!({
            "name": "app", "image": "app", "depends_on": [{ "container": "web", "condition": "healthy" }] }));
    });
    insta::assert_snapshot!(wanted(&spec).not_enforced.join("\n"), @"containers[1].depends_on[0].condition: container web is started before this one, and nobody waits until it is healthy");
}

#[test]
fn containers_share_what_the_others_leave() {
    let resources = |wanted: &Wanted, list: &str, n: usize| pod(wanted)[list][n]["resources"].clone();
    let spec = plain(|spec| {
        spec["containers"] = json!([
            { "name": "web", "image": "web", "resources": { "cpu": 500, "memory": 1024, "requests": { "cpu": 100 } } },
            { "name": "one", "image": "one" },
            { "name": "two", "image": "two", "resources": { "cpu": 100, "memory": 128, "storage": 100 } },
            { "name": "three", "image": "three" },
            { "name": "all", "image": "all", "role": "init" },
        ]);
        spec["resources"] =
            json!({ "cpu": 1000, "memory": 2048, "storage": 1024, "requests": { "memory": 1472 } });
    });
    let wanted = wanted(&spec);
    insta::assert_snapshot!(
        ["containers", "containers", "containers", "containers", "initContainers"]
            .iter()
            .zip([0, 1, 2, 3, 0])
            .map(|(list, n)| resources(&wanted, list, n).to_string())
            .collect::<Vec<_>>()
            .join("\n"),
        @r#"
    {"limits":{"ephemeral-storage":"308Mi","memory":"1Gi"},"requests":{"cpu":"100m","ephemeral-storage":"308Mi","memory":"1Gi"}}
    {"limits":{"ephemeral-storage":"308Mi","memory":"448Mi"},"requests":{"cpu":"200m","ephemeral-storage":"308Mi","memory":"160Mi"}}
    {"limits":{"ephemeral-storage":"100Mi","memory":"128Mi"},"requests":{"cpu":"100m","ephemeral-storage":"100Mi","memory":"128Mi"}}
    {"limits":{"ephemeral-storage":"308Mi","memory":"448Mi"},"requests":{"cpu":"200m","ephemeral-storage":"308Mi","memory":"160Mi"}}
    {"limits":{"ephemeral-storage":"1Gi","memory":"2Gi"},"requests":{"cpu":"1","ephemeral-storage":"1Gi","memory":"1472Mi"}}
    "#
    );
    let too_much = plain(|spec| {
        spec["containers"][0]["resources"] = json!({ "cpu": 250, "memory": 400 });
        spec["containers"].as_array_mut().unwrap().push(json!({ "name": "b", "image": "b",
            "resources": { "cpu": 1, "memory": 400 } }));
    });
    insta::assert_snapshot!(told(&too_much), @"
    resources.cpu: the containers' own add up to 251 millicores, more than the tenant has; ask for more
    resources.memory: the containers' own add up to 800 MB, more than the tenant has; ask for more
    ");
    let nothing_left = plain(|spec| {
        spec["containers"][0]["resources"] = json!({ "cpu": 250, "memory": 512 });
        spec["containers"].as_array_mut().unwrap().push(json!({ "name": "b", "image": "b" }));
    });
    insta::assert_snapshot!(told(&nothing_left), @"
    resources.cpu: the containers' own add up to 250 millicores, which leaves nothing for those without (1); ask for more
    resources.memory: the containers' own add up to 512 MB, which leaves nothing for those without (1); ask for more
    ");
}

#[test]
fn a_processor_is_limited_where_the_operator_says_so() {
    let limits = |cpu_limits: bool| {
        let spec = plain(|spec| spec["provider_config"]["cpu_limits"] = json!(cpu_limits));
        first(&spec)["resources"]["limits"].clone()
    };
    assert_eq!(limits(false), json!({ "memory": "512Mi" }));
    assert_eq!(limits(true), json!({ "memory": "512Mi", "cpu": "250m" }));
}

#[test]
fn restricted_pods_run_without_root() {
    let with = |level: &str| {
        let spec = plain(|spec| {
            spec["provider_config"]["pod_security"] = json!(level);
            spec["containers"][0]["user"] = json!("1000");
        });
        wanted(&spec)
    };
    let restricted = with("restricted");
    assert_eq!(
        pod(&restricted)["securityContext"],
        json!({ "seccompProfile": { "type": "RuntimeDefault" }, "runAsNonRoot": true })
    );
    assert_eq!(
        pod(&restricted)["containers"][0]["securityContext"],
        json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] }, "runAsUser": 1000 })
    );
    let baseline = with("baseline");
    assert_eq!(pod(&baseline)["securityContext"], json!({ "seccompProfile": { "type": "RuntimeDefault" } }));
    assert_eq!(pod(&baseline)["containers"][0]["securityContext"], json!({ "runAsUser": 1000 }));
    for (wanted, level) in
        [(&restricted, "restricted"), (&baseline, "baseline"), (&with("privileged"), "privileged")]
    {
        let labels = &body(wanted, ObjectKind::Namespace)["metadata"]["labels"];
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], level);
    }
    let root = refused(|spec| {
        spec["provider_config"]["pod_security"] = json!("restricted");
        spec["containers"][0]["user"] = json!("0");
    });
    assert_eq!(root, ["containers[0].user"]);
}

#[test]
fn a_user_is_a_number() {
    for user in ["www", "1000:www", "-1", "1000:", ":1", "4294967295", "+5x"] {
        assert_eq!(
            refused(|spec| spec["containers"][0]["user"] = json!(user)),
            ["containers[0].user"],
            "{user}"
        );
    }
}

#[test]
fn nothing_is_where_something_else_is() {
    let paths = refused(|spec| {
        spec["volumes"] = json!([{ "name": "a" }]);
        spec["containers"][0]["mounts"] =
            json!([{ "volume": "a", "path": "/a" }, { "volume": "a", "path": "/" }]);
        spec["containers"][0]["files"] =
            json!([{ "path": "/a/", "content": "x" }, { "path": "/b:c", "content": "x" }]);
    });
    assert_eq!(
        paths,
        ["containers[0].mounts[1].path", "containers[0].files[0].path", "containers[0].files[1].path"]
    );
}

#[test]
fn volumes_and_files_do_not_take_each_others_names() {
    let spec = plain(|spec| {
        spec["volumes"] = json!([{ "name": "files" }, { "name": "files-x" }]);
        spec["containers"][0]["mounts"] = json!([{ "volume": "files", "path": "/a" }]);
        spec["containers"][0]["files"] = json!([{ "path": "/b", "content": "x" }]);
    });
    let wanted = wanted(&spec);
    let names: Vec<&Value> =
        pod(&wanted)["volumes"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["files", "files-x", "files-x-x"]);
}

#[test]
fn other_contents_are_another_config_map() {
    let of = |content: &str| {
        let spec = web(|web| web["files"] = json!([{ "path": "/b", "content": content }]));
        let wanted = wanted(&spec);
        let map = body(&wanted, ObjectKind::ConfigMap);
        assert_eq!(map["immutable"], true);
        let name = map["metadata"]["name"].as_str().unwrap().to_owned();
        assert_eq!(pod(&wanted)["volumes"][0]["configMap"]["name"], json!(name));
        name
    };
    assert_eq!(of("a"), of("a"));
    assert_ne!(of("a"), of("b"));
}

#[test]
fn an_update_stops_first_where_it_is_told_to() {
    let strategy = |order: Option<&str>| {
        let spec = plain(|spec| spec["update"] = json!({ "order": order }));
        body(&wanted(&spec), ObjectKind::Deployment)["spec"]["strategy"].clone()
    };
    let rolling = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } });
    assert_eq!(strategy(None), rolling);
    assert_eq!(strategy(Some("start_first")), rolling);
    assert_eq!(strategy(Some("stop_first")), json!({ "type": "Recreate" }));
    let stateful = plain(|spec| {
        spec["volumes"] = json!([{ "name": "data", "persistent": true }]);
        spec["update"] = json!({ "order": "start_first" });
    });
    assert!(
        told(&stateful).starts_with("update.order: a persistent volume is one pod's"),
        "{}",
        told(&stateful)
    );
}

#[test]
fn an_images_name_is_one() {
    assert_eq!(
        refused(|spec| spec["containers"][0]["image"] = json!("Not An Image")),
        ["containers[0].image"]
    );
}

#[test]
fn a_manifest_that_no_server_takes_is_told() {
    let spec = web(|web| {
        let value = "$x".repeat(15_000);
        web["env"] = (0..30).map(|n| (format!("V{n}"), json!(value))).collect();
    });
    assert!(told(&spec).contains("bytes as a manifest"), "{}", told(&spec));
}

#[test]
fn a_cluster_without_a_kind_that_every_tenant_needs_is_told() {
    let mut survey = old();
    survey.kinds.remove(&ObjectKind::Deployment);
    insta::assert_snapshot!(told_on(&plain(|_| ()), &survey), @"this cluster has no Deployment, which every tenant needs; use another one");
}

proptest! {
    /// What the containers of a pod are given together is never more than the tenant has.
    #[test]
    fn shares_are_within_the_whole(
        cpu in 128_i64..=4000, memory in 128_i64..=8192,
        own in proptest::collection::vec(proptest::option::of((1_i64..=1000, 1_i64..=2000)), 1..5),
    ) {
        let mut n = 0;
        let containers: Vec<Value> = own.iter().map(|own| {
            n += 1;
            let resources = own.map(|(c, m)| json!({ "cpu": c.min(cpu), "memory": m.min(memory) }));
            json!({ "name": format!("c{n}"), "image": "a", "resources": resources })
        }).collect();
        let spec = plain(|spec| {
            spec["containers"] = json!(containers);
            spec["resources"] = json!({ "cpu": cpu, "memory": memory });
        });
        let mut problems = super::super::problems::Problems::default();
        let shares = super::super::resources::shares(&mut problems, &spec);
        let (found, _) = problems.into_parts();
        let sum = |of: fn(&super::super::resources::Share) -> u64| shares.iter().map(of).sum::<u64>();
        prop_assert!(!found.is_empty() || (sum(|it| it.cpu) <= cpu as u64 && sum(|it| it.memory) <= memory as u64));
        prop_assert!(shares.iter().all(|it| it.cpu_request <= it.cpu && it.memory_request <= it.memory));
    }
}
