//! What an answer becomes.

use std::collections::{BTreeMap, BTreeSet};

use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::ecs::{
    DefinitionStatus, EcsCall, EcsReply, Launch, LaunchType, Rollout, Service, TaskHealth, TaskLife,
};
use serde_json::{Value, json};

use super::calls::{ARN, create, pairs, set, settings};
use crate::testing::{Server, marks, ok, refuse, service, subject};

/// What the answer to a look at the service becomes.
async fn described(answer: Value) -> Option<Service> {
    let server = Server::start(move |_| ok(answer.clone())).await;
    let call = EcsCall::DescribeService { site: server.site(), subject: subject() };
    let EcsReply::Service(service) = server.call(&call).await.unwrap() else { panic!("no service") };
    service.map(|service| *service)
}

#[tokio::test]
async fn a_service_is_read_with_its_primary_deployment_first() {
    let mut there = service("landlord-acme", &subject());
    for (field, value) in [
        ("desiredCount", json!(2)),
        ("runningCount", json!(1)),
        ("launchType", json!("EC2")),
        ("loadBalancers", json!([])),
        ("healthCheckGracePeriodSeconds", json!(0)),
        ("currentServiceDeployment", json!("arn:deployment")),
        (
            "deployments",
            json!([
                { "id": "ecs-svc/1", "status": "ACTIVE", "taskDefinition": "arn:1", "rolloutState": "FAILED",
                  "rolloutStateReason": "circuit breaker", "failedTasks": 3 },
                { "id": "ecs-svc/2", "status": "PRIMARY", "taskDefinition": "arn:2", "rolloutState": "A_NEW_ONE",
                  "createdAt": 1_700_000_000.5 },
            ]),
        ),
        (
            "events",
            json!([
                { "id": "2", "createdAt": 1_700_000_001.0, "message": "later" },
                { "id": "1", "createdAt": 1_700_000_000.0, "message": "earlier" },
            ]),
        ),
    ] {
        there[field] = value;
    }
    let service = described(json!({ "services": [there] })).await.unwrap();
    assert!(!service.draining);
    assert_eq!(service.tags["landlord.tenant_id"], "acme");
    assert_eq!((service.running, service.shown.desired_count), (1, 2));
    assert_eq!(service.shown.launch, Some(Launch::Type(LaunchType::Ec2)));
    assert_eq!(service.shown.load_balancers, Some(BTreeSet::new()));
    // What is not told is not taken for empty.
    assert_eq!(service.shown.registries, None);
    assert_eq!(service.shown.circuit_breaker, None);
    assert_eq!(service.shown.network, None);
    let [primary, other] = &service.deployments[..] else { panic!("{:?}", service.deployments) };
    assert!(primary.primary && !other.primary);
    assert_eq!(primary.rollout, Rollout::InProgress);
    assert_eq!(primary.created.unwrap().as_millisecond(), 1_700_000_000_500);
    assert_eq!((&other.rollout, other.failed_tasks), (&Rollout::Failed("circuit breaker".to_owned()), 3));
    assert_eq!(service.current_deployment.as_deref(), Some("arn:deployment"));
    assert_eq!(service.event.as_deref(), Some("later"));
}

#[tokio::test]
async fn an_inactive_service_is_none_and_a_draining_one_is_there() {
    let with = |status: &str| {
        let mut there = service("landlord-acme", &subject());
        there["status"] = status.into();
        json!({ "services": [there] })
    };
    assert_eq!(described(with("INACTIVE")).await, None);
    assert!(described(with("DRAINING")).await.unwrap().draining);
    let missing = json!({ "services": [], "failures": [{ "arn": "x", "reason": "MISSING" }] });
    assert_eq!(described(missing).await, None);
}

#[tokio::test]
async fn a_part_of_an_answer_that_failed_is_an_error() {
    let server =
        Server::start(|_| ok(json!({ "failures": [{ "arn": "x", "reason": "ACCESS_DENIED" }] }))).await;
    let call = EcsCall::DescribeService { site: server.site(), subject: subject() };
    assert!(matches!(server.call(&call).await, Err(CallError::Refused(_))));
}

#[tokio::test]
async fn definitions_are_listed_to_the_last_page_and_of_this_family_alone() {
    let arn = |name: &str| format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/{name}");
    let pages = [
        json!({ "taskDefinitionArns": [arn("landlord-acme:3"), arn("landlord-acme2:1")], "nextToken": "2" }),
        json!({ "taskDefinitionArns": [arn("landlord-acme:1")] }),
    ];
    let server =
        Server::start(move |seen| ok(pages[usize::from(seen.body["nextToken"] == "2")].clone())).await;
    let call = EcsCall::ListDefinitions(server.site(), DefinitionStatus::Inactive);
    let found = set([arn("landlord-acme:3"), arn("landlord-acme:1")]);
    assert_eq!(server.call(&call).await.unwrap(), EcsReply::Definitions(DefinitionStatus::Inactive, found));
    assert_eq!(server.seen()[1].body["status"], "INACTIVE");
}

#[tokio::test]
async fn a_definition_that_is_missing_or_being_deleted_is_none() {
    for (status, there) in [
        ("ACTIVE", Some(DefinitionStatus::Active)),
        ("INACTIVE", Some(DefinitionStatus::Inactive)),
        ("DELETE_IN_PROGRESS", None),
    ] {
        let answer = json!({ "taskDefinition": { "taskDefinitionArn": ARN, "status": status }, "tags": marks(&subject()) });
        let server = Server::start(move |_| ok(answer.clone())).await;
        let call = EcsCall::DescribeDefinition {
            place: server.place(),
            definition: ARN.to_owned(),
            subject: subject(),
        };
        let EcsReply::Definition(found) = server.call(&call).await.unwrap() else { panic!() };
        assert_eq!(found.as_ref().map(|found| found.status), there, "{status}");
        assert!(found.is_none_or(|found| found.tags["landlord.tenant_id"] == "acme"));
    }
    let server =
        Server::start(|_| refuse(400, "ClientException", "Unable to describe task definition.")).await;
    let call =
        EcsCall::DescribeDefinition { place: server.place(), definition: ARN.to_owned(), subject: subject() };
    assert_eq!(server.call(&call).await.unwrap(), EcsReply::Definition(None));
}

#[tokio::test]
async fn tasks_are_found_running_and_stopped() {
    let server = Server::start(|seen| match (&*seen.operation, seen.body["desiredStatus"].as_str()) {
        ("ListTasks", Some("RUNNING")) if seen.body["nextToken"] == Value::Null => {
            ok(json!({ "taskArns": ["t1"], "nextToken": "2" }))
        }
        ("ListTasks", Some("RUNNING")) => ok(json!({ "taskArns": ["t2"] })),
        ("ListTasks", _) => ok(json!({ "taskArns": ["t3"] })),
        _ => ok(json!({ "tasks": [
            { "taskArn": "t1", "taskDefinitionArn": ARN, "lastStatus": "RUNNING", "desiredStatus": "RUNNING",
              "healthStatus": "HEALTHY",
              "attachments": [{ "type": "ElasticNetworkInterface",
                                "details": [{ "name": "privateIPv4Address", "value": "10.0.0.7" }] }],
              "containers": [{ "name": "web", "lastStatus": "RUNNING", "networkBindings": [
                  { "containerPort": 80, "hostPort": 32768, "protocol": "tcp" },
                  { "containerPort": 80, "hostPort": 40000, "protocol": "udp" }] }] },
            { "taskArn": "t2", "lastStatus": "RUNNING", "desiredStatus": "STOPPED" },
            { "taskArn": "t3", "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "EssentialContainerExited",
              "stoppedReason": "Essential container in task exited",
              "containers": [{ "name": "web", "lastStatus": "STOPPED", "exitCode": 7 }] },
        ] })),
    })
    .await;
    let (site, serves, checked) = (server.site(), Vec::new(), BTreeSet::new());
    let call = EcsCall::FindTasks { site, serves, checked, giving_up: None };
    let EcsReply::Tasks(tasks) = server.call(&call).await.unwrap() else { panic!() };
    let [running, stopping, stopped] = &tasks[..] else { panic!("{tasks:?}") };
    assert_eq!((&running.life, running.health), (&TaskLife::Running, TaskHealth::Healthy));
    assert_eq!(running.address.as_deref(), Some("10.0.0.7"));
    assert_eq!(running.containers[0].host_ports, BTreeMap::from([(80, 32768)]));
    assert_eq!(stopping.life, TaskLife::Stopping);
    let code = Some("EssentialContainerExited".to_owned());
    let reason = "Essential container in task exited".to_owned();
    assert_eq!(stopped.life, TaskLife::Stopped { code, reason });
    assert_eq!(stopped.containers[0].exit_code, Some(7));
    let described = server.seen().into_iter().find(|seen| seen.operation == "DescribeTasks").unwrap();
    assert_eq!(described.body["tasks"], json!(["t1", "t2", "t3"]));
}

#[tokio::test]
async fn what_is_gone_already_is_a_success() {
    let refuses = |code: &'static str| Server::start(move |_| refuse(400, code, ""));
    let server = refuses("ServiceNotFoundException").await;
    assert_eq!(server.call(&EcsCall::DeleteService(server.site())).await.unwrap(), EcsReply::Service(None));
    let server = refuses("ServiceDeploymentNotFoundException").await;
    let stop = EcsCall::StopDeployment { place: server.place(), deployment: "arn:d".to_owned() };
    assert_eq!(server.call(&stop).await.unwrap(), EcsReply::Stopped);
    let server = refuses("ClientException").await;
    let deregister = EcsCall::DeregisterDefinition { place: server.place(), arn: ARN.to_owned() };
    assert_eq!(server.call(&deregister).await.unwrap(), EcsReply::Deregistered(ARN.to_owned()));
}

#[tokio::test]
async fn a_service_that_is_not_active_is_looked_at_before_it_counts_as_gone() {
    let server = Server::start(|seen| match &*seen.operation {
        "DeleteService" => refuse(400, "ServiceNotActiveException", "Service was not ACTIVE."),
        _ => {
            let mut there = service("landlord-acme", &subject());
            there["status"] = "DRAINING".into();
            ok(json!({ "services": [there] }))
        }
    })
    .await;
    let EcsReply::Service(Some(service)) = server.call(&EcsCall::DeleteService(server.site())).await.unwrap()
    else {
        panic!("it drains")
    };
    assert!(service.draining);
}

#[tokio::test]
async fn a_definition_that_stays_active_was_not_deregistered() {
    let server = Server::start(|seen| match &*seen.operation {
        "DeregisterTaskDefinition" => refuse(400, "ClientException", "no"),
        _ => ok(json!({ "taskDefinition": { "taskDefinitionArn": ARN, "status": "ACTIVE" } })),
    })
    .await;
    let call = EcsCall::DeregisterDefinition { place: server.place(), arn: ARN.to_owned() };
    assert!(matches!(server.call(&call).await, Err(CallError::Refused(_))));
}

#[tokio::test]
async fn definitions_that_could_not_be_deleted_are_not_told_as_deleted() {
    let server = Server::start(|_| {
        ok(json!({ "failures": [
            { "arn": "arn:gone:1", "reason": "TASK_DEFINITION_NOT_FOUND" },
            { "arn": "arn:active:1", "reason": "The specified task definition is still in ACTIVE status." },
        ] }))
    })
    .await;
    let delete = |arns: &[&str]| EcsCall::DeleteDefinitions {
        place: server.place(),
        arns: arns.iter().map(|arn| (*arn).to_owned()).collect(),
    };
    let reply = server.call(&delete(&["arn:gone:1", "arn:active:1", "arn:done:1"])).await.unwrap();
    assert_eq!(reply, EcsReply::Deleted(set(["arn:done:1".to_owned(), "arn:gone:1".to_owned()])));
    assert!(matches!(server.call(&delete(&["arn:active:1"])).await, Err(CallError::Refused(_))));
}

#[tokio::test]
async fn a_creation_answers_with_the_tags_it_was_given() {
    let server =
        Server::start(|_| ok(json!({ "service": { "serviceArn": "arn:s", "status": "ACTIVE" } }))).await;
    let EcsReply::Service(Some(service)) = server.call(&create(&server, settings())).await.unwrap() else {
        panic!()
    };
    assert_eq!(service.tags, pairs(&[("landlord.owner", "landlord")]));
    // An answer without a service is no answer: it may have happened.
    let server = Server::start(|_| ok(json!({}))).await;
    assert!(matches!(server.call(&create(&server, settings())).await, Err(CallError::Unknown(_))));
}
