//! The collector of what nobody owns any more.

use serde_json::{Value, json};

use crate::fake::deletes::Propagation;
use crate::fake::kinds::{Key, Kind};
use crate::fake::world::{World, is_deleting};

const FOREGROUND: &str = "foregroundDeletion";

fn waits(object: &Value) -> bool {
    let finalizers = object["metadata"]["finalizers"].as_array();
    is_deleting(object) && finalizers.is_some_and(|all| all.contains(&json!(FOREGROUND)))
}

impl World {
    /// Lets an object go that nobody owns any more. Whether it is gone.
    pub(super) fn collect(&mut self, key: &Key, object: &Value) -> bool {
        if let Some(owners) = object["metadata"]["ownerReferences"].as_array()
            && !owners.is_empty()
            && !is_deleting(object)
        {
            let there = owners.iter().filter_map(|owner| {
                let text = |field: &str| owner[field].as_str().unwrap_or_default();
                let found = self.find(Kind::named(text("kind"))?, &key.namespace, text("name"))?;
                (found["metadata"]["uid"] == owner["uid"]).then_some(found)
            });
            let there: Vec<_> = there.collect();
            if there.is_empty() {
                self.delete(key, Propagation::Background, None);
            } else if there.iter().all(|owner| waits(owner)) {
                let owns = !self.owned_keys(object).is_empty();
                let how = if owns { Propagation::Foreground } else { Propagation::Background };
                self.delete(key, how, None);
            }
            if self.get(key).is_none() {
                return true;
            }
        }
        let Some(object) = self.get(key).filter(|object| waits(object)) else { return false };
        let mut blocked = false;
        for owned in self.owned_keys(&object) {
            let Some(dependent) = self.get(&owned) else { continue };
            let mut owners = dependent["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            let uid = &object["metadata"]["uid"];
            blocked |= owners.any(|it| &it["uid"] == uid && it["blockOwnerDeletion"] == json!(true));
            if !is_deleting(&dependent) {
                self.soon(owned);
            }
        }
        if !blocked {
            self.release(key, FOREGROUND);
        }
        self.get(key).is_none()
    }

    fn owned_keys(&self, object: &Value) -> Vec<Key> {
        self.store.owned_by(object["metadata"]["uid"].as_str().unwrap_or_default())
    }
}
