//! What a cluster says that it has.

use serde_json::Value;

use super::Bare;
use crate::fake::Settings;

fn names(list: &Value, of: &str) -> Vec<String> {
    let all = list[of].as_array().into_iter().flatten();
    all.map(|one| one["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn an_old_cluster_has_less() {
    let bare = Bare::new();
    assert_eq!(bare.get("/version").await.is(200)["minor"], "20");
    let groups = names(&bare.get("/apis").await.is(200), "groups");
    assert!(groups.contains(&"apps".to_owned()) && !groups.contains(&"gateway.networking.k8s.io".to_owned()));
    let group = bare.get("/apis/policy").await.is(200);
    assert_eq!(group["preferredVersion"]["groupVersion"], "policy/v1beta1");
    assert_eq!(bare.get("/apis/policy/v1").await.text, "404 page not found\n");
    bare.get("/apis/policy/v1/namespaces/default/poddisruptionbudgets").await.is(404);
    bare.get("/apis/discovery.k8s.io/v1beta1/endpointslices").await.is(200);
    bare.get("/apis/autoscaling/v2beta2/horizontalpodautoscalers").await.is(200);
    assert_eq!(bare.get("/readyz").await.text, "ok");
    let core = bare.get("/api/v1").await.is(200);
    let kinds = names(&core, "resources");
    assert!(kinds.contains(&"pods/log".to_owned()) && kinds.contains(&"namespaces".to_owned()));
    assert_eq!(bare.get("/api").await.is(200)["versions"][0], "v1");
}

#[tokio::test]
async fn a_newer_cluster_has_more() {
    let bare = Bare::with(Settings::new_cluster());
    for path in [
        "/apis/policy/v1/poddisruptionbudgets",
        "/apis/discovery.k8s.io/v1/endpointslices",
        "/apis/autoscaling/v2/horizontalpodautoscalers",
        "/apis/gateway.networking.k8s.io/v1/httproutes",
        "/apis/external-secrets.io/v1/externalsecrets",
    ] {
        let list = bare.get(path).await.is(200);
        assert_eq!(list["items"], serde_json::json!([]), "{path}");
    }
    let deployments = bare.get("/apis/apps/v1").await.is(200);
    let resources = names(&deployments, "resources");
    assert!(resources.contains(&"deployments/scale".to_owned()));
    bare.fake.set(|settings| settings.gateway = false);
    bare.get("/apis/gateway.networking.k8s.io/v1/httproutes").await.is(404);
}
