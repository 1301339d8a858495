//! Every call of the planner that writes: what it does, and each answer that it can have.

use landlord_state_machines::planner::kubernetes::{
    Delete, FieldConflict, KubernetesCall, KubernetesReply, Make, ObjectId, ObjectKind, Propagation,
    SecretSource,
};
use serde_json::{Value, json};

use super::fake::{Fake, Kind, Settings};
use super::site::{Site, apply, config_map, id, make, own, place, workload};

/// A uid that no object has.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn delete(id: ObjectId, uid: &str, api_version: &str, propagation: Propagation) -> KubernetesCall {
    let (uid, api_version) = (uid.to_owned(), api_version.to_owned());
    KubernetesCall::Delete(Delete { place: place(), id, uid, api_version, propagation })
}

fn scale(uid: &str, replicas: u32) -> KubernetesCall {
    let workload = id(ObjectKind::Deployment, "web");
    KubernetesCall::Scale { place: place(), workload, uid: uid.to_owned(), replicas }
}

/// Who has something of an object, and how.
fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let all = entries.map(|entry| format!("{} {}", text(entry, "manager"), text(entry, "operation")));
    all.filter(|it| !it.starts_with("kube-")).collect()
}

// ---- create

#[tokio::test]
async fn a_creation_makes_what_is_not_there_and_touches_nothing_that_is() {
    let site = Site::prepared();
    let made = site.created(config_map("files", json!({ "a": "1" }))).await;
    assert_eq!(made.id, id(ObjectKind::ConfigMap, "files"));
    assert!(!made.owned, "it is not as an apply would leave it");
    assert_eq!(made.body["data"], json!({ "a": "1" }));
    let again = KubernetesCall::Create(Box::new(config_map("files", json!({ "a": "2" }))));
    assert_eq!(site.reply(&again).await, KubernetesReply::Exists);
    assert_eq!(site.fake.object(Kind::ConfigMap, "acme", "files").expect("it")["data"]["a"], "1");
}

#[tokio::test]
async fn a_namespace_is_made_too() {
    let site = Site::new();
    let made = site.created(make(ObjectKind::Namespace, "acme", json!({}))).await;
    assert_eq!(made.id.to_string(), "Namespace/acme");
    let again = KubernetesCall::Create(Box::new(make(ObjectKind::Namespace, "acme", json!({}))));
    assert_eq!(site.reply(&again).await, KubernetesReply::Exists);
}

#[tokio::test]
async fn nothing_is_made_without_a_namespace_or_in_one_that_goes() {
    let site = Site::new();
    let create = KubernetesCall::Create(Box::new(config_map("files", json!({}))));
    assert_eq!(site.reply(&create).await, KubernetesReply::NoNamespace);
    site.plant_namespace();
    site.fake.hold_object(Kind::Namespace, "", "acme", "example.test/hold");
    site.fake.delete(Kind::Namespace, "", "acme");
    assert_eq!(site.reply(&create).await, KubernetesReply::NoNamespace);
    let namespace = KubernetesCall::Create(Box::new(make(ObjectKind::Namespace, "acme", json!({}))));
    assert_eq!(site.reply(&namespace).await, KubernetesReply::Exists);
}

// ---- own

#[tokio::test]
async fn what_was_created_and_owned_loses_what_is_not_applied_any_more() {
    for settings in [Settings::default(), Settings::new_cluster()] {
        let site = Site::with(settings, &json!({}));
        site.plant_namespace();
        let mut before = workload("app");
        before.body["spec"]["template"]["metadata"]["annotations"] = json!({ "old": "1" });
        let made = site.created(before).await;
        let owned = site.object(&own(&made)).await;
        assert!(owned.owned);
        assert_eq!(owned.uid, made.uid);
        assert_eq!(site.object(&own(&made)).await.uid, made.uid, "twice is as good as once");
        let live = site.fake.object(Kind::Deployment, "acme", "web").expect("it");
        assert_eq!(managers(&live), ["landlord Apply"]);
        // Its number of pods is nobody's: an apply that does not name it leaves it alone.
        let mut after = workload("app");
        after.body["spec"].as_object_mut().expect("a spec").remove("replicas");
        let applied = site.object(&apply(after, &made.uid, false)).await;
        assert_eq!(applied.body["spec"]["replicas"], 2);
        assert_eq!(applied.body.pointer("/spec/template/metadata/annotations"), None);
    }
}

#[tokio::test]
async fn only_the_object_that_is_meant_is_owned() {
    let site = Site::prepared();
    let made = site.created(config_map("files", json!({}))).await;
    site.fake.remove(Kind::ConfigMap, "acme", "files");
    assert_eq!(site.reply(&own(&made)).await, KubernetesReply::Gone);
    site.created(config_map("files", json!({}))).await;
    assert_eq!(site.reply(&own(&made)).await, KubernetesReply::Gone);
    let live = site.fake.object(Kind::ConfigMap, "acme", "files").expect("it");
    assert_eq!(managers(&live), ["landlord Update"], "its successor is left alone");
}

// ---- apply

#[tokio::test]
async fn fields_of_others_are_told_and_taken_only_by_order() {
    let site = Site::prepared();
    let made = site.created(config_map("files", json!({ "a": "1" }))).await;
    site.reply(&own(&made)).await;
    let theirs = |data: &mut Value| data["data"]["a"] = json!("theirs");
    site.fake.change(Kind::ConfigMap, "acme", "files", theirs).expect("a change");
    let ours = || config_map("files", json!({ "a": "2" }));
    let conflict = FieldConflict { manager: "kubectl".to_owned(), field: ".data.a".to_owned() };
    let told = site.reply(&apply(ours(), &made.uid, false)).await;
    assert_eq!(told, KubernetesReply::Conflicts([conflict].into()));
    assert_eq!(site.fake.object(Kind::ConfigMap, "acme", "files").expect("it")["data"]["a"], "theirs");
    let taken = site.object(&apply(ours(), &made.uid, true)).await;
    assert_eq!(taken.body["data"]["a"], "2");
}

#[tokio::test]
async fn an_apply_brings_nothing_back_and_hits_no_successor() {
    for settings in [Settings::default(), Settings::new_cluster()] {
        let site = Site::with(settings, &json!({}));
        site.plant_namespace();
        let made = site.created(config_map("files", json!({}))).await;
        let change = apply(config_map("files", json!({ "a": "2" })), &made.uid, true);
        site.fake.remove(Kind::ConfigMap, "acme", "files");
        assert_eq!(site.reply(&change).await, KubernetesReply::Gone);
        assert_eq!(site.fake.object(Kind::ConfigMap, "acme", "files"), None);
        let stranger = json!({ "metadata": { "name": "files" }, "data": { "a": "theirs" } });
        site.fake.plant(Kind::ConfigMap, "acme", stranger).expect("another");
        assert_eq!(site.reply(&change).await, KubernetesReply::Gone);
        assert_eq!(site.fake.object(Kind::ConfigMap, "acme", "files").expect("it")["data"]["a"], "theirs");
    }
}

#[tokio::test]
async fn an_apply_to_what_goes_says_so() {
    let site = Site::prepared();
    let made = site.created(config_map("files", json!({}))).await;
    site.fake.hold_object(Kind::ConfigMap, "acme", "files", "example.test/hold");
    site.fake.delete(Kind::ConfigMap, "acme", "files");
    let applied = site.object(&apply(config_map("files", json!({ "a": "2" })), &made.uid, true)).await;
    assert!(applied.deleting.is_some());
}

// ---- scale

#[tokio::test]
async fn a_number_of_pods_is_told_and_kept_by_nobody() {
    let site = Site::prepared();
    let made = site.created(workload("app")).await;
    site.reply(&own(&made)).await;
    let scaled = site.object(&scale(&made.uid, 5)).await;
    assert_eq!(scaled.body["spec"]["replicas"], 5);
    let mut unchanged = workload("app");
    unchanged.body["spec"].as_object_mut().expect("a spec").remove("replicas");
    let applied = site.object(&apply(unchanged, &made.uid, false)).await;
    assert_eq!(applied.body["spec"]["replicas"], 5);
    assert_eq!(site.reply(&scale(NOBODY, 1)).await, KubernetesReply::Gone);
    assert_eq!(site.fake.object(Kind::Deployment, "acme", "web").expect("it")["spec"]["replicas"], 5);
    site.fake.remove(Kind::Deployment, "acme", "web");
    assert_eq!(site.reply(&scale(&made.uid, 1)).await, KubernetesReply::Gone);
}

// ---- copies

fn copied(keys: &[&str], uid: Option<&str>) -> KubernetesCall {
    let make: Make = make(ObjectKind::Secret, "copy", json!({}));
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    let from = SecretSource { namespace: "operator".to_owned(), name: "vault".to_owned(), keys };
    KubernetesCall::CopySecret { make: Box::new(make), from, uid: uid.map(str::to_owned) }
}

fn plant_vault(site: &Site) {
    let namespace = json!({ "metadata": { "name": "operator" } });
    site.fake.plant(Kind::Namespace, "", namespace).expect("a namespace");
    let secret = json!({
        "metadata": { "name": "vault" },
        "type": "example.test/vault",
        "data": { "a": "QQ==", "b": "Qg==", "c": "Qw==" },
    });
    site.fake.plant(Kind::Secret, "operator", secret).expect("a secret");
}

fn copy_in(fake: &Fake) -> Value {
    fake.object(Kind::Secret, "acme", "copy").expect("the copy")
}

#[tokio::test]
async fn a_secret_is_copied_with_its_keys_and_its_type_and_told_to_nobody() {
    let site = Site::prepared();
    plant_vault(&site);
    let reply = site.object(&copied(&["a", "b"], None)).await;
    assert_eq!((reply.body.get("data"), reply.body.get("stringData")), (None, None));
    let copy = copy_in(&site.fake);
    assert_eq!(copy["data"], json!({ "a": "QQ==", "b": "Qg==" }));
    assert_eq!(copy["type"], "example.test/vault");
    let vault = site.fake.object(Kind::Secret, "operator", "vault").expect("the source");
    let source = |field: &str| vault["metadata"][field].as_str().expect("a text").to_owned();
    let as_of = format!("{}/{}", source("uid"), source("resourceVersion"));
    assert_eq!(copy["metadata"]["annotations"]["landlord.source"], json!(as_of));
    assert_eq!(site.reply(&copied(&["a"], None)).await, KubernetesReply::Exists);
}

#[tokio::test]
async fn a_copy_gets_the_values_of_now_and_loses_keys_that_are_not_wanted() {
    let site = Site::prepared();
    plant_vault(&site);
    let made = site.object(&copied(&["a", "b"], None)).await;
    site.fake
        .change(Kind::Secret, "operator", "vault", |it| it["data"]["a"] = json!("Wg=="))
        .expect("a change");
    site.fake.change(Kind::Secret, "acme", "copy", |it| it["data"]["a"] = json!("aGk=")).expect("drift");
    let again = site.object(&copied(&["a", "c"], Some(&made.uid))).await;
    assert_eq!(again.uid, made.uid);
    assert_eq!(copy_in(&site.fake)["data"], json!({ "a": "Wg==", "c": "Qw==" }));
    assert_eq!(site.reply(&copied(&["a"], Some(NOBODY))).await, KubernetesReply::Gone);
    site.fake.remove(Kind::Secret, "acme", "copy");
    assert_eq!(site.reply(&copied(&["a"], Some(&made.uid))).await, KubernetesReply::Gone);
}

#[tokio::test]
async fn what_cannot_be_copied_is_named() {
    let site = Site::prepared();
    let words = |reply: KubernetesReply| {
        let KubernetesReply::NoSource(words) = reply else { panic!("another answer") };
        words
    };
    let missing = words(site.reply(&copied(&["a"], None)).await);
    assert!(missing.contains("no Secret vault in namespace operator"), "{missing}");
    plant_vault(&site);
    let missing = words(site.reply(&copied(&["a", "z"], None)).await);
    assert!(missing.contains("the Secret vault in namespace operator has no key z"), "{missing}");
    assert_eq!(site.fake.object(Kind::Secret, "acme", "copy"), None);
}

// ---- deletions

#[tokio::test]
async fn only_the_object_that_is_meant_is_deleted() {
    let site = Site::prepared();
    let made = site.created(config_map("files", json!({}))).await;
    let away = |uid: &str| delete(id(ObjectKind::ConfigMap, "files"), uid, "v1", Propagation::Background);
    assert_eq!(site.reply(&away(NOBODY)).await, KubernetesReply::Gone);
    assert!(site.fake.object(Kind::ConfigMap, "acme", "files").is_some());
    assert_eq!(site.reply(&away(&made.uid)).await, KubernetesReply::Deleted);
    assert_eq!(site.fake.object(Kind::ConfigMap, "acme", "files"), None);
    assert_eq!(site.reply(&away(&made.uid)).await, KubernetesReply::Deleted, "twice is as good as once");
}

#[tokio::test]
async fn a_workload_goes_after_its_pods_and_a_namespace_with_all_that_is_in_it() {
    let site = Site::prepared();
    let made = site.created(workload("app")).await;
    site.fake.until("it has pods", |fake| (fake.pods("acme").len() == 2).then_some(())).await;
    let away = delete(made.id.clone(), &made.uid, "apps/v1", Propagation::Foreground);
    assert_eq!(site.reply(&away).await, KubernetesReply::Deleted);
    if let Some(going) = site.fake.object(Kind::Deployment, "acme", "web") {
        assert_eq!(going["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    }
    let gone = |fake: &Fake| fake.object(Kind::Deployment, "acme", "web").is_none().then_some(());
    site.fake.until("the workload is gone", gone).await;
    assert!(site.fake.objects(Kind::Pod, "acme").is_empty());
    let namespace = site.fake.object(Kind::Namespace, "", "acme").expect("it");
    let uid = namespace["metadata"]["uid"].as_str().expect("a uid");
    let away = delete(id(ObjectKind::Namespace, "acme"), uid, "v1", Propagation::Background);
    assert_eq!(site.reply(&away).await, KubernetesReply::Deleted);
    let gone = |fake: &Fake| fake.object(Kind::Namespace, "", "acme").is_none().then_some(());
    site.fake.until("the namespace is gone", gone).await;
}

#[tokio::test]
async fn a_pod_is_deleted_by_its_uid() {
    let site = Site::prepared();
    site.created(workload("app")).await;
    let pods =
        site.fake.until("it has pods", |fake| Some(fake.pods("acme")).filter(|it| it.len() == 2)).await;
    let (name, pod) = pods.first_key_value().expect("a pod");
    let uid = pod["metadata"]["uid"].as_str().expect("a uid");
    let away =
        |uid: &str| KubernetesCall::DeletePod { place: place(), name: name.clone(), uid: uid.to_owned() };
    assert_eq!(site.reply(&away(NOBODY)).await, KubernetesReply::Gone);
    assert!(site.fake.pods("acme").contains_key(name));
    assert_eq!(site.reply(&away(uid)).await, KubernetesReply::Deleted);
    site.fake.until("it is gone", |fake| fake.object(Kind::Pod, "acme", name).is_none().then_some(())).await;
    assert_eq!(site.reply(&away(uid)).await, KubernetesReply::Deleted);
}
