//! Reading objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::request::{Request, Target};
use super::selector::Selector;
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
    fn seen(&self, request: &Request) -> Option<u64> {
        self.stale.filter(|_| request.asks("resourceVersion") == Some("0"))
    }

    pub(super) fn read(&self, target: &Target, request: &Request) -> Answer {
        let key = &target.key;
        let found = match self.seen(request) {
            None => self.get(key),
            Some(revision) => {
                let all = self.store.all_at(key.kind, Some(&key.namespace), revision);
                all.and_then(|mut all| all.remove(&(key.namespace.clone(), key.name.clone())))
            }
        };
        let found = found.ok_or_else(|| Refusal::not_found(key))?;
        Ok(Shown::of(request).show(&found, target))
    }

    pub(super) fn list(&self, target: &Target, request: &Request) -> Answer {
        let selector = Selector::of(request)?;
        let key = &target.key;
        let namespace = Some(key.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        // A page goes on with what was there when the first one was read.
        let (revision, after) = match request.asks("continue") {
            None => (self.seen(request), None),
            Some(token) => {
                let bad = || Refusal::bad_request("continue key is not valid");
                let (revision, place) = token.split_once(':').ok_or_else(bad)?;
                let (namespace, name) = place.split_once('/').ok_or_else(bad)?;
                (Some(revision.parse().map_err(|_| bad())?), Some((namespace.to_owned(), name.to_owned())))
            }
        };
        let mut found: Vec<_> = match revision {
            None => {
                let all = self.store.all(key.kind, namespace).into_iter();
                all.map(|(place, object)| (place.clone(), Arc::clone(object))).collect()
            }
            Some(revision) => {
                let all = self.store.all_at(key.kind, namespace, revision).ok_or_else(Refusal::expired)?;
                all.into_iter().collect()
            }
        };
        found.retain(|(place, object)| {
            after.as_ref().is_none_or(|after| place > after) && selector.selects(object)
        });
        let revision = revision.unwrap_or(self.store.revision());
        let mut metadata = json!({ "resourceVersion": revision.to_string() });
        let limit = request.asks("limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
        if let Some(limit) = limit
            && found.len() > limit
        {
            let left = found.len() - limit;
            found.truncate(limit);
            if let Some(((namespace, name), _)) = found.last() {
                metadata["continue"] = json!(format!("{revision}:{namespace}/{name}"));
            }
            if selector.is_everything() {
                metadata["remainingItemCount"] = json!(left);
            }
        }
        let shown = Shown::of(request);
        let items = found.iter().map(|(_, object)| {
            let mut item = shown.show(object, target);
            if shown == Shown::Whole
                && !key.kind.is_custom()
                && let Some(map) = item.as_object_mut()
            {
                map.remove("kind");
                map.remove("apiVersion");
            }
            item
        });
        let items: Vec<Value> = items.collect();
        let (kind, version) = match shown {
            Shown::Whole => (format!("{}List", key.kind.info().kind), target.api_version.as_str()),
            Shown::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1"),
        };
        Ok(json!({ "kind": kind, "apiVersion": version, "metadata": metadata, "items": items }))
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
