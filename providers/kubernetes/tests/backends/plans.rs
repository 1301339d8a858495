//! What an update would change, and which cluster it is.

use landlord_compute::provider::{Plan, PlannedAction, PlannedAnswer, PlannedObject, Provider};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::spec::StopConfig;
use serde_json::json;

use super::cluster::{Cluster, Kind};
use super::serves::web;
use super::site::{Site, spec};

fn object<'p>(plan: &'p Plan, kind: &str) -> &'p PlannedObject {
    let found = plan.objects.iter().find(|one| one.object.starts_with(kind));
    found.unwrap_or_else(|| panic!("no {kind} in {plan:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_plan_says_what_would_change_and_nothing_after_it_was_applied() {
    let site = Site::new("planned").await;
    let provider = site.provider(&json!({}));
    let (id, mut cx) = (TenantId::new("planned-a").expect("an id"), site.cx("planned-a"));
    let first = web("planned-a", "one").check().expect("valid");
    provider.plan(&cx, &id, &first).await.expect("a plan before anything exists");
    assert!(site.admin.get("/api/v1/namespaces/landlord-planned-a").await.is_none(), "a plan makes nothing");
    let made = provider.provision(&cx, &first).await.expect("a provision");
    cx.applied = Some(first.clone());
    let plan = provider.plan(&cx, &id, &first).await.expect("a plan");
    assert!(plan.is_empty(), "{plan:?}");
    // The cluster is an old one.
    assert!(
        plan.not_enforced.iter().any(|one| one.starts_with("provider_config.pod_security: ")),
        "{plan:?}"
    );
    assert!(made.message.is_some_and(|told| told.contains("provider_config.pod_security: ")));
    let second = web("planned-a", "two").check().expect("valid");
    let plan = provider.plan(&cx, &id, &second).await.expect("a plan");
    assert!(!plan.changes.is_empty(), "{plan:?}");
    let workload = object(&plan, "Deployment/");
    assert_eq!((workload.action, &workload.answer), (PlannedAction::Change, &PlannedAnswer::Accepted));
    let paths = |object: &PlannedObject| -> Vec<String> {
        object.fields.iter().map(|field| field.path.clone()).collect()
    };
    assert_eq!(paths(workload), [".spec.template.spec.containers[web].command[2]"], "{plan:?}");
    assert_eq!(plan.objects.len(), 1, "{plan:?}");
    provider.update(&cx, &id, &second).await.expect("an update");
    cx.applied = Some(second.clone());
    let plan = provider.plan(&cx, &id, &second).await.expect("a plan");
    assert!(plan.is_empty(), "{plan:?}");

    // A field that somebody has, one that goes, and what the API server does not take.
    let deployment = "/apis/apps/v1/namespaces/landlord-planned-a/deployments/planned-a";
    let theirs = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "planned-a" },
        "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 9 } } },
    });
    site.admin.apply_as("somebody", deployment, &theirs).await;
    let mut third = web("planned-a", "three");
    third.containers[0].stop = Some(StopConfig { grace_seconds: Some(7), ..StopConfig::default() });
    let plan = provider.plan(&cx, &id, &third.check().expect("valid")).await.expect("a plan");
    let PlannedAnswer::Refused(words) = &object(&plan, "Deployment/").answer else { panic!("{plan:?}") };
    let field = ".spec.template.spec.terminationGracePeriodSeconds";
    assert!(words.contains(field) && words.contains("somebody"), "{words}");
    site.admin.delete("/api/v1/namespaces/landlord-planned-a").await;
    site.admin.gone("/api/v1/namespaces/landlord-planned-a").await;
    let plan = provider.plan(&cx, &id, &first).await.expect("a plan");
    assert_eq!(object(&plan, "Namespace/").answer, PlannedAnswer::Accepted, "{plan:?}");
    assert!(matches!(object(&plan, "Deployment/").answer, PlannedAnswer::NotAsked(_)), "{plan:?}");
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
