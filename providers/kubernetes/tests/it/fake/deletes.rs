//! Deleting objects.

use serde_json::{Value, json};

use super::kinds::{Key, Kind};
use super::request::{Request, Target};
use super::status::{Answer, Refusal};
use super::world::{World, is_deleting};
use super::writes::is_free;

/// What becomes of what an object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

impl World {
    /// A DELETE.
    pub(super) fn erase(&mut self, target: &Target, request: &Request) -> Answer {
        let options = request.json()?;
        let key = &target.key;
        let there = self.get(key).ok_or_else(|| Refusal::not_found(key))?;
        for (field, named) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
            let (wanted, is) = (&options["preconditions"][field], &there["metadata"][field]);
            if let (Some(wanted), Some(is)) = (wanted.as_str(), is.as_str())
                && wanted != is
            {
                let why = format!(
                    "Precondition failed: {named} in precondition: {wanted}, {named} in object meta: {is}"
                );
                return Err(Refusal::conflict(key, &why));
            }
        }
        let policy = options["propagationPolicy"].as_str().or(request.asks("propagationPolicy"));
        let propagation = match policy {
            Some("Foreground") => Propagation::Foreground,
            Some("Orphan") => Propagation::Orphan,
            _ => Propagation::Background,
        };
        let asked = request.asks("gracePeriodSeconds").and_then(|grace| grace.parse().ok());
        let grace = options["gracePeriodSeconds"].as_u64().or(asked);
        if request.is_dry() {
            return Ok((*there).clone());
        }
        self.delete(key, propagation, grace);
        match self.get(key).filter(|left| left["metadata"]["uid"] == there["metadata"]["uid"]) {
            Some(left) => Ok((*left).clone()),
            None => {
                let info = key.kind.info();
                Ok(json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                    "details": { "name": key.name, "group": info.group, "kind": info.plural,
                        "uid": there["metadata"]["uid"] },
                }))
            }
        }
    }

    /// Lets an object go.
    pub(super) fn delete(&mut self, key: &Key, propagation: Propagation, grace: Option<u64>) {
        let Some(there) = self.get(key) else { return };
        let mut object = (*there).clone();
        match propagation {
            Propagation::Background => {}
            Propagation::Foreground => {
                if !is_deleting(&object) {
                    add(&mut object["metadata"]["finalizers"], "foregroundDeletion");
                }
            }
            Propagation::Orphan => self.orphan(&object),
        }
        if key.kind == Kind::Pod {
            return self.delete_pod(key, object, grace);
        }
        if is_deleting(&object) {
            return;
        }
        if key.kind != Kind::Namespace && is_free(&object) {
            return self.vanish(key);
        }
        object["metadata"]["deletionTimestamp"] = json!(self.stamp_now());
        if key.kind == Kind::Namespace {
            object["status"]["phase"] = json!("Terminating");
        } else {
            object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            if let Some(generation) = object["metadata"]["generation"].as_u64() {
                object["metadata"]["generation"] = json!(generation + 1);
            }
        }
        self.commit(key, object);
    }

    fn delete_pod(&mut self, key: &Key, mut pod: Value, grace: Option<u64>) {
        let spec = pod["spec"]["terminationGracePeriodSeconds"].as_u64();
        let grace = grace.or(spec).unwrap_or(30);
        let over = matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
        let nowhere = pod["spec"]["nodeName"].is_null();
        let kept = pod["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
        if (grace == 0 || over || nowhere) && !kept {
            return self.vanish(key);
        }
        let before = pod["metadata"]["deletionGracePeriodSeconds"].as_u64();
        if before.is_some_and(|before| before <= grace) {
            return;
        }
        let gone = self.now + self.seconds(&json!(grace));
        pod["metadata"]["deletionTimestamp"] = json!(self.stamp(gone));
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        self.commit(key, pod);
    }

    /// What it owns is nobody's.
    fn orphan(&mut self, owner: &Value) {
        let uid = owner["metadata"]["uid"].as_str().unwrap_or_default();
        for key in self.store.owned_by(uid) {
            let Some(object) = self.get(&key) else { continue };
            let mut object = (*object).clone();
            if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
                owners.retain(|one| one["uid"] != uid);
            }
            self.commit(&key, object);
        }
    }

    /// Takes a finalizer away, and the object where it was the last one.
    pub(super) fn release(&mut self, key: &Key, finalizer: &str) {
        let Some(there) = self.get(key) else { return };
        let mut object = (*there).clone();
        if let Some(all) = object["metadata"]["finalizers"].as_array_mut() {
            all.retain(|one| one != finalizer);
        }
        super::defaults_pod::omit(&mut object["metadata"], &["finalizers"]);
        if is_deleting(&object) && is_free(&object) {
            return self.vanish(key);
        }
        if object != *there {
            self.commit(key, object);
        }
    }
}

fn add(list: &mut Value, text: &str) {
    match list.as_array_mut() {
        Some(list) if list.iter().any(|one| one == text) => {}
        Some(list) => list.push(json!(text)),
        None => *list = json!([text]),
    }
}
