//! The objects of the cluster, and what their controllers make of them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use landlord_state_machines::id::Rollout;
use landlord_state_machines::planner::Subject;
use landlord_state_machines::planner::kubernetes::{
    Delete, KubernetesReply, Look, Make, Object, ObjectId, ObjectKind, Place, Pod, Wanted, tags,
};
use serde_json::{Value, json};

use super::pods::{self, later};

/// How long a namespace takes until it is gone, and any other object.
const GOES: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(5), SignedDuration::from_secs(1));

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) place: Place,
    pub(super) id: ObjectId,
    uid: String,
    body: Value,
    generation: u64,
    /// When it is gone, where it is going.
    gone: Option<Timestamp>,
    owned: bool,
}

/// The objects and the pods.
#[derive(Clone, Debug, Default)]
pub(super) struct Cluster {
    made: u32,
    rows: BTreeMap<(String, ObjectId), Row>,
    pods: BTreeMap<String, Vec<pods::Row>>,
    now: Timestamp,
    breach: Option<String>,
}

impl Row {
    fn label(&self, key: &str) -> Option<&str> {
        self.body.pointer("/metadata/labels")?.get(key)?.as_str()
    }

    /// Whether it is a tenant's, of whichever life.
    pub(super) fn is_of(&self, subject: &Subject) -> bool {
        let is = |key: &str| self.label(key) == tags::stable(subject).get(key).map(String::as_str);
        [tags::OWNER, tags::TENANT, tags::PROVIDER, tags::ENGINE].into_iter().all(is)
    }

    pub(super) fn is_looked_at(&self, look: &Look) -> bool {
        self.id.kind == ObjectKind::Namespace || self.is_of(&look.subject)
    }

    pub(super) fn is_going(&self) -> bool {
        self.gone.is_some()
    }

    pub(super) fn content(&self) -> Option<&str> {
        self.body.pointer("/metadata/annotations")?.get(tags::CONTENT)?.as_str()
    }

    fn replicas(&self) -> usize {
        let count = self.body.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    fn template(&self) -> &Value {
        self.body.pointer("/spec/template").unwrap_or(&Value::Null)
    }

    /// As the API server shows it.
    pub(super) fn shown(&self, pods: &[Pod]) -> Object {
        let mut body = self.body.clone();
        if is_workload(self.id.kind) {
            let template = self.template().pointer("/metadata/labels").and_then(|it| it.get(tags::CONTENT));
            let of = |pod: &&Pod| {
                pod.content.as_deref() == template.and_then(Value::as_str) && pod.deleting.is_none()
            };
            let (updated, ready) = (
                pods.iter().filter(of).count(),
                pods.iter().filter(|pod| pod.ready && pod.deleting.is_none()).count(),
            );
            let replicas = pods.iter().filter(|pod| pod.deleting.is_none()).count();
            let refused = updated == 0 && self.replicas() > 0;
            let message = "pods \"acme\" is forbidden: exceeded quota: acme";
            let conditions = match refused {
                true => {
                    json!([{ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message }])
                }
                false => json!([]),
            };
            body["metadata"]["generation"] = json!(self.generation);
            body["status"] = json!({
                "observedGeneration": self.generation, "replicas": replicas, "updatedReplicas": updated,
                "readyReplicas": ready, "availableReplicas": ready, "conditions": conditions,
                "currentRevision": if replicas == updated { "b" } else { "a" }, "updateRevision": "b",
            });
        }
        if self.id.kind == ObjectKind::ResourceQuota {
            body["status"] = json!({ "hard": {} });
        }
        let deleting = self.gone.map(|gone| gone.saturating_sub(GOES.1).unwrap_or(gone));
        Object { id: self.id.clone(), uid: self.uid.clone(), deleting, owned: self.owned, body }
    }
}

impl Cluster {
    pub(super) fn all(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    pub(super) fn breach(&self) -> Option<&str> {
        self.breach.as_deref()
    }

    pub(super) fn pods(&self, place: &Place) -> Vec<Pod> {
        let pods = self.pods.get(&place.namespace).into_iter().flatten();
        pods.map(|pod| pod.shown(self.now)).collect()
    }

    pub(super) fn workload(&self, place: &Place, name: &str) -> Option<&Row> {
        let is = |row: &&Row| {
            is_workload(row.id.kind) && row.place.namespace == place.namespace && row.id.name == name
        };
        self.rows.values().find(is)
    }

    pub(super) fn has_service(&self, place: &Place) -> bool {
        let is = |row: &Row| row.id.kind == ObjectKind::Service && row.place.namespace == place.namespace;
        self.rows.values().any(is)
    }

    /// What happens by itself until then.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.now = now;
        let gone: Vec<(String, ObjectId)> = self
            .rows
            .iter()
            .filter(|(_, row)| row.gone.is_some_and(|at| at <= now))
            .map(|(key, _)| key.clone())
            .collect();
        for (namespace, id) in gone {
            if id.kind == ObjectKind::Namespace {
                self.rows.retain(|(of, _), _| *of != namespace);
                self.pods.remove(&namespace);
            }
            self.rows.remove(&(namespace, id));
        }
        let namespaces: Vec<String> = self.rows.keys().map(|(namespace, _)| namespace.clone()).collect();
        for namespace in namespaces {
            self.control(&namespace, now);
        }
    }

    /// What the controllers of a namespace do.
    fn control(&mut self, namespace: &str, now: Timestamp) {
        let pods = self.pods.entry(namespace.to_owned()).or_default();
        pods.retain(|pod| pod.gone.is_none_or(|at| at > now));
        let is =
            |row: &&Row| row.place.namespace == namespace && is_workload(row.id.kind) && row.gone.is_none();
        let Some(workload) = self.rows.values().find(is) else {
            pods.iter_mut().for_each(|pod| pod.end(now));
            return;
        };
        let (wanted, template) = (workload.replicas(), workload.template().clone());
        let content = template.pointer("/metadata/labels").and_then(|it| it.get(tags::CONTENT));
        let content = content.and_then(Value::as_str).unwrap_or_default().to_owned();
        let of_it = |pod: &pods::Row| pod.content == content && pod.gone.is_none();
        while pods.iter().filter(|pod| of_it(pod)).count() < wanted {
            self.made += 1;
            let Some(pod) = pods::Row::new(self.made, &template, now) else { break };
            pods.push(pod);
        }
        let surplus = pods.iter().filter(|pod| of_it(pod)).count().saturating_sub(wanted);
        pods.iter_mut().filter(|pod| of_it(pod)).take(surplus).for_each(|pod| pod.end(now));
        let ready = pods.iter().filter(|pod| of_it(pod) && pod.is_ready(now)).count();
        if ready >= wanted {
            pods.iter_mut().filter(|pod| pod.content != content).for_each(|pod| pod.end(now));
        }
    }

    pub(super) fn create(&mut self, make: &Make, owned: bool, now: Timestamp) -> KubernetesReply {
        let key = (make.place.namespace.clone(), make.id.clone());
        if self.rows.contains_key(&key) {
            return KubernetesReply::Exists;
        }
        let namespace = ObjectId { kind: ObjectKind::Namespace, name: make.place.namespace.clone() };
        let is_namespace = make.id.kind == ObjectKind::Namespace;
        let there = self.rows.get(&(make.place.namespace.clone(), namespace)).map(|row| row.gone.is_none());
        if !is_namespace
            && make.place.sharing == landlord_state_machines::planner::kubernetes::Sharing::Own
            && there != Some(true)
        {
            return KubernetesReply::NoNamespace;
        }
        self.made += 1;
        let row = Row {
            place: make.place.clone(),
            id: make.id.clone(),
            uid: format!("uid-{}", self.made),
            body: make.body.clone(),
            generation: 1,
            gone: None,
            owned,
        };
        self.rows.insert(key.clone(), row);
        self.control(&key.0, now);
        self.is(&key)
    }

    fn is(&self, key: &(String, ObjectId)) -> KubernetesReply {
        match self.rows.get(key) {
            Some(row) => KubernetesReply::Is(Box::new(row.shown(&self.pods(&row.place)))),
            None => KubernetesReply::Gone,
        }
    }

    /// The object of this uid.
    fn only(&mut self, place: &Place, id: &ObjectId, uid: &str) -> Option<&mut Row> {
        self.rows.get_mut(&(place.namespace.clone(), id.clone())).filter(|row| row.uid == uid)
    }

    pub(super) fn own(&mut self, place: &Place, id: &ObjectId, uid: &str) -> KubernetesReply {
        let Some(row) = self.only(place, id, uid) else { return KubernetesReply::Gone };
        row.owned = true;
        self.is(&(place.namespace.clone(), id.clone()))
    }

    pub(super) fn apply(&mut self, make: &Make, uid: &str, now: Timestamp) -> KubernetesReply {
        let Some(row) = self.only(&make.place, &make.id, uid) else { return KubernetesReply::Gone };
        if !row.owned {
            let id = make.id.clone();
            self.breach = Some(format!("{id} was applied to before it was taken over"));
            return KubernetesReply::Gone;
        }
        let replicas = row.body.pointer("/spec/replicas").cloned();
        let mut body = make.body.clone();
        if let (Some(replicas), Some(spec)) = (replicas, body.get_mut("spec").and_then(Value::as_object_mut))
        {
            spec.insert("replicas".to_owned(), replicas);
        }
        if row.body != body {
            row.generation += 1;
            row.body = body;
        }
        self.control(&make.place.namespace, now);
        self.is(&(make.place.namespace.clone(), make.id.clone()))
    }

    pub(super) fn scale(
        &mut self,
        place: &Place,
        id: &ObjectId,
        uid: &str,
        replicas: u32,
        now: Timestamp,
    ) -> KubernetesReply {
        let Some(row) = self.only(place, id, uid) else { return KubernetesReply::Gone };
        row.body["spec"]["replicas"] = json!(replicas);
        row.generation += 1;
        self.control(&place.namespace, now);
        self.is(&(place.namespace.clone(), id.clone()))
    }

    pub(super) fn delete(&mut self, delete: &Delete, now: Timestamp) -> KubernetesReply {
        let Delete { place, id, uid, .. } = delete;
        let Some(row) = self.only(place, id, uid) else { return KubernetesReply::Gone };
        let takes = if id.kind == ObjectKind::Namespace { GOES.0 } else { GOES.1 };
        row.gone.get_or_insert(later(now, takes));
        self.control(&place.namespace, now);
        KubernetesReply::Deleted
    }

    pub(super) fn delete_pod(&mut self, place: &Place, uid: &str, now: Timestamp) -> KubernetesReply {
        let pods = self.pods.entry(place.namespace.clone()).or_default();
        match pods.iter_mut().find(|pod| pod.uid == uid) {
            Some(pod) => pod.end(now),
            None => return KubernetesReply::Gone,
        }
        self.control(&place.namespace, now);
        KubernetesReply::Deleted
    }

    /// Somebody deletes the workload, and takes a label off the account.
    pub(super) fn break_by_hand(&mut self) {
        self.rows.retain(|(_, id), _| !is_workload(id.kind));
        self.pods.clear();
        for row in self.rows.values_mut().filter(|row| row.id.kind == ObjectKind::ServiceAccount) {
            row.body["automountServiceAccountToken"] = json!(true);
        }
    }

    /// The rollout of the workload.
    pub(super) fn rollout(&self) -> Rollout {
        let workload = self.rows.values().find(|row| is_workload(row.id.kind));
        workload.map(|row| super::rollout_of(row.template())).unwrap_or_default()
    }

    /// The rollouts that pods are of.
    pub(super) fn rollouts(&self) -> Vec<Rollout> {
        self.pods.values().flatten().map(|pod| pod.rollout).collect()
    }

    /// Whether exactly the pods that are wanted run.
    pub(super) fn runs_as(&self, wanted: &Wanted) -> Result<(), String> {
        let Some(workload) = self.workload(&wanted.place, &wanted.workload.name) else {
            return Err("there is no workload".to_owned());
        };
        let pods = self.pods.get(&wanted.place.namespace).map(Vec::as_slice).unwrap_or_default();
        let right = pods
            .iter()
            .all(|pod| pod.content == wanted.template && pod.gone.is_none() && pod.is_ready(self.now));
        let count = u32::try_from(pods.len()).unwrap_or(u32::MAX);
        let counted = match wanted.replicas {
            landlord_state_machines::planner::kubernetes::Count::Of(of) => count == of,
            landlord_state_machines::planner::kubernetes::Count::Scaled { .. } => count > 0,
        };
        match right && counted && workload.replicas() == pods.len() {
            true => Ok(()),
            false => Err(format!("{} pods wanted, there are {pods:?}", workload.replicas())),
        }
    }
}

fn is_workload(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Deployment | ObjectKind::StatefulSet)
}
