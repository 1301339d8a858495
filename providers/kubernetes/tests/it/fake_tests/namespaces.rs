//! Namespaces, and how they go.

use serde_json::json;

use super::{Bare, DEPLOYMENTS, condition, deployment};
use crate::fake::{Fake, Kind};

fn gone(fake: &Fake) -> Option<()> {
    fake.object(Kind::Namespace, "", "acme").is_none().then_some(())
}

#[tokio::test]
async fn a_namespace_goes_when_all_in_it_is_gone() {
    let bare = Bare::prepared().await;
    let first = bare.get("/api/v1/namespaces/acme").await.is(200);
    bare.post(DEPLOYMENTS, &deployment("web", "app", 2)).await.is(201);
    bare.rolled_out("web").await;
    bare.fake.plant(Kind::Secret, "acme", json!({ "metadata": { "name": "held" } })).expect("it is made");
    bare.fake.hold_object(Kind::Secret, "acme", "held", "example.test/hold");
    let going = bare.delete("/api/v1/namespaces/acme", &json!({})).await.is(200);
    assert_eq!(going["status"]["phase"], "Terminating");
    bare.delete("/api/v1/namespaces/acme", &json!({})).await.is(200);
    let again = bare.post("/api/v1/namespaces", &json!({ "metadata": { "name": "acme" } })).await;
    let again = again.refused(409, "AlreadyExists");
    assert!(again["message"].as_str().is_some_and(|it| it.contains("object is being deleted")));
    let inside =
        bare.post("/api/v1/namespaces/acme/configmaps", &json!({ "metadata": { "name": "new" } })).await;
    let inside = inside.refused(403, "Forbidden");
    assert_eq!(inside["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let held = |fake: &Fake| {
        let namespace = fake.object(Kind::Namespace, "", "acme")?;
        let all = namespace["status"]["conditions"].as_array()?.clone();
        let named = |named: &str| all.iter().find(|it| it["type"] == named).cloned();
        let (content, holders) =
            (named("NamespaceContentRemaining")?, named("NamespaceFinalizersRemaining")?);
        let only =
            content["message"].as_str()? == "Some resources are remaining: secrets. has 1 resource instances";
        only.then_some((content["status"].clone(), holders["message"].as_str()?.to_owned()))
    };
    let (is, holders) = bare.fake.until("only what is held is left", held).await;
    assert_eq!(is, "True");
    assert!(holders.contains("example.test/hold in 1 resource instances"), "{holders}");
    bare.fake.release_object(Kind::Secret, "acme", "held", "example.test/hold");
    bare.fake.until("it is gone", gone).await;
    for kind in [Kind::Deployment, Kind::ReplicaSet, Kind::Pod, Kind::Secret, Kind::Event] {
        assert_eq!(bare.fake.objects(kind, "acme").len(), 0);
    }
    let next = bare.post("/api/v1/namespaces", &json!({ "metadata": { "name": "acme" } })).await.is(201);
    assert_ne!(next["metadata"]["uid"], first["metadata"]["uid"]);
    bare.account().await;
}

#[tokio::test]
async fn an_api_that_is_dead_keeps_every_namespace() {
    let bare = Bare::prepared().await;
    bare.fake.kill_api(true);
    bare.delete("/api/v1/namespaces/acme", &json!({ "propagationPolicy": "Background" })).await.is(200);
    let stuck = |fake: &Fake| {
        let namespace = fake.object(Kind::Namespace, "", "acme")?;
        condition(&namespace, "NamespaceDeletionDiscoveryFailure").filter(|it| it.0 == "True")
    };
    assert_eq!(bare.fake.until("it is stuck", stuck).await.1, "DiscoveryFailed");
    bare.fake.kill_api(false);
    bare.fake.until("it is gone", gone).await;
}

#[tokio::test]
async fn pods_wait_for_their_service_account() {
    let bare = Bare::prepared().await;
    let mut body = deployment("web", "app", 1);
    body["spec"]["template"]["spec"]["serviceAccountName"] = json!("own");
    bare.post(DEPLOYMENTS, &body).await.is(201);
    let failed = |fake: &Fake| {
        let object = fake.object(Kind::Deployment, "acme", "web")?;
        condition(&object, "ReplicaFailure").filter(|it| it.1 == "FailedCreate")
    };
    bare.fake.until("no pod is made", failed).await;
    bare.said("FailedCreate", "serviceaccount \"own\" not found").await;
    let account = json!({ "metadata": { "name": "own" } });
    bare.post("/api/v1/namespaces/acme/serviceaccounts", &account).await.is(201);
    bare.rolled_out("web").await;
}

#[tokio::test]
async fn a_context_may_point_at_another_cluster() {
    let bare = Bare::new();
    let path = "/api/v1/namespaces/kube-system";
    let first = bare.get(path).await.is(200)["metadata"]["uid"].clone();
    assert_ne!(Bare::new().get(path).await.is(200)["metadata"]["uid"], first);
    bare.fake.become_another();
    assert_ne!(bare.get(path).await.is(200)["metadata"]["uid"], first);
}
