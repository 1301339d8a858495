//! The watch of a cluster: what it tells, and what comes of it.

mod drift;
mod feeds;
mod fleet;
mod logged;
mod rollouts;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use landlord_compute::clock::SystemClock;
use landlord_compute::provider::{Context, Provider};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::observation::{Observation, Seen};
use landlord_state_machines::planner::Subject;
use landlord_state_machines::planner::kubernetes::tags;
use landlord_state_machines::spec::{
    ContainerSpec, FileSpec, PortMapping, ResourceRequirements, Spec, TenantComputeSpec,
};
use serde_json::{Value, json};

use super::fake::{Fake, Kind};
use super::site::{Site, subject};

/// How many kinds are watched in a cluster that has all: each but Secret, and pods.
const WATCHES: usize = 15;
/// How long is waited for what comes at once.
const PROMPT: Duration = Duration::from_secs(30);

fn spec(tenant: &str, image: &str) -> Spec {
    with_files(tenant, image, Vec::new())
}

fn with_files(tenant: &str, image: &str, files: Vec<FileSpec>) -> Spec {
    let web = ContainerSpec {
        name: "web".to_owned(),
        image: format!("registry.test/{image}:1"),
        ports: vec![PortMapping { container_port: 80, ..PortMapping::default() }],
        files,
        ..ContainerSpec::default()
    };
    let spec = TenantComputeSpec {
        tenant_id: tenant.to_owned(),
        provider_type: "kubernetes".to_owned(),
        containers: vec![web],
        resources: ResourceRequirements { cpu: 250, memory: 512, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    };
    spec.check().expect("a valid spec")
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).expect("an id")
}

fn subject_of(name: &str) -> Subject {
    Subject { tenant: tenant(name), ..subject() }
}

async fn watched(fake: &Fake) {
    fake.until("all is watched", |fake| (fake.open_watches() == WATCHES).then_some(())).await;
}

fn observe(site: &Site) -> BoxStream<'static, Observation> {
    site.provider.observe("test", Arc::new(SystemClock)).expect("it is supported")
}

/// The first of what is observed that this says something about.
async fn observed<T>(
    observations: &mut BoxStream<'static, Observation>,
    wanted: impl Fn(&Observation) -> Option<T>,
) -> T {
    let found = async {
        loop {
            let observation = observations.next().await.expect("it goes on");
            if let Some(found) = wanted(&observation) {
                return found;
            }
        }
    };
    tokio::time::timeout(PROMPT, found).await.expect("it is observed at once")
}

/// Observes beside a method and wakes it, as the engine does.
async fn beside<T>(
    observations: &mut BoxStream<'static, Observation>,
    cx: &Context,
    method: impl Future<Output = T>,
) -> T {
    let wakes = async {
        loop {
            let observation = observations.next().await.expect("it goes on");
            if observation.tenant == cx.subject.tenant {
                cx.ring();
            }
        }
    };
    tokio::select! {
        done = method => done,
        () = wakes => unreachable!("it goes on"),
    }
}

/// The tenant `acme` runs, and what its provision did has been told.
async fn at_rest(defaults: &Value) -> (Site, BoxStream<'static, Observation>, Context) {
    let site = Site::with(super::fake::Settings::new_cluster(), defaults);
    let mut observations = observe(&site);
    let mut cx = Context::alone(subject(), Arc::new(SystemClock));
    let spec = spec("acme", "first");
    let starts = tokio::select! {
        () = watched(&site.fake) => true,
        _ = observations.next() => false,
    };
    assert!(starts, "nobody is there");
    beside(&mut observations, &cx, site.provider.provision(&cx, &spec)).await.expect("a provision");
    cx.applied = Some(spec);
    // The method has seen that it is well. What happens after that is looked at when the echo of the method is over.
    for sick in [true, false] {
        for pod in site.fake.objects(Kind::Pod, "") {
            let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
            site.fake.sicken(text("namespace"), text("name"), sick);
        }
        let is_so = |fake: &Fake| fake.objects(Kind::Pod, "").iter().all(|pod| is_ready(pod) != sick);
        site.fake.until("its pods are so", |fake| is_so(fake).then_some(())).await;
    }
    observed(&mut observations, |it| (it.seen == Seen::Healthy).then_some(())).await;
    (site, observations, cx)
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.filter(|one| one["type"] == "Ready").any(|one| one["status"] == "True")
}

/// A workload of a tenant, as if the engine had made it, in a namespace of its name.
fn plant(fake: &Fake, name: &str) {
    let subject = subject_of(name);
    let labels = tags::of(&subject);
    let namespace = json!({ "metadata": { "name": name, "labels": labels } });
    fake.plant(Kind::Namespace, "", namespace).expect("a namespace");
    let container = json!({ "name": "web", "image": "registry.test/first:1" });
    let workload = json!({
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": tags::stable(&subject) },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } },
        },
    });
    fake.plant(Kind::Deployment, name, workload).expect("a workload");
}

/// Until so many workloads run, as their controller says.
async fn complete(fake: &Fake, count: usize) {
    let is_complete = |one: &Value| one.pointer("/status/availableReplicas") == Some(&json!(1));
    fake.until("all run", |fake| {
        let workloads = fake.objects(Kind::Deployment, "");
        (workloads.iter().filter(|one| is_complete(one)).count() == count).then_some(())
    })
    .await;
}
