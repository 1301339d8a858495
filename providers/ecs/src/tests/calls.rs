//! What each call of the planner asks.

use std::collections::{BTreeMap, BTreeSet};

use landlord_state_machines::id;
use landlord_state_machines::planner::ecs::{
    AppProtocol, CapacityProvider, CircuitBreaker, Container, ContainerCheck, ContainerPort, Count,
    CpuArchitecture, Create, Definition, EcsCall, EcsReply, Efs, EfsPart, Ending, Launch, LaunchType,
    LoadBalancer, Log, Mount, Network, NetworkMode, Register, Setting, Settings, Until, Update, Volume,
};
use serde_json::{Value, json};

use crate::testing::{Answer, Server, refuse};

pub(super) const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/landlord-acme:3";

pub(super) fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    items.into_iter().collect()
}

pub(super) fn pairs(items: &[(&str, &str)]) -> BTreeMap<String, String> {
    items.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn settings() -> Settings {
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

pub(super) fn create(server: &Server, settings: Settings) -> EcsCall {
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
