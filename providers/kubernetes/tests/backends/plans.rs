//! What an update would change, and which cluster it is.

use landlord_compute::provider::Provider;
use landlord_state_machines::id::TenantId;
use serde_json::json;

use super::cluster::{Cluster, Kind};
use super::serves::web;
use super::site::{Site, spec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_plan_says_what_would_change_and_nothing_after_it_was_applied() {
    let site = Site::new("planned").await;
    let provider = site.provider(&json!({}));
    let (id, mut cx) = (TenantId::new("planned-a").expect("an id"), site.cx("planned-a"));
    let first = web("planned-a", "one").check().expect("valid");
    provider.plan(&cx, &id, &first).await.expect("a plan before anything exists");
    assert!(site.admin.get("/api/v1/namespaces/landlord-planned-a").await.is_none(), "a plan makes nothing");
    provider.provision(&cx, &first).await.expect("a provision");
    cx.applied = Some(first.clone());
    let plan = provider.plan(&cx, &id, &first).await.expect("a plan");
    assert!(plan.is_empty(), "{plan:?}");
    let second = web("planned-a", "two").check().expect("valid");
    let plan = provider.plan(&cx, &id, &second).await.expect("a plan");
    assert!(!plan.changes.is_empty(), "{plan:?}");
    provider.update(&cx, &id, &second).await.expect("an update");
    cx.applied = Some(second.clone());
    let plan = provider.plan(&cx, &id, &second).await.expect("a plan");
    assert!(plan.is_empty(), "{plan:?}");
    site.destroyed("planned-a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_context_that_leads_to_another_cluster_is_refused_and_nobody_is_gone() {
    let site = Site::new("astray").await;
    let (id, mut cx) = (TenantId::new("astray-a").expect("an id"), site.cx("astray-a"));
    let first = spec("astray-a", "trap 'exit 0' TERM; sleep 1000 & wait").check().expect("valid");
    site.provider(&json!({})).provision(&cx, &first).await.expect("a provision");

    let other = tokio::task::spawn_blocking(|| Cluster::start(Kind::Objects)).await.expect("a cluster");
    let elsewhere = Site::alone(&other, "astray").await;
    let provider = elsewhere.provider(&json!({}));
    cx.applied = Some(first.clone());
    let told = [
        provider.get_status(&cx, &id).await.map(|_| "a status").map_err(|error| error.to_string()),
        provider.update(&cx, &id, &first).await.map(|_| "an update").map_err(|error| error.to_string()),
        provider.destroy(&cx, &id).await.map(|_| "a destroy").map_err(|error| error.to_string()),
    ];
    for told in told {
        let error = told.expect_err("it is in another cluster");
        assert!(error.contains("leads to another one"), "{error}");
    }
    assert!(site.admin.get("/api/v1/namespaces/landlord-astray-a").await.is_some(), "nobody is gone");
    site.provider(&json!({})).get_status(&cx, &id).await.expect("it is where it was");
    site.destroyed("astray-a").await;
}
