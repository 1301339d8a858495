//! Volumes for claims.

use serde_json::{Value, json};

use crate::fake::kinds::{Key, Kind};
use crate::fake::settings::Claims;
use crate::fake::world::{World, is_deleting};

const PROTECTION: &str = "kubernetes.io/pvc-protection";

impl World {
    pub(super) fn look_at_claim(&mut self, key: &Key, claim: &Value) {
        if is_deleting(claim) {
            let uses = |pod: &Value| {
                let mut volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
                volumes.any(|volume| volume["persistentVolumeClaim"]["claimName"] == key.name.as_str())
            };
            if !self.in_namespace(Kind::Pod, &key.namespace).iter().any(|(_, pod)| uses(pod)) {
                self.release(key, PROTECTION);
            }
            return;
        }
        let spec = &claim["spec"];
        let class = spec["storageClassName"].as_str().unwrap_or_default();
        if self.find(Kind::StorageClass, "", class).is_none() {
            return;
        }
        let chosen = &claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"];
        let bound = claim["status"]["phase"] == "Bound";
        let waits = match self.settings.claims {
            Claims::Immediate => false,
            Claims::FirstConsumer => chosen.is_null(),
            Claims::Never => true,
        };
        if waits && !bound {
            return;
        }
        let uid = claim["metadata"]["uid"].as_str().unwrap_or_default();
        let takes = self.settings.pace.binding;
        if !bound && !self.is_over(format!("claim/{uid}"), key, takes) {
            return;
        }
        if spec["volumeName"].is_null() {
            self.alter(key, |claim| claim["spec"]["volumeName"] = json!(format!("pvc-{uid}")));
        }
        let storage = &spec["resources"]["requests"]["storage"];
        let status = json!({ "phase": "Bound", "accessModes": spec["accessModes"], "capacity": { "storage": storage } });
        self.set_status(key, status);
    }
}
