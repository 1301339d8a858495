//! Looks at what runs of many tenants: of few in their namespaces, of many by a list of all.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::try_join_all;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::kubernetes::{Object, ObjectKind, Pod, Running, tags};
use serde_json::{Map, Value, json};

use super::error::Failure;
use super::reads::At;
use super::request::{Ask, Part, Resource};

/// How many tenants are looked at in their namespaces, whatever there are; more are looked at by lists of all.
const FEW: usize = 8;
/// The same of a hundred that there are: a list of all is long.
const FEW_OF_A_HUNDRED: usize = 1;
/// The kinds that have pods.
const WORKLOADS: [ObjectKind; 2] = [ObjectKind::Deployment, ObjectKind::StatefulSet];

/// What runs of each tenant.
pub(super) type Fleet = HashMap<TenantId, Running>;

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
        if tenants.len() > FEW.max(all * FEW_OF_A_HUNDRED / 100) {
            return self.whole_fleet(labels, everywhere, |tenant| tenants.contains_key(tenant)).await;
        }
        let looks = tenants.iter().map(async |(tenant, namespace)| {
            let labels = format!("{labels},{}={tenant}", tags::TENANT);
            self.whole_fleet(&labels, Some(namespace), |_| true).await
        });
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    /// What runs of all tenants that are wanted, page by page. Of each object only what says how it is is kept.
    pub(super) async fn whole_fleet(
        &self,
        labels: &str,
        namespace: Option<&str>,
        wanted: impl Fn(&TenantId) -> bool,
    ) -> Result<Fleet, Failure> {
        let mut fleet = Fleet::new();
        for kind in WORKLOADS {
            let all = Ask::list(Resource::all("apps/v1", kind.plural(), namespace), labels, Part::Whole);
            self.each(&all, |body| {
                if let Some(tenant) = tenant(&body).filter(&wanted)
                    && let Some(object) = Object::read(kind, trimmed(&body))
                {
                    fleet.entry(tenant).or_default().workload = Some(object);
                }
            })
            .await?;
        }
        let all = Ask::list(Resource::all("v1", "pods", namespace), labels, Part::Whole);
        self.each(&all, |body| {
            if let Some(tenant) = tenant(&body).filter(&wanted)
                && let Some(pod) = Pod::read(&body)
            {
                fleet.entry(tenant).or_default().pods.push(pod);
            }
        })
        .await?;
        Ok(fleet)
    }
}

fn tenant(body: &Value) -> Option<TenantId> {
    TenantId::new(body.pointer("/metadata/labels")?.get(tags::TENANT)?.as_str()?).ok()
}

/// A workload without its template.
fn trimmed(body: &Value) -> Value {
    let metadata: Map<String, Value> = ["name", "namespace", "uid", "generation", "deletionTimestamp"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), body.pointer("/metadata")?.get(key)?.clone())))
        .collect();
    let part = |pointer: &str| body.pointer(pointer).cloned().unwrap_or_default();
    json!({ "metadata": metadata, "spec": { "replicas": part("/spec/replicas") }, "status": part("/status") })
}
