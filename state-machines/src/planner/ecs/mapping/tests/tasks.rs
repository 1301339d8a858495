//! What tasks are made from, and on what they run.

use serde_json::{Value, json};

use super::{definition, plain, refused, told, wanted};

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
