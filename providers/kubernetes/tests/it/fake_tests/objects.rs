//! Making, reading, changing and deleting objects.

use serde_json::json;

use super::{Bare, DEPLOYMENTS, JSON_PATCH, MERGE, deployment};
use crate::fake::Kind;

const MAPS: &str = "/api/v1/namespaces/acme/configmaps";

#[tokio::test]
async fn an_object_is_made_once_with_what_the_server_adds() {
    let bare = Bare::prepared().await;
    let made =
        bare.post(&format!("{DEPLOYMENTS}?fieldManager=us"), &deployment("web", "app", 2)).await.is(201);
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(made["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
    assert_eq!(
        made["spec"]["template"]["spec"]["containers"][0]["terminationMessagePath"],
        "/dev/termination-log"
    );
    let entry = &made["metadata"]["managedFields"][0];
    assert_eq!((&entry["manager"], &entry["operation"]), (&json!("us"), &json!("Update")));
    assert!(entry["fieldsV1"]["f:spec"]["f:replicas"].is_object());
    let again = bare.post(DEPLOYMENTS, &deployment("web", "app", 2)).await.refused(409, "AlreadyExists");
    assert_eq!(again["message"], "deployments.apps \"web\" already exists");
    assert_eq!(again["details"], json!({ "name": "web", "group": "apps", "kind": "deployments" }));
    let absent = bare.get(&format!("{DEPLOYMENTS}/none")).await.refused(404, "NotFound");
    assert_eq!(absent["message"], "deployments.apps \"none\" not found");
    let nowhere = "/api/v1/namespaces/nowhere/configmaps";
    let lost = bare.post(nowhere, &json!({ "metadata": { "name": "a" } })).await.refused(404, "NotFound");
    assert_eq!(lost["message"], "namespaces \"nowhere\" not found");
    let dry = format!("{DEPLOYMENTS}?dryRun=All");
    bare.post(&dry, &deployment("dry", "app", 1)).await.is(201);
    bare.get(&format!("{DEPLOYMENTS}/dry")).await.is(404);
    let wrong = bare.post(DEPLOYMENTS, &json!({ "metadata": { "name": "x" }, "spec": {} })).await;
    assert!(wrong.refused(422, "Invalid")["details"]["causes"].is_array());
    let generated = json!({ "metadata": { "generateName": "gen-" }, "data": {} });
    let made = bare.post(MAPS, &generated).await.is(201);
    assert_ne!(made["metadata"]["name"], "gen-");
}

#[tokio::test]
async fn quantities_are_written_as_the_server_writes_them() {
    let bare = Bare::prepared().await;
    let mut body = deployment("web", "app", 0);
    let resources = json!({ "requests": { "cpu": "1000m", "memory": "1024Mi" }, "limits": { "cpu": 2, "memory": "1.5Gi" } });
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = resources;
    let made = bare.post(DEPLOYMENTS, &body).await.is(201);
    let written = &made["spec"]["template"]["spec"]["containers"][0]["resources"];
    let expected =
        json!({ "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "cpu": "2", "memory": "1536Mi" } });
    assert_eq!(written, &expected);
    for (name, as_written, normal) in
        [("a", "0.5", "500m"), ("b", "1Mi", "1Mi"), ("c", "1e3", "1k"), ("d", "0", "0")]
    {
        let quota = json!({ "metadata": { "name": name }, "spec": { "hard": { "pods": as_written } } });
        let made = bare.post("/api/v1/namespaces/acme/resourcequotas", &quota).await.is(201);
        assert_eq!(made["spec"]["hard"]["pods"], normal);
    }
}

#[tokio::test]
async fn lists_are_selected_and_paged() {
    let bare = Bare::prepared().await;
    for (name, tier) in [("a", "x"), ("b", "y"), ("c", "x")] {
        let body = json!({ "metadata": { "name": name, "labels": { "tier": tier, "of": "us" } } });
        bare.post(MAPS, &body).await.is(201);
    }
    let names = |list: &serde_json::Value| {
        let items = list["items"].as_array().expect("items").iter();
        items.map(|item| item["metadata"]["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let some = bare.get(&format!("{MAPS}?labelSelector=tier%3Dx%2Cof%20in%20(us%2Cthem)")).await.is(200);
    assert_eq!(names(&some), ["a", "c"]);
    assert!(some["items"][0].get("kind").is_none());
    let others = bare.get(&format!("{MAPS}?labelSelector=of%2Ctier%21%3Dx%2C%21none")).await.is(200);
    assert_eq!(names(&others), ["b"]);
    let one = bare.get(&format!("{MAPS}?fieldSelector=metadata.name%3Db")).await.is(200);
    assert_eq!(names(&one), ["b"]);
    let mut bare = bare;
    bare.accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let one = bare.get(&format!("{MAPS}?fieldSelector=metadata.name%3Db")).await.is(200);
    assert_eq!(
        (&one["kind"], &one["items"][0]["kind"]),
        (&json!("PartialObjectMetadataList"), &json!("PartialObjectMetadata"))
    );
    assert_eq!(one["items"][0]["metadata"]["labels"]["tier"], "y");
    bare.accept = "application/json";
    let page = bare.get("/api/v1/configmaps?labelSelector=of%3Dus&limit=2").await.is(200);
    assert_eq!(names(&page), ["a", "b"]);
    let next = page["metadata"]["continue"].as_str().expect("more").replace(':', "%3A").replace('/', "%2F");
    bare.delete(&format!("{MAPS}/c"), &json!({})).await.is(200);
    let path = format!("/api/v1/configmaps?labelSelector=of%3Dus&limit=2&continue={next}");
    let rest = bare.get(&path).await.is(200);
    assert_eq!(names(&rest), ["c"], "it goes on with what was there");
    assert!(rest["metadata"].get("continue").is_none());
    bare.fake.expire_watches();
    bare.get(&path).await.refused(410, "Expired");
}

#[tokio::test]
async fn changes_are_refused_when_they_are_late_or_forbidden() {
    let bare = Bare::prepared().await;
    bare.post(DEPLOYMENTS, &deployment("web", "app", 1)).await.is(201);
    bare.rolled_out("web").await;
    let path = format!("{DEPLOYMENTS}/web");
    let mut seen = bare.get(&path).await.is(200);
    bare.fake
        .change(Kind::Deployment, "acme", "web", |it| it["metadata"]["labels"]["by"] = json!("hand"))
        .expect("it is changed");
    seen["spec"]["replicas"] = json!(2);
    let late = bare.put(&path, &seen).await.refused(409, "Conflict");
    assert!(late["message"].as_str().is_some_and(|it| it.contains("the object has been modified")));
    let selector = json!({ "spec": { "selector": { "matchLabels": { "app": "other" } } } });
    let wrong = bare.patch(&path, MERGE, &selector).await.refused(422, "Invalid");
    let fields: Vec<_> =
        wrong["details"]["causes"].as_array().into_iter().flatten().map(|it| &it["field"]).collect();
    assert!(!fields.is_empty());
    let uid = json!({ "metadata": { "uid": "another" } });
    let other = bare.patch(&path, MERGE, &uid).await.refused(422, "Invalid");
    assert_eq!(other["details"]["causes"][0]["field"], "metadata.uid");
    let tested = json!([
        { "op": "test", "path": "/spec/replicas", "value": 7 },
        { "op": "replace", "path": "/spec/replicas", "value": 8 },
    ]);
    bare.patch(&path, JSON_PATCH, &tested).await.refused(422, "Invalid");
    let tested = json!([
        { "op": "test", "path": "/metadata/labels/by", "value": "hand" },
        { "op": "remove", "path": "/metadata/labels/by" },
        { "op": "add", "path": "/metadata/annotations/a~1b", "value": "c" },
    ]);
    let generation = bare.get(&path).await.is(200)["metadata"]["generation"].clone();
    let changed = bare.patch(&path, JSON_PATCH, &tested).await.is(200);
    assert!(changed["metadata"]["labels"].get("by").is_none());
    assert_eq!(changed["metadata"]["annotations"]["a/b"], "c");
    assert_eq!(changed["metadata"]["generation"], generation, "only its tags changed");
    let again = bare.put(&path, &changed).await.is(200);
    assert_eq!(
        again["metadata"]["resourceVersion"], changed["metadata"]["resourceVersion"],
        "nothing changed"
    );
    let odd = bare.patch(&path, "text/plain", &json!({})).await;
    assert_eq!(odd.code, 415);
}

#[tokio::test]
async fn what_may_not_change_does_not() {
    let bare = Bare::prepared().await;
    let body = json!({ "metadata": { "name": "fixed" }, "data": { "a": "1" }, "immutable": true });
    bare.post(MAPS, &body).await.is(201);
    let change = json!({ "data": { "a": "2" } });
    bare.patch(&format!("{MAPS}/fixed"), MERGE, &change).await.refused(422, "Invalid");
    let secrets = "/api/v1/namespaces/acme/secrets";
    let body = json!({ "metadata": { "name": "key" }, "stringData": { "a": "hello" } });
    let made = bare.post(secrets, &body).await.is(201);
    assert_eq!((&made["data"]["a"], &made["type"]), (&json!("aGVsbG8="), &json!("Opaque")));
    let change = json!({ "type": "kubernetes.io/tls" });
    bare.patch(&format!("{secrets}/key"), MERGE, &change).await.refused(422, "Invalid");
    let services = "/api/v1/namespaces/acme/services";
    let body = json!({ "metadata": { "name": "web" }, "spec": { "ports": [{ "port": 80 }] } });
    let made = bare.post(services, &body).await.is(201);
    assert_eq!(made["spec"]["ports"][0], json!({ "port": 80, "protocol": "TCP", "targetPort": 80 }));
    let change = json!({ "spec": { "clusterIP": "None" } });
    bare.patch(&format!("{services}/web"), MERGE, &change).await.refused(422, "Invalid");
    let change = json!({ "spec": { "type": "NodePort" } });
    let made = bare.patch(&format!("{services}/web"), MERGE, &change).await.is(200);
    assert!(made["spec"]["ports"][0]["nodePort"].as_u64().is_some_and(|port| port >= 30000));
    let claims = "/api/v1/namespaces/acme/persistentvolumeclaims";
    let size = |size: &str| json!({ "spec": { "resources": { "requests": { "storage": size } } } });
    let mut body = size("2Gi");
    body["metadata"] = json!({ "name": "disk" });
    bare.post(claims, &body).await.is(201);
    let bound = |fake: &crate::fake::Fake| {
        let claim = fake.object(Kind::PersistentVolumeClaim, "acme", "disk")?;
        (claim["status"]["phase"] == "Bound").then_some(())
    };
    bare.fake.until("the claim is bound", bound).await;
    let path = format!("{claims}/disk");
    let shrunk = bare.patch(&path, MERGE, &size("1Gi")).await.refused(422, "Invalid");
    assert_eq!(shrunk["details"]["causes"][0]["field"], "spec.resources.requests.storage");
    bare.patch(&path, MERGE, &size("3Gi")).await.is(200);
}

#[tokio::test]
async fn deleting_is_for_one_life_and_waits_for_holders() {
    let bare = Bare::prepared().await;
    let path = format!("{MAPS}/held");
    let made = bare.post(MAPS, &json!({ "metadata": { "name": "held" } })).await.is(201);
    let other = json!({ "preconditions": { "uid": "another" } });
    let refused = bare.delete(&path, &other).await.refused(409, "Conflict");
    assert!(
        refused["message"].as_str().is_some_and(|it| it.contains("Precondition failed: UID in precondition"))
    );
    bare.fake.hold_object(Kind::ConfigMap, "acme", "held", "example.test/hold");
    let options = json!({ "preconditions": { "uid": made["metadata"]["uid"] } });
    let going = bare.delete(&path, &options).await.is(200);
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    let again =
        bare.post(MAPS, &json!({ "metadata": { "name": "held" } })).await.refused(409, "AlreadyExists");
    assert!(again["message"].as_str().is_some_and(|it| it.starts_with("object is being deleted: ")));
    bare.fake.release_object(Kind::ConfigMap, "acme", "held", "example.test/hold");
    bare.get(&path).await.is(404);
    bare.delete(&path, &json!({})).await.refused(404, "NotFound");
    bare.post(MAPS, &json!({ "metadata": { "name": "held" } })).await.is(201);
    let gone = bare.delete(&path, &json!({})).await.is(200);
    assert_eq!((&gone["kind"], &gone["status"]), (&json!("Status"), &json!("Success")));
    bare.fake.plant(Kind::ConfigMap, "acme", json!({ "metadata": { "name": "held" } })).expect("it is made");
    bare.fake.delete(Kind::ConfigMap, "acme", "held");
    bare.get(&path).await.is(404);
}

#[tokio::test]
async fn the_number_of_replicas_is_told_by_scale() {
    let bare = Bare::prepared().await;
    bare.post(DEPLOYMENTS, &deployment("web", "app", 1)).await.is(201);
    let path = format!("{DEPLOYMENTS}/web/scale");
    let mut scale = bare.get(&path).await.is(200);
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(1)));
    scale["spec"]["replicas"] = json!(3);
    // Its status is written meanwhile.
    scale["metadata"]["resourceVersion"] = json!(null);
    bare.put(&path, &scale).await.is(200);
    assert_eq!(bare.rolled_out("web").await["status"]["readyReplicas"], 3);
    let uid = json!({ "metadata": { "uid": "another" }, "spec": { "replicas": 1 } });
    bare.patch(&path, MERGE, &uid).await.refused(422, "Invalid");
    bare.patch(&path, MERGE, &json!({ "spec": { "replicas": 2 } })).await.is(200);
    assert_eq!(bare.rolled_out("web").await["status"]["readyReplicas"], 2);
}
