//! What one would write without a budget: the SDK tries each call three times, and the tenant fails when that is not
//! enough.

use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::types::{
    AwsVpcConfiguration, Compatibility, ContainerDefinition, DeploymentRolloutState, LaunchType,
    NetworkConfiguration, NetworkMode, Service,
};
use tokio::time::sleep;

use crate::fake::{Fake, Pace, REGION};
use crate::fleet::{Phase, phase};

/// From one look at a service to the next.
const PAUSE: Duration = Duration::from_secs(10);

fn client(fake: &Fake) -> Client {
    let config = aws_sdk_ecs::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("test", "secret", None, None, "tests"))
        .retry_config(RetryConfig::standard())
        .http_client(fake.client());
    Client::from_conf(config.build())
}

fn why(error: impl ProvideErrorMetadata) -> String {
    format!("{}: {}", error.code().unwrap_or("no answer"), error.message().unwrap_or_default())
}

async fn register(ecs: &Client, name: &str, program: &str) -> Result<String, String> {
    let container = ContainerDefinition::builder().name("web").image(format!("registry.test/{program}:1"));
    let call = ecs
        .register_task_definition()
        .family(name)
        .container_definitions(container.build())
        .requires_compatibilities(Compatibility::Fargate)
        .network_mode(NetworkMode::Awsvpc)
        .cpu("256")
        .memory("512");
    let answer = call.send().await.map_err(why)?;
    let arn = answer.task_definition.and_then(|definition| definition.task_definition_arn);
    arn.ok_or_else(|| "no ARN".to_owned())
}

async fn describe(ecs: &Client, name: &str) -> Result<Option<Service>, String> {
    let answer = ecs.describe_services().services(name).send().await.map_err(why)?;
    Ok(answer.services.and_then(|mut services| services.pop()))
}

async fn steady(ecs: &Client, name: &str, definition: &str) -> Result<(), String> {
    loop {
        sleep(PAUSE).await;
        let service = describe(ecs, name).await?;
        let deployments = service.and_then(|service| service.deployments).unwrap_or_default();
        let done = |one: &aws_sdk_ecs::types::Deployment| {
            one.task_definition() == Some(definition)
                && one.rollout_state() == Some(&DeploymentRolloutState::Completed)
        };
        if deployments.iter().any(done) {
            return Ok(());
        }
    }
}

async fn remove(ecs: &Client, arn: &str) -> Result<(), String> {
    ecs.deregister_task_definition().task_definition(arn).send().await.map_err(why)?;
    ecs.delete_task_definitions().task_definitions(arn).send().await.map_err(why)?;
    Ok(())
}

async fn provision(ecs: &Client, name: &str) -> Result<(), String> {
    describe(ecs, name).await?;
    let arn = register(ecs, name, "app").await?;
    let vpc =
        AwsVpcConfiguration::builder().subnets("subnet-1").build().map_err(|error| error.to_string())?;
    let call = ecs
        .create_service()
        .service_name(name)
        .task_definition(&arn)
        .desired_count(1)
        .launch_type(LaunchType::Fargate)
        .network_configuration(NetworkConfiguration::builder().awsvpc_configuration(vpc).build());
    call.send().await.map_err(why)?;
    steady(ecs, name, &arn).await
}

/// The definition that a service runs.
async fn running(ecs: &Client, name: &str) -> Result<String, String> {
    let service = describe(ecs, name).await?;
    service.and_then(|service| service.task_definition).ok_or_else(|| "it is not there".to_owned())
}

async fn update(ecs: &Client, name: &str) -> Result<(), String> {
    let old = running(ecs, name).await?;
    let new = register(ecs, name, "app-2").await?;
    ecs.update_service().service(name).task_definition(&new).send().await.map_err(why)?;
    steady(ecs, name, &new).await?;
    remove(ecs, &old).await
}

async fn destroy(ecs: &Client, name: &str) -> Result<(), String> {
    let arn = running(ecs, name).await?;
    ecs.delete_service().service(name).force(true).send().await.map_err(why)?;
    while describe(ecs, name).await?.is_some_and(|service| service.status() != Some("INACTIVE")) {
        sleep(PAUSE).await;
    }
    remove(ecs, &arn).await
}

/// Provision, update and destroy, as far as they go.
pub(crate) async fn with_default_retries(tenants: usize) -> [Phase; 3] {
    let fake = Fake::new(Pace::real());
    let ecs = &client(&fake);
    let names: Vec<String> = (0..tenants).map(|number| format!("tenant-{number}")).collect();
    let provision = phase(&fake, "provision", names.iter().map(|name| provision(ecs, name))).await;
    let update = phase(&fake, "update", names.iter().map(|name| update(ecs, name))).await;
    let destroy = phase(&fake, "destroy", names.iter().map(|name| destroy(ecs, name))).await;
    [provision, update, destroy]
}
