//! What is written where a spec or somebody else has changed something, and what is said of it.

use std::collections::BTreeMap;
use std::time::Duration;

use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::spec::{Replicas, TenantComputeSpec, UpdateConfig, UpdateOrder, VolumeSpec};
use landlord_compute::machines::tenant::{EventKind, Settled};
use landlord_compute::provider::{Plan, PlannedEffect};

use super::fake_tests::client;
use super::provider::spec;
use super::world::{World, register, service, writes};

fn labelled(labels: &[(&str, &str)]) -> TenantComputeSpec {
    let mut spec = spec("acme", "app");
    spec.labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    spec
}

#[tokio::test(start_paused = true)]
async fn a_label_is_changed_without_a_deployment() {
    let world = World::new().await;
    assert_eq!(world.provision(labelled(&[])).await, Settled::Done);
    let before = service(&world.fake, "landlord-acme").await;
    for (labels, asked) in [
        (&[("plan", "gold")][..], &[("TagResource", 2)][..]),
        (&[("plan", "lead"), ("team", "red")], &[("TagResource", 2)]),
        (&[("plan", "lead")], &[("TagResource", 1), ("UntagResource", 2)]),
        (&[("plan", "lead")], &[]),
        (&[], &[("TagResource", 1), ("UntagResource", 2)]),
    ] {
        writes(&world.fake);
        assert_eq!(world.update(labelled(labels)).await, Settled::Done);
        let asked: BTreeMap<String, u64> = asked.iter().map(|(api, n)| ((*api).to_owned(), *n)).collect();
        assert_eq!(writes(&world.fake), asked, "{labels:?}");
        let now = service(&world.fake, "landlord-acme").await;
        assert_eq!(now.deployments()[0].id(), before.deployments()[0].id());
        let definition = now.task_definition().expect("it has one");
        let describe = client(&world.fake, "test").describe_task_definition().task_definition(definition);
        let found = describe.include(aws_sdk_ecs::types::TaskDefinitionField::Tags).send().await;
        let found = found.expect("it is there");
        for tags in [now.tags(), found.tags()] {
            let callers =
                tags.iter().filter(|tag| !tag.key().is_some_and(|key| key.starts_with("landlord.")));
            let callers: Vec<_> = callers.filter_map(|tag| Some((tag.key()?, tag.value()?))).collect();
            assert_eq!(callers, labels);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provision_and_an_update_say_what_they_do_not_enforce() {
    let world = World::new().await;
    let mut sized = spec("acme", "app");
    sized.volumes = vec![VolumeSpec { name: "data".to_owned(), size_mb: Some(100), ..VolumeSpec::default() }];
    assert_eq!(world.provision(sized).await, Settled::Done);
    assert_eq!(world.update(spec("acme", "app")).await, Settled::Done);
    let message = |what: &EventKind| {
        if let EventKind::Succeeded { message, .. } = what { Some(message.clone()) } else { None }
    };
    let said = world.told("acme", message).await;
    let [Some(provisioned), None] = &said[..] else { panic!("once: {said:?}") };
    assert!(provisioned.starts_with("not enforced here: volumes[0].size_mb: EFS has no sizes"), "{said:?}");
}

/// What is to be in place deploys nothing, and nothing else is in place.
#[tokio::test(start_paused = true)]
async fn a_plan_says_of_each_field_what_it_does_to_the_tasks() {
    use PlannedEffect::{InPlace, Replace, StopFirst};
    let world = World::new().await;
    let mut now = spec("acme", "app");
    assert_eq!(world.provision(now.clone()).await, Settled::Done);
    let tenant = world.engine.tenant(TenantId::new("acme").expect("a valid id"));
    let deployment = async || {
        let service = service(&world.fake, "landlord-acme").await;
        service.deployments()[0].id().map(str::to_owned)
    };
    type Change = fn(&mut TenantComputeSpec);
    let changes: [(Change, &[(&str, PlannedEffect)]); 6] = [
        (|spec| spec.replicas = Some(Replicas::Count(2)), &[("replicas", InPlace)]),
        (|spec| drop(spec.labels.insert("team".to_owned(), "red".to_owned())), &[("labels.team", InPlace)]),
        (
            |spec| {
                spec.update = Some(UpdateConfig { deadline_seconds: Some(600), ..UpdateConfig::default() })
            },
            &[("update.deadline_seconds", InPlace)],
        ),
        (
            |spec| drop(spec.containers[0].env.insert("COLOUR".to_owned(), "red".to_owned())),
            &[("containers[web].env.COLOUR", Replace)],
        ),
        (
            |spec| {
                spec.labels.clear();
                spec.containers[0].env.clear();
            },
            &[("labels.team", InPlace), ("containers[web].env.COLOUR", Replace)],
        ),
        (
            |spec| {
                spec.update =
                    Some(UpdateConfig { order: Some(UpdateOrder::StopFirst), ..UpdateConfig::default() });
                spec.containers[0].env.insert("COLOUR".to_owned(), "blue".to_owned());
            },
            &[
                ("containers[web].env.COLOUR", StopFirst),
                ("update.deadline_seconds", StopFirst),
                ("update.order", StopFirst),
            ],
        ),
    ];
    for (change, expected) in changes {
        change(&mut now);
        let planned = tenant.plan(now.clone().check().expect("a valid spec")).await.expect("it plans");
        let mut planned: Vec<(&str, PlannedEffect)> =
            planned.changes.iter().map(|planned| (&*planned.change.path, planned.effect)).collect();
        let mut expected = expected.to_vec();
        planned.sort_by_key(|(path, _)| *path);
        expected.sort_by_key(|(path, _)| *path);
        assert_eq!(planned, expected);
        let before = deployment().await;
        assert_eq!(world.update(now.clone()).await, Settled::Done);
        let deploys = expected.iter().any(|(_, effect)| *effect != InPlace);
        assert_eq!(before != deployment().await, deploys, "{expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_what_somebody_else_has_changed() {
    let world = World::new().await;
    let acme = spec("acme", "app");
    assert_eq!(world.provision(acme.clone()).await, Settled::Done);
    let id = TenantId::new("acme").expect("a valid id");
    let acme = acme.check().expect("a valid spec");
    let tenant = world.engine.tenant(id);
    let plan = || tenant.plan(acme.clone());
    assert_eq!(plan().await.expect("it plans"), Plan::default());
    let before = service(&world.fake, "landlord-acme").await;
    register(&world, "theirs", "registry.test/app:9").await;
    let update = client(&world.fake, "test").update_service().cluster(before.cluster_arn().expect("its own"));
    update.service("landlord-acme").task_definition("theirs:1").send().await.expect("updated");
    // ECS shows a change only after a while.
    tokio::time::sleep(Duration::from_secs(300)).await;
    writes(&world.fake);
    let planned = plan().await.expect("it plans");
    assert_eq!((planned.changes, planned.corrections), (vec![], vec!["deploy".to_owned()]));
    assert_eq!(writes(&world.fake), BTreeMap::new(), "a plan changes nothing");
    assert_eq!(world.update(spec("acme", "app")).await, Settled::Done);
    assert_eq!(plan().await.expect("it plans"), Plan::default());
    assert_eq!(service(&world.fake, "landlord-acme").await.task_definition(), before.task_definition());
}
