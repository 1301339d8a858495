//! Looks at what runs of many tenants: of few in their namespaces, of many by a list of all.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use futures_util::future::{try_join, try_join_all};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::kubernetes::{Object, ObjectKind, Pod, Running, tags};
use serde::Serialize;
use serde::de::DeserializeOwned;
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

/// How tenants are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Each in its namespace.
    Each,
    /// By lists of all that there are.
    Lists,
}

impl By {
    /// How so many tenants, of so many that there are, are looked at.
    pub(super) fn of(tenants: usize, all: usize) -> Self {
        if tenants > FEW.max(all * FEW_OF_A_THOUSAND / 1_000) { Self::Lists } else { Self::Each }
    }
}

/// What runs of each tenant.
#[derive(Debug)]
pub(super) struct Fleet(Vec<Kept>);

/// What lists have shown, in as few bytes as will do: that of all tenants is kept at a time. It is one text, since many small pieces
/// leave memory behind that is of no use for anything else.
#[derive(Debug, Default)]
struct Kept {
    text: String,
    tenants: HashMap<TenantId, Parts>,
}

/// Where in the text a tenant's objects are.
#[derive(Debug, Default)]
struct Parts {
    workload: Option<(ObjectKind, Range<usize>)>,
    pods: Vec<Range<usize>>,
}

impl Fleet {
    /// What runs of a tenant; none, where nothing was seen of it.
    pub(super) fn running(&self, tenant: &TenantId) -> Option<Running> {
        let mut running: Option<Running> = None;
        for Kept { text, tenants } in &self.0 {
            let Some(parts) = tenants.get(tenant) else { continue };
            let running = running.get_or_insert_default();
            if let Some((kind, part)) = &parts.workload {
                running.workload = read(text, part).and_then(|body| Object::read(*kind, body));
            }
            running.pods.extend(parts.pods.iter().filter_map(|part| read::<Pod>(text, part)));
        }
        running
    }
}

fn read<T: DeserializeOwned>(text: &str, part: &Range<usize>) -> Option<T> {
    serde_json::from_str(text.get(part.clone())?).ok()
}

impl Kept {
    /// Keeps what this is written as; where it is.
    fn keep(&mut self, what: &impl Serialize) -> Result<Range<usize>, serde_json::Error> {
        let begin = self.text.len();
        self.text.push_str(&serde_json::to_string(what)?);
        Ok(begin..self.text.len())
    }
}

impl At<'_> {
    /// What runs of these tenants of a provider, each in its namespace. `labels` select all of the provider's, and `everywhere`
    /// is where they may all be.
    pub(super) async fn fleet(
        &self,
        labels: &str,
        tenants: &BTreeMap<TenantId, String>,
        everywhere: Option<&str>,
        by: By,
    ) -> Result<Fleet, Failure> {
        if by == By::Lists {
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
        let workloads = async {
            let mut kept = Kept::default();
            for kind in WORKLOADS {
                let all = Ask::list(Resource::all("apps/v1", kind.plural(), namespace), labels, Part::Whole);
                self.each(&all, |item| {
                    if let Some(tenant) = tenant_of(item).filter(&wanted) {
                        let part = kept.keep(&trimmed(&serde_json::from_str(item)?))?;
                        kept.tenants.entry(tenant).or_default().workload = Some((kind, part));
                    }
                    Ok(())
                })
                .await?;
            }
            Ok(kept)
        };
        let pods = async {
            let mut kept = Kept::default();
            let all = Ask::list(Resource::all("v1", "pods", namespace), labels, Part::Whole);
            self.each(&all, |item| {
                if let Some(tenant) = tenant_of(item).filter(&wanted)
                    && let Some(pod) = Pod::read(&serde_json::from_str(item)?)
                {
                    let part = kept.keep(&pod)?;
                    kept.tenants.entry(tenant).or_default().pods.push(part);
                }
                Ok(())
            })
            .await?;
            Ok(kept)
        };
        let (workloads, pods) = try_join(workloads, pods).await?;
        Ok(Fleet(vec![workloads, pods]))
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
