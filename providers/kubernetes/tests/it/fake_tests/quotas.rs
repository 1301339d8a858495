//! Quotas, limits and levels of security.

use serde_json::json;

use super::{Bare, DEPLOYMENTS, condition, deployment};
use crate::fake::{Fake, Kind, Settings};

const QUOTAS: &str = "/api/v1/namespaces/acme/resourcequotas";

async fn quota(bare: &Bare, hard: serde_json::Value) {
    bare.post(QUOTAS, &json!({ "metadata": { "name": "q" }, "spec": { "hard": hard } })).await.is(201);
    let holds = |fake: &Fake| {
        let quota = fake.object(Kind::ResourceQuota, "acme", "q")?;
        quota["status"]["hard"].is_object().then_some(())
    };
    bare.fake.until("the quota holds", holds).await;
}

#[tokio::test]
async fn too_many_pods_are_told_of_by_the_deployment() {
    let bare = Bare::prepared().await;
    quota(&bare, json!({ "pods": "1", "limits.memory": "1Gi" })).await;
    let limits = json!({ "metadata": { "name": "l" }, "spec": { "limits": [
        { "type": "Container", "default": { "memory": "128Mi", "cpu": "100m" } },
    ] } });
    bare.post("/api/v1/namespaces/acme/limitranges", &limits).await.is(201);
    bare.post(DEPLOYMENTS, &deployment("web", "app", 2)).await.is(201);
    let failed = |fake: &Fake| {
        let object = fake.object(Kind::Deployment, "acme", "web")?;
        let all = object["status"]["conditions"].as_array()?.clone();
        let found = all.into_iter().find(|it| it["type"] == "ReplicaFailure")?;
        (object["status"]["availableReplicas"] == json!(1)).then_some((found, object))
    };
    let (found, object) = bare.fake.until("one is not made", failed).await;
    assert_eq!((&found["status"], &found["reason"]), (&json!("True"), &json!("FailedCreate")));
    let words = "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1";
    assert!(found["message"].as_str().is_some_and(|it| it.contains(words)), "{found}");
    assert_eq!(condition(&object, "Progressing").expect("a condition").0, "True");
    bare.said("FailedCreate", words).await;
    let pods = bare.fake.pods("acme");
    let pod = pods.values().next().expect("a pod");
    let resources = json!({ "limits": { "memory": "128Mi", "cpu": "100m" },
        "requests": { "memory": "128Mi", "cpu": "100m" } });
    assert_eq!(pod["spec"]["containers"][0]["resources"], resources);
    bare.fake
        .change(Kind::ResourceQuota, "acme", "q", |it| it["spec"]["hard"]["pods"] = json!("2"))
        .expect("it is changed");
    let done = bare.rolled_out("web").await;
    assert_eq!(condition(&done, "ReplicaFailure"), None);
    let used = |fake: &Fake| {
        let quota = fake.object(Kind::ResourceQuota, "acme", "q")?;
        let used = json!({ "pods": "2", "limits.memory": "256Mi" });
        (quota["status"]["used"] == used).then_some(())
    };
    bare.fake.until("it says what is used", used).await;
}

#[tokio::test]
async fn a_pod_has_to_say_what_a_quota_counts() {
    let bare = Bare::prepared().await;
    quota(&bare, json!({ "requests.cpu": "1", "limits.memory": "1Gi" })).await;
    bare.post(DEPLOYMENTS, &deployment("web", "app", 1)).await.is(201);
    bare.said("FailedCreate", "failed quota: q: must specify limits.memory,requests.cpu").await;
}

#[tokio::test]
async fn a_newer_cluster_refuses_pods_below_the_level() {
    let bare = Bare::with(Settings::new_cluster());
    let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let namespace = json!({ "metadata": { "name": "acme", "labels": labels } });
    let made = bare.post("/api/v1/namespaces", &namespace).await.is(201);
    assert_eq!(made["metadata"]["labels"]["kubernetes.io/metadata.name"], "acme");
    bare.account().await;
    bare.post(DEPLOYMENTS, &deployment("web", "app", 1)).await.is(201);
    bare.said("FailedCreate", "violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation").await;
    let mut body = deployment("strict", "app", 1);
    let spec = &mut body["spec"]["template"]["spec"];
    spec["securityContext"] = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    spec["containers"][0]["securityContext"] =
        json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    bare.post(DEPLOYMENTS, &body).await.is(201);
    bare.rolled_out("strict").await;
}
