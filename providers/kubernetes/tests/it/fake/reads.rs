//! Reading objects.

use serde_json::{Value, json};

use super::request::{Request, Target};
use super::status::{Answer, Refusal};
use super::world::World;

/// How much of an object is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Whole,
    /// Only its metadata.
    Metadata,
}

impl Shown {
    pub(super) fn of(request: &Request) -> Self {
        match request.header("accept").contains("as=PartialObjectMetadata") {
            true => Self::Metadata,
            false => Self::Whole,
        }
    }

    /// An object in the version that it is asked for in.
    pub(super) fn show(self, object: &Value, target: &Target) -> Value {
        match self {
            Self::Whole => {
                let mut shown = object.clone();
                shown["apiVersion"] = json!(target.api_version);
                shown["kind"] = json!(target.key.kind.info().kind);
                shown
            }
            Self::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                "metadata": object["metadata"],
            }),
        }
    }
}

impl World {
    /// The revision that a read sees; none: the newest.
    pub(super) fn seen(&self, request: &Request) -> Option<u64> {
        self.stale.filter(|_| request.asks("resourceVersion") == Some("0"))
    }

    pub(super) fn read(&self, target: &Target, request: &Request) -> Answer {
        let key = &target.key;
        let found = match self.seen(request) {
            None => self.get(key),
            Some(revision) => {
                let all = self.store.all_at(key.kind, Some(&key.namespace), revision, None);
                all.and_then(|mut all| all.remove(&(key.namespace.clone(), key.name.clone())))
            }
        };
        let found = found.ok_or_else(|| Refusal::not_found(key))?;
        Ok(Shown::of(request).show(&found, target))
    }

    /// How many pods a workload should have, as autoscalers see it.
    pub(super) fn scale(&self, target: &Target) -> Answer {
        let object = self.get(&target.key).ok_or_else(|| Refusal::not_found(&target.key))?;
        Ok(scale_of(&object))
    }

    /// Changes that number. An old cluster does not say who did it.
    pub(super) fn rescale(&mut self, target: &Target, request: &Request) -> Answer {
        let key = &target.key;
        let old = self.get(key).ok_or_else(|| Refusal::not_found(key))?;
        let mut scale = scale_of(&old);
        let body = request.json()?;
        match (request.method.as_str(), request.header("content-type")) {
            ("PUT", _) => scale = body,
            (_, "application/json-patch+json") => super::patch::json_patch(&mut scale, &body)?,
            (_, _) => super::patch::merge_patch(&mut scale, &body),
        }
        let mut new = (*old).clone();
        new["spec"]["replicas"] = scale["spec"]["replicas"].clone();
        for field in ["uid", "resourceVersion"] {
            if scale["metadata"][field].is_string() {
                new["metadata"][field] = scale["metadata"][field].clone();
            }
        }
        let by = match self.settings.since(22) {
            true => super::writes::By::Update,
            false => super::writes::By::Apply,
        };
        let writer = self.writer(target, request);
        let new = self.replace(key, &old, new, &writer, (None, by), request.is_dry())?;
        Ok(scale_of(&new))
    }
}

fn scale_of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let labels = object["spec"]["selector"]["matchLabels"].as_object();
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": { "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"] },
        "spec": { "replicas": object["spec"]["replicas"] },
        "status": { "replicas": object["status"]["replicas"].as_u64().unwrap_or_default(),
            "selector": selector.join(",") },
    })
}
