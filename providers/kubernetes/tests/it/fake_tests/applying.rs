//! Server-side apply: who has which fields.

use serde_json::{Value, json};

use super::{APPLY, Bare, DEPLOYMENTS, JSON_PATCH, deployment};
use crate::fake::{Kind, Settings};

fn map(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "map" }, "data": data })
}

/// Who has something, and how.
fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    entries.map(|entry| format!("{} {}", text(entry, "manager"), text(entry, "operation"))).collect()
}

#[tokio::test]
async fn what_is_not_applied_any_more_goes_unless_somebody_else_has_it() {
    let bare = Bare::prepared().await;
    bare.apply("us", &map(json!({ "a": "1", "b": "2", "c": "3" }))).await.is(201);
    bare.apply("them", &map(json!({ "b": "2" }))).await.is(200);
    bare.fake
        .change(Kind::ConfigMap, "acme", "map", |it| it["data"]["d"] = json!("4"))
        .expect("it is changed");
    let left = bare.apply("us", &map(json!({ "a": "1" }))).await.is(200);
    assert_eq!(left["data"], json!({ "a": "1", "b": "2", "d": "4" }));
    let nothing = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "map" } });
    let left = bare.apply("them", &nothing).await.is(200);
    assert_eq!(left["data"], json!({ "a": "1", "d": "4" }));
    assert_eq!(managers(&left), ["us Apply", "kubectl Update"], "who has nothing is not named");
}

#[tokio::test]
async fn a_conflict_names_the_manager_and_the_field() {
    let bare = Bare::prepared().await;
    let mut body = deployment("web", "app", 1);
    bare.apply("us", &body).await.is(201);
    bare.fake
        .change(Kind::Deployment, "acme", "web", |it| {
            it["spec"]["replicas"] = json!(3);
            it["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.test/theirs:1");
        })
        .expect("it is changed");
    body["spec"]["replicas"] = json!(2);
    let refused = bare.apply("us", &body).await.refused(409, "Conflict");
    let causes = refused["details"]["causes"].as_array().expect("causes").clone();
    let named: Vec<_> = causes.iter().map(|it| (it["message"].as_str(), it["field"].as_str())).collect();
    let by = Some("conflict with \"kubectl\" using apps/v1");
    assert!(named.contains(&(by, Some(".spec.replicas"))), "{named:?}");
    let image = ".spec.template.spec.containers[name=\"main\"].image";
    assert!(named.contains(&(by, Some(image))), "{named:?}");
    assert!(causes.iter().all(|it| it["reason"] == "FieldManagerConflict"));
    let path = format!("{DEPLOYMENTS}/web?fieldManager=us&force=true");
    let taken = bare.patch(&path, APPLY, &body).await.is(200);
    assert_eq!(taken["spec"]["replicas"], 2);
    let theirs = taken["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut theirs = theirs.filter(|it| it["manager"] == "kubectl" && it["operation"] == "Update");
    assert!(theirs.all(|it| it["fieldsV1"]["f:spec"]["f:replicas"].is_null()));
    // The same value is shared, and nobody is in the way.
    bare.apply(
        "them",
        &json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "replicas": 2 } }),
    )
    .await
    .is(200);
    body["spec"]["replicas"] = json!(1);
    let refused = bare.apply("us", &body).await.refused(409, "Conflict");
    assert_eq!(refused["details"]["causes"][0]["message"], "conflict with \"them\"");
}

#[tokio::test]
async fn an_applied_object_is_for_one_life() {
    let bare = Bare::prepared().await;
    let mut body = map(json!({ "a": "1" }));
    body["metadata"]["uid"] = json!("11111111-0000-4000-8000-000000000000");
    let gone = bare.apply("us", &body).await.refused(409, "Conflict");
    assert!(gone["message"].as_str().is_some_and(|it| it.contains("uid mismatch")), "{gone}");
    bare.apply("us", &map(json!({ "a": "1" }))).await.is(201);
    let other = bare.apply("us", &body).await.refused(422, "Invalid");
    assert_eq!(other["details"]["causes"][0]["field"], "metadata.uid");
    bare.fake.hold_object(Kind::ConfigMap, "acme", "map", "example.test/hold");
    bare.fake.delete(Kind::ConfigMap, "acme", "map");
    let going = bare.apply("us", &map(json!({ "a": "2" }))).await.is(200);
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    let path = "/api/v1/namespaces/acme/configmaps/map?fieldManager=us";
    bare.patch("/api/v1/namespaces/acme/configmaps/map", APPLY, &map(json!({})))
        .await
        .refused(422, "Invalid");
    bare.patch(&format!("{path}&dryRun=All"), APPLY, &map(json!({ "a": "3" }))).await.is(200);
    assert_eq!(bare.get(path).await.is(200)["data"]["a"], "2");
}

#[tokio::test]
async fn lists_are_merged_by_their_keys() {
    let bare = Bare::prepared().await;
    let mut body = deployment("web", "app", 0);
    let main = "/spec/template/spec/containers/0";
    let env =
        |names: &[&str]| names.iter().map(|name| json!({ "name": name, "value": "1" })).collect::<Vec<_>>();
    body.pointer_mut(main).expect("a container")["env"] = json!(env(&["A", "B"]));
    bare.apply("us", &body).await.is(201);
    bare.fake
        .change_as("injector", Kind::Deployment, "acme", "web", |it| {
            let list = it["spec"]["template"]["spec"]["containers"].as_array_mut().expect("containers");
            list[0]["env"].as_array_mut().expect("an environment").push(json!({ "name": "C", "value": "1" }));
            list.push(json!({ "name": "sidecar", "image": "registry.test/side:1" }));
        })
        .expect("it is changed");
    body.pointer_mut(main).expect("a container")["env"] = json!(env(&["B"]));
    let left = bare.apply("us", &body).await.is(200);
    let containers =
        left.pointer("/spec/template/spec/containers").and_then(Value::as_array).expect("a list");
    assert_eq!(containers.len(), 2);
    assert_eq!(containers[0]["env"], json!(env(&["B", "C"])));
    assert_eq!(containers[0]["terminationMessagePath"], "/dev/termination-log");
    let twice = &mut body.pointer_mut(main).expect("a container")["env"];
    *twice = json!(env(&["B", "B"]));
    let refused = bare.apply("us", &body).await;
    assert_eq!((refused.code, refused.body["reason"].as_str()), (500, None));
    assert!(refused.message().starts_with("failed to create typed patch object"), "{}", refused.text);
}

#[tokio::test]
async fn an_old_cluster_wants_the_protocol_and_a_new_one_does_not() {
    for (settings, code) in [(Settings::default(), 500), (Settings::new_cluster(), 201)] {
        let bare = Bare::prepared_with(settings).await;
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
            "spec": { "ports": [{ "port": 80 }] } });
        assert_eq!(bare.apply("us", &service).await.code, code);
    }
}

#[tokio::test]
async fn replicas_go_back_to_one_and_scaling_is_tracked_by_newer_clusters() {
    for (settings, code) in [(Settings::default(), 200), (Settings::new_cluster(), 409)] {
        let bare = Bare::prepared_with(settings).await;
        let mut body = deployment("web", "app", 2);
        bare.apply("us", &body).await.is(201);
        let scale = json!({ "spec": { "replicas": 5 } });
        let path = format!("{DEPLOYMENTS}/web/scale?fieldManager=hpa");
        bare.patch(&path, super::MERGE, &scale).await.is(200);
        assert_eq!(bare.apply("us", &body).await.code, code);
        body["spec"].as_object_mut().expect("a map").remove("replicas");
        let left = bare.apply("us", &body).await.is(200);
        assert_eq!(left["spec"]["replicas"], if code == 200 { 1 } else { 5 });
    }
}

#[tokio::test]
async fn what_was_created_can_be_handed_over() {
    let bare = Bare::prepared().await;
    let mut body = deployment("web", "app", 1);
    body["spec"]["template"]["metadata"]["annotations"] = json!({ "a": "1" });
    let made = bare.post(&format!("{DEPLOYMENTS}?fieldManager=us"), &body).await.is(201);
    let mut entries = made["metadata"]["managedFields"].clone();
    entries[0]["operation"] = json!("Apply");
    entries[0]["fieldsV1"]["f:spec"].as_object_mut().expect("a map").remove("f:replicas");
    let patch = json!([
        { "op": "test", "path": "/metadata/uid", "value": made["metadata"]["uid"] },
        { "op": "replace", "path": "/metadata/managedFields", "value": entries },
    ]);
    let path = format!("{DEPLOYMENTS}/web?fieldManager=us");
    let owned = bare.patch(&path, JSON_PATCH, &patch).await.is(200);
    assert!(managers(&owned).contains(&"us Apply".to_owned()), "{:?}", managers(&owned));
    assert!(!managers(&owned).contains(&"us Update".to_owned()));
    body["spec"]["template"]["metadata"].as_object_mut().expect("a map").remove("annotations");
    body["spec"].as_object_mut().expect("a map").remove("replicas");
    bare.fake
        .change(Kind::Deployment, "acme", "web", |it| it["spec"]["replicas"] = json!(4))
        .expect("a change");
    let left = bare.apply("us", &body).await.is(200);
    assert!(left["spec"]["template"]["metadata"].get("annotations").is_none());
    assert_eq!(left["spec"]["replicas"], 4);
    assert_eq!(left["metadata"]["name"], "web");
    assert_eq!(left["spec"]["strategy"]["type"], "RollingUpdate");
}

#[tokio::test]
async fn an_old_cluster_refuses_newer_fields_or_drops_them() {
    let mut body = deployment("web", "app", 0);
    let probe = json!({ "grpc": { "port": 1 } });
    body["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = probe;
    for (settings, known) in [(Settings::default(), false), (Settings::new_cluster(), true)] {
        let bare = Bare::prepared_with(settings).await;
        let applied = bare.apply("us", &body).await;
        assert_eq!(applied.code, if known { 201 } else { 500 });
        assert_eq!(applied.message().ends_with(".readinessProbe.grpc: field not declared in schema"), !known);
        let mut other = body.clone();
        other["metadata"]["name"] = json!("other");
        let made = bare.post(DEPLOYMENTS, &other).await.is(201);
        let probe = &made["spec"]["template"]["spec"]["containers"][0]["readinessProbe"];
        assert_eq!(probe["grpc"].is_object(), known);
    }
}
