//! What the cluster says that it has.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kinds::{Kind, api_version};
use super::settings::Settings;
use super::status::{Answer, Refusal};

pub(super) fn version(settings: &Settings) -> Value {
    let (major, minor) = settings.version;
    json!({
        "major": major.to_string(), "minor": minor.to_string(), "gitVersion": format!("v{major}.{minor}.2"),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "2021-01-13T13:20:00Z",
        "goVersion": "go1.15.5", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// The groups, each with its versions, the preferred one first.
fn groups(settings: &Settings) -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in Kind::ALL {
        for version in kind.versions(settings) {
            let versions = groups.entry(kind.info().group).or_default();
            if !versions.contains(version) {
                versions.push(version);
            }
        }
    }
    groups
}

fn group(name: &str, versions: &[&str]) -> Value {
    let each = versions.iter();
    let each = each.map(|version| json!({ "groupVersion": api_version(name, version), "version": version }));
    let each: Vec<Value> = each.collect();
    json!({ "name": name, "versions": each, "preferredVersion": each.first() })
}

/// The answer to a path below `/api` or `/apis`.
pub(super) fn answer(settings: &Settings, path: &str) -> Answer {
    let groups = groups(settings);
    match path.split('/').collect::<Vec<&str>>().as_slice() {
        ["api"] => Ok(json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1" }],
        })),
        ["apis"] => {
            let all = groups.iter().filter(|(name, _)| !name.is_empty());
            let all: Vec<Value> = all.map(|(name, versions)| group(name, versions)).collect();
            Ok(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": all }))
        }
        ["api", version] => resources(settings, "", version),
        ["apis", name] => {
            let versions = groups.get(name).ok_or_else(Refusal::no_page)?;
            let mut answer = group(name, versions);
            answer["kind"] = json!("APIGroup");
            answer["apiVersion"] = json!("v1");
            Ok(answer)
        }
        ["apis", name, version] => resources(settings, name, version),
        _ => Err(Refusal::no_page()),
    }
}

fn resources(settings: &Settings, group: &str, version: &str) -> Answer {
    let mut all = Vec::new();
    let here = |kind: &Kind| kind.info().group == group && kind.versions(settings).contains(&version);
    for kind in Kind::ALL.into_iter().filter(here) {
        let info = kind.info();
        let verbs = match kind {
            Kind::AccessReview => json!(["create"]),
            Kind::Namespace
            | Kind::Node
            | Kind::StorageClass
            | Kind::IngressClass
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::ReplicaSet
            | Kind::Pod
            | Kind::ServiceAccount
            | Kind::Secret
            | Kind::ConfigMap
            | Kind::Service
            | Kind::ResourceQuota
            | Kind::LimitRange
            | Kind::PersistentVolumeClaim
            | Kind::Event
            | Kind::NetworkPolicy
            | Kind::Ingress
            | Kind::PodDisruptionBudget
            | Kind::EndpointSlice
            | Kind::HorizontalPodAutoscaler
            | Kind::ExternalSecret
            | Kind::Gateway
            | Kind::HttpRoute => {
                json!(["create", "delete", "get", "list", "patch", "update", "watch"])
            }
        };
        let entry = |name: String, kind: &str, verbs: &Value| {
            let namespaced = info.scope == super::kinds::Scope::Namespace;
            json!({ "name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs })
        };
        all.push(entry(info.plural.to_owned(), info.kind, &verbs));
        for sub in info.subs {
            let of = if *sub == "scale" { "Scale" } else { info.kind };
            let verbs = json!(if *sub == "log" { &["get"][..] } else { &["get", "patch", "update"] });
            all.push(entry(format!("{}/{sub}", info.plural), of, &verbs));
        }
    }
    if all.is_empty() {
        return Err(Refusal::no_page());
    }
    let group_version = api_version(group, version);
    Ok(
        json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": all }),
    )
}
