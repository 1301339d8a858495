//! What is around the tasks: networks, attachments, deployments, and where the tenant answers.

use serde_json::{Value, json};

use super::{content, definition, plain, refused, subject, wanted};
use crate::id::Rollout;
use crate::planner::ecs::{Wanted, check, tags};

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
fn a_load_balancer_waits_for_the_longest_start_period() {
    let grace = |configured: Value, periods: [Value; 2]| {
        wanted(&plain(|spec| {
            let check = |seconds: &Value| {
                json!({ "type": "exec", "command": ["true"], "interval_seconds": 5, "timeout_seconds": 2,
                    "healthy_threshold": 1, "unhealthy_threshold": 1, "start_period_seconds": seconds })
            };
            spec["containers"][0]["health_check"] = check(&periods[0]);
            let mut other = spec["containers"][0].clone();
            other["name"] = json!("other");
            other["ports"] = json!([]);
            other["health_check"] = check(&periods[1]);
            spec["containers"].as_array_mut().unwrap().push(other);
            spec["provider_config"]["health_check_grace_period_seconds"] = configured;
            spec["provider_config"]["target_groups"] = json!([{ "container_name": "web", "container_port": 80,
                "arn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/b" }]);
        }))
        .settings
        .grace_period_seconds
    };
    assert_eq!(grace(json!(null), [json!(null), json!(null)]), None);
    assert_eq!(grace(json!(null), [json!(40), json!(90)]), Some(90));
    assert_eq!(grace(json!(10), [json!(40), json!(90)]), Some(10), "what the configuration says goes first");
}

#[test]
fn each_rollout_has_a_revision_of_its_own_and_the_spec_stays_the_same() {
    let spec = plain(|_| ());
    let (first, again) = (wanted(&spec), Wanted::in_rollout(&subject(2), &spec, Rollout(7)).unwrap());
    assert_eq!(Wanted::in_rollout(&subject(2), &spec, Rollout(0)).unwrap(), first);
    assert_eq!(again.tags, first.tags);
    assert_ne!(content(&again), content(&first));
    let rollout = |wanted: &Wanted| definition(wanted).containers[0].labels.get(tags::ROLLOUT).cloned();
    assert_eq!((rollout(&first), rollout(&again)), (None, Some("7".to_owned())));
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
