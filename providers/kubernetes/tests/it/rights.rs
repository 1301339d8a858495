//! The rights that the engine needs, taken away one by one.

use landlord_compute::machines::spec::{ContainerSpec, PortMapping, ResourceRequirements, TenantComputeSpec};
use landlord_compute::provider::Provider;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::planner::kubernetes::KubernetesCall;
use landlord_state_machines::spec::Spec;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fake::{Grant, Kind, Settings, User, Verb};
use super::site::{Site, TOKEN, cx, subject};

/// The rules of the manifest that operators apply.
fn rules() -> Value {
    let manifest = include_str!("../../../../ops/kubernetes/rbac.yaml");
    let all: Vec<Value> = serde_saphyr::from_multiple(manifest).expect("manifests");
    let role = all.into_iter().find(|one| one["kind"] == "ClusterRole").expect("a role");
    role["rules"].clone()
}

#[derive(Deserialize)]
struct Rule {
    resources: Vec<String>,
    verbs: Vec<String>,
}

/// A site whose engine may do what the manifest says, without these.
fn site(defaults: &Value, denied: &[(&str, &str)]) -> Site {
    let mut user = User::with_rules("engine", rules());
    user.denied = denied.iter().map(|(verb, on)| ((*verb).to_owned(), (*on).to_owned())).collect();
    let users = [(TOKEN.to_owned(), user)].into();
    Site::with(Settings { users, ..Settings::new_cluster() }, defaults)
}

fn spec() -> Spec {
    let port = PortMapping { container_port: 80, protocol: "tcp".to_owned(), ..PortMapping::default() };
    let spec = TenantComputeSpec {
        tenant_id: "acme".to_owned(),
        provider_type: "kubernetes".to_owned(),
        containers: vec![ContainerSpec {
            name: "web".to_owned(),
            image: "registry.test/app:1".to_owned(),
            ports: vec![port],
            ..ContainerSpec::default()
        }],
        resources: ResourceRequirements { cpu: 256, memory: 512, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    };
    Spec::try_from(spec).expect("a spec")
}

async fn validated(site: &Site) -> Result<(), ProviderError> {
    site.provider.validate(&cx(), &spec()).await
}

#[tokio::test]
async fn the_manifest_is_enough() {
    validated(&site(&json!({}), &[])).await.expect("all rights");
}

#[tokio::test]
async fn every_right_that_is_missing_is_named_and_all_of_them_at_once() {
    let rules: Vec<Rule> = serde_json::from_value(rules()).expect("rules");
    let needed = ["pods", "pods/log", "events", "deployments", "statefulsets", "namespaces", "services"];
    let mut tried = 0;
    for rule in &rules {
        for (resource, verb) in
            rule.resources.iter().flat_map(|it| rule.verbs.iter().map(move |verb| (it, verb)))
        {
            if !needed.contains(&resource.as_str()) {
                continue;
            }
            let error =
                validated(&site(&json!({}), &[(verb, resource)])).await.expect_err("a right is missing");
            let kind = (error.kind, error.remedy, error.code);
            assert_eq!(
                kind,
                (ErrorKind::InvalidSpec, Remedy::NeedsPerson, ErrorCode::PermissionDenied),
                "{error}"
            );
            assert!(error.message.contains(&format!("{verb} {resource}")), "{error}");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
    let site = site(&json!({}), &[("get", "pods/log"), ("list", "events"), ("create", "deployments")]);
    let error = validated(&site).await.expect_err("rights are missing").message;
    assert!(error.ends_with("create deployments.apps, get pods/log, list events"), "{error}");
}

#[tokio::test]
async fn without_the_right_to_see_which_cluster_it_is_the_others_are_named_too() {
    let missing = [("get", "namespaces"), ("create", "deployments"), ("patch", "services")];
    let error = validated(&site(&json!({}), &missing)).await.expect_err("rights are missing").message;
    assert!(error.ends_with(": create deployments.apps, get namespaces, patch services"), "{error}");
}

#[tokio::test]
async fn a_right_that_was_given_is_not_asked_about_for_a_while_and_one_that_was_not_is() {
    let site = site(&json!({}), &[("list", "events")]);
    validated(&site).await.expect_err("a right is missing");
    let all = site.fake.count(Verb::Create, "selfsubjectaccessreviews");
    site.fake.set(|settings| settings.users.values_mut().for_each(|user| user.denied.clear()));
    site.fake.take_counts();
    validated(&site).await.expect("all rights");
    assert!(all > 20, "{all}");
    assert_eq!(site.fake.count(Verb::Create, "selfsubjectaccessreviews"), 1);
}

#[tokio::test]
async fn tenants_that_begin_together_ask_for_the_rights_once() {
    let site = site(&json!({}), &[]);
    validated(&site).await.expect("all rights");
    let alone = site.fake.take_counts();
    let alone: u64 =
        alone.iter().filter(|((_, path), _)| path.contains("accessreviews")).map(|(_, n)| n).sum();
    let site = self::site(&json!({}), &[]);
    let all = futures_util::future::join_all((0..8).map(|_| validated(&site))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((alone > 20, site.fake.count(Verb::Create, "selfsubjectaccessreviews")), (true, alone));
}

#[tokio::test]
async fn a_status_that_may_not_look_says_that_and_why() {
    let site = site(&json!({}), &[]);
    site.provider.provision(&cx(), &spec()).await.expect("a provision");
    site.fake.set(|settings| {
        settings
            .users
            .values_mut()
            .for_each(|user| user.denied = vec![("list".to_owned(), "pods".to_owned())]);
    });
    let error = site.provider.get_status(&cx(), &subject().tenant).await.expect_err("it may not look");
    assert_eq!((error.kind, error.code), (ErrorKind::StatusFailed, ErrorCode::PermissionDenied), "{error}");
    assert!(
        error.to_string().starts_with("status not known") && error.message.contains("list pods"),
        "{error}"
    );
}

#[tokio::test]
async fn in_a_shared_namespace_rights_there_are_enough() {
    let defaults = json!({ "namespaces": { "shared": { "name": "team" } } });
    let site = site(&defaults, &[]);
    let team = Grant { namespace: Some("team".to_owned()), rules: rules() };
    let identity = json!([{ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"] }]);
    let user = User { grants: vec![team], ..User::with_rules("engine", json!([])) };
    let user =
        User { grants: [user.grants, vec![Grant { namespace: None, rules: identity }]].concat(), ..user };
    site.fake.set(|settings| settings.users = [(TOKEN.to_owned(), user)].into());
    let error = validated(&site).await.expect_err("there is no such namespace");
    assert!(error.message.contains("there is no namespace team"), "{error}");
    let team = json!({ "metadata": { "name": "team" } });
    site.fake.plant(Kind::Namespace, "", team).expect("a namespace");
    validated(&site).await.expect("all rights");
    site.reply(&KubernetesCall::Locate).await;
    assert_eq!(site.provider.list_tenants("test").await.expect("a list"), []);
}
