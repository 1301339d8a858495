//! The controller of deployments: which replica sets there are.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_json::{Value, json};

use super::replica_sets::{count, is_active, reference};
use crate::fake::deletes::Propagation;
use crate::fake::kinds::{Key, Kind};
use crate::fake::world::{World, is_deleting};

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HASH: &str = "pod-template-hash";

/// A replica set.
pub(super) type Set = (Key, Arc<Value>);

/// The replica sets of a deployment.
pub(super) struct Sets {
    pub(super) new: Option<Set>,
    /// The oldest first.
    pub(super) old: Vec<Set>,
}

impl Sets {
    pub(super) fn all(&self) -> impl Iterator<Item = &Set> {
        self.old.iter().chain(&self.new)
    }

    pub(super) fn sum(&self, pointer: &str) -> i64 {
        self.all().filter_map(|(_, set)| set.pointer(pointer)).map(count).sum()
    }
}

/// Some letters for a template.
pub(super) fn hash_of(template: &Value) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hasher = DefaultHasher::new();
    template.to_string().hash(&mut hasher);
    let mut number = hasher.finish();
    let mut text = String::new();
    for _ in 0..10 {
        text.push(char::from(LETTERS[(number % 27) as usize]));
        number /= 27;
    }
    text
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["annotations"][REVISION].as_str().and_then(|it| it.parse().ok()).unwrap_or_default()
}

impl World {
    pub(super) fn sets(&self, deployment: &Value) -> Sets {
        let hash = hash_of(&deployment["spec"]["template"]);
        let mut all = self.owned(deployment, Kind::ReplicaSet);
        all.sort_by_key(|(_, set)| revision(set));
        let is_new = |(_, set): &Set| set["metadata"]["labels"][HASH] == hash.as_str();
        let new = all.iter().position(is_new).map(|at| all.remove(at));
        Sets { new, old: all }
    }

    pub(super) fn look_at_deployment(&mut self, key: &Key, deployment: &Value) {
        if !is_deleting(deployment) {
            let paused = deployment["spec"]["paused"] == json!(true);
            let recreate = deployment["spec"]["strategy"]["type"] == "Recreate";
            match (paused, recreate) {
                (true, _) => {}
                (false, true) => self.recreate(key, deployment),
                (false, false) => self.roll(key, deployment),
            }
        }
        let Some(deployment) = self.get(key) else { return };
        let sets = self.sets(&deployment);
        self.tell_rollout(key, &deployment, &sets);
    }

    /// The old pods go, then the new ones come.
    fn recreate(&mut self, key: &Key, deployment: &Value) {
        let sets = self.sets(deployment);
        let mut runs = false;
        for (old, set) in &sets.old {
            self.resize(old, set, 0);
            let pods = self.owned(set, Kind::Pod);
            runs |= pods.iter().any(|(_, pod)| is_active(pod) || is_deleting(pod));
        }
        if runs {
            // Nobody tells it of pods that end.
            return self.later(key.clone(), self.settings.pace.retry);
        }
        let wanted = count(&deployment["spec"]["replicas"]);
        self.renew(key, deployment, &sets, wanted);
        self.tidy(deployment);
    }

    /// Makes the newest replica set, or gives it its size.
    pub(super) fn renew(&mut self, key: &Key, deployment: &Value, sets: &Sets, replicas: i64) {
        let newest = sets.old.iter().map(|(_, set)| revision(set)).max().unwrap_or_default() + 1;
        let Some((new, set)) = &sets.new else {
            return self.add_set(key, deployment, newest, replicas);
        };
        let number = revision(set).max(newest);
        if revision(set) < number {
            let name = number.to_string();
            self.alter(new, |set| set["metadata"]["annotations"][REVISION] = json!(name));
        }
        self.number(key, deployment, number);
        if let Some(set) = self.get(new) {
            self.resize(new, &set, replicas);
        }
    }

    fn number(&mut self, key: &Key, deployment: &Value, number: u64) {
        if revision(deployment) != number {
            let number = number.to_string();
            self.alter(key, |deployment| deployment["metadata"]["annotations"][REVISION] = json!(number));
        }
    }

    fn add_set(&mut self, key: &Key, deployment: &Value, number: u64, replicas: i64) {
        let template = &deployment["spec"]["template"];
        let hash = hash_of(template);
        let mut template = template.clone();
        template["metadata"]["labels"][HASH] = json!(hash);
        let mut selector = deployment["spec"]["selector"].clone();
        selector["matchLabels"][HASH] = json!(hash);
        let metadata = json!({
            "labels": template["metadata"]["labels"], "ownerReferences": [reference(deployment)],
            "annotations": { REVISION: number.to_string() },
        });
        let least = deployment["spec"]["minReadySeconds"].as_u64().unwrap_or_default();
        let set = json!({ "metadata": metadata, "spec": {
            "replicas": replicas, "selector": selector, "template": template, "minReadySeconds": least,
        } });
        let new = Key::new(Kind::ReplicaSet, &key.namespace, &format!("{}-{hash}", key.name));
        self.make(&new, set);
        let uid = deployment["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        self.moved.insert(uid, self.now);
        self.number(key, deployment, number);
        let words = ("NewReplicaSetCreated", format!("Created new replica set \"{}\"", new.name));
        self.tell_progress(key, "True", words);
    }

    /// Gives a replica set its size.
    pub(super) fn resize(&mut self, key: &Key, set: &Value, replicas: i64) {
        if count(&set["spec"]["replicas"]) != replicas {
            self.alter(key, |set| set["spec"]["replicas"] = json!(replicas));
        }
    }

    /// Old replica sets without pods go when there are too many of them.
    pub(super) fn tidy(&mut self, deployment: &Value) {
        let sets = self.sets(deployment);
        let empty =
            |set: &Value| count(&set["spec"]["replicas"]) == 0 && count(&set["status"]["replicas"]) == 0;
        let old: Vec<&Set> = sets.old.iter().filter(|(_, set)| empty(set)).collect();
        let kept = deployment["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10);
        let too_many = old.len().saturating_sub(usize::try_from(kept).unwrap_or_default());
        for (key, _) in old.into_iter().take(too_many) {
            self.delete(key, Propagation::Background, None);
        }
    }
}
