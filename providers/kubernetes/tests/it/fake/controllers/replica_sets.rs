//! The controller of replica sets.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::fake::deletes::Propagation;
use crate::fake::kinds::{Key, Kind};
use crate::fake::status::Refusal;
use crate::fake::world::{World, is_deleting, is_ready};

const FROM: &str = "replicaset-controller";

/// Pods that are to stay and have not ended.
pub(super) fn is_active(pod: &Value) -> bool {
    !is_deleting(pod) && !matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded"))
}

pub(super) fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// A pod as a template says.
pub(super) fn pod_of(owner: &Value, template: &Value) -> Value {
    let metadata = json!({
        "labels": template["metadata"]["labels"], "annotations": template["metadata"]["annotations"],
        "ownerReferences": [reference(owner)],
    });
    json!({ "metadata": metadata, "spec": template["spec"] })
}

/// Who owns it.
pub(super) fn reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    })
}

impl World {
    pub(super) fn look_at_replica_set(&mut self, key: &Key, set: &Value) {
        let mut failure = None;
        if !is_deleting(set) {
            let active = self.active(set);
            let wanted = usize::try_from(count(&set["spec"]["replicas"])).unwrap_or_default();
            for _ in active.len()..wanted {
                if let Err(refusal) = self.add_pod(key, set) {
                    failure = Some(refusal);
                    break;
                }
            }
            self.drop_pods(&active, active.len().saturating_sub(wanted));
        }
        if let Some(refusal) = &failure
            && !is_of_ending(refusal)
        {
            let message = format!("Error creating: {}", refusal.message());
            self.warn(key, set, FROM, ("FailedCreate", &message));
            self.later(key.clone(), self.settings.pace.backoff);
        }
        let active = self.active(set);
        let ready = active.iter().filter(|(_, pod)| is_ready(pod)).count();
        let available = self.available(key, set, &active);
        let mut status = json!({
            "replicas": active.len(), "fullyLabeledReplicas": active.len(), "readyReplicas": ready,
            "availableReplicas": available, "observedGeneration": set["metadata"]["generation"],
        });
        if let Some(refusal) = failure {
            let before = &set["status"]["conditions"][0]["lastTransitionTime"];
            let since = if before.is_null() { json!(self.stamp_now()) } else { before.clone() };
            status["conditions"] = json!([{
                "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                "message": refusal.message(), "lastTransitionTime": since,
            }]);
        }
        self.set_status(key, status);
    }

    pub(super) fn active(&self, owner: &Value) -> Vec<(Key, Arc<Value>)> {
        let mut pods = self.owned(owner, Kind::Pod);
        pods.retain(|(_, pod)| is_active(pod));
        pods
    }

    /// How many pods have been ready for long enough.
    pub(super) fn available(&mut self, key: &Key, owner: &Value, pods: &[(Key, Arc<Value>)]) -> usize {
        let least = self.seconds(&owner["spec"]["minReadySeconds"]);
        let mut available = 0;
        for (_, pod) in pods.iter().filter(|(_, pod)| is_ready(pod)) {
            let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
            let since = self.lives.get(uid).and_then(|life| life.ready).unwrap_or(self.now);
            if since + least <= self.now {
                available += 1;
            } else {
                self.queue.add(key.clone(), since + least);
            }
        }
        available
    }

    fn add_pod(&mut self, key: &Key, set: &Value) -> Result<(), Refusal> {
        let mut pod = pod_of(set, &set["spec"]["template"]);
        pod["metadata"]["generateName"] = json!(format!("{}-", key.name));
        let name = format!("{}-{}", key.name, self.suffix());
        let key = Key::new(Kind::Pod, &key.namespace, &name);
        self.create(&key, pod, &self.controller(Kind::Pod), false).map(|_| ())
    }

    /// Those that do not run first, then the youngest.
    fn drop_pods(&mut self, pods: &[(Key, Arc<Value>)], how_many: usize) {
        let mut pods: Vec<&(Key, Arc<Value>)> = pods.iter().collect();
        pods.sort_by_key(|(_, pod)| {
            let young = std::cmp::Reverse(pod["metadata"]["creationTimestamp"].as_str().map(str::to_owned));
            (is_ready(pod), !pod["spec"]["nodeName"].is_null(), young)
        });
        for (key, _) in pods.into_iter().take(how_many) {
            self.delete(key, Propagation::Background, None);
        }
    }
}

/// Whether the namespace goes: nothing is tried again there.
pub(super) fn is_of_ending(refusal: &Refusal) -> bool {
    refusal.message().contains("because it is being terminated") || refusal.code == 404
}
