//! What becomes of the volumes of tenants.

use std::sync::Arc;

use landlord_compute::clock::SystemClock;
use landlord_compute::provider::{Context, Provider};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::spec::{
    ContainerSpec, MountSpec, ResourceRequirements, Spec, TenantComputeSpec, VolumeSpec,
};

use super::fake::Kind;
use super::site::{Site, subject};

/// A container of this image, with these persistent volumes.
fn spec(image: &str, volumes: &[&str]) -> Spec {
    let mounts = volumes.iter().map(|name| MountSpec {
        volume: (*name).to_owned(),
        path: format!("/{name}"),
        ..MountSpec::default()
    });
    let web = ContainerSpec {
        name: "web".to_owned(),
        image: format!("registry.test/{image}"),
        mounts: mounts.collect(),
        ..ContainerSpec::default()
    };
    let volumes = volumes.iter().map(|name| VolumeSpec {
        name: (*name).to_owned(),
        size_mb: Some(10),
        persistent: true,
        ..VolumeSpec::default()
    });
    let spec = TenantComputeSpec {
        tenant_id: "acme".to_owned(),
        provider_type: "kubernetes".to_owned(),
        containers: vec![web],
        volumes: volumes.collect(),
        resources: ResourceRequirements { cpu: 250, memory: 512, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    };
    spec.check().expect("a valid spec")
}

/// The claims that are there, each with its uid: another one has other data.
fn claims(site: &Site) -> Vec<(String, String)> {
    let text = |claim: &serde_json::Value, key: &str| {
        claim["metadata"][key].as_str().expect("it has one").to_owned()
    };
    let claims = site.fake.objects(Kind::PersistentVolumeClaim, "landlord-acme");
    let mut claims: Vec<_> = claims.iter().map(|claim| (text(claim, "name"), text(claim, "uid"))).collect();
    claims.sort();
    claims
}

fn names(claims: &[(String, String)]) -> Vec<&str> {
    claims.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_that_an_update_drops_stays_until_the_operation_after_it() {
    let (site, tenant) = (Site::new(), TenantId::new("acme").expect("an id"));
    let mut cx = Context::alone(subject(), Arc::new(SystemClock));
    let both = spec("first:1", &["data", "cache"]);
    site.provider.provision(&cx, &both).await.expect("a provision");
    let made = claims(&site);
    assert_eq!(names(&made), ["cache-acme-0", "data-acme-0"]);

    cx.applied = Some(both);
    site.provider.update(&cx, &tenant, &spec("crash:1", &["data"])).await.expect_err("it crashes");
    assert_eq!(claims(&site), made, "an undone update takes no data");

    let one = spec("second:1", &["data"]);
    let planned = site.provider.plan(&cx, &tenant, &one).await.expect("a plan");
    assert!(planned.objects.iter().all(|object| !object.object.contains("cache")), "{planned:?}");
    site.provider.update(&cx, &tenant, &one).await.expect("an update");
    assert_eq!(claims(&site), made, "until it has settled it may be undone");

    cx.applied = Some(one);
    site.provider.update(&cx, &tenant, &spec("third:1", &["data"])).await.expect("another one");
    assert_eq!(claims(&site), [made[1].clone()], "what the tenant has keeps its data");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_of_an_undone_update_goes_with_it() {
    let (site, tenant) = (Site::new(), TenantId::new("acme").expect("an id"));
    let mut cx = Context::alone(subject(), Arc::new(SystemClock));
    let one = spec("first:1", &["data"]);
    site.provider.provision(&cx, &one).await.expect("a provision");
    let made = claims(&site);

    cx.applied = Some(one);
    site.provider.update(&cx, &tenant, &spec("crash:1", &["data", "more"])).await.expect_err("it crashes");
    assert_eq!(claims(&site), made);
}
