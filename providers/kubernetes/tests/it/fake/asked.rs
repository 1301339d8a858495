//! Requests that write.

use serde_json::{Value, json};

use super::defaults;
use super::kinds::{Key, Kind};
use super::managed::{self, Writer};
use super::patch::{json_patch, merge_patch};
use super::request::{Request, Target};
use super::status::{Answer, Cause, Refusal};
use super::world::World;
use super::writes::By;

impl World {
    pub(super) fn writer(&self, target: &Target, request: &Request) -> Writer {
        let sub = if self.settings.since(22) { target.sub } else { None };
        Writer {
            manager: request.manager(),
            api_version: target.api_version.clone(),
            sub,
            time: self.stamp_now(),
        }
    }

    /// A POST.
    pub(super) fn post(&mut self, target: &Target, request: &Request) -> Answer {
        let object = request.json()?;
        let metadata = &object["metadata"];
        let name = match (metadata["name"].as_str(), metadata["generateName"].as_str()) {
            (Some(name), _) => name.to_owned(),
            (None, Some(base)) => format!("{base}{}", self.suffix()),
            (None, None) => {
                let message = "name or generateName is required";
                let cause = Cause {
                    message: format!("Required value: {message}"),
                    ..Cause::required("metadata.name")
                };
                return Err(Refusal::invalid(&target.key, &[cause]));
            }
        };
        let place = metadata["namespace"].as_str().unwrap_or(&target.key.namespace);
        if place != target.key.namespace && target.key.kind.is_namespaced() {
            let message =
                "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Refusal::bad_request(message));
        }
        let key = Key { name, ..target.key.clone() };
        self.create(&key, object, &self.writer(target, request), request.is_dry())
    }

    /// A PUT.
    pub(super) fn put(&mut self, target: &Target, request: &Request) -> Answer {
        let key = &target.key;
        let old = self.get(key).ok_or_else(|| Refusal::not_found(key))?;
        let wanted = request.json()?;
        let writer = self.writer(target, request);
        self.replace(key, &old, wanted, &writer, (target.sub, By::Update), request.is_dry())
    }

    /// A PATCH.
    pub(super) fn patch(&mut self, target: &Target, request: &Request) -> Answer {
        let key = &target.key;
        let kind = request.header("content-type").split(';').next().unwrap_or_default().trim();
        if kind == "application/apply-patch+yaml" {
            return self.apply(target, request);
        }
        let old = self.get(key).ok_or_else(|| Refusal::not_found(key))?;
        let patch = request.json()?;
        let mut wanted = (*old).clone();
        match kind {
            "application/json-patch+json" => json_patch(&mut wanted, &patch)?,
            "application/merge-patch+json" => merge_patch(&mut wanted, &patch),
            "application/strategic-merge-patch+json" if !key.kind.is_custom() => {
                wanted = super::merge::merge(key.kind, &mut Vec::new(), &wanted, &patch);
            }
            _ => {
                let message = "the body of the request was in an unknown format - accepted media types include: \
                               application/json-patch+json, application/merge-patch+json, \
                               application/apply-patch+yaml";
                return Err(Refusal::status(415, "UnsupportedMediaType", message));
            }
        }
        // What the patch does not name is not a condition.
        let named = match patch["metadata"]["resourceVersion"].is_string() {
            true => patch["metadata"]["resourceVersion"].clone(),
            false => old["metadata"]["resourceVersion"].clone(),
        };
        if kind != "application/json-patch+json" {
            wanted["metadata"]["resourceVersion"] = named;
        }
        let writer = self.writer(target, request);
        self.replace(key, &old, wanted, &writer, (target.sub, By::Update), request.is_dry())
    }

    /// A PATCH that applies.
    fn apply(&mut self, target: &Target, request: &Request) -> Answer {
        let key = &target.key;
        if request.asks("fieldManager").is_none() {
            let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required \
                           for apply patch";
            return Err(Refusal::status(422, "Invalid", message));
        }
        let config = request.json()?;
        if config["kind"] != key.kind.info().kind || config["apiVersion"] != target.api_version.as_str() {
            return Err(Refusal::bad_request(
                "the API version in the data does not match the expected API version",
            ));
        }
        if config["metadata"].get("managedFields").is_some() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        if let Some(field) = super::too_new::find(key.kind, self.settings.version.1, &config) {
            return Err(Refusal::untyped(format!("{field}: field not declared in schema")));
        }
        let writer = self.writer(target, request);
        let (force, strict) = (request.is_on("force"), !self.settings.since(21));
        let live = self.get(key);
        if live.is_none() && (target.sub.is_some()) {
            return Err(Refusal::not_found(key));
        }
        if live.is_none() && config["metadata"]["uid"].as_str().is_some_and(|uid| !uid.is_empty()) {
            let uid = &config["metadata"]["uid"];
            return Err(Refusal::conflict(
                key,
                &format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                ),
            ));
        }
        let base = live.as_deref().cloned().unwrap_or_else(|| json!({}));
        let mut config = config;
        if key.kind == Kind::Secret {
            secret_texts(&mut config);
        }
        let merged = managed::apply(key.kind, &base, &config, &writer, force, strict)?;
        match live {
            Some(live) => {
                self.replace(key, &live, merged, &writer, (target.sub, By::Apply), request.is_dry())
            }
            None => self.create_by(key, merged, &writer, By::Apply, request.is_dry()),
        }
    }
}

/// Texts are data.
fn secret_texts(config: &mut Value) {
    if let Some(texts) = config.as_object_mut().and_then(|map| map.remove("stringData")) {
        for (name, text) in texts.as_object().into_iter().flatten() {
            let data = defaults::base64(text.as_str().unwrap_or_default().as_bytes());
            config["data"][name.as_str()] = json!(data);
        }
    }
}
