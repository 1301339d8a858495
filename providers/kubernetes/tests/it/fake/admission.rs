//! What is refused because of what else is in the namespace.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::defaults_pod::{default, each};
use super::kinds::{Key, Kind};
use super::quantity::{Amount, read};
use super::status::Refusal;
use super::world::World;

impl World {
    /// Adds what the namespace's limits say, and refuses what is too much.
    pub(super) fn admit(&self, key: &Key, object: &mut Value) -> Result<(), Refusal> {
        if key.kind == Kind::Pod {
            self.admit_account(key, object)?;
            self.add_limits(key, object);
            super::security::admit(self, key, object)?;
        }
        self.admit_quota(key, object)
    }

    fn admit_account(&self, key: &Key, pod: &mut Value) -> Result<(), Refusal> {
        default(&mut pod["spec"], "serviceAccountName", "default");
        pod["spec"]["serviceAccount"] = pod["spec"]["serviceAccountName"].clone();
        let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default();
        if self.find(Kind::ServiceAccount, &key.namespace, account).is_none() {
            let why = format!(
                "error looking up service account {}/{account}: serviceaccount \"{account}\" not found",
                key.namespace
            );
            return Err(Refusal::forbidden(key, &why, &[]));
        }
        Ok(())
    }

    fn add_limits(&self, key: &Key, pod: &mut Value) {
        for (_, range) in self.in_namespace(Kind::LimitRange, &key.namespace) {
            let limits = range["spec"]["limits"].as_array().into_iter().flatten();
            for limit in limits.filter(|limit| limit["type"] == "Container") {
                for list in ["containers", "initContainers"] {
                    each(&mut pod["spec"], list).for_each(|container| add_limit(limit, container));
                }
            }
        }
    }

    fn admit_quota(&self, key: &Key, object: &Value) -> Result<(), Refusal> {
        let asked = usage(key.kind, object);
        if asked.is_empty() {
            return Ok(());
        }
        for (quota, found) in self.in_namespace(Kind::ResourceQuota, &key.namespace) {
            // One that no controller has looked at yet holds for nobody.
            let Some(hard) = found["status"]["hard"].as_object() else { continue };
            if key.kind == Kind::Pod {
                let named = hard.keys().filter(|name| !asked.contains_key(name.as_str()));
                let mut missing: Vec<&str> =
                    named.map(String::as_str).filter(|name| is_of_containers(name)).collect();
                if !missing.is_empty() {
                    missing.sort_unstable();
                    let why = format!("failed quota: {}: must specify {}", quota.name, missing.join(","));
                    return Err(Refusal::forbidden(key, &why, &[]));
                }
            }
            let used = self.used(&key.namespace);
            let over: Vec<(&String, Amount, Amount, Amount)> = hard
                .iter()
                .filter_map(|(name, hard)| {
                    let asked = *asked.get(name.as_str())?;
                    let used = used.get(name.as_str()).copied().unwrap_or(Amount(0));
                    let hard = read(hard)?;
                    (used.0 + asked.0 > hard.0).then_some((name, asked, used, hard))
                })
                .collect();
            if !over.is_empty() {
                let each = |of: fn(&(&String, Amount, Amount, Amount)) -> Amount| {
                    let all = over.iter().map(|it| format!("{}={}", it.0, shown(it.0, of(it))));
                    all.collect::<Vec<_>>().join(",")
                };
                let why = format!(
                    "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                    quota.name,
                    each(|it| it.1),
                    each(|it| it.2),
                    each(|it| it.3)
                );
                return Err(Refusal::forbidden(key, &why, &[]));
            }
        }
        Ok(())
    }

    /// What a namespace uses.
    pub(super) fn used(&self, namespace: &str) -> BTreeMap<String, Amount> {
        let mut used: BTreeMap<String, Amount> = BTreeMap::new();
        for kind in [Kind::Pod, Kind::PersistentVolumeClaim, Kind::Service, Kind::ConfigMap, Kind::Secret] {
            for (_, object) in self.in_namespace(kind, namespace) {
                for (name, amount) in usage(kind, &object) {
                    used.entry(name).or_insert(Amount(0)).0 += amount.0;
                }
            }
        }
        used
    }

    /// The controller of quotas.
    pub(super) fn look_at_quota(&mut self, key: &Key) {
        let Some(quota) = self.get(key) else { return };
        let used = self.used(&key.namespace);
        let hard = &quota["spec"]["hard"];
        let names = hard.as_object().into_iter().flat_map(|hard| hard.keys());
        let used: serde_json::Map<String, Value> = names
            .map(|name| {
                let amount = used.get(name).copied().unwrap_or(Amount(0));
                (name.clone(), json!(shown(name, amount)))
            })
            .collect();
        let status = json!({ "hard": hard, "used": used });
        self.set_status(key, status);
    }
}

fn add_limit(limit: &Value, container: &mut Value) {
    for (from, to) in [("default", "limits"), ("defaultRequest", "requests")] {
        for (name, amount) in limit[from].as_object().into_iter().flatten() {
            default(&mut container["resources"][to], name, amount.clone());
        }
    }
}

fn shown(name: &str, amount: Amount) -> String {
    if name.contains("memory") || name.contains("storage") { amount.binary() } else { amount.decimal() }
}

fn is_of_containers(name: &str) -> bool {
    let plain = name.trim_start_matches("requests.").trim_start_matches("limits.");
    matches!(plain, "cpu" | "memory" | "ephemeral-storage")
}

/// What an object takes of a quota.
fn usage(kind: Kind, object: &Value) -> BTreeMap<String, Amount> {
    const ONE: Amount = Amount(1_000_000_000);
    let mut usage = BTreeMap::new();
    match kind {
        Kind::Pod => {
            if matches!(object["status"]["phase"].as_str(), Some("Failed" | "Succeeded")) {
                return usage;
            }
            usage.insert("pods".to_owned(), ONE);
            for field in ["requests", "limits"] {
                for name in ["cpu", "memory", "ephemeral-storage"] {
                    if let Some(amount) = of_pod(&object["spec"], field, name) {
                        usage.insert(format!("{field}.{name}"), amount);
                        if field == "requests" {
                            usage.insert(name.to_owned(), amount);
                        }
                    }
                }
            }
        }
        Kind::PersistentVolumeClaim => {
            usage.insert("persistentvolumeclaims".to_owned(), ONE);
            if let Some(size) = read(&object["spec"]["resources"]["requests"]["storage"]) {
                usage.insert("requests.storage".to_owned(), size);
            }
        }
        Kind::Service => {
            usage.insert("services".to_owned(), ONE);
            match object["spec"]["type"].as_str() {
                Some("LoadBalancer") => usage.insert("services.loadbalancers".to_owned(), ONE),
                Some("NodePort") => usage.insert("services.nodeports".to_owned(), ONE),
                _ => None,
            };
        }
        Kind::ConfigMap | Kind::Secret => {
            usage.insert(kind.info().plural.to_owned(), ONE);
        }
        Kind::Namespace
        | Kind::Node
        | Kind::StorageClass
        | Kind::IngressClass
        | Kind::AccessReview
        | Kind::Deployment
        | Kind::StatefulSet
        | Kind::ReplicaSet
        | Kind::ServiceAccount
        | Kind::ResourceQuota
        | Kind::LimitRange
        | Kind::Event
        | Kind::NetworkPolicy
        | Kind::Ingress
        | Kind::PodDisruptionBudget
        | Kind::EndpointSlice
        | Kind::HorizontalPodAutoscaler
        | Kind::ExternalSecret
        | Kind::Gateway
        | Kind::HttpRoute => {}
    }
    usage
}

/// What the containers of a pod take: all together, or the one that runs before them and takes the most. None: one of
/// them does not say it.
fn of_pod(spec: &Value, field: &str, name: &str) -> Option<Amount> {
    let of = |container: &Value| read(&container["resources"][field][name]);
    let containers = spec["containers"].as_array()?;
    let together = containers.iter().map(of).try_fold(0, |sum, one| one.map(|one| sum + one.0))?;
    let before = spec["initContainers"].as_array().into_iter().flatten().map(of);
    let most = before.flatten().map(|one| one.0).max().unwrap_or_default();
    Some(Amount(together.max(most)))
}
