//! How a deployment goes from one replica set to the next, and what it says of that.

use serde_json::{Value, json};

use super::deployments::{Set, Sets};
use super::replica_sets::count;
use crate::fake::kinds::Key;
use crate::fake::world::{World, condition};

/// A number or a share of one.
fn share(value: &Value, of: i64, up: bool) -> i64 {
    let percent =
        value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|it| it.parse::<i64>().ok());
    match percent {
        None => count(value),
        Some(percent) if up => (of * percent + 99) / 100,
        Some(percent) => of * percent / 100,
    }
}

/// How many pods may be more or fewer than wanted.
fn margins(deployment: &Value) -> (i64, i64) {
    let wanted = count(&deployment["spec"]["replicas"]);
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    let (surge, missing) =
        (share(&rolling["maxSurge"], wanted, true), share(&rolling["maxUnavailable"], wanted, false));
    if surge == 0 && missing == 0 { (0, 1) } else { (surge, missing) }
}

impl World {
    pub(super) fn roll(&mut self, key: &Key, deployment: &Value) {
        let sets = self.sets(deployment);
        let wanted = count(&deployment["spec"]["replicas"]);
        let (surge, missing) = margins(deployment);
        let has = sets.new.as_ref().map_or(0, |(_, set)| count(&set["spec"]["replicas"]));
        let total = sets.sum("/spec/replicas");
        let room = (wanted + surge - total).max(0);
        let size = if has >= wanted { wanted } else { has + room.min(wanted - has) };
        self.renew(key, deployment, &sets, size);
        let Some(deployment) = self.get(key) else { return };
        let sets = self.sets(&deployment);
        let Some((_, new)) = &sets.new else { return };
        if size != has {
            return;
        }
        let total = sets.sum("/spec/replicas");
        let unready = count(&new["spec"]["replicas"]) - count(&new["status"]["availableReplicas"]);
        let least = wanted - missing;
        let mut spare = total - least - unready;
        if sets.old.iter().all(|(_, set)| count(&set["spec"]["replicas"]) == 0) {
            return self.tidy(&deployment);
        }
        if spare <= 0 {
            return;
        }
        // First those old ones that do not work anyway.
        let mut sizes: Vec<(&Set, i64)> =
            sets.old.iter().map(|set| (set, count(&set.1["spec"]["replicas"]))).collect();
        for ((_, set), size) in &mut sizes {
            let broken = *size - count(&set["status"]["availableReplicas"]).min(*size);
            let fewer = broken.min(spare).max(0);
            *size -= fewer;
            spare -= fewer;
        }
        let mut spare = (sets.sum("/status/availableReplicas") - least).min(spare).max(0);
        for (_, size) in &mut sizes {
            let fewer = (*size).min(spare);
            *size -= fewer;
            spare -= fewer;
        }
        for ((old, set), size) in sizes {
            self.resize(old, set, size);
        }
    }

    /// Says how far a rollout is.
    pub(super) fn tell_rollout(&mut self, key: &Key, deployment: &Value, sets: &Sets) {
        let wanted = count(&deployment["spec"]["replicas"]);
        let new_one = sets.new.as_ref().map_or(&Value::Null, |(_, set)| &**set);
        let before = &deployment["status"];
        let (replicas, updated) = (sets.sum("/status/replicas"), count(&new_one["status"]["replicas"]));
        let (ready, available) = (sets.sum("/status/readyReplicas"), sets.sum("/status/availableReplicas"));
        let total = sets.sum("/spec/replicas");
        let mut status = json!({ "observedGeneration": deployment["metadata"]["generation"] });
        for (field, number) in [
            ("replicas", replicas),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("unavailableReplicas", (total - available).max(0)),
        ] {
            if number != 0 {
                status[field] = json!(number);
            }
        }
        let (_, missing) = margins(deployment);
        let enough = available >= wanted - missing;
        let mut conditions = Vec::new();
        conditions.push(if enough {
            self.saying(
                deployment,
                "Available",
                "True",
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.",
            )
        } else {
            let words = "Deployment does not have minimum availability.";
            self.saying(deployment, "Available", "False", "MinimumReplicasUnavailable", words)
        });
        let failed = sets.new.iter().chain(&sets.old).find_map(|(_, set)| condition(set, "ReplicaFailure"));
        conditions.extend(failed.cloned());
        let name = new_one["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let complete = updated == wanted && replicas == wanted && available == wanted && sets.new.is_some();
        let moved = updated > count(&before["updatedReplicas"])
            || replicas - updated < count(&before["replicas"]) - count(&before["updatedReplicas"])
            || ready > count(&before["readyReplicas"])
            || available > count(&before["availableReplicas"]);
        let uid = deployment["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let said = condition(deployment, "Progressing").cloned();
        let reason = said.as_ref().map_or("", |said| said["reason"].as_str().unwrap_or_default()).to_owned();
        let settled = replicas == updated && reason == "NewReplicaSetAvailable";
        let paused = deployment["spec"]["paused"] == json!(true);
        let progress = if settled || paused {
            None
        } else if complete {
            Some((
                "True",
                "NewReplicaSetAvailable",
                format!("ReplicaSet \"{name}\" has successfully progressed."),
            ))
        } else if moved {
            self.moved.insert(uid, self.now);
            Some(("True", "ReplicaSetUpdated", format!("ReplicaSet \"{name}\" is progressing.")))
        } else if self.is_late(key, deployment, &uid, &reason) {
            let words = format!("ReplicaSet \"{name}\" has timed out progressing.");
            Some(("False", "ProgressDeadlineExceeded", words))
        } else {
            None
        };
        match progress {
            Some((is, reason, words)) => {
                conditions.push(self.saying(deployment, "Progressing", is, reason, &words));
            }
            None => conditions.extend(said),
        }
        status["conditions"] = json!(conditions);
        self.set_status(key, status);
    }

    /// Whether a rollout has not moved for too long.
    fn is_late(&mut self, key: &Key, deployment: &Value, uid: &str, reason: &str) -> bool {
        if reason == "NewReplicaSetAvailable" || reason.is_empty() {
            return false;
        }
        if reason == "ProgressDeadlineExceeded" {
            return true;
        }
        let last = *self.moved.entry(uid.to_owned()).or_insert(self.now);
        let due = last + self.seconds(&deployment["spec"]["progressDeadlineSeconds"]);
        if due > self.now {
            self.queue.add(key.clone(), due);
        }
        due <= self.now
    }

    /// A condition, with the time since when it is so.
    fn saying(&self, object: &Value, named: &str, is: &str, reason: &str, message: &str) -> Value {
        let before = condition(object, named);
        if let Some(same) =
            before.filter(|it| it["status"] == is && it["reason"] == reason && it["message"] == message)
        {
            return same.clone();
        }
        let now = json!(self.stamp_now());
        let since =
            before.filter(|it| it["status"] == is).map_or(now.clone(), |it| it["lastTransitionTime"].clone());
        json!({ "type": named, "status": is, "reason": reason, "message": message, "lastUpdateTime": now,
            "lastTransitionTime": since })
    }

    /// Says only how the rollout goes.
    pub(super) fn tell_progress(&mut self, key: &Key, is: &str, (reason, message): (&str, String)) {
        let Some(deployment) = self.get(key) else { return };
        let new = self.saying(&deployment, "Progressing", is, reason, &message);
        let mut status = deployment["status"].clone();
        let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        conditions.retain(|one| one["type"] != "Progressing");
        conditions.push(new);
        status["conditions"] = json!(conditions);
        self.set_status(key, status);
    }
}
