//! Task definitions: rules, revisions, deletion.

use aws_sdk_ecs::types::builders::ContainerDefinitionBuilder;
use aws_sdk_ecs::types::{
    ContainerCondition, ContainerDefinition, ContainerDependency, MountPoint, Tag,
    TaskDefinitionFamilyStatus, TaskDefinitionField, TaskDefinitionStatus, Volume,
};

use super::{Bare, refusal, refused};

#[tokio::test(start_paused = true)]
async fn what_ecs_cannot_run_is_refused() {
    let bare = Bare::new();
    let size = bare.registration("acme", "app").cpu("300").send().await;
    let message = "No Fargate configuration exists for given values: 300 CPU, 512 memory. See the Amazon ECS \
                   documentation for the valid values.";
    assert_eq!(refused(size), refusal("ClientException", message));
    bare.registration("acme", "app").cpu("8192").memory("20480").send().await.expect("a size of Fargate's");
    let steps = bare.registration("acme", "app").cpu("8192").memory("17408").send().await;
    assert_eq!(refused(steps).0, "ClientException");
    let name = bare.registration("acme corp", "app").send().await;
    assert!(refused(name).1.starts_with("Family contains invalid characters."));
    let empty = bare.registration("acme", "app").set_container_definitions(Some(Vec::new())).send().await;
    assert_eq!(refused(empty).1, "Container definitions should not be null or empty.");
}

#[tokio::test(start_paused = true)]
async fn what_containers_wait_for_and_mount_has_to_fit() {
    let bare = Bare::new();
    let on = |name: &str, condition: ContainerCondition| {
        ContainerDependency::builder().container_name(name).condition(condition).build().expect("complete")
    };
    let init = || ContainerDefinition::builder().name("init").image("init").essential(false);
    let web = || ContainerDefinition::builder().name("web").image("web");
    let mount = MountPoint::builder().source_volume("data").container_path("/data").build();
    let good = web()
        .depends_on(on("init", ContainerCondition::Success))
        .stop_timeout(120)
        .mount_points(mount.clone());
    let volume = Volume::builder().name("data").build();
    let register = async |init: ContainerDefinitionBuilder, web: ContainerDefinitionBuilder, family: &str| {
        let registration = bare.registration(family, "app");
        let containers = vec![init.build(), web.build()];
        registration.set_container_definitions(Some(containers)).volumes(volume.clone()).send().await
    };
    register(init(), good, "good").await.expect("it fits");
    let elsewhere = MountPoint::builder().source_volume("other").container_path("/data").build();
    let wrong = [
        (init(), web().depends_on(on("nobody", ContainerCondition::Start))),
        (init(), web().depends_on(on("init", ContainerCondition::Healthy))),
        (init().essential(true), web().depends_on(on("init", ContainerCondition::Success))),
        (
            init().depends_on(on("web", ContainerCondition::Start)),
            web().depends_on(on("init", ContainerCondition::Start)),
        ),
        (init(), web().stop_timeout(121)),
        (init(), web().stop_timeout(1)),
        (init(), web().memory(128).memory_reservation(128)),
        (init(), web().mount_points(elsewhere)),
    ];
    for (n, (init, web)) in wrong.into_iter().enumerate() {
        let answer = register(init, web, &format!("wrong-{n}")).await;
        assert_eq!(refused(answer).0, "ClientException", "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_registrations_in_a_family_at_a_time_are_too_many() {
    let bare = Bare::new();
    let (first, second) = (bare.registration("acme", "app").send(), bare.registration("acme", "app").send());
    let other = bare.registration("globex", "app").send();
    let (first, second, other) = tokio::join!(first, second, other);
    assert!(first.is_ok() && other.is_ok());
    let message = "Too many concurrent attempts to create a new revision of the specified family.";
    assert_eq!(refused(second), refusal("ClientException", message));
}

#[tokio::test(start_paused = true)]
async fn revisions_are_deregistered_then_deleted_and_never_counted_again() {
    let bare = Bare::new();
    let first = bare.register("acme", "app").await;
    bare.register("acme-2", "app").await;
    assert!(first.ends_with(":task-definition/acme:1"), "{first}");
    let list = async |status| {
        let list = bare.ecs.list_task_definitions().family_prefix("acme").status(status).send().await;
        list.expect("a list").task_definition_arns.unwrap_or_default()
    };
    assert_eq!(
        list(TaskDefinitionStatus::Active).await,
        [first.as_str()],
        "the whole name of a family is meant"
    );
    let delete = || bare.ecs.delete_task_definitions().task_definitions(&first).send();
    let early = delete().await.expect("an answer");
    let why = early.failures()[0].reason().unwrap_or_default();
    assert!(why.starts_with("The specified task definition is still in ACTIVE status."), "{why}");
    bare.ecs.deregister_task_definition().task_definition(&first).send().await.expect("it is deregistered");
    assert_eq!(list(TaskDefinitionStatus::Active).await.len(), 1, "the list lags");
    bare.pass(1.0).await;
    assert!(list(TaskDefinitionStatus::Active).await.is_empty());
    assert_eq!(list(TaskDefinitionStatus::Inactive).await, [first.as_str()]);
    let deleted = delete().await.expect("an answer").task_definitions.unwrap_or_default();
    assert_eq!(deleted[0].status(), Some(&TaskDefinitionStatus::DeleteInProgress));
    bare.pass(1.0).await;
    assert_eq!(list(TaskDefinitionStatus::DeleteInProgress).await.len(), 1);
    bare.pass(700.0).await;
    let gone = bare.ecs.describe_task_definition().task_definition(&first).send().await;
    assert_eq!(refused(gone), refusal("ClientException", "Unable to describe task definition."));
    let second = bare.register("acme", "app").await;
    assert!(second.ends_with("/acme:2"), "{second}");
    let eleven = (0..11).map(|number| format!("acme:{number}")).collect();
    let eleven = bare.ecs.delete_task_definitions().set_task_definitions(Some(eleven)).send().await;
    assert_eq!(refused(eleven).0, "InvalidParameterException");
}

#[tokio::test(start_paused = true)]
async fn tags_and_families_are_found() {
    let bare = Bare::new();
    let tag = Tag::builder().key("colour").value("red").build();
    bare.registration("acme", "app").tags(tag.clone()).send().await.expect("it is registered");
    bare.register("acme-2", "app").await;
    let describe = bare.ecs.describe_task_definition().task_definition("acme:1");
    let tags = describe.include(TaskDefinitionField::Tags).send().await.expect("a description").tags;
    assert_eq!(tags, Some(vec![tag]));
    let families = bare.ecs.list_task_definition_families().family_prefix("acme");
    let families = families.status(TaskDefinitionFamilyStatus::Active).send().await.expect("a list");
    assert_eq!(families.families(), ["acme", "acme-2"], "here the prefix is one");
}

#[tokio::test(start_paused = true)]
async fn revisions_come_in_pages() {
    let bare = Bare::new();
    for _ in 0..103 {
        bare.register("acme", "app").await;
    }
    let list = || bare.ecs.list_task_definitions().family_prefix("acme");
    let page = list().send().await.expect("a page");
    assert_eq!(page.task_definition_arns().len(), 100);
    let next = list().next_token(page.next_token().expect("another page")).send().await.expect("a page");
    assert_eq!(next.task_definition_arns().len(), 3);
}
