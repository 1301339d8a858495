//! Making and changing objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::defaults;
use super::kinds::{Key, Kind};
use super::managed::{self, Writer};
use super::status::{Answer, Cause, Refusal};
use super::validate;
use super::world::{World, is_deleting};

/// How the writer came to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// It says what it changes.
    Update,
    /// It has said already who has what.
    Apply,
}

/// What an object has that no writer changes.
const KEPT: [&str; 7] = [
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
];

/// Whether two of them are the same but for what is about them.
fn is_same(old: &Value, new: &Value) -> bool {
    const ABOUT: [&str; 4] = ["metadata", "status", "apiVersion", "kind"];
    let fields = |object: &Value| {
        let map = object.as_object().into_iter().flatten();
        map.filter(|(name, _)| !ABOUT.contains(&name.as_str())).count()
    };
    let mut olds = old.as_object().into_iter().flatten().filter(|(name, _)| !ABOUT.contains(&name.as_str()));
    fields(old) == fields(new) && olds.all(|(name, value)| new.get(name) == Some(value))
}

impl World {
    /// Refuses what is to be made in a namespace that is not there or is going.
    fn admit_place(&self, key: &Key) -> Result<(), Refusal> {
        if !key.kind.is_namespaced() {
            return Ok(());
        }
        let place = Key::new(Kind::Namespace, "", &key.namespace);
        match self.get(&place) {
            None => Err(Refusal::not_found(&place)),
            Some(namespace) if is_deleting(&namespace) => Err(Refusal::terminating(key)),
            Some(_) => Ok(()),
        }
    }

    /// Makes an object.
    pub(super) fn create(&mut self, key: &Key, object: Value, writer: &Writer, dry: bool) -> Answer {
        self.create_by(key, object, writer, By::Update, dry)
    }

    pub(super) fn create_by(
        &mut self,
        key: &Key,
        mut object: Value,
        writer: &Writer,
        by: By,
        dry: bool,
    ) -> Answer {
        if let Some(there) = self.get(key) {
            return Err(Refusal::exists(key, is_deleting(&there)));
        }
        self.admit_place(key)?;
        if !object["metadata"].is_object() {
            return Err(Refusal::invalid(key, &[Cause::required("metadata.name")]));
        }
        let info = key.kind.info();
        super::too_new::drop_from(key.kind, self.settings.version.1, &mut object);
        object["kind"] = json!(info.kind);
        object["apiVersion"] = json!(writer.api_version);
        if key.kind.has_status()
            && writer.manager != self.controller(key.kind).manager
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(key.name);
        if key.kind.is_namespaced() {
            metadata["namespace"] = json!(key.namespace);
        }
        metadata["uid"] = json!(self.uid());
        metadata["creationTimestamp"] = json!(self.stamp_now());
        if info.counted {
            metadata["generation"] = json!(1);
        }
        if key.kind == Kind::PersistentVolumeClaim {
            metadata["finalizers"] = json!(["kubernetes.io/pvc-protection"]);
        }
        for field in ["resourceVersion", "deletionTimestamp"] {
            super::defaults_pod::tidy(metadata, field);
        }
        defaults::fill(&self.settings, key.kind, &mut object);
        self.allocate(key, &Value::Null, &mut object);
        validate::new(key, &object)?;
        self.admit(key, &mut object)?;
        if by == By::Update && tracked(key.kind) {
            managed::update(key.kind, &json!({}), &mut object, writer);
        }
        if dry {
            return Ok(object);
        }
        self.commit(key, object);
        Ok(self.get(key).map_or(Value::Null, |object| (*object).clone()))
    }

    /// Changes an object to what somebody wants it to be.
    pub(super) fn replace(
        &mut self,
        key: &Key,
        old: &Arc<Value>,
        wanted: Value,
        writer: &Writer,
        (sub, by): (Option<&'static str>, By),
        dry: bool,
    ) -> Answer {
        let mut new = match sub {
            None => wanted,
            Some("finalize") => {
                let mut new = (**old).clone();
                new["spec"]["finalizers"] = wanted["spec"]["finalizers"].clone();
                new
            }
            Some(_) => {
                let mut new = (**old).clone();
                new["status"] = wanted["status"].clone();
                new["metadata"]["resourceVersion"] = wanted["metadata"]["resourceVersion"].clone();
                new["metadata"]["uid"] = wanted["metadata"]["uid"].clone();
                if by == By::Apply {
                    new["metadata"]["managedFields"] = wanted["metadata"]["managedFields"].clone();
                }
                new
            }
        };
        if !new["metadata"].is_object() {
            return Err(Refusal::bad_request(
                "the name of the object (\"\") does not match the name on the URL",
            ));
        }
        let was = &old["metadata"];
        let uid = new["metadata"]["uid"].as_str().unwrap_or_default();
        if !uid.is_empty() && was["uid"] != uid {
            let message = format!("Invalid value: \"{uid}\": field is immutable");
            return Err(Refusal::invalid(key, &[Cause::invalid("metadata.uid", message)]));
        }
        let revision = new["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !revision.is_empty() && was["resourceVersion"] != revision {
            let why =
                "the object has been modified; please apply your changes to the latest version and try again";
            return Err(Refusal::conflict(key, why));
        }
        super::too_new::drop_from(key.kind, self.settings.version.1, &mut new);
        for field in ["kind", "apiVersion"] {
            new[field] = old[field].clone();
        }
        for field in KEPT.into_iter().chain(["resourceVersion"]) {
            new["metadata"][field] = was[field].clone();
            super::defaults_pod::tidy(&mut new["metadata"], field);
        }
        if sub.is_none() && key.kind.has_status() {
            new["status"] = old["status"].clone();
        }
        defaults::fill(&self.settings, key.kind, &mut new);
        super::defaults_pod::tidy(&mut new, "status");
        self.allocate(key, old, &mut new);
        validate::new(key, &new)?;
        validate::change(key, old, &new)?;
        if by == By::Update && tracked(key.kind) {
            managed::update(key.kind, old, &mut new, writer);
        }
        if key.kind.info().counted && !is_same(old, &new) {
            new["metadata"]["generation"] =
                json!(old["metadata"]["generation"].as_u64().unwrap_or_default() + 1);
        }
        if dry {
            return Ok(new);
        }
        if new == **old {
            return Ok(new);
        }
        if is_deleting(&new) && is_free(&new) {
            self.vanish(key);
            return Ok(new);
        }
        self.commit(key, new);
        Ok(self.get(key).map_or(Value::Null, |object| (*object).clone()))
    }

    /// A controller says how an object is.
    pub(super) fn set_status(&mut self, key: &Key, status: Value) {
        let Some(old) = self.get(key) else { return };
        if old["status"] == status {
            return;
        }
        let mut writer = self.controller(key.kind);
        if self.settings.since(22) {
            writer.sub = Some("status");
        }
        let mut new = (*old).clone();
        new["status"] = status;
        if tracked(key.kind) {
            managed::update(key.kind, &old, &mut new, &writer);
        }
        self.commit(key, new);
    }

    /// A controller changes an object.
    pub(super) fn alter(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let Some(old) = self.get(key) else { return };
        let mut new = (*old).clone();
        change(&mut new);
        let writer = self.controller(key.kind);
        let _ = self.replace(key, &old, new, &writer, (None, By::Update), false);
    }

    /// Ports and addresses of services.
    fn allocate(&mut self, key: &Key, old: &Value, object: &mut Value) {
        if key.kind != Kind::Service {
            return;
        }
        let spec = &mut object["spec"];
        if spec["type"] != "ExternalName" {
            if spec["clusterIP"].as_str().is_none_or(str::is_empty) {
                spec["clusterIP"] = match old["spec"]["clusterIP"].as_str() {
                    Some(before) => json!(before),
                    None => {
                        let number = self.give();
                        json!(format!("10.96.{}.{}", number / 250, number % 250 + 1))
                    }
                };
            }
            spec["clusterIPs"] = json!([spec["clusterIP"]]);
        }
        if spec["type"] == "NodePort" || spec["type"] == "LoadBalancer" {
            for port in super::defaults_pod::each(spec, "ports") {
                if port["nodePort"].is_null() {
                    let same =
                        |one: &&Value| one["port"] == port["port"] && one["protocol"] == port["protocol"];
                    let before = old["spec"]["ports"].as_array().into_iter().flatten().find(same);
                    port["nodePort"] = match before.and_then(|one| one["nodePort"].as_u64()) {
                        Some(before) => json!(before),
                        None => json!(30000 + self.give() % 2768),
                    };
                }
            }
        }
    }
}

/// Whether it is written down who has its fields. Nobody asks for those that only controllers write.
fn tracked(kind: Kind) -> bool {
    !matches!(kind, Kind::Pod | Kind::ReplicaSet | Kind::EndpointSlice | Kind::Event)
}

/// Whether nothing keeps it from going.
pub(super) fn is_free(object: &Value) -> bool {
    let none = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let namespace = object["kind"] != "Namespace" || none(&object["spec"]["finalizers"]);
    none(&object["metadata"]["finalizers"]) && namespace && object["kind"] != "Pod"
}
