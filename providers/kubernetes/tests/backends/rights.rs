//! The rights that the engine needs, taken away one by one.

use landlord_compute::provider::Provider;
use landlord_state_machines::error::ErrorCode;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::serves::web;
use super::site::{MANIFEST, Site, token};

/// Kinds of which a tenant like this one has none; their rights are missed by others.
const NOT_NEEDED: [&str; 9] = [
    "configmaps",
    "persistentvolumeclaims",
    "secrets",
    "statefulsets",
    "ingresses",
    "poddisruptionbudgets",
    "httproutes",
    "gateways",
    "externalsecrets",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn each_verb_that_is_taken_away_is_named() {
    let site = Site::new("rights").await;
    let accounts = "/api/v1/namespaces/landlord/serviceaccounts";
    site.admin.create(accounts, &json!({ "metadata": { "name": "limited" } })).await;
    let manifests: Vec<Value> = serde_saphyr::from_multiple(MANIFEST).expect("manifests");
    let mut role = manifests.into_iter().find(|one| one["kind"] == "ClusterRole").expect("a role");
    role["metadata"]["name"] = json!("limited");
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    site.admin.create(roles, &role).await;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "limited" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "limited" },
        "subjects": [{ "kind": "ServiceAccount", "name": "limited", "namespace": "landlord" }],
    });
    site.admin.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).await;
    let limited = token(&site.admin, "landlord", "limited").await;
    site.write_kubeconfig(Cluster::shared(), "limited", &limited);
    let (cx, spec) = (site.cx("rights-a"), web("rights-a", "one").check().expect("valid"));

    // A provider that was just started asks about all of its rights.
    let validate = async || site.provider_as("limited", &json!({})).validate(&cx, &spec).await;
    site.admin.until("all rights are there", async |_| validate().await.ok()).await;
    let rules = role["rules"].as_array().expect("rules").clone();
    let mut tried = 0;
    for (at, rule) in rules.iter().enumerate() {
        let resources = rule["resources"].as_array().expect("resources").iter().filter_map(Value::as_str);
        let needed: Vec<&str> = resources.filter(|resource| !NOT_NEEDED.contains(resource)).collect();
        if needed.is_empty() {
            continue;
        }
        for verb in rule["verbs"].as_array().expect("verbs") {
            let mut without = rules.clone();
            let verbs = without[at]["verbs"].as_array_mut().expect("verbs");
            verbs.retain(|one| one != verb);
            if verbs.is_empty() {
                without.remove(at);
            }
            let verb = verb.as_str().expect("a verb");
            site.admin.patch(&format!("{roles}/limited"), &json!({ "rules": without })).await;
            let error = site
                .admin
                .until("a right is missed", async |_| {
                    let error = validate().await.err()?;
                    let names = |resource: &&str| error.message.contains(&format!("{verb} {resource}"));
                    needed.iter().all(names).then_some(error)
                })
                .await;
            assert_eq!(error.code, ErrorCode::PermissionDenied, "{error}");
            tried += needed.len();
        }
    }
    println!("{tried} rights were taken away");
    assert!(tried > 30, "{tried}");
    site.admin.patch(&format!("{roles}/limited"), &json!({ "rules": rules })).await;
    site.admin.until("all rights are there again", async |_| validate().await.ok()).await;
}
