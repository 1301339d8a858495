//! Looks at what runs of many tenants: of few in their namespaces, of many by a list of all.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::try_join_all;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::kubernetes::{Object, ObjectKind, Pod, Running, tags};
use serde_json::{Map, Value, json};

use super::error::Failure;
use super::page::tenant_of;
use super::reads::At;
use super::request::{Ask, Part, Resource};

/// How many tenants are looked at in their namespaces, whatever there are; more are looked at by lists of all.
const FEW: usize = 8;
/// The same of a thousand that there are: as many requests for each of them are about as much as a list of all.
const FEW_OF_A_THOUSAND: usize = 4;
/// The kinds that have pods.
const WORKLOADS: [ObjectKind; 2] = [ObjectKind::Deployment, ObjectKind::StatefulSet];

/// Whether so many tenants, of so many that there are, are looked at by lists of all.
pub(super) fn are_many(tenants: usize, all: usize) -> bool {
    tenants > FEW.max(all * FEW_OF_A_THOUSAND / 1_000)
}

/// What runs of each tenant.
#[derive(Debug, Default)]
pub(super) struct Fleet(HashMap<TenantId, Seen>);

/// What runs of one, in as few bytes as will do: that of all tenants is kept at a time.
#[derive(Debug, Default)]
struct Seen {
    /// As text: its value is ten times as large.
    workload: Option<(ObjectKind, Box<str>)>,
    pods: Vec<Pod>,
}

impl Fleet {
    /// What runs of a tenant; none, where nothing was seen of it.
    pub(super) fn running(&self, tenant: &TenantId) -> Option<Running> {
        let seen = self.0.get(tenant)?;
        let workload = seen.workload.as_ref();
        let workload =
            workload.and_then(|(kind, text)| Object::read(*kind, serde_json::from_str(text).ok()?));
        Some(Running { workload, pods: seen.pods.clone(), ..Running::default() })
    }
}

impl At<'_> {
    /// What runs of these tenants of a provider, each in its namespace. `labels` select all of the provider's, and `everywhere`
    /// is where they may all be. There are about `all` tenants.
    pub(super) async fn fleet(
        &self,
        labels: &str,
        tenants: &BTreeMap<TenantId, String>,
        everywhere: Option<&str>,
        all: usize,
    ) -> Result<Fleet, Failure> {
        if are_many(tenants.len(), all) {
            return self.whole_fleet(labels, everywhere, |tenant| tenants.contains_key(tenant)).await;
        }
        let looks = tenants.iter().map(async |(tenant, namespace)| {
            let labels = format!("{labels},{}={tenant}", tags::TENANT);
            self.whole_fleet(&labels, Some(namespace), |_| true).await
        });
        let parts = try_join_all(looks).await?.into_iter();
        Ok(Fleet(parts.flat_map(|part| part.0).collect()))
    }

    /// What runs of all tenants that are wanted, page by page. Of each object only what says how it is is kept.
    pub(super) async fn whole_fleet(
        &self,
        labels: &str,
        namespace: Option<&str>,
        wanted: impl Fn(&TenantId) -> bool,
    ) -> Result<Fleet, Failure> {
        let mut fleet = Fleet::default();
        for kind in WORKLOADS {
            let all = Ask::list(Resource::all("apps/v1", kind.plural(), namespace), labels, Part::Whole);
            self.each(&all, |item| {
                if let Some(tenant) = tenant_of(item).filter(&wanted) {
                    let text = trimmed(&serde_json::from_str(item)?).to_string().into_boxed_str();
                    fleet.0.entry(tenant).or_default().workload = Some((kind, text));
                }
                Ok(())
            })
            .await?;
        }
        let all = Ask::list(Resource::all("v1", "pods", namespace), labels, Part::Whole);
        self.each(&all, |item| {
            if let Some(tenant) = tenant_of(item).filter(&wanted)
                && let Some(pod) = Pod::read(&serde_json::from_str(item)?)
            {
                let pods = &mut fleet.0.entry(tenant).or_default().pods;
                pods.reserve_exact(1);
                pods.push(pod);
            }
            Ok(())
        })
        .await?;
        Ok(fleet)
    }
}

/// A workload without its template, and without the times of what it tells.
fn trimmed(body: &Value) -> Value {
    const METADATA: [&str; 5] = ["name", "namespace", "uid", "generation", "deletionTimestamp"];
    const CONDITION: [&str; 4] = ["type", "status", "reason", "message"];
    let only = |of: &Value, keys: &[&str]| -> Map<String, Value> {
        keys.iter().filter_map(|key| Some(((*key).to_owned(), of.get(key)?.clone()))).collect()
    };
    let part = |pointer: &str| body.pointer(pointer).cloned().unwrap_or_default();
    let mut status = part("/status");
    if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
        for condition in conditions {
            *condition = only(condition, &CONDITION).into();
        }
    }
    let metadata = only(&part("/metadata"), &METADATA);
    json!({ "metadata": metadata, "spec": { "replicas": part("/spec/replicas") }, "status": status })
}
