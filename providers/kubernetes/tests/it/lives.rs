//! Whole lives of tenants on the fake.

use std::sync::Arc;
use std::time::Duration;

use landlord_compute::clock::SystemClock;
use landlord_compute::provider::{Context, Provider};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::spec::{
    ContainerSpec, PortMapping, ResourceRequirements, SecretReference, Spec, TenantComputeSpec,
};
use landlord_state_machines::status::{ComputeState, UpdateStatus};
use serde_json::json;

use super::fake::{Balancers, Kind, Settings};
use super::site::{Site, subject};

fn spec(image: &str) -> Spec {
    let web = ContainerSpec {
        name: "web".to_owned(),
        image: format!("registry.test/{image}"),
        ports: vec![PortMapping { container_port: 80, ..PortMapping::default() }],
        ..ContainerSpec::default()
    };
    let password = SecretReference {
        name: "db".to_owned(),
        source: "kubernetes-secret".to_owned(),
        key: "password".to_owned(),
        env_var: Some("DB".to_owned()),
        ..SecretReference::default()
    };
    let spec = TenantComputeSpec {
        tenant_id: "acme".to_owned(),
        provider_type: "kubernetes".to_owned(),
        containers: vec![web],
        resources: ResourceRequirements { cpu: 250, memory: 512, ..ResourceRequirements::default() },
        secrets: vec![password],
        ..TenantComputeSpec::default()
    };
    spec.check().expect("a valid spec")
}

/// A cluster with a namespace of secrets that are copied.
fn site(settings: Settings) -> Site {
    let site = Site::with(settings, &json!({ "secrets": { "copy": { "namespace": "secrets" } } }));
    site.fake.plant(Kind::Namespace, "", json!({ "metadata": { "name": "secrets" } })).expect("a namespace");
    let value = json!({ "metadata": { "name": "db" }, "stringData": { "password": "hunter2" } });
    site.fake.plant(Kind::Secret, "secrets", value).expect("a secret");
    site
}

async fn lives(settings: Settings) {
    let is_old = settings.version.1 < 23;
    let site = site(settings);
    let (provider, tenant) = (&site.provider, TenantId::new("acme").expect("an id"));
    let mut cx = Context::alone(subject(), Arc::new(SystemClock));
    let first = spec("first:1");
    let made = provider.provision(&cx, &first).await.expect("a provision");
    let lacks = made.message.is_some_and(|told| told.contains("provider_config.pod_security: "));
    assert_eq!(lacks, is_old, "what an older cluster lacks is told");
    assert_eq!(site.fake.pods("landlord-acme").len(), 1);
    let status = provider.get_status(&cx, &tenant).await.expect("a status");
    assert_eq!(status.state, ComputeState::Running);

    cx.applied = Some(first.clone());
    let same = provider.update(&cx, &tenant, &first).await.expect("the same");
    assert_eq!(same.status, UpdateStatus::NoChanges, "{same:?}");
    let planned = provider.plan(&cx, &tenant, &first).await.expect("a plan");
    let told = planned.not_enforced.iter().any(|one| one.starts_with("provider_config.pod_security: "));
    assert!(planned.is_empty() && told == is_old, "{planned:?}");
    let second = spec("second:1");
    let update = provider.update(&cx, &tenant, &second).await.expect("an update");
    assert_eq!(update.status, UpdateStatus::Success);
    let pods: Vec<String> =
        site.fake.pods("landlord-acme").into_values().map(|pod| pod.to_string()).collect();
    assert!(pods.len() == 1 && pods[0].contains("second:1"), "Done comes when no old pod is there: {pods:?}");

    cx.applied = Some(second.clone());
    let failed = provider.update(&cx, &tenant, &spec("crash:1")).await.expect_err("it crashes");
    assert!(failed.message.contains("exit code 1"), "{failed}");
    assert!(!format!("{failed:?}").contains("hunter2"), "{failed:?}");
    let status = provider.get_status(&cx, &tenant).await.expect("a status");
    assert_eq!(status.state, ComputeState::Running, "the version before serves");

    provider.destroy(&cx, &tenant).await.expect("a destroy");
    assert!(site.fake.object(Kind::Namespace, "", "landlord-acme").is_none());
    let provision = tokio::time::timeout(Duration::from_secs(60), provider.provision(&cx, &second));
    provision.await.expect("in time").expect("the same name again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_lives_on_a_new_cluster() {
    lives(Settings::new_cluster()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_lives_on_an_old_cluster() {
    lives(Settings::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_public_port_answers_at_a_port_of_each_node() {
    let site = Site::with(Settings::new_cluster(), &json!({ "exposure": "node_port" }));
    let mut public = (*spec("first:1")).clone();
    public.secrets.clear();
    public.networking.public_ip = true;
    public.containers[0].ports.push(PortMapping { container_port: 81, ..PortMapping::default() });
    let cx = Context::alone(subject(), Arc::new(SystemClock));
    let made = site.provider.provision(&cx, &public.check().expect("valid")).await.expect("a provision");
    let service = site.fake.object(Kind::Service, "landlord-acme", "acme-public").expect("a service");
    let given = |at: usize| service["spec"]["ports"][at]["nodePort"].as_u64().expect("a port");
    let told: Vec<(Option<u16>, u64)> =
        made.endpoints.iter().map(|one| (one.container_port, one.port.into())).collect();
    assert_eq!(told, [(Some(80), given(0)), (Some(81), given(1))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_port_answers_at_the_address_of_its_load_balancer() {
    let settings = Settings { balancers: Balancers::Hostname, ..Settings::new_cluster() };
    let site = Site::with(settings, &json!({ "exposure": "load_balancer" }));
    let mut public = (*spec("first:1")).clone();
    public.secrets.clear();
    public.networking.public_ip = true;
    let cx = Context::alone(subject(), Arc::new(SystemClock));
    let made = site.provider.provision(&cx, &public.check().expect("valid")).await.expect("a provision");
    let services = site.fake.objects(Kind::Service, "landlord-acme");
    let given =
        services.iter().find_map(|one| one.pointer("/status/loadBalancer/ingress/0/hostname")?.as_str());
    let addresses: Vec<&str> = made.endpoints.iter().map(|endpoint| endpoint.address.as_str()).collect();
    assert!(given.is_some_and(|given| addresses.contains(&given)), "{given:?} is not among {addresses:?}");
}
