//! What each call of the planner asks, and what an answer becomes.

use std::collections::{BTreeMap, BTreeSet};

use landlord_state_machines::id;
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::ecs::{
    AppProtocol, CapacityProvider, CircuitBreaker, Container, ContainerCheck, ContainerPort, Count,
    CpuArchitecture, Create, Definition, DefinitionStatus, EcsCall, EcsReply, Efs, EfsPart, Ending, Launch,
    LaunchType, LoadBalancer, Log, Mount, Network, NetworkMode, Register, Rollout, Service, Setting,
    Settings, TaskHealth, TaskLife, Until, Update, Volume,
};
use serde_json::{Value, json};

use crate::testing::{Answer, Server, marks, ok, refuse, service, subject};

const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/landlord-acme:3";

fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    items.into_iter().collect()
}

fn pairs(items: &[(&str, &str)]) -> BTreeMap<String, String> {
    items.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn settings() -> Settings {
    Settings {
        desired_count: Count::Of(2),
        launch: Launch::Type(LaunchType::Fargate),
        network: Some(Network {
            subnets: set(["subnet-1".to_owned()]),
            security_groups: BTreeSet::new(),
            assign_public_ip: true,
        }),
        load_balancers: BTreeSet::new(),
        registries: BTreeSet::new(),
        circuit_breaker: CircuitBreaker { enable: true, rollback: true },
        minimum_healthy_percent: 100,
        maximum_percent: 200,
        grace_period_seconds: None,
    }
}

fn definition() -> Definition {
    Definition {
        requires: LaunchType::Fargate,
        network_mode: NetworkMode::Awsvpc,
        cpu: 256,
        memory: 512,
        ephemeral_storage_gib: Some(30),
        task_role_arn: Some("arn:task".to_owned()),
        execution_role_arn: None,
        cpu_architecture: Some(CpuArchitecture::Arm),
        volumes: vec![
            Volume { name: "scratch".to_owned(), kept: None },
            volume("data", EfsPart::Directory("/acme".to_owned())),
            volume("media", EfsPart::AccessPoint("fsap-1".to_owned())),
        ],
        containers: vec![Container {
            name: "web".to_owned(),
            image: "nginx:1".to_owned(),
            entry_point: vec!["/run".to_owned()],
            command: Vec::new(),
            environment: pairs(&[("MODE", "live")]),
            secrets: pairs(&[("KEY", "arn:secret")]),
            ports: vec![ContainerPort {
                container_port: 80,
                host_port: None,
                udp: false,
                name: Some("http".to_owned()),
                app_protocol: Some(AppProtocol::Http2),
            }],
            health_check: Some(ContainerCheck {
                command: vec!["CMD-SHELL".to_owned(), "true".to_owned()],
                interval_seconds: 30,
                timeout_seconds: 5,
                retries: 3,
                start_period_seconds: Some(60),
            }),
            cpu: None,
            memory: Some(128),
            log: Some(Log { group: "landlord".to_owned(), region: None, stream_prefix: "acme".to_owned() }),
            labels: pairs(&[("tier", "gold")]),
            ending: Ending::IsItsOwn,
            depends_on: BTreeMap::from([
                ("init".to_owned(), Until::Success),
                ("proxy".to_owned(), Until::Start),
                ("queue".to_owned(), Until::Healthy),
            ]),
            memory_reservation: Some(64),
            stop_timeout_seconds: Some(90),
            user: Some("1000:1000".to_owned()),
            working_directory: Some("/srv".to_owned()),
            read_only_root: true,
            repository_credentials: Some("arn:registry".to_owned()),
            mounts: vec![Mount { volume: "data".to_owned(), path: "/data".to_owned(), read_only: true }],
        }],
    }
}

fn volume(name: &str, part: EfsPart) -> Volume {
    let file_system_id = "fs-1".to_owned();
    Volume { name: name.to_owned(), kept: Some(Efs { file_system_id, part }) }
}

/// What the server is asked for a call; what comes back does not matter.
async fn asked(call: impl Fn(&Server) -> EcsCall) -> Value {
    let server = Server::start(|_| refuse(400, "ThrottlingException", "")).await;
    server.call(&call(&server)).await.unwrap_err();
    server.seen().remove(0).body
}

fn create(server: &Server, settings: Settings) -> EcsCall {
    EcsCall::CreateService(Box::new(Create {
        site: server.site(),
        token: "token1".to_owned(),
        definition: ARN.to_owned(),
        settings,
        tags: pairs(&[("landlord.owner", "landlord")]),
        rollout: id::Rollout(7),
    }))
}

fn update(server: &Server, settings: Settings, told: impl Into<BTreeSet<Setting>>, force: bool) -> EcsCall {
    EcsCall::UpdateService(Box::new(Update {
        site: server.site(),
        definition: ARN.to_owned(),
        settings,
        told: told.into(),
        force,
        rollout: id::Rollout(7),
        from: id::Rollout(0),
        known: BTreeSet::from(["ecs-svc/1".to_owned()]),
    }))
}

#[tokio::test]
async fn a_definition_is_registered_with_all_that_it_says() {
    let body = asked(|server| {
        EcsCall::RegisterDefinition(Box::new(Register {
            site: server.site(),
            definition: definition(),
            content: "hash".to_owned(),
            tags: pairs(&[("landlord.content", "hash")]),
        }))
    })
    .await;
    let expected = json!({
        "family": "landlord-acme",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "ephemeralStorage": { "sizeInGiB": 30 },
        "taskRoleArn": "arn:task",
        "tags": [{ "key": "landlord.content", "value": "hash" }],
        "runtimePlatform": { "cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX" },
        "volumes": [
            { "name": "scratch" },
            { "name": "data", "efsVolumeConfiguration": {
                "fileSystemId": "fs-1", "rootDirectory": "/acme", "transitEncryption": "ENABLED",
            } },
            { "name": "media", "efsVolumeConfiguration": {
                "fileSystemId": "fs-1", "transitEncryption": "ENABLED",
                "authorizationConfig": { "accessPointId": "fsap-1" },
            } },
        ],
        "containerDefinitions": [{
            "name": "web",
            "image": "nginx:1",
            "essential": false,
            "dependsOn": [
                { "containerName": "init", "condition": "SUCCESS" },
                { "containerName": "proxy", "condition": "START" },
                { "containerName": "queue", "condition": "HEALTHY" },
            ],
            "memoryReservation": 64,
            "stopTimeout": 90,
            "user": "1000:1000",
            "workingDirectory": "/srv",
            "readonlyRootFilesystem": true,
            "repositoryCredentials": { "credentialsParameter": "arn:registry" },
            "mountPoints": [{ "sourceVolume": "data", "containerPath": "/data", "readOnly": true }],
            "cpu": 0,
            "entryPoint": ["/run"],
            "environment": [{ "name": "MODE", "value": "live" }],
            "secrets": [{ "name": "KEY", "valueFrom": "arn:secret" }],
            "portMappings": [{ "containerPort": 80, "protocol": "tcp", "name": "http", "appProtocol": "http2" }],
            "healthCheck": { "command": ["CMD-SHELL", "true"], "interval": 30, "timeout": 5, "retries": 3,
                "startPeriod": 60 },
            "memory": 128,
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "landlord",
                    "awslogs-region": "eu-west-1",
                    "awslogs-stream-prefix": "acme",
                    "awslogs-create-group": "true",
                },
            },
            "dockerLabels": { "tier": "gold" },
        }],
    });
    assert_eq!(body, expected);
}

/// Of revisions of older builds nothing may differ.
#[tokio::test]
async fn what_a_definition_does_not_say_is_not_sent() {
    let body = asked(|server| {
        let mut definition = Definition { cpu_architecture: None, volumes: Vec::new(), ..definition() };
        let web = definition.containers.remove(0);
        definition.containers.push(Container {
            ports: Vec::new(),
            ending: Ending::EndsTheTask,
            depends_on: BTreeMap::new(),
            memory_reservation: None,
            stop_timeout_seconds: None,
            user: None,
            working_directory: None,
            read_only_root: false,
            repository_credentials: None,
            mounts: Vec::new(),
            ..web
        });
        EcsCall::RegisterDefinition(Box::new(Register {
            site: server.site(),
            definition,
            content: "hash".to_owned(),
            tags: BTreeMap::new(),
        }))
    })
    .await;
    let fields = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    insta::assert_snapshot!(
        fields(&body),
        @"containerDefinitions cpu ephemeralStorage family memory networkMode requiresCompatibilities taskRoleArn"
    );
    insta::assert_snapshot!(
        fields(&body["containerDefinitions"][0]),
        @"cpu dockerLabels entryPoint environment essential healthCheck image logConfiguration memory name portMappings secrets"
    );
}

#[tokio::test]
async fn a_service_is_created_with_its_token_its_tags_and_all_settings() {
    let body = asked(|server| create(server, settings())).await;
    let expected = json!({
        "cluster": "main",
        "serviceName": "landlord-acme",
        "clientToken": "token1",
        "taskDefinition": ARN,
        "desiredCount": 2,
        "launchType": "FARGATE",
        "networkConfiguration": { "awsvpcConfiguration": {
            "subnets": ["subnet-1"], "securityGroups": [], "assignPublicIp": "ENABLED",
        } },
        "loadBalancers": [],
        "serviceRegistries": [],
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": { "enable": true, "rollback": true },
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
        },
        "tags": [{ "key": "landlord.owner", "value": "landlord" }],
        "propagateTags": "SERVICE",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn capacity_providers_stand_for_a_launch_type() {
    let provider = CapacityProvider { name: "FARGATE_SPOT".to_owned(), weight: 1, base: 0 };
    let settings = Settings { launch: Launch::Providers(set([provider])), ..settings() };
    let body = asked(|server| create(server, settings.clone())).await;
    assert_eq!(body["launchType"], Value::Null);
    let expected = json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0 }]);
    assert_eq!(body["capacityProviderStrategy"], expected);
    let body = asked(|server| update(server, settings.clone(), [Setting::Launch], false)).await;
    assert_eq!(body["capacityProviderStrategy"], expected);
}

#[tokio::test]
async fn an_update_tells_what_differs_and_nothing_else() {
    let balancer = LoadBalancer {
        target_group_arn: "arn:tg".to_owned(),
        container_name: "web".to_owned(),
        container_port: 80,
    };
    let balanced = Settings { load_balancers: set([balancer]), ..settings() };
    let all = [
        (Setting::Definition, "taskDefinition", json!(ARN)),
        (Setting::Count, "desiredCount", json!(2)),
        (Setting::Launch, "capacityProviderStrategy", json!([])),
        (
            Setting::Network,
            "networkConfiguration",
            json!({ "awsvpcConfiguration": {
                "subnets": ["subnet-1"], "securityGroups": [], "assignPublicIp": "ENABLED",
            } }),
        ),
        (
            Setting::LoadBalancers,
            "loadBalancers",
            json!([{ "targetGroupArn": "arn:tg", "containerName": "web", "containerPort": 80 }]),
        ),
        (Setting::Registries, "serviceRegistries", json!([])),
        (
            Setting::Deployment,
            "deploymentConfiguration",
            json!({
                "deploymentCircuitBreaker": { "enable": true, "rollback": true },
                "minimumHealthyPercent": 100,
                "maximumPercent": 200,
            }),
        ),
        (Setting::GracePeriod, "healthCheckGracePeriodSeconds", json!(0)),
    ];
    let base =
        |force: bool| json!({ "cluster": "main", "service": "landlord-acme", "forceNewDeployment": force });
    assert_eq!(asked(|server| update(server, settings(), [], true)).await, base(true));
    for (setting, field, value) in all {
        let mut expected = base(false);
        expected[field] = value;
        assert_eq!(asked(|server| update(server, balanced.clone(), [setting], false)).await, expected);
    }
    // ECS takes a grace period only of a service with target groups.
    assert_eq!(asked(|server| update(server, settings(), [Setting::GracePeriod], false)).await, base(false));
}

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

#[tokio::test]
async fn tags_are_set_and_removed() {
    let server = Server::start(|_| Answer::With(200, Vec::new(), "{}".to_owned())).await;
    let (place, arn) = (server.place(), "arn:s".to_owned());
    let tags = pairs(&[("a", "1")]);
    let set_them = EcsCall::TagService { place: place.clone(), arn: arn.clone(), tags };
    assert_eq!(server.call(&set_them).await.unwrap(), EcsReply::Tagged);
    let remove = EcsCall::UntagService { place, arn, keys: set(["b".to_owned()]) };
    assert_eq!(server.call(&remove).await.unwrap(), EcsReply::Tagged);
    let bodies: Vec<Value> = server.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies[0], json!({ "resourceArn": "arn:s", "tags": [{ "key": "a", "value": "1" }] }));
    assert_eq!(bodies[1], json!({ "resourceArn": "arn:s", "tagKeys": ["b"] }));
}
