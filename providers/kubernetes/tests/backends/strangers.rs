//! Others who change what a tenant is made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::Provider;
use landlord_compute::{Engine, ObservePolicy, Options};
use landlord_state_machines::error::ErrorCode;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::spec::{Replicas, Spec};
use landlord_testing::fixtures::{memory, tenant};
use serde_json::{Value, json};

use super::cluster::BUSYBOX;
use super::proxy::{Between, Fate, Proxy};
use super::serves::web;
use super::site::Site;

/// The workload of a tenant.
fn deployment(tenant: &str) -> String {
    format!("/apis/apps/v1/namespaces/landlord-{tenant}/deployments/{tenant}")
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().expect("a uid").to_owned()
}

/// Provisions a tenant and updates it, while a stranger does this right before its workload is changed.
async fn interrupted(site: &Site, name: &'static str, stranger: Option<Value>) -> Result<(), String> {
    let cluster = super::cluster::Cluster::shared();
    let first = web(name, "one").check().expect("valid");
    let mut cx = site.cx(name);
    site.provider(&json!({})).provision(&cx, &first).await.expect("a provision");

    let (admin, done) = (site.admin.clone(), Arc::new(AtomicBool::new(false)));
    let between: Between = Arc::new(move |method, path| {
        let (admin, done, stranger) = (admin.clone(), Arc::clone(&done), stranger.clone());
        Box::pin(async move {
            let is_it = method == Method::PATCH && path == deployment(name);
            if is_it && !done.swap(true, Ordering::Relaxed) {
                admin.delete(&path).await;
                admin.gone(&path).await;
                if let Some(stranger) = &stranger {
                    admin.create(path.rsplit_once('/').expect("a path").0, stranger).await;
                }
            }
            Fate::Pass
        })
    });
    let proxy = Proxy::start(&cluster.kubeconfig, between).await;
    site.write_kubeconfig_to(&proxy.url, "proxied");
    cx.applied = Some(first);
    let second: Spec = web(name, "two").check().expect("valid");
    let provider = site.provider_as("proxied", &json!({}));
    let id = TenantId::new(name).expect("an id");
    let updated = provider.update(&cx, &id, &second).await;
    updated.map(drop).map_err(|error| format!("{:?} {error}", error.code))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_workload_that_is_deleted_before_it_is_changed_is_not_resurrected_by_the_change() {
    let site = Site::new("deleted").await;
    let before = interrupted(&site, "deleted-a", None).await;
    // What is there was created, by a POST of the new spec; or the update says that nothing is there.
    let there = site.admin.get(&deployment("deleted-a")).await;
    match (&before, &there) {
        (Ok(()), Some(there)) => assert!(there.to_string().contains("echo two"), "{there}"),
        (Err(_), None) => {}
        (Ok(()) | Err(_), Some(_) | None) => panic!("{before:?} with {there:?}"),
    }
    site.destroyed("deleted-a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_strangers_workload_of_the_same_name_is_not_touched() {
    let site = Site::new("recreated").await;
    let stranger = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "recreated-a", "labels": { "app": "theirs" } },
        "spec": {
            "replicas": 0, "selector": { "matchLabels": { "app": "theirs" } },
            "template": {
                "metadata": { "labels": { "app": "theirs" } },
                "spec": { "containers": [{ "name": "theirs", "image": BUSYBOX }] },
            },
        },
    });
    let updated = interrupted(&site, "recreated-a", Some(stranger)).await;
    let error = updated.expect_err("it is a stranger's");
    assert!(error.contains("Conflict") && error.contains("recreated-a"), "{error}");
    let there = site.admin.get(&deployment("recreated-a")).await.expect("it is there");
    assert_eq!(there["spec"]["template"]["spec"]["containers"][0]["name"], "theirs", "{there}");
    assert_eq!(there["metadata"]["generation"], 1, "nobody changed it: {there}");
    site.admin.delete("/api/v1/namespaces/landlord-recreated-a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn what_is_deleted_or_changed_at_rest_is_repaired() {
    let site = Site::new("at-rest").await;
    let observe = ObservePolicy::default();
    let builder =
        Engine::builder(memory()).observe(observe).provider(site.provider(&json!({ "drift": "repair" })));
    let engine = builder.start().await.expect("an engine");
    let handle = engine.tenant(tenant("at-rest-a"));
    let provision = handle.provision(web("at-rest-a", "one"), Options::default()).await.expect("accepted");
    assert_eq!(provision.await.expect("settles"), Settled::Done);

    let path = deployment("at-rest-a");
    let before = uid(&site.admin.get(&path).await.expect("a workload"));
    site.admin.delete(&path).await;
    site.admin
        .until("it is there again", async |admin| {
            admin.get(&path).await.filter(|it| uid(it) != before).map(drop)
        })
        .await;
    site.admin
        .until("it serves again", async |_| (!site.ready("at-rest-a").await.is_empty()).then_some(()))
        .await;

    // The engine may still be at work on the other.
    let service = "/api/v1/namespaces/landlord-at-rest-a/services/at-rest-a";
    let port = |service: &Value| service["spec"]["ports"][0]["targetPort"].clone();
    let ours = port(&site.admin.get(service).await.expect("a service"));
    let ports = json!([{ "port": 8080, "name": "web", "protocol": "TCP", "targetPort": 9999 }]);
    site.admin.patch(service, &json!({ "spec": { "ports": ports } })).await;
    site.admin
        .until("its port is ours again", async |admin| {
            (port(&admin.get(service).await?) == ours).then_some(())
        })
        .await;

    let destroy = handle.destroy(Options::default()).await.expect("accepted");
    assert_eq!(destroy.await.expect("settles"), Settled::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_field_that_another_manager_has_is_told_with_its_manager_and_path() {
    let site = Site::new("managed").await;
    let provider = site.provider(&json!({}));
    let (id, mut cx) = (TenantId::new("managed-a").expect("an id"), site.cx("managed-a"));
    let first = web("managed-a", "one").check().expect("valid");
    provider.provision(&cx, &first).await.expect("a provision");
    let theirs = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "managed-a" },
        "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 55 } } },
    });
    site.admin.apply_as("a-stranger", &deployment("managed-a"), &theirs).await;
    cx.applied = Some(first);
    let second = web("managed-a", "two").check().expect("valid");
    let error = provider.update(&cx, &id, &second).await.expect_err("a conflict");
    assert_eq!(error.code, ErrorCode::Conflict, "{error}");
    let words = format!("{} {}", error.message, error.platform.unwrap_or_default());
    assert!(words.contains("a-stranger"), "{words}");
    assert!(words.contains("spec.template.spec.terminationGracePeriodSeconds"), "{words}");
    let there = site.admin.get(&deployment("managed-a")).await.expect("it is there");
    assert_eq!(there["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 55, "not taken by force");

    // The policy that takes it.
    let provider = site.provider(&json!({ "take_over": true }));
    provider.update(&cx, &id, &second).await.expect("an update");
    site.destroyed("managed-a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn scaling_by_hand_and_by_an_autoscaler_survives_an_update() {
    let site = Site::new("scaled").await;
    let provider = site.provider(&json!({}));
    let (id, mut cx) = (TenantId::new("scaled-a").expect("an id"), site.cx("scaled-a"));
    let first = web("scaled-a", "one").check().expect("valid");
    provider.provision(&cx, &first).await.expect("a provision");
    let path = deployment("scaled-a");
    let replicas = async || site.admin.get(&path).await.expect("a workload")["spec"]["replicas"].clone();

    site.admin.patch(&format!("{path}/scale"), &json!({ "spec": { "replicas": 2 } })).await;
    cx.applied = Some(first);
    let second = web("scaled-a", "two").check().expect("valid");
    provider.update(&cx, &id, &second).await.expect("an update");
    assert_eq!(replicas().await, 2, "scaled by hand");
    cx.applied = Some(second);

    // A number of pods comes with a quota for them: who has an autoscaler says so.
    let mut auto = web("scaled-a", "two");
    auto.replicas = Some(Replicas::Auto);
    let auto = auto.check().expect("valid");
    provider.update(&cx, &id, &auto).await.expect("an update");
    assert_eq!(replicas().await, 2, "an autoscaler begins with what is there");
    let scaler = json!({
        "metadata": { "name": "theirs" },
        "spec": {
            "minReplicas": 3, "maxReplicas": 4, "targetCPUUtilizationPercentage": 50,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled-a" },
        },
    });
    let scalers = "/apis/autoscaling/v1/namespaces/landlord-scaled-a/horizontalpodautoscalers";
    site.admin.create(scalers, &scaler).await;
    site.admin.until("it is scaled", async |_| (replicas().await == 3).then_some(())).await;
    cx.applied = Some(auto);
    let mut third = web("scaled-a", "three");
    third.replicas = Some(Replicas::Auto);
    let third = third.check().expect("valid");
    provider.update(&cx, &id, &third).await.expect("an update");
    assert_eq!(replicas().await, 3, "scaled by an autoscaler");
    site.destroyed("scaled-a").await;
}
