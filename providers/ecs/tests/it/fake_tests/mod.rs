//! What the fake models, through the bare SDK.

mod definitions;
mod mishaps;
mod over_http;
mod quotas;
mod rollouts;
mod services;
mod who;

use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::operation::create_service::builders::CreateServiceFluentBuilder;
use aws_sdk_ecs::operation::register_task_definition::builders::RegisterTaskDefinitionFluentBuilder;
use aws_sdk_ecs::types::{
    AwsVpcConfiguration, Compatibility, ContainerDefinition, DeploymentCircuitBreaker,
    DeploymentConfiguration, HealthCheck, LaunchType, NetworkConfiguration, NetworkMode, Service,
    ServiceField, Task,
};

use super::fake::{Fake, Pace, REGION};

/// A client that tries once.
pub(crate) fn client(fake: &Fake, key: &str) -> Client {
    let config = aws_sdk_ecs::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::for_tests_with(key))
        .retry_config(RetryConfig::disabled())
        .http_client(fake.client())
        .build();
    Client::from_conf(config)
}

/// Keys by their id.
trait Keys {
    fn for_tests_with(id: &str) -> Self;
}

impl Keys for Credentials {
    fn for_tests_with(id: &str) -> Self {
        Self::new(id, "secret", None, None, "tests")
    }
}

/// The platform and a client in its default cluster.
struct Bare {
    fake: Fake,
    ecs: Client,
}

/// What a call was refused with.
#[track_caller]
fn refused<T: std::fmt::Debug, E>(answer: Result<T, SdkError<E>>) -> (String, String)
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    let error = answer.expect_err("a refusal");
    let meta = error.as_service_error().expect("an answer").meta().clone();
    (meta.code().unwrap_or_default().to_owned(), meta.message().unwrap_or_default().to_owned())
}

#[track_caller]
fn refusal(code: &str, message: &str) -> (String, String) {
    (code.to_owned(), message.to_owned())
}

/// A container of this program.
fn container(program: &str) -> ContainerDefinition {
    let check =
        HealthCheck::builder().command("CMD-SHELL").command("true").interval(10).build().expect("a command");
    ContainerDefinition::builder()
        .name("web")
        .image(format!("registry.test/{program}:1"))
        .health_check(check)
        .build()
}

fn circuit_breaker() -> DeploymentConfiguration {
    let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
    DeploymentConfiguration::builder().deployment_circuit_breaker(breaker).build()
}

impl Bare {
    fn new() -> Self {
        Self::with(Pace::real())
    }

    fn with(pace: Pace) -> Self {
        let fake = Fake::new(pace).without_quotas();
        let ecs = client(&fake, "test");
        Self { fake, ecs }
    }

    fn registration(&self, family: &str, program: &str) -> RegisterTaskDefinitionFluentBuilder {
        self.ecs
            .register_task_definition()
            .family(family)
            .container_definitions(container(program))
            .requires_compatibilities(Compatibility::Fargate)
            .network_mode(NetworkMode::Awsvpc)
            .cpu("256")
            .memory("512")
    }

    /// The ARN of a new revision.
    async fn register(&self, family: &str, program: &str) -> String {
        let answer = self.registration(family, program).send().await.expect("it is registered");
        // Another one in this family is not refused.
        self.pass(1.0).await;
        answer
            .task_definition()
            .and_then(|revision| revision.task_definition_arn())
            .expect("an ARN")
            .to_owned()
    }

    fn creation(&self, name: &str, definition: &str) -> CreateServiceFluentBuilder {
        let vpc = AwsVpcConfiguration::builder().subnets("subnet-1").build().expect("subnets");
        self.ecs
            .create_service()
            .service_name(name)
            .task_definition(definition)
            .desired_count(1)
            .launch_type(LaunchType::Fargate)
            .deployment_configuration(circuit_breaker())
            .network_configuration(NetworkConfiguration::builder().awsvpc_configuration(vpc).build())
    }

    /// A service that runs this program.
    async fn create(&self, name: &str, program: &str) {
        let definition = self.register(name, program).await;
        self.creation(name, &definition).send().await.expect("it is created");
    }

    /// A service that is steady.
    async fn run(&self, name: &str) {
        self.create(name, "app").await;
        self.pass(60.0).await;
        assert_eq!(rollout(&self.service(name).await.expect("a service")), ["COMPLETED"]);
    }

    async fn service(&self, name: &str) -> Option<Service> {
        let answer = self.ecs.describe_services().services(name).include(ServiceField::Tags).send().await;
        let answer = answer.expect("a description");
        let missing: Vec<_> = answer.failures().iter().filter_map(|failure| failure.reason()).collect();
        assert_eq!(missing.is_empty(), answer.services.is_some_and(|services| !services.is_empty()));
        answer.failures.is_none_or(|failures| failures.is_empty()).then_some(())?;
        let answer = self.ecs.describe_services().services(name).include(ServiceField::Tags).send().await;
        answer.expect("a description").services.unwrap_or_default().pop()
    }

    async fn tasks(&self, name: &str, stopped: bool) -> Vec<Task> {
        let status = if stopped { "STOPPED" } else { "RUNNING" };
        let list = self.ecs.list_tasks().service_name(name).desired_status(status.into()).send().await;
        let arns = list.expect("a list").task_arns.unwrap_or_default();
        if arns.is_empty() {
            return Vec::new();
        }
        let tasks = self.ecs.describe_tasks().set_tasks(Some(arns)).send().await;
        tasks.expect("a description").tasks.unwrap_or_default()
    }

    /// Lets time pass.
    async fn pass(&self, seconds: f64) {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    }
}

/// How far the deployments of a service are.
fn rollout(service: &Service) -> Vec<&str> {
    service.deployments().iter().filter_map(|one| one.rollout_state()).map(|state| state.as_str()).collect()
}
