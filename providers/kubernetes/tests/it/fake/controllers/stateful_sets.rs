//! The controller of stateful sets.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::deployments::hash_of;
use super::replica_sets::{count, is_of_ending, pod_of, reference};
use crate::fake::deletes::Propagation;
use crate::fake::kinds::{Key, Kind};
use crate::fake::world::{World, is_deleting, is_ready};

const HASH: &str = "controller-revision-hash";

/// A set, its pods by their number, and its two revisions.
struct Whole<'a> {
    key: &'a Key,
    set: &'a Value,
    pods: BTreeMap<i64, (Key, Arc<Value>)>,
    current: String,
    update: String,
}

impl World {
    pub(super) fn look_at_stateful_set(&mut self, key: &Key, set: &Value) {
        let uid = set["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let update = format!("{}-{}", key.name, hash_of(&set["spec"]["template"]));
        self.revisions.insert((uid, update.clone()), set["spec"]["template"].clone());
        let current = set["status"]["currentRevision"].as_str().unwrap_or(&update).to_owned();
        let mut whole = Whole { key, set, pods: self.numbered(key, set), current, update };
        if !is_deleting(set) {
            self.arrange(&whole);
            whole.pods = self.numbered(key, set);
        }
        self.tell_set(&whole);
    }

    fn numbered(&self, key: &Key, set: &Value) -> BTreeMap<i64, (Key, Arc<Value>)> {
        let number = |of: &Key| of.name.strip_prefix(&format!("{}-", key.name))?.parse().ok();
        let pods = self.owned(set, Kind::Pod).into_iter();
        pods.filter_map(|(of, pod)| Some((number(&of)?, (of, pod)))).collect()
    }

    /// Does the next thing: all at once where the set says so, or else one by one.
    fn arrange(&mut self, whole: &Whole<'_>) {
        let wanted = count(&whole.set["spec"]["replicas"]);
        let parallel = whole.set["spec"]["podManagementPolicy"] == "Parallel";
        for number in 0..wanted {
            match whole.pods.get(&number) {
                None => {
                    self.add_numbered(whole, number);
                    if !parallel {
                        return;
                    }
                }
                Some((key, pod))
                    if matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded")) =>
                {
                    self.delete(key, Propagation::Background, None);
                }
                Some((_, pod)) if !parallel && (is_deleting(pod) || !is_ready(pod)) => return,
                Some(_) => {}
            }
        }
        for (_, (key, pod)) in whole.pods.iter().rev().filter(|(number, _)| **number >= wanted) {
            if !is_deleting(pod) {
                self.delete(key, Propagation::Background, None);
            }
            if !parallel {
                return;
            }
        }
        let strategy = &whole.set["spec"]["updateStrategy"];
        if strategy["type"] == "OnDelete" {
            return;
        }
        let partition = count(&strategy["rollingUpdate"]["partition"]);
        for (_, (key, pod)) in whole.pods.range(partition..).rev() {
            if pod["metadata"]["labels"][HASH] != whole.update.as_str() && !is_deleting(pod) {
                return self.delete(key, Propagation::Background, None);
            }
            if is_deleting(pod) || !is_ready(pod) {
                return;
            }
        }
    }

    fn add_numbered(&mut self, whole: &Whole<'_>, number: i64) {
        let Whole { key, set, current, update, .. } = whole;
        let partition = count(&set["spec"]["updateStrategy"]["rollingUpdate"]["partition"]);
        let revision = if number < partition { current } else { update };
        let uid = set["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let template = self.revisions.get(&(uid, revision.clone())).unwrap_or(&set["spec"]["template"]);
        let mut pod = pod_of(set, template);
        let name = format!("{}-{number}", key.name);
        pod["metadata"]["labels"][HASH] = json!(revision);
        pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = json!(name);
        if self.settings.since(28) {
            pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = json!(number.to_string());
        }
        pod["spec"]["hostname"] = json!(name);
        pod["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
        for claim in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
            let volume = claim["metadata"]["name"].as_str().unwrap_or_default();
            let named = format!("{volume}-{name}");
            let mut labels = claim["metadata"]["labels"].as_object().cloned().unwrap_or_default();
            labels.extend(set["spec"]["selector"]["matchLabels"].as_object().cloned().unwrap_or_default());
            let annotations = &claim["metadata"]["annotations"];
            let mut metadata = json!({ "labels": labels, "annotations": annotations });
            if set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete" {
                metadata["ownerReferences"] = json!([reference(set)]);
            }
            let body = json!({ "metadata": metadata, "spec": claim["spec"] });
            self.make(&Key::new(Kind::PersistentVolumeClaim, &key.namespace, &named), body);
            let mounted = json!({ "name": volume, "persistentVolumeClaim": { "claimName": named } });
            match pod["spec"]["volumes"].as_array_mut() {
                Some(volumes) => volumes.push(mounted),
                None => pod["spec"]["volumes"] = json!([mounted]),
            }
        }
        let pod_key = Key::new(Kind::Pod, &key.namespace, &name);
        let made = self.create(&pod_key, pod, &self.controller(Kind::Pod), false);
        if let Err(refusal) = made
            && !is_of_ending(&refusal)
        {
            let message =
                format!("create Pod {name} in StatefulSet {} failed error: {}", key.name, refusal.message());
            self.warn(key, set, "statefulset-controller", ("FailedCreate", &message));
            self.later((*key).clone(), self.settings.pace.backoff);
        }
    }

    fn tell_set(&mut self, whole: &Whole<'_>) {
        let Whole { key, set, pods, current, update } = whole;
        let wanted = count(&set["spec"]["replicas"]);
        let of = |revision: &String| {
            let is = |pod: &Value| pod["metadata"]["labels"][HASH] == revision.as_str() && !is_deleting(pod);
            pods.values().filter(|(_, pod)| is(pod)).count()
        };
        let ready = pods.values().filter(|(_, pod)| is_ready(pod) && !is_deleting(pod)).count();
        let there = i64::try_from(pods.len()).unwrap_or_default();
        let done = of(update) == pods.len() && there == wanted && ready == pods.len();
        let now = if done { update } else { current };
        let mut status = json!({
            "observedGeneration": set["metadata"]["generation"], "replicas": pods.len(),
            "currentRevision": now, "updateRevision": update, "collisionCount": 0,
        });
        for (field, number) in
            [("readyReplicas", ready), ("currentReplicas", of(now)), ("updatedReplicas", of(update))]
        {
            if number != 0 {
                status[field] = json!(number);
            }
        }
        if self.settings.since(22) {
            status["availableReplicas"] = json!(ready);
        }
        self.set_status(key, status);
    }
}
