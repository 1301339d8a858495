//! Services: their life, pages, client tokens, late reads.

use aws_sdk_ecs::types::Tag;

use super::{Bare, refusal, refused, rollout};

#[tokio::test(start_paused = true)]
async fn reads_lag_behind_writes() {
    let bare = Bare::new();
    bare.create("acme", "app").await;
    assert!(bare.service("acme").await.is_none(), "it is MISSING right after it was created");
    bare.pass(1.0).await;
    assert_eq!(rollout(&bare.service("acme").await.expect("a service")), ["IN_PROGRESS"]);
    bare.pass(60.0).await;
    let arn = bare.service("acme").await.and_then(|service| service.service_arn).expect("an ARN");
    let tag = Tag::builder().key("colour").value("red").build();
    bare.ecs.tag_resource().resource_arn(arn).tags(tag).send().await.expect("it is tagged");
    assert!(bare.service("acme").await.expect("a service").tags().is_empty(), "not to be seen yet");
    bare.pass(1.0).await;
    assert_eq!(bare.service("acme").await.expect("a service").tags().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_service_drains_is_inactive_and_is_gone() {
    let bare = Bare::new();
    bare.run("acme").await;
    let status = async || {
        let service = bare.service("acme").await;
        service.and_then(|service| service.status).unwrap_or_else(|| "MISSING".to_owned())
    };
    let scaled = bare.ecs.delete_service().service("acme").send().await;
    let message = "The service cannot be stopped while it is scaled above 0.";
    assert_eq!(refused(scaled), refusal("InvalidParameterException", message));
    let answer = bare.ecs.delete_service().service("acme").force(true).send().await.expect("it is deleted");
    assert_eq!(answer.service().and_then(|service| service.status()), Some("DRAINING"));
    bare.pass(2.0).await;
    assert_eq!(status().await, "DRAINING");
    let listed = bare.ecs.list_services().send().await.expect("a list");
    assert!(listed.service_arns().is_empty(), "one that drains is described and not listed");
    let again = bare.creation("acme", "acme:1").send().await;
    let message = "Unable to Start a service that is still Draining.";
    assert_eq!(refused(again), refusal("InvalidParameterException", message));
    bare.pass(10.0).await;
    assert_eq!(status().await, "INACTIVE");
    let updated = bare.ecs.update_service().service("acme").desired_count(2).send().await;
    assert_eq!(refused(updated), refusal("ServiceNotActiveException", "Service was not ACTIVE."));
    let gone = bare.ecs.delete_service().service("acme").force(true).send().await;
    assert_eq!(refused(gone), refusal("ServiceNotFoundException", "Service not found."));
    bare.pass(3600.0).await;
    assert_eq!(status().await, "MISSING");
}

#[tokio::test(start_paused = true)]
async fn a_client_token_answers_as_it_did_before_even_when_the_service_is_dead() {
    let bare = Bare::new();
    let definition = bare.register("acme", "app").await;
    let create = || bare.creation("acme", &definition).client_token("token-1");
    let first = create().send().await.expect("it is created").service.expect("a service");
    let second = create().send().await.expect("the same answer").service.expect("a service");
    assert_eq!(first, second);
    let other = create().desired_count(2).send().await;
    let message = "Creation of service was not idempotent.";
    assert_eq!(refused(other), refusal("InvalidParameterException", message));
    let without_token = bare.creation("acme", &definition).desired_count(2).send().await;
    assert_eq!(refused(without_token), refusal("InvalidParameterException", message));
    bare.ecs.delete_service().service("acme").force(true).send().await.expect("it is deleted");
    bare.pass(60.0).await;
    let dead = create().send().await.expect("the dead answer").service.expect("a service");
    assert_eq!(dead.status(), Some("ACTIVE"));
    bare.pass(5.0).await;
    let seen = bare.service("acme").await.expect("a service");
    assert_eq!(seen.status(), Some("INACTIVE"), "the answer told of a service that is gone");
    bare.creation("acme", &definition).client_token("token-2").send().await.expect("a new one");
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_and_descriptions_in_tens() {
    let bare = Bare::new();
    let definition = bare.register("acme", "app").await;
    for number in 0..23 {
        bare.creation(&format!("acme-{number}"), &definition).send().await.expect("it is created");
    }
    bare.pass(2.0).await;
    let page = bare.ecs.list_services().send().await.expect("a page");
    assert_eq!(page.service_arns().len(), 10);
    let next = page.next_token().expect("another page");
    let second = bare.ecs.list_services().next_token(next).max_results(100).send().await.expect("a page");
    assert_eq!((second.service_arns().len(), second.next_token()), (13, None));
    let arns = [page.service_arns(), second.service_arns()].concat();
    let eleven = bare.ecs.describe_services().set_services(Some(arns[..11].to_vec())).send().await;
    assert_eq!(refused(eleven).1, "Services cannot have more than 10 elements.");
    let ten = bare.ecs.describe_services().set_services(Some(arns[..10].to_vec())).send().await;
    assert_eq!(ten.expect("a description").services().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused() {
    let bare = Bare::new();
    let definition = bare.register("acme", "app").await;
    let elsewhere = bare.creation("acme", &definition).cluster("other").send().await;
    assert_eq!(refused(elsewhere), refusal("ClusterNotFoundException", "Cluster not found."));
    let no_network = bare.creation("acme", &definition).set_network_configuration(None).send().await;
    let message = "Network Configuration must be provided when networkMode 'awsvpc' is specified.";
    assert_eq!(refused(no_network), refusal("InvalidParameterException", message));
    let no_definition = bare.creation("acme", "acme:2").send().await;
    assert_eq!(refused(no_definition), refusal("ClientException", "TaskDefinition not found."));
    bare.ecs
        .deregister_task_definition()
        .task_definition(&definition)
        .send()
        .await
        .expect("it is deregistered");
    let inactive = bare.creation("acme", &definition).send().await;
    assert_eq!(refused(inactive), refusal("ClientException", "TaskDefinition is inactive"));
    let unknown = bare.ecs.update_service().service("nobody").desired_count(1).send().await;
    assert_eq!(refused(unknown), refusal("ServiceNotFoundException", "Service not found."));
}

#[tokio::test(start_paused = true)]
async fn tags_have_limits() {
    let bare = Bare::new();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let definition = bare.register("acme", "app").await;
    let many = (0..51).map(|number| tag(&format!("key-{number}"), "")).collect();
    let many = bare.creation("acme", &definition).set_tags(Some(many)).send().await;
    assert_eq!(refused(many).1, "The maximum number of tags on a resource is 50.");
    let aws = bare.creation("acme", &definition).tags(tag("aws:mine", "")).send().await;
    assert_eq!(refused(aws).0, "InvalidParameterException");
    let long = bare.creation("acme", &definition).tags(tag("key", &"x".repeat(257))).send().await;
    assert_eq!(refused(long).0, "InvalidParameterException");
    let nothing =
        bare.ecs.tag_resource().tags(tag("a", "b")).resource_arn(definition.replace("acme:1", "acme:9"));
    assert_eq!(refused(nothing.send().await).0, "ResourceNotFoundException");
}
