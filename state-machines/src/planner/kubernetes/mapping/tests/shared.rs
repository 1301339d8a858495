//! Where a tenant's objects are and how they are called, and where its secrets come from.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{body, make, old, plain, pod, read, told, told_on, wanted};
use crate::planner::kubernetes::{ObjectKind, Place, Sharing, Wanted};
use crate::spec::Spec;

/// A tenant of this name with an object of every name.
fn named(tenant: &str, config: Value) -> Spec {
    let check = json!({ "level": "public" });
    let mut spec = json!({
        "tenant_id": tenant, "provider_type": "kubernetes", "replicas": 2,
        "containers": [{ "name": "web", "image": "web", "ports": [{ "container_port": 80, "exposure": check }],
            "files": [{ "path": "/a", "content": "x" }], "mounts": [{ "volume": "data", "path": "/data" }] }],
        "resources": { "cpu": 250, "memory": 512 },
        "volumes": [{ "name": "data", "persistent": true }],
        "provider_config": { "exposure": "load_balancer" },
    });
    for (name, value) in config.as_object().unwrap() {
        spec["provider_config"][name] = value.clone();
    }
    read(spec)
}

fn shared() -> Value {
    json!({ "namespaces": { "shared": { "name": "tenants" } } })
}

fn names(wanted: &Wanted) -> Vec<String> {
    wanted.objects.iter().map(|make| make.id.to_string()).collect()
}

#[test]
fn objects_are_called_like_their_tenant() {
    insta::assert_snapshot!(names(&wanted(&named("acme", json!({})))).join("\n"), @"
    Namespace/landlord-acme
    ServiceAccount/acme
    ResourceQuota/acme
    LimitRange/acme
    NetworkPolicy/acme
    ConfigMap/acme-files-04fc2b34bd
    StatefulSet/acme
    Service/acme
    Service/acme-pods
    Service/acme-public
    PodDisruptionBudget/acme
    ");
    insta::assert_snapshot!(names(&wanted(&named("acme", shared()))).join("\n"), @"
    ServiceAccount/acme
    NetworkPolicy/acme
    ConfigMap/acme-eb737e40d6-files-04fc2b34bd
    StatefulSet/acme
    Service/acme
    Service/acme-eb737e40d6-pods
    Service/acme-eb737e40d6-public
    PodDisruptionBudget/acme
    ");
    // A Service's name begins with a letter.
    insta::assert_snapshot!(names(&wanted(&named("1acme", json!({})))).join("\n"), @"
    Namespace/landlord-1acme
    ServiceAccount/1acme
    ResourceQuota/1acme
    LimitRange/1acme
    NetworkPolicy/1acme
    ConfigMap/1acme-files-04fc2b34bd
    StatefulSet/1acme
    Service/t-1acme-c606be5ed1
    Service/t-1acme-pods
    Service/t-1acme-public
    PodDisruptionBudget/1acme
    ");
}

#[test]
fn no_tenant_is_the_account_that_every_namespace_has() {
    let wanted = wanted(&named("default", json!({})));
    let account = &make(&wanted, ObjectKind::ServiceAccount).unwrap().id.name;
    assert!(account.starts_with("default-"), "{account}");
    assert_eq!(pod(&wanted)["serviceAccountName"], json!(account));
}

#[test]
fn a_namespace_is_the_tenants_own_or_there() {
    let own = wanted(&named("acme", json!({ "namespace_prefix": "t-" })));
    assert_eq!(own.place, Place { namespace: "t-acme".to_owned(), sharing: Sharing::Own });
    let shared = wanted(&named("acme", shared()));
    assert_eq!(shared.place, Place { namespace: "tenants".to_owned(), sharing: Sharing::Shared });
    for kind in [ObjectKind::Namespace, ObjectKind::ResourceQuota, ObjectKind::LimitRange] {
        assert!(make(&shared, kind).is_none() && make(&own, kind).is_some(), "{kind}");
    }
    let (long, other) = ("a".repeat(63), format!("{}b", "a".repeat(62)));
    let places: BTreeSet<String> =
        [&long, &other].iter().map(|tenant| wanted(&named(tenant, json!({}))).place.namespace).collect();
    assert!(places.len() == 2 && places.iter().all(|name| name.len() <= 63), "{places:?}");
}

fn is_label(text: &str) -> bool {
    super::super::names::is_label(text)
}

proptest! {
    #[test]
    fn every_name_is_one_that_kubernetes_takes(tenant in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", in_one in any::<bool>()) {
        let wanted = wanted(&named(&tenant, if in_one { shared() } else { json!({}) }));
        prop_assert!(is_label(&wanted.place.namespace));
        for make in &wanted.objects {
            prop_assert!(is_label(&make.id.name), "{}", make.id);
            let begins_with_letter = make.id.name.starts_with(|c: char| c.is_ascii_lowercase());
            prop_assert!(make.id.kind != ObjectKind::Service || begins_with_letter, "{}", make.id);
            let is_short = make.id.kind != ObjectKind::StatefulSet || make.id.name.len() <= 52;
            prop_assert!(is_short, "{}", make.id);
            for (key, value) in make.body["metadata"]["labels"].as_object().unwrap() {
                prop_assert!(crate::planner::kubernetes::tags::is_value(value.as_str().unwrap()), "{key}");
            }
        }
    }
}

/// All names of a tenant with this volume in the shared namespace, and that of the volume which becomes of its claim.
fn all_names(tenant: &str, volume: &str) -> BTreeSet<String> {
    let mut spec = serde_json::to_value(named(tenant, shared())).unwrap();
    spec["volumes"][0]["name"] = json!(volume);
    spec["containers"][0]["mounts"][0]["volume"] = json!(volume);
    let wanted = wanted(&read(spec));
    let claims = &body(&wanted, ObjectKind::StatefulSet)["spec"]["volumeClaimTemplates"];
    let claim = claims[0]["metadata"]["name"].as_str().unwrap();
    let claim = format!("PersistentVolumeClaim/{claim}-{}-0", wanted.workload.name);
    names(&wanted).into_iter().chain([claim]).collect()
}

/// Else one tenant's pods would find another's data, or its clients.
#[test]
fn in_a_shared_namespace_no_tenant_has_anothers_names() {
    for ((one, volume), (other, others)) in [
        (("acme", "data"), ("acme-public", "data")),
        (("acme", "data"), ("acme-pods", "data")),
        (("acme", "b-data"), ("data-acme", "b")),
        (("acme", "a-b"), ("b-acme", "a")),
        (("1acme", "a"), ("t-1acme", "a")),
        (("1acme", "a"), ("t-1acme-public", "a")),
    ] {
        let (mine, theirs) = (all_names(one, volume), all_names(other, others));
        assert!(mine.is_disjoint(&theirs), "{mine:?} {theirs:?}");
    }
}

/// A tenant with a secret in a variable and in a file.
fn secret(source: &str, config: Value) -> Spec {
    plain(|spec| {
        spec["secrets"] = json!([
            { "name": "db", "source": source, "key": "password", "env_var": "PASSWORD" },
            { "name": "tls", "source": source, "key": "tls.key" },
        ]);
        spec["containers"][0]["files"] = json!([{ "path": "/etc/tls.key", "secret": "tls", "mode": "0440" }]);
        spec["provider_config"] = config;
    })
}

#[test]
fn a_shared_namespace_has_the_secrets() {
    let wanted = wanted(&secret("kubernetes-secret", shared()));
    assert_eq!(
        pod(&wanted)["containers"][0]["env"][0],
        json!({ "name": "PASSWORD", "valueFrom": { "secretKeyRef": { "name": "db", "key": "password" } } })
    );
    assert_eq!(
        pod(&wanted)["volumes"][0]["secret"],
        json!({ "secretName": "tls", "items": [{ "key": "tls.key", "path": "web.0", "mode": 0o440 }] })
    );
    // A container that is not root reads it, too.
    assert_eq!(pod(&wanted)["securityContext"]["fsGroup"], 2000);
    assert!(make(&wanted, ObjectKind::Secret).is_none() && wanted.copies.is_empty());
}

#[test]
fn an_own_namespace_needs_somebody_who_brings_them() {
    insta::assert_snapshot!(told(&secret("kubernetes-secret", json!({}))), @r#"
    secrets[0].source: the tenant's namespace is its own and has no Secrets of others; let the operator set provider_config.secrets to {"copy": {"namespace": …}}, which copies them from there, or to {"external": {"store": …, "kind": …}}, or namespaces to {"shared": {"name": …}}
    secrets[1].source: the tenant's namespace is its own and has no Secrets of others; let the operator set provider_config.secrets to {"copy": {"namespace": …}}, which copies them from there, or to {"external": {"store": …, "kind": …}}, or namespaces to {"shared": {"name": …}}
    "#);
    insta::assert_snapshot!(told(&secret("aws-ssm", json!({ "secrets": { "copy": { "namespace": "vault" } } }))), @r#"
    secrets[0].source: Kubernetes has nothing from "aws-ssm"; use kubernetes-secret, or let the operator set provider_config.secrets to {"external": {"store": …, "kind": …}}
    secrets[1].source: Kubernetes has nothing from "aws-ssm"; use kubernetes-secret, or let the operator set provider_config.secrets to {"external": {"store": …, "kind": …}}
    "#);
}

#[test]
fn a_copy_has_no_values_and_a_name_of_what_it_copies() {
    let with = |namespace: &str| {
        wanted(&secret("kubernetes-secret", json!({ "secrets": { "copy": { "namespace": namespace } } })))
    };
    let wanted = with("vault");
    let secrets: Vec<_> = wanted.objects.iter().filter(|make| make.id.kind == ObjectKind::Secret).collect();
    assert_eq!(secrets.len(), 2);
    for secret in &secrets {
        let keys: Vec<&String> = secret.body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["apiVersion", "kind", "metadata", "type"]);
        assert_eq!(wanted.copies[&secret.id].namespace, "vault");
    }
    let used = pod(&wanted)["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["name"].as_str().unwrap();
    assert!(secrets.iter().any(|secret| secret.id.name == used), "{used}");
    let other = with("other");
    assert!(wanted.copies.keys().all(|id| !other.copies.contains_key(id)));
    assert_ne!(wanted.template, other.template);
}

#[test]
fn an_operator_of_external_secrets_is_asked() {
    let config = json!({ "secrets": { "external": { "store": "vault", "kind": "ClusterSecretStore" } } });
    let wanted = wanted(&secret("kubernetes-secret", config.clone()));
    insta::assert_json_snapshot!(body(&wanted, ObjectKind::ExternalSecret)["spec"], @r#"
    {
      "data": [
        {
          "remoteRef": {
            "key": "db",
            "property": "password"
          },
          "secretKey": "password"
        }
      ],
      "refreshInterval": "1h",
      "secretStoreRef": {
        "kind": "ClusterSecretStore",
        "name": "vault"
      },
      "target": {
        "creationPolicy": "Owner",
        "deletionPolicy": "Retain",
        "name": "acme-secret-487ddd208d"
      }
    }
    "#);
    let aws = plain(|spec| {
        spec["secrets"] =
            json!([{ "name": "db", "source": "aws-secrets-manager", "key": "acme/db", "env_var": "DB" }]);
        spec["provider_config"] = config.clone();
    });
    let wanted = super::wanted(&aws);
    let data = &body(&wanted, ObjectKind::ExternalSecret)["spec"]["data"][0];
    assert_eq!(data["remoteRef"], json!({ "key": "acme/db" }));
    let reference = &pod(&wanted)["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"];
    assert_eq!(reference["key"], data["secretKey"]);
    assert_eq!(reference["name"], body(&wanted, ObjectKind::ExternalSecret)["metadata"]["name"]);
    insta::assert_snapshot!(told_on(&aws, &old()), @"provider_config.secrets: this cluster has no ExternalSecret; install the external secrets operator, or choose copy");
}

#[test]
fn what_cannot_be_a_secret_is_told_without_its_key() {
    let spec = |secrets: Value| {
        plain(|spec| {
            spec["secrets"] = secrets;
            spec["containers"][0]["files"] = json!([{ "path": "/a", "secret": "twice" }]);
            spec["containers"][0]["image_pull"] = json!({ "credentials": "registry" });
            spec["provider_config"] = shared();
        })
    };
    let of = |name: &str, key: &str| json!({ "name": name, "source": "kubernetes-secret", "key": key });
    let spec = spec(json!([
        of("twice", "a"),
        of("twice", "b"),
        of("Not a name", "hunter2"),
        of("db", "hunter/2"),
        of("registry", "hunter2"),
    ]));
    insta::assert_snapshot!(told(&spec), @r#"
    secrets[2]: nothing is done with it; give it an env_var, or name it in a container's files
    secrets[2].name: not the name of a Secret: a-z, 0-9, '-' and '.', at most 253; of a kubernetes-secret the name is the Secret's
    secrets[3]: nothing is done with it; give it an env_var, or name it in a container's files
    secrets[3].key: not a key of a Secret: at most 253 letters, digits, '-', '_' and '.'
    secrets[4].key: images are fetched with it; a registry's credentials have the key .dockerconfigjson
    containers[0].files[0].secret: there are several secrets with the name "twice"; keep one of them
    "#);
    assert!(!told(&spec).contains("hunter"));
}

#[test]
fn a_secret_is_only_in_the_environment_of_those_that_get_it() {
    let spec = plain(|spec| {
        spec["containers"].as_array_mut().unwrap().push(json!({ "name": "b", "image": "b" }));
        spec["secrets"] = json!([{ "name": "db", "source": "kubernetes-secret", "key": "x", "env_var": "X", "containers": ["b"] }]);
        spec["provider_config"] = shared();
    });
    let wanted = wanted(&spec);
    let names = |n: usize| pod(&wanted)["containers"][n]["env"].to_string();
    assert!(!names(0).contains("\"X\"") && names(1).contains("\"X\""));
}

#[test]
fn what_is_to_outlive_the_tenant_is_not_in_its_own_namespace() {
    let with = |config: Value| {
        plain(|spec| {
            spec["volumes"] = json!([{ "name": "data", "persistent": true, "retain": true }]);
            spec["provider_config"] = config;
        })
    };
    assert_eq!(told(&with(shared())), "");
    assert!(told(&with(json!({}))).starts_with("volumes[0].retain: the tenant's own namespace goes"));
}
