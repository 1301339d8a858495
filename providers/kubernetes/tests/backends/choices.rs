//! Updates after which a server-side apply alone would leave parts of the choice before: handlers of checks, sources of variables,
//! strategies.

use landlord_compute::provider::Provider;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::spec::{
    HealthCheckConfig, SecretReference, TenantComputeSpec, UpdateConfig, UpdateOrder,
};
use landlord_state_machines::status::UpdateStatus;
use serde_json::{Value, json};

use super::site::{Site, spec};

fn check(kind: &str) -> HealthCheckConfig {
    HealthCheckConfig {
        kind: kind.to_owned(),
        port: (kind != "exec").then_some(8080),
        http_path: (kind == "http").then(|| "/".to_owned()),
        command: if kind == "exec" { vec!["/bin/true".to_owned()] } else { Vec::new() },
        interval_seconds: 1,
        timeout_seconds: 1,
        healthy_threshold: 1,
        unhealthy_threshold: 2,
        ..HealthCheckConfig::default()
    }
}

/// What is looked at in a container.
type Seen = fn(&Value) -> Value;

/// The variable of a container.
fn choice(container: &Value) -> Value {
    let variables = container["env"].as_array().cloned().unwrap_or_default();
    variables.into_iter().find(|one| one["name"] == "CHOICE").unwrap_or_default()
}

fn plain(tenant: &str) -> TenantComputeSpec {
    spec(tenant, "trap 'exit 0' TERM; echo > /www/index.html; httpd -f -p 8080 -h /www & wait")
}

fn checked(tenant: &str, kind: &str) -> TenantComputeSpec {
    let mut spec = plain(tenant);
    spec.containers[0].health_check = Some(check(kind));
    spec
}

fn with_secret(tenant: &str) -> TenantComputeSpec {
    let mut spec = plain(tenant);
    spec.secrets = vec![SecretReference {
        name: "choice".to_owned(),
        source: "kubernetes-secret".to_owned(),
        key: "value".to_owned(),
        env_var: Some("CHOICE".to_owned()),
        ..SecretReference::default()
    }];
    spec
}

fn with_variable(tenant: &str) -> TenantComputeSpec {
    let mut spec = plain(tenant);
    spec.containers[0].env = [("CHOICE".to_owned(), "plain".to_owned())].into();
    spec
}

fn stopped_first(tenant: &str) -> TenantComputeSpec {
    let mut spec = plain(tenant);
    spec.update = Some(UpdateConfig { order: Some(UpdateOrder::StopFirst), ..UpdateConfig::default() });
    spec
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn every_choice_can_be_changed_and_taken_back() {
    let site = Site::new("choices").await;
    site.admin.create("/api/v1/namespaces", &json!({ "metadata": { "name": "choices" } })).await;
    let secret = json!({ "metadata": { "name": "choice" }, "stringData": { "value": "secret" } });
    site.admin.create("/api/v1/namespaces/choices/secrets", &secret).await;
    let provider = site.provider(&json!({ "secrets": { "copy": { "namespace": "choices" } } }));
    let tenant = "choices-a";
    let (id, mut cx) = (TenantId::new(tenant).expect("an id"), site.cx(tenant));
    let first = plain(tenant).check().expect("valid");
    provider.provision(&cx, &first).await.expect("a provision");
    cx.applied = Some(first);

    let steps: [(&str, TenantComputeSpec, Seen, Value); 9] = [
        (
            "an http check",
            checked(tenant, "http"),
            |it| it["livenessProbe"]["httpGet"]["path"].clone(),
            json!("/"),
        ),
        ("an exec check", checked(tenant, "exec"), |it| it["livenessProbe"]["httpGet"].clone(), Value::Null),
        ("a tcp check", checked(tenant, "tcp"), |it| it["readinessProbe"]["exec"].clone(), Value::Null),
        ("no check", plain(tenant), |it| it["livenessProbe"].clone(), Value::Null),
        ("a secret", with_secret(tenant), |it| choice(it)["value"].clone(), Value::Null),
        ("a variable", with_variable(tenant), |it| choice(it)["valueFrom"].clone(), Value::Null),
        ("a secret again", with_secret(tenant), |it| choice(it)["value"].clone(), Value::Null),
        ("stopped first", stopped_first(tenant), |it| choice(it), Value::Null),
        ("started first", plain(tenant), |it| choice(it), Value::Null),
    ];
    for (what, spec, seen, expected) in steps {
        let spec = spec.check().expect("valid");
        let updated =
            provider.update(&cx, &id, &spec).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(updated.status, UpdateStatus::Success, "{what}");
        let path = format!("/apis/apps/v1/namespaces/landlord-{tenant}/deployments/{tenant}");
        let live = site.admin.get(&path).await.expect("a workload");
        assert_eq!(seen(&live["spec"]["template"]["spec"]["containers"][0]), expected, "{what}: {live}");
        let strategy = if what == "stopped first" { "Recreate" } else { "RollingUpdate" };
        assert_eq!(live["spec"]["strategy"]["type"], strategy, "{what}");
        assert_eq!(site.pods(tenant).await.len(), 1, "{what}");
        cx.applied = Some(spec.clone());
        let same = provider.update(&cx, &id, &spec).await.expect("an answer");
        assert_eq!(same.status, UpdateStatus::NoChanges, "{what}");
    }
    site.destroyed(tenant).await;
}
