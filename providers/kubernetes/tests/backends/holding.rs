//! What holds a destroy, and what the platform heals by itself.

use futures_util::StreamExt as _;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::store::Scope;
use landlord_compute::{Engine, Options};
use landlord_state_machines::status::{ComputeState, Health};
use landlord_testing::fixtures::{memory, tenant};
use serde_json::json;

use super::serves::web;
use super::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_finalizer_and_its_object_are_named_and_the_name_is_free_afterwards() {
    let site = Site::new("held").await;
    let engine = site.engine(&json!({})).await;
    let handle = engine.tenant(tenant("held-a"));
    let provision = handle.provision(web("held-a", "one"), Options::default()).await.expect("accepted");
    assert_eq!(provision.await.expect("settles"), Settled::Done);
    let service = "/api/v1/namespaces/landlord-held-a/services/held-a";
    site.admin.patch(service, &json!({ "metadata": { "finalizers": ["example.com/hold"] } })).await;

    let mut events = Box::pin(engine.subscribe(engine.head(), Scope::All));
    let destroy = handle.destroy(Options::default()).await.expect("accepted");
    let named = async {
        while let Some(event) = events.next().await {
            let words = format!("{event:?}");
            if words.contains("example.com/hold") && words.contains("services") {
                return;
            }
        }
        panic!("the events ended");
    };
    tokio::time::timeout(std::time::Duration::from_secs(120), named).await.expect("both are named");
    let namespace = "/api/v1/namespaces/landlord-held-a";
    let there = site.admin.get(namespace).await.expect("it is held");
    assert_eq!(there["status"]["phase"], "Terminating");
    let held = site.admin.get(service).await.expect("it is held");
    assert_eq!(held["metadata"]["finalizers"], json!(["example.com/hold"]), "nobody strips it");
    site.admin.patch(service, &json!({ "metadata": { "finalizers": null } })).await;
    assert_eq!(destroy.await.expect("settles"), Settled::Done);
    assert!(site.admin.get(namespace).await.is_none());

    let again = handle.provision(web("held-a", "two"), Options::default()).await.expect("accepted");
    assert_eq!(again.await.expect("settles"), Settled::Done);
    let destroy = handle.destroy(Options::default()).await.expect("accepted");
    assert_eq!(destroy.await.expect("settles"), Settled::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_namespace_that_is_deleted_by_hand_is_waited_for_and_made_again() {
    let site = Site::new("going").await;
    let builder = Engine::builder(memory()).provider(site.provider(&json!({})));
    let engine = builder.start().await.expect("an engine");
    let handle = engine.tenant(tenant("going-a"));
    let provision = handle.provision(web("going-a", "one"), Options::default()).await.expect("accepted");
    assert_eq!(provision.await.expect("settles"), Settled::Done);

    let namespace = "/api/v1/namespaces/landlord-going-a";
    let held = json!({ "metadata": { "name": "held", "finalizers": ["example.com/hold"] } });
    site.admin.create(&format!("{namespace}/configmaps"), &held).await;
    let mut events = Box::pin(engine.subscribe(engine.head(), Scope::All));
    site.admin.delete(namespace).await;
    let waits = async {
        while let Some(event) = events.next().await {
            let words = format!("{event:?}");
            assert!(!words.contains("PermissionDenied"), "{words}");
            if words.contains("Waits") && words.contains("its namespace is gone") {
                return;
            }
        }
        panic!("the events ended");
    };
    tokio::time::timeout(std::time::Duration::from_secs(120), waits).await.expect("it waits");
    let released = json!({ "metadata": { "finalizers": null } });
    site.admin.patch(&format!("{namespace}/configmaps/held"), &released).await;
    site.admin
        .until("it serves again", async |_| (!site.ready("going-a").await.is_empty()).then_some(()))
        .await;
    let destroy = handle.destroy(Options::default()).await.expect("accepted");
    assert_eq!(destroy.await.expect("settles"), Settled::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_pod_that_is_killed_is_healed() {
    let site = Site::new("killed").await;
    let engine = site.engine(&json!({})).await;
    let handle = engine.tenant(tenant("killed-a"));
    let provision = handle.provision(web("killed-a", "one"), Options::default()).await.expect("accepted");
    assert_eq!(provision.await.expect("settles"), Settled::Done);
    let name = |pods: &[serde_json::Value]| pods[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    let before = name(&site.pods("killed-a").await);
    site.admin
        .delete(&format!("/api/v1/namespaces/landlord-killed-a/pods/{before}?gracePeriodSeconds=0"))
        .await;
    site.admin
        .until("another pod is ready", async |_| {
            let pods = site.pods("killed-a").await;
            let is_ready = !site.ready("killed-a").await.is_empty();
            (pods.len() == 1 && name(&pods) != before && is_ready).then_some(())
        })
        .await;
    let status = handle.status().await.expect("a status");
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));
    let destroy = handle.destroy(Options::default()).await.expect("accepted");
    assert_eq!(destroy.await.expect("settles"), Settled::Done);
}
