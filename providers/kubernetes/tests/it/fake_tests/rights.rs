//! Who may do what.

use serde_json::{Value, json};

use super::{APPLY, Bare};
use crate::fake::{Grant, Settings, User};

const MAPS: &str = "/api/v1/namespaces/acme/configmaps";

fn rules(verbs: &[&str]) -> Value {
    json!([{ "apiGroups": [""], "resources": ["configmaps", "pods/log"], "verbs": verbs }])
}

#[tokio::test]
async fn a_user_may_do_what_its_rules_say() {
    let some = User::with_rules("system:serviceaccount:ops:landlord", rules(&["get", "patch"])).and_in(
        "acme",
        json!([{ "apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"], "resourceNames": ["web"] }]),
    );
    assert!(matches!(
        some.grants.as_slice(),
        [Grant { namespace: None, .. }, Grant { namespace: Some(_), .. }]
    ));
    let users = [("t-1".to_owned(), some), ("t-2".to_owned(), User::admin("root"))];
    let mut bare = Bare::with(Settings { users: users.into(), ..Settings::default() });
    bare.get("/version").await.refused(401, "Unauthorized");
    bare.token = Some("none");
    bare.get(MAPS).await.refused(401, "Unauthorized");
    bare.token = Some("t-2");
    bare.post("/api/v1/namespaces", &json!({ "metadata": { "name": "acme" } })).await.is(201);
    bare.account().await;
    bare.post(MAPS, &json!({ "metadata": { "name": "map" } })).await.is(201);
    bare.token = Some("t-1");
    bare.get(&format!("{MAPS}/map")).await.is(200);
    let refused = bare.get(MAPS).await.refused(403, "Forbidden");
    assert_eq!(
        refused["message"],
        "configmaps is forbidden: User \"system:serviceaccount:ops:landlord\" cannot list resource \"configmaps\" \
         in API group \"\" in the namespace \"acme\""
    );
    let body = |name: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
    bare.patch(&format!("{MAPS}/map?fieldManager=us"), APPLY, &body("map")).await.is(200);
    let absent = bare.patch(&format!("{MAPS}/none?fieldManager=us"), APPLY, &body("none")).await;
    assert_eq!(absent.refused(403, "Forbidden")["message"], "configmaps \"none\" is forbidden: ");
    bare.get("/apis/apps/v1/namespaces/acme/deployments/web").await.is(404);
    bare.get("/apis/apps/v1/namespaces/acme/deployments/other").await.refused(403, "Forbidden");
    bare.get("/apis/apps/v1/namespaces/default/deployments/web").await.refused(403, "Forbidden");
}

#[tokio::test]
async fn rights_are_told_and_taken_away() {
    let users = [("t".to_owned(), User::with_rules("us", rules(&["get"])))];
    let mut bare = Bare::with(Settings { users: users.into(), ..Settings::default() });
    bare.token = Some("t");
    let ask = |verb: &str, sub: &str| {
        let resource = if sub.is_empty() { "configmaps" } else { "pods" };
        json!({ "spec": { "resourceAttributes": { "namespace": "acme", "verb": verb, "group": "",
            "resource": resource, "subresource": sub } } })
    };
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    for (verb, sub, allowed) in [("get", "", true), ("get", "log", true), ("delete", "", false)] {
        let answer = bare.post(path, &ask(verb, sub)).await.is(201);
        assert_eq!(answer["status"]["allowed"], allowed);
    }
    bare.fake.set(|settings| {
        if let Some(user) = settings.users.get_mut("t") {
            user.denied.push(("get".to_owned(), "configmaps".to_owned()));
        }
    });
    assert_eq!(bare.post(path, &ask("get", "")).await.is(201)["status"]["allowed"], false);
    bare.get(&format!("{MAPS}/map")).await.refused(403, "Forbidden");
}
