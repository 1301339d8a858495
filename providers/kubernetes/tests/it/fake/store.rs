//! Where objects are kept, with what they were before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Value, json};

use super::kinds::{Key, Kind};

/// How many changes are remembered; who asks for older ones has to list again.
const REMEMBERED: usize = 40_000;

/// Namespace and name.
pub(super) type Place = (String, String);

/// All objects.
#[derive(Debug, Default)]
pub(super) struct Store {
    objects: BTreeMap<Kind, BTreeMap<Place, Arc<Value>>>,
    /// What an object owns, by the owner's uid.
    dependents: BTreeMap<String, BTreeSet<Key>>,
    revision: u64,
    log: VecDeque<Change>,
    /// The last change that is not remembered any more.
    forgotten: u64,
}

/// What became of an object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) key: Key,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

impl Store {
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(&key.kind)?.get(&(key.namespace.clone(), key.name.clone()))
    }

    /// All of a kind, of one namespace or of all.
    pub(super) fn all(&self, kind: Kind, namespace: Option<&str>) -> Vec<(&Place, &Arc<Value>)> {
        self.all_after(kind, namespace, None).collect()
    }

    /// The same, without those up to a place.
    fn all_after<'a>(
        &'a self,
        kind: Kind,
        namespace: Option<&str>,
        after: Option<&Place>,
    ) -> impl Iterator<Item = (&'a Place, &'a Arc<Value>)> {
        let first = namespace.map(|namespace| (namespace.to_owned(), String::new()));
        let from = match (after, first) {
            (Some(after), Some(first)) if *after < first => Bound::Included(first),
            (Some(after), _) => Bound::Excluded(after.clone()),
            (None, Some(first)) => Bound::Included(first),
            (None, None) => Bound::Unbounded,
        };
        let objects = self.objects.get(&kind).into_iter();
        let all = objects.flat_map(move |objects| objects.range((from.clone(), Bound::Unbounded)));
        all.take_while(move |((of, _), _)| namespace.is_none_or(|namespace| of == namespace))
    }

    /// The same as they were at a revision; none: that is forgotten.
    pub(super) fn all_at(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        revision: u64,
        after: Option<&Place>,
    ) -> Option<BTreeMap<Place, Arc<Value>>> {
        if revision < self.forgotten {
            return None;
        }
        let now = self.all_after(kind, namespace, after);
        let mut all: BTreeMap<Place, Arc<Value>> =
            now.map(|(place, object)| (place.clone(), Arc::clone(object))).collect();
        for change in self.log.iter().rev().take_while(|change| change.revision > revision) {
            let here = namespace.is_none_or(|of| of == change.key.namespace);
            if change.key.kind != kind || !here {
                continue;
            }
            let place = (change.key.namespace.clone(), change.key.name.clone());
            if after.is_none_or(|after| place > *after) {
                match &change.before {
                    Some(before) => all.insert(place, Arc::clone(before)),
                    None => all.remove(&place),
                };
            }
        }
        Some(all)
    }

    /// What changed after a revision; none: that is forgotten.
    pub(super) fn since(&self, revision: u64) -> Option<impl Iterator<Item = &Change>> {
        let from = self.log.partition_point(|change| change.revision <= revision);
        (revision >= self.forgotten).then(|| self.log.range(from..))
    }

    /// Nothing that is older than now is remembered.
    pub(super) fn forget(&mut self) {
        self.log.clear();
        self.forgotten = self.revision;
    }

    /// What an object owns.
    pub(super) fn owned_by(&self, uid: &str) -> Vec<Key> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    pub(super) fn put(&mut self, key: &Key, mut object: Value) -> Change {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = Arc::new(object);
        let place = (key.namespace.clone(), key.name.clone());
        let before = self.objects.entry(key.kind).or_default().insert(place, Arc::clone(&object));
        if let Some(before) = &before {
            self.disown(key, before);
        }
        for uid in owners(&object) {
            self.dependents.entry(uid.to_owned()).or_default().insert(key.clone());
        }
        self.remember(Change { revision: self.revision, key: key.clone(), before, after: Some(object) })
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Change> {
        let place = (key.namespace.clone(), key.name.clone());
        let before = self.objects.get_mut(&key.kind)?.remove(&place)?;
        self.disown(key, &before);
        self.revision += 1;
        Some(self.remember(Change {
            revision: self.revision,
            key: key.clone(),
            before: Some(before),
            after: None,
        }))
    }

    fn disown(&mut self, key: &Key, object: &Value) {
        for uid in owners(object) {
            if let Some(owned) = self.dependents.get_mut(uid) {
                owned.remove(key);
                if owned.is_empty() {
                    self.dependents.remove(uid);
                }
            }
        }
    }

    fn remember(&mut self, change: Change) -> Change {
        self.log.push_back(change.clone());
        if self.log.len() > REMEMBERED
            && let Some(oldest) = self.log.pop_front()
        {
            self.forgotten = oldest.revision;
        }
        change
    }
}

fn owners(object: &Value) -> impl Iterator<Item = &str> {
    let all = object["metadata"]["ownerReferences"].as_array();
    all.into_iter().flatten().filter_map(|owner| owner["uid"].as_str())
}
