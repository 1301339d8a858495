//! Stateful sets, and their volumes.

use serde_json::{Value, json};

use super::{Bare, MERGE};
use crate::fake::{Claims, Fake, Kind, Settings};

const SETS: &str = "/apis/apps/v1/namespaces/acme/statefulsets";

fn set(replicas: u32) -> Value {
    let labels = json!({ "app": "db" });
    let claim = json!({ "metadata": { "name": "disk" }, "spec": { "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": "1024Mi" } } } });
    let container = json!({ "name": "main", "image": "registry.test/app:1",
        "volumeMounts": [{ "name": "disk", "mountPath": "/data" }] });
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db" },
        "spec": {
            "replicas": replicas, "serviceName": "db", "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } },
            "volumeClaimTemplates": [claim],
        },
    })
}

fn settled(fake: &Fake) -> Option<Value> {
    let object = fake.object(Kind::StatefulSet, "acme", "db")?;
    let (status, wanted) = (&object["status"], &object["spec"]["replicas"]);
    let done = status["observedGeneration"] == object["metadata"]["generation"]
        && [&status["replicas"], &status["readyReplicas"], &status["updatedReplicas"]] == [wanted; 3]
        && status["currentRevision"] == status["updateRevision"];
    done.then_some(object)
}

#[tokio::test]
async fn pods_come_in_order_each_with_a_claim_that_stays() {
    let bare = Bare::prepared().await;
    let made = bare.post(SETS, &set(2)).await.is(201);
    let claim = &made["spec"]["volumeClaimTemplates"][0];
    assert_eq!(
        (&claim["kind"], &claim["status"]["phase"]),
        (&json!("PersistentVolumeClaim"), &json!("Pending"))
    );
    let ordered = |fake: &Fake| {
        let pods = fake.pods("acme");
        let ready = |name| {
            pods.get(name).is_some_and(|pod| super::condition(pod, "Ready").is_some_and(|it| it.0 == "True"))
        };
        assert!(!pods.contains_key("db-1") || ready("db-0"), "one after the other");
        settled(fake)
    };
    let first = bare.fake.until("both run", ordered).await;
    let claims = bare.fake.objects(Kind::PersistentVolumeClaim, "acme");
    let names: Vec<_> = claims.iter().map(|it| (&it["metadata"]["name"], &it["status"]["phase"])).collect();
    assert_eq!(names, [(&json!("disk-db-0"), &json!("Bound")), (&json!("disk-db-1"), &json!("Bound"))]);
    let image = json!([{ "op": "replace", "path": "/spec/template/spec/containers/0/image",
        "value": "registry.test/next:1" }]);
    bare.patch(&format!("{SETS}/db"), super::JSON_PATCH, &image).await.is(200);
    let next = |fake: &Fake| {
        let object = settled(fake)?;
        (object["status"]["currentRevision"] != first["status"]["currentRevision"]).then_some(())
    };
    bare.fake.until("both are new", next).await;
    assert!(
        bare.fake
            .pods("acme")
            .values()
            .all(|pod| pod["spec"]["containers"][0]["image"] == "registry.test/next:1")
    );
    let change = json!({ "spec": { "serviceName": "other" } });
    let refused = bare.patch(&format!("{SETS}/db"), MERGE, &change).await.refused(422, "Invalid");
    assert_eq!(refused["details"]["causes"][0]["field"], "spec");
    bare.patch(&format!("{SETS}/db"), MERGE, &json!({ "spec": { "replicas": 1 } })).await.is(200);
    bare.fake.until("one is left", settled).await;
    bare.delete(&format!("{SETS}/db"), &json!({ "propagationPolicy": "Foreground" })).await.is(200);
    let gone = |fake: &Fake| fake.object(Kind::StatefulSet, "acme", "db").is_none().then_some(());
    bare.fake.until("it is gone", gone).await;
    assert_eq!(bare.fake.objects(Kind::PersistentVolumeClaim, "acme").len(), 2, "data stays");
    let path = "/api/v1/namespaces/acme/persistentvolumeclaims/disk-db-0";
    bare.delete(path, &json!({})).await.is(200);
    let gone = |fake: &Fake| (fake.objects(Kind::PersistentVolumeClaim, "acme").len() == 1).then_some(());
    bare.fake.until("nobody uses it", gone).await;
}

#[tokio::test]
async fn pods_come_at_once_and_claims_wait_for_them() {
    let settings = Settings { claims: Claims::FirstConsumer, ..Settings::new_cluster() };
    let bare = Bare::prepared_with(settings).await;
    let alone = json!({ "metadata": { "name": "alone" }, "spec": { "resources": { "requests": { "storage": "1Gi" } } } });
    bare.post("/api/v1/namespaces/acme/persistentvolumeclaims", &alone).await.is(201);
    let mut body = set(2);
    body["spec"]["podManagementPolicy"] = json!("Parallel");
    bare.post(SETS, &body).await.is(201);
    bare.fake.until("both run", settled).await;
    let alone = bare.fake.object(Kind::PersistentVolumeClaim, "acme", "alone").expect("it is there");
    assert_eq!(alone["status"]["phase"], "Pending");
    bare.fake.set(|settings| settings.claims = Claims::Never);
    bare.patch(&format!("{SETS}/db"), MERGE, &json!({ "spec": { "replicas": 3 } })).await.is(200);
    bare.said("FailedScheduling", "unbound immediate PersistentVolumeClaims").await;
}
