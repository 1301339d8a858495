//! A cluster on an emulator: the provider for it, and a client that looks at it past the provider.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aws_sdk_ecs::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_ecs::types::{ServiceField, TaskDefinitionStatus};
use aws_sdk_ecs::{Client, Config};
use landlord_compute::machines::spec::{ContainerSpec, ResourceRequirements, TenantComputeSpec};
use landlord_compute::provider::{Lease, Provider as _};
use landlord_provider_ecs::{EcsOptions, EcsProvider, SharedCredentialsProvider, SharedHttpClient};
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::emulators::{Emulator, Kind};

/// The region of everything here.
const REGION: &str = "us-east-1";

/// A cluster of a test's own.
pub(super) struct Site {
    pub(super) emulator: &'static Emulator,
    pub(super) cluster: String,
    pub(super) client: Client,
    defaults: Value,
}

/// A spec of one container.
pub(super) fn spec(tenant: &str, image: &str) -> TenantComputeSpec {
    let web = ContainerSpec { name: "web".to_owned(), image: image.to_owned(), ..ContainerSpec::default() };
    TenantComputeSpec {
        tenant_id: tenant.to_owned(),
        provider_type: "ecs".to_owned(),
        containers: vec![web],
        resources: ResourceRequirements { cpu: 250, memory: 512, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    }
}

/// What exists under one name: a service, or a revision of the family.
pub(super) struct There {
    pub(super) arn: String,
    /// The environment of its containers.
    pub(super) environment: BTreeMap<String, String>,
}

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "tests")
}

impl Site {
    /// A new cluster of this name.
    pub(super) async fn new(kind: Kind, cluster: &str) -> Self {
        let emulator =
            tokio::task::spawn_blocking(move || Emulator::shared(kind)).await.expect("an emulator");
        let network = tokio::task::spawn_blocking(|| emulator.network()).await.expect("a network");
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(credentials())
            .retry_config(RetryConfig::standard())
            .endpoint_url(emulator.direct_url())
            .http_client(plain_http())
            .build();
        let client = Client::from_conf(config);
        client.create_cluster().cluster_name(cluster).send().await.expect("a cluster");
        let defaults = json!({
            "cluster": cluster,
            "region": REGION,
            "endpoint_url": emulator.url(),
            "subnets": [network.subnet],
            "security_groups": [network.security_group],
            "service_name_prefix": format!("{cluster}-"),
        });
        Self { emulator, cluster: cluster.to_owned(), client, defaults }
    }

    /// A provider as a program that was just started makes it.
    pub(super) fn provider(&self) -> EcsProvider {
        self.provider_over(Some(plain_http()))
    }

    /// The same of an engine that shares its store: its own client looks at this lease.
    pub(super) fn leased(&self, lease: Lease) -> EcsProvider {
        let provider = self.provider_over(None);
        provider.leased(lease);
        provider
    }

    fn provider_over(&self, http_client: Option<SharedHttpClient>) -> EcsProvider {
        let mut options = EcsOptions::new(self.defaults.clone());
        options.credentials = Some(SharedCredentialsProvider::new(credentials()));
        options.http_client = http_client;
        options.quota_factor = 1000;
        EcsProvider::new(options).expect("good defaults")
    }

    /// The name of a tenant's service and family.
    pub(super) fn name(&self, tenant: &str) -> String {
        format!("{}-{tenant}", self.cluster)
    }

    /// The service of this name and the revisions of its family, as long as there is something of them.
    /// Asked in silence: what the SDK logs of it is not the provider's.
    pub(super) async fn there(&self, name: &str) -> Vec<There> {
        self.look(name).with_subscriber(NoSubscriber::default()).await
    }

    async fn look(&self, name: &str) -> Vec<There> {
        let mut there = Vec::new();
        let described = self.client.describe_services().cluster(&self.cluster).services(name);
        let described = described.include(ServiceField::Tags).send().await.expect("the emulator answers");
        for service in described.services() {
            if service.status() != Some("INACTIVE") {
                let definition = service.task_definition().unwrap_or_default();
                let environment = self.environment(definition).await.unwrap_or_default();
                there.push(There { arn: service.service_arn().unwrap_or_default().to_owned(), environment });
            }
        }
        for status in [TaskDefinitionStatus::Active, TaskDefinitionStatus::Inactive] {
            let mut next = None;
            loop {
                let list = self.client.list_task_definitions().family_prefix(name).status(status.clone());
                let page = list.set_next_token(next.take()).send().await.expect("the emulator answers");
                for arn in page.task_definition_arns() {
                    // Where the emulator takes the family for a prefix.
                    if arn.rsplit_once('/').is_some_and(|(_, it)| it.starts_with(&format!("{name}:")))
                        && let Some(environment) = self.environment(arn).await
                    {
                        there.push(There { arn: arn.clone(), environment });
                    }
                }
                next = page.next_token;
                if next.is_none() {
                    break;
                }
            }
        }
        there
    }

    /// The environment in a definition; none, where it is gone by now.
    async fn environment(&self, definition: &str) -> Option<BTreeMap<String, String>> {
        let found = self.client.describe_task_definition().task_definition(definition).send().await.ok()?;
        let definition = found.task_definition?;
        let pairs = definition.container_definitions().iter().flat_map(|container| container.environment());
        let pair = |pair: &aws_sdk_ecs::types::KeyValuePair| {
            (pair.name().unwrap_or_default().to_owned(), pair.value().unwrap_or_default().to_owned())
        };
        Some(pairs.map(pair).collect())
    }
}

/// Emulators speak plain HTTP; one client keeps the connections of all.
fn plain_http() -> SharedHttpClient {
    static CLIENT: LazyLock<SharedHttpClient> =
        LazyLock::new(|| aws_smithy_http_client::Builder::new().build_http());
    CLIENT.clone()
}
