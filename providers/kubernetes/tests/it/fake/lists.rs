//! Lists, page by page. They are written from what is kept: a copy of thousands of objects takes longer than all else does.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::reads::Shown;
use super::request::{Request, Target};
use super::selector::Selector;
use super::status::Refusal;
use super::store::Place;
use super::world::World;

/// A page of a list.
#[derive(Debug)]
pub(super) struct List {
    target: Target,
    shown: Shown,
    metadata: Value,
    items: Vec<Arc<Value>>,
}

impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { target, shown, metadata, items } = self;
        let (kind, api_version) = match shown {
            Shown::Whole => (format!("{}List", target.key.kind.info().kind), target.api_version.as_str()),
            Shown::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1"),
        };
        let items: Vec<Item<'_>> =
            items.iter().map(|object| Item { object, shown: *shown, target }).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", &kind)?;
        map.serialize_entry("apiVersion", api_version)?;
        map.serialize_entry("metadata", metadata)?;
        map.serialize_entry("items", &items)?;
        map.end()
    }
}

/// An object in it.
struct Item<'a> {
    object: &'a Value,
    shown: Shown,
    target: &'a Target,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { object, shown, target } = self;
        let mut map = serializer.serialize_map(None)?;
        match shown {
            Shown::Whole => {
                // What is in a list does not say what it is, but for what others bring.
                if target.key.kind.is_custom() {
                    map.serialize_entry("kind", target.key.kind.info().kind)?;
                    map.serialize_entry("apiVersion", &target.api_version)?;
                }
                let fields = object.as_object().into_iter().flatten();
                for (field, value) in
                    fields.filter(|(field, _)| !["kind", "apiVersion"].contains(&field.as_str()))
                {
                    map.serialize_entry(field, value)?;
                }
            }
            Shown::Metadata => {
                map.serialize_entry("kind", "PartialObjectMetadata")?;
                map.serialize_entry("apiVersion", "meta.k8s.io/v1")?;
                map.serialize_entry("metadata", &object["metadata"])?;
            }
        }
        map.end()
    }
}

impl World {
    pub(super) fn list(&self, target: &Target, request: &Request) -> Result<List, Refusal> {
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
        let all: Vec<(Place, Arc<Value>)> = match revision {
            None => {
                let all = self.store.all(key.kind, namespace).into_iter();
                all.map(|(place, object)| (place.clone(), Arc::clone(object))).collect()
            }
            Some(revision) => {
                let all = self.store.all_at(key.kind, namespace, revision, after.as_ref());
                all.ok_or_else(Refusal::expired)?.into_iter().collect()
            }
        };
        let limit = request.asks("limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
        let counted = match limit {
            // Whether there are more is all that is said of a selection.
            Some(limit) if !selector.is_everything() => limit + 1,
            Some(_) | None => usize::MAX,
        };
        let found = all.into_iter().filter(|(_, object)| selector.selects(object));
        let mut found: Vec<_> = found.take(counted).collect();
        let revision = revision.unwrap_or(self.store.revision());
        let mut metadata = json!({ "resourceVersion": revision.to_string() });
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
        let items = found.into_iter().map(|(_, object)| object).collect();
        Ok(List { target: target.clone(), shown, metadata, items })
    }
}
