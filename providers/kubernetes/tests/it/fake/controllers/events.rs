//! What the cluster says of objects.

use serde_json::{Value, json};

use crate::fake::kinds::{Key, Kind};
use crate::fake::world::{World, is_deleting};

impl World {
    /// Says something bad of an object.
    pub(super) fn warn(&mut self, key: &Key, object: &Value, from: &str, (reason, message): (&str, &str)) {
        self.say(key, object, from, ("Warning", reason, message));
    }

    pub(super) fn say(
        &mut self,
        key: &Key,
        object: &Value,
        from: &str,
        (kind, reason, message): (&str, &str, &str),
    ) {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let said = (uid.to_owned(), reason.to_owned(), message.to_owned());
        let stamp = self.stamp_now();
        if let Some(again) = self.events.get(&said).cloned()
            && let Some(event) = self.get(&again)
        {
            let mut event = (*event).clone();
            event["count"] = json!(event["count"].as_u64().unwrap_or_default() + 1);
            event["lastTimestamp"] = json!(stamp);
            return self.commit(&again, event);
        }
        let place = self.find(Kind::Namespace, "", &key.namespace);
        if place.is_none_or(|namespace| is_deleting(&namespace)) {
            return;
        }
        let name = format!("{}.{:016x}", key.name, self.give());
        let involved = json!({
            "kind": key.kind.info().kind, "namespace": key.namespace, "name": key.name, "uid": uid,
            "apiVersion": object["apiVersion"], "resourceVersion": object["metadata"]["resourceVersion"],
        });
        let event = json!({
            "metadata": {}, "involvedObject": involved, "reason": reason, "message": message,
            "source": { "component": from }, "firstTimestamp": stamp, "lastTimestamp": stamp, "count": 1,
            "type": kind, "eventTime": null, "reportingComponent": "", "reportingInstance": "",
        });
        let event_key = Key::new(Kind::Event, &key.namespace, &name);
        self.make(&event_key, event);
        self.events.insert(said, event_key);
    }
}
