//! What is kept of an object that a list or a watch shows: whose it is, and what tells whether it changed.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::kubernetes::{MANAGER, ObjectKind};
use serde_json::Value;

use super::shown::{Managed, Shown};
use crate::request::{Part, Resource};
use crate::working::uid;

/// What a watch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Watched {
    Pods,
    Objects(ObjectKind),
}

impl Watched {
    /// How much of each is asked for: of what has pods, and of pods, what they do.
    pub(super) fn part(self) -> Part {
        match self {
            Self::Pods | Self::Objects(ObjectKind::Deployment | ObjectKind::StatefulSet) => Part::Whole,
            Self::Objects(_) => Part::Metadata,
        }
    }

    /// Whether it says how a rollout goes.
    pub(super) fn tells_of_rollouts(self) -> bool {
        self.part() == Part::Whole
    }

    pub(super) fn resource(self, api_version: &str, namespace: Option<&str>) -> Resource {
        match self {
            Self::Pods => Resource::all(api_version, "pods", namespace),
            Self::Objects(kind) => Resource::all(api_version, kind.plural(), namespace),
        }
    }
}

/// An object as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) tenant: TenantId,
    /// Where the tenant is.
    pub(super) namespace: String,
    pub(super) name: String,
    /// A hash of the uid.
    pub(super) uid: u64,
    pub(super) state: State,
    pub(super) mark: Mark,
}

/// What an object does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// A hash of all of it that matters; its last bit says whether it is to have no pods.
    pub(super) hash: u32,
    pub(super) news: News,
    pub(super) pods: Pods,
}

/// How many pods a workload is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pods {
    /// Some, or it is no workload.
    Some,
    /// None, as far as it shows because the engine says so.
    None,
    /// None, because somebody else says so.
    Denied,
}

/// The bit of a hash that says that a workload is to have no pods.
const STOPPED: u32 = 1;

/// Whether a workload is to have no pods, by its hash.
pub(super) fn is_stopped(hash: u32) -> bool {
    hash & STOPPED != 0
}

/// Whether somebody who waits for a rollout wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It is on its way.
    None,
    /// It has come to something: good or bad.
    Some,
}

/// The fields that the engine has applied, and when it did. Where others change a field of the engine's, it is theirs then: the
/// fields are fewer, and the time is as before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    time: u32,
    fields: u32,
}

impl Mark {
    /// Whether the engine has fields of the object.
    pub(super) fn is_ours(self) -> bool {
        self != Self::default()
    }

    /// Whether others have taken fields since.
    pub(super) fn has_lost_to(self, now: Self) -> bool {
        self.is_ours() && self.fields != now.fields && (self.time == now.time || !now.is_ours())
    }
}

/// Reads an object. `None` where it is of no tenant.
pub(super) fn read(watched: Watched, json: &str) -> Option<Item> {
    let raw: Shown<'_> = serde_json::from_str(json).ok()?;
    let metadata = &raw.metadata;
    let state = match watched {
        Watched::Pods => pod(&raw),
        Watched::Objects(ObjectKind::Deployment) => workload(&raw, raw.status.available_replicas),
        Watched::Objects(ObjectKind::StatefulSet) => workload(&raw, raw.status.ready_replicas),
        // Whoever waits for one looks at it: when it has gone, is bound, has an address, is in force.
        Watched::Objects(_) => {
            State { hash: short(&metadata.resource_version), news: News::Some, pods: Pods::Some }
        }
    };
    let namespace = match watched {
        Watched::Objects(ObjectKind::Namespace) => &metadata.name,
        Watched::Pods | Watched::Objects(_) => &metadata.namespace,
    };
    Some(Item {
        tenant: TenantId::new(&metadata.labels.tenant).ok()?,
        namespace: namespace.clone().into_owned(),
        name: metadata.name.clone().into_owned(),
        uid: uid(&metadata.uid),
        state,
        mark: mark(watched, &metadata.managed_fields),
    })
}

/// Who else has fields of an object, and the mark of it.
pub(super) fn managers(watched: Watched, json: &str) -> Option<(Mark, BTreeSet<String>)> {
    let raw: Shown<'_> = serde_json::from_str(json).ok()?;
    let all = &raw.metadata.managed_fields;
    // A controller writes how an object is; that is not what is meant here, nor is the engine.
    let others = all.iter().filter(|one| one.subresource.is_empty() && !one.manager.starts_with(MANAGER));
    let others = others.filter(|one| !one.manager.starts_with("kube-"));
    Some((mark(watched, all), others.map(|one| one.manager.clone().into_owned()).collect()))
}

fn mark(watched: Watched, managed: &[Managed<'_>]) -> Mark {
    let ours = managed.iter().filter(|one| one.manager == MANAGER && one.subresource.is_empty());
    let (mut times, mut fields) = (DefaultHasher::new(), DefaultHasher::new());
    let mut count = 0_u32;
    for one in ours {
        one.time.hash(&mut times);
        one.fields.map(|fields| ours_of(watched, fields.get())).hash(&mut fields);
        count += 1;
    }
    match count {
        0 => Mark::default(),
        // None of them is that of no fields.
        1.. => Mark { time: times.finish() as u32 | 1, fields: fields.finish() as u32 | 1 },
    }
}

/// The fields that nobody else may take. How many pods there are is nobody's: an autoscaler and people may say so.
fn ours_of(watched: Watched, fields: &str) -> Cow<'_, str> {
    match watched {
        Watched::Objects(ObjectKind::Deployment | ObjectKind::StatefulSet) => {
            let mut fields: Value = serde_json::from_str(fields).unwrap_or_default();
            if let Some(spec) = fields.get_mut("f:spec").and_then(Value::as_object_mut) {
                spec.remove("f:replicas");
            }
            fields.to_string().into()
        }
        Watched::Pods | Watched::Objects(_) => fields.into(),
    }
}

fn pod(raw: &Shown<'_>) -> State {
    let status = &raw.status;
    let holds = |kind: &str| status.conditions.iter().any(|it| it.kind == kind && it.status == "True");
    let ready = holds("Ready");
    let unschedulable = status
        .conditions
        .iter()
        .any(|it| it.kind == "PodScheduled" && it.status == "False" && it.reason == "Unschedulable");
    let containers = || status.init_container_statuses.iter().chain(&status.container_statuses);
    let restarts: u64 = containers().map(|one| one.restart_count).sum();
    let usual = ["", "ContainerCreating", "PodInitializing"];
    let complaints: Vec<&str> = containers()
        .filter_map(|one| Some(&*one.state.waiting.as_ref()?.reason))
        .filter(|reason| !usual.contains(reason))
        .collect();
    let failed =
        containers().filter(|one| one.state.terminated.as_ref().is_some_and(|it| it.exit_code != 0)).count();
    let going = raw.metadata.deletion_timestamp.is_some();
    let over = matches!(&*status.phase, "Failed" | "Succeeded" | "Unknown");
    let bad = unschedulable || !complaints.is_empty() || failed > 0 || restarts > 0 || over;
    let hash = short(&(ready, unschedulable, restarts, &complaints, failed, going, &status.phase, over));
    let news = if ready || bad { News::Some } else { News::None };
    State { hash, news, pods: Pods::Some }
}

fn workload(raw: &Shown<'_>, available: u64) -> State {
    let (status, wanted) = (&raw.status, raw.spec.replicas.unwrap_or(1));
    let observed = status.observed_generation >= raw.metadata.generation;
    let counts = [status.replicas, status.ready_replicas, status.updated_replicas, available];
    let settled = status.current_revision == status.update_revision;
    let complete = observed && settled && counts.iter().all(|count| *count == wanted);
    let failure = status.conditions.iter().find(|it| {
        (it.kind == "ReplicaFailure" && it.status == "True")
            || (it.kind == "Progressing" && it.status == "False")
    });
    let going = raw.metadata.deletion_timestamp.is_some();
    let hash = short(&(wanted, complete, failure.map(|it| &it.reason), going));
    let news = if complete || failure.is_some() { News::Some } else { News::None };
    match wanted {
        0 => State { hash: hash | STOPPED, news, pods: who_scaled(&raw.metadata.managed_fields) },
        1.. => State { hash, news, pods: Pods::Some },
    }
}

/// Who said that there are to be no pods.
fn who_scaled(managed: &[Managed<'_>]) -> Pods {
    let scales = |one: &Managed<'_>| {
        let fields: Value = serde_json::from_str(one.fields?.get()).ok()?;
        fields.pointer("/f:spec/f:replicas").map(drop)
    };
    let others = managed.iter().any(|one| !one.manager.starts_with(MANAGER) && scales(one).is_some());
    if others { Pods::Denied } else { Pods::None }
}

fn hash(of: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Half of it is enough to see a change.
fn short(of: &(impl Hash + ?Sized)) -> u32 {
    hash(of) as u32 & !STOPPED
}

#[cfg(test)]
mod tests {
    use landlord_state_machines::planner::kubernetes::{ObjectKind, tags};
    use serde_json::{Value, json};

    use super::{Item, News, Pods, Watched, managers, read};

    fn item(watched: Watched, object: &Value) -> Item {
        read(watched, &object.to_string()).unwrap()
    }

    fn pod(status: Value) -> Item {
        let metadata = json!({
            "name": "p", "namespace": "acme", "uid": "u", "labels": { tags::TENANT: "acme" },
        });
        item(Watched::Pods, &json!({ "metadata": metadata, "status": status }))
    }

    #[test]
    fn the_label_of_the_tenant_is_the_planners() {
        let nobodys = json!({ "metadata": { "name": "p", "uid": "u" } });
        assert_eq!(read(Watched::Pods, &nobodys.to_string()), None);
        let its = json!({ "metadata": { "name": "n", "uid": "u", "labels": { tags::TENANT: "acme" } } });
        let its = item(Watched::Objects(ObjectKind::Namespace), &its);
        assert_eq!((its.tenant.as_str(), its.namespace.as_str()), ("acme", "n"));
    }

    #[test]
    fn of_a_pod_that_comes_up_there_is_no_news_until_it_is_ready_or_complains() {
        let waits = |reason: &str| json!({ "containerStatuses": [{ "restartCount": 0, "state": { "waiting": { "reason": reason } } }] });
        let (new, creating) = (pod(json!({ "phase": "Pending" })), pod(waits("ContainerCreating")));
        assert_eq!((new.state.news, creating.state.news), (News::None, News::None));
        let ready = pod(json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] }));
        let bad = pod(waits("ErrImagePull"));
        assert_eq!((ready.state.news, bad.state.news), (News::Some, News::Some));
        assert_ne!(bad.state.hash, pod(waits("ImagePullBackOff")).state.hash);
        let another = pod(json!({ "phase": "Running", "podIP": "10.0.0.1",
            "conditions": [{ "type": "Ready", "status": "True", "lastProbeTime": "x" }] }));
        assert_eq!(ready.state.hash, another.state.hash, "what does not matter is no change");
    }

    #[test]
    fn of_a_workload_there_is_news_when_its_rollout_is_complete_or_fails() {
        let workload = |status: Value| {
            let metadata = json!({
                "name": "acme", "uid": "u", "generation": 2, "labels": { tags::TENANT: "acme" },
            });
            let object = json!({ "metadata": metadata, "spec": { "replicas": 1 }, "status": status });
            item(Watched::Objects(ObjectKind::Deployment), &object)
        };
        let counts = |generation: u32| {
            json!({ "observedGeneration": generation, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1,
                "availableReplicas": 1 })
        };
        assert_eq!(workload(counts(1)).state.news, News::None);
        assert_eq!(workload(counts(2)).state.news, News::Some);
        let refused = json!({ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate" });
        assert_eq!(workload(json!({ "conditions": [refused] })).state.news, News::Some);
    }

    fn managed(entries: Value) -> Value {
        json!({ "metadata": { "name": "s", "uid": "u", "labels": { tags::TENANT: "acme" },
            "managedFields": entries } })
    }

    fn entry(manager: &str, time: &str, fields: Value) -> Value {
        json!({ "manager": manager, "operation": "Apply", "time": time, "fieldsV1": fields })
    }

    #[test]
    fn a_field_that_others_take_is_told_from_one_that_the_engine_applies() {
        let mark = |entries| item(Watched::Objects(ObjectKind::Service), &managed(entries)).mark;
        let two = json!({ "f:spec": { "f:a": {}, "f:b": {} } });
        let one = json!({ "f:spec": { "f:a": {} } });
        let before = mark(json!([entry("landlord", "t1", two.clone())]));
        let beside = entry("kubectl", "t2", json!({ "f:metadata": {} }));
        assert_eq!(before, mark(json!([beside.clone(), entry("landlord", "t1", two.clone())])));
        assert!(before.has_lost_to(mark(json!([entry("landlord", "t1", one.clone()), beside.clone()]))));
        assert!(before.has_lost_to(mark(json!([beside.clone()]))), "all of them");
        assert!(!before.has_lost_to(mark(json!([entry("landlord", "t2", one)]))), "a later apply");
        let theirs = mark(json!([beside]));
        assert!(!theirs.has_lost_to(before), "what is not the engine's is not lost");
    }

    #[test]
    fn whoever_scales_takes_nothing_of_the_engines() {
        let mark = |entries| item(Watched::Objects(ObjectKind::Deployment), &managed(entries)).mark;
        let before =
            mark(json!([entry("landlord", "t1", json!({ "f:spec": { "f:replicas": {}, "f:a": {} } }))]));
        let scaled = mark(json!([entry("landlord", "t1", json!({ "f:spec": { "f:a": {} } }))]));
        assert!(!before.has_lost_to(scaled));
        assert!(scaled.has_lost_to(mark(json!([entry("landlord", "t1", json!({ "f:spec": {} }))]))));
    }

    #[test]
    fn who_scaled_a_workload_to_nothing_is_known() {
        let pods = |manager: &str| {
            let mut object =
                managed(json!([entry(manager, "t1", json!({ "f:spec": { "f:replicas": {} } }))]));
            object["spec"] = json!({ "replicas": 0 });
            item(Watched::Objects(ObjectKind::Deployment), &object).state.pods
        };
        let engines = [pods("landlord"), pods("landlord-scale")];
        assert_eq!((engines, pods("kubectl")), ([Pods::None, Pods::None], Pods::Denied));
    }

    #[test]
    fn who_has_fields_besides_the_engine_is_named() {
        let mut status = entry("ingress", "t1", json!({}));
        status["subresource"] = json!("status");
        let entries = json!([
            entry("landlord", "t1", json!({})),
            entry("landlord-scale", "t1", json!({})),
            entry("kubectl-edit", "t2", json!({})),
            entry("kube-controller-manager", "t2", json!({})),
            status,
        ]);
        let service = Watched::Objects(ObjectKind::Service);
        let (_, by) = managers(service, &managed(entries).to_string()).unwrap();
        assert_eq!(by.into_iter().collect::<Vec<_>>(), ["kubectl-edit"]);
    }
}
