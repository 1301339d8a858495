//! The fields in which two states of an object differ.

use serde_json::{Map, Value};

use super::super::drift::{key_of, keys_of, shown, within};
use super::super::kind::ObjectKind;
use super::super::tags;
use crate::spec::{Difference, FieldChange};

/// What the API server and controllers write about an object, below `metadata`.
const ABOUT: [&str; 7] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
];
/// Keys below which a value may be a secret.
const HIDDEN: [&str; 10] = [
    "env",
    "envFrom",
    "data",
    "stringData",
    "binaryData",
    "command",
    "args",
    "httpHeaders",
    "annotations",
    "exec",
];

/// The fields in which an object is another one before and after, without what the API server writes about it. Values that may be
/// secret are not shown: of them it says that they change.
pub fn between(kind: ObjectKind, before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut walk = Walk { path: String::new(), hidden: kind == ObjectKind::Secret, found: Vec::new() };
    let none = Map::new();
    let of = |value: &'_ Value| value.as_object().cloned().unwrap_or_else(|| none.clone());
    let (before, after) = (of(before), of(after));
    let told = |key: &str| !matches!(key, "status" | "kind" | "apiVersion");
    walk.objects(&before, &after, told);
    walk.found
}

/// The fields that a manifest had given and the next one does not give, of those that are there.
pub(super) fn dropped(before: &Value, after: &Value, live: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    drop_within(before, after, live, &mut String::new(), &mut found);
    found.into_iter().map(|path| FieldChange { path, difference: Difference::Removed }).collect()
}

fn drop_within(before: &Value, after: &Value, live: &Value, path: &mut String, found: &mut Vec<String>) {
    match (before, after, live) {
        (Value::Object(before), Value::Object(after), Value::Object(live)) => {
            for (key, before) in before.iter().filter(|(key, _)| !is_ours(key)) {
                // Nobody owns the number of pods.
                let (Some(live), false) = (live.get(key), key == "replicas") else { continue };
                within(path, &format!(".{key}"), |path| match after.get(key) {
                    None => found.push(path.clone()),
                    Some(after) => drop_within(before, after, live, path, found),
                });
            }
        }
        (Value::Array(before), Value::Array(after), Value::Array(live)) => {
            let keys = keys_of(before).filter(|keys| keys_of(live) == Some(*keys));
            let Some(keys) = keys.filter(|keys| after.is_empty() || keys_of(after) == Some(*keys)) else {
                return;
            };
            for item in before {
                let same = |one: &&Value| key_of(one, keys) == key_of(item, keys);
                let Some(live) = live.iter().find(same) else { continue };
                within(path, &format!("[{}]", shown(item, keys)), |path| match after.iter().find(same) {
                    None => found.push(path.clone()),
                    Some(after) => drop_within(item, after, live, path, found),
                });
            }
        }
        (_, _, _) => {}
    }
}

/// Whether a label or an annotation is a hash of what is told anyway.
fn is_ours(key: &str) -> bool {
    key == tags::CONTENT || key == tags::SPEC
}

struct Walk {
    path: String,
    hidden: bool,
    found: Vec<FieldChange>,
}

impl Walk {
    fn objects(
        &mut self,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
        told: impl Fn(&str) -> bool,
    ) {
        let added = after.keys().filter(|key| !before.contains_key(*key));
        let keys: Vec<&String> =
            before.keys().chain(added).filter(|key| told(key) && !is_ours(key)).collect();
        for key in keys {
            let about = self.path == ".metadata" && ABOUT.contains(&key.as_str());
            if !about {
                let hides = HIDDEN.contains(&key.as_str());
                self.step(&format!(".{key}"), hides, |walk| walk.values(before.get(key), after.get(key)));
            }
        }
    }

    fn values(&mut self, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (Some(before), Some(after)) if before == after => {}
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                self.objects(before, after, |_| true)
            }
            (Some(Value::Array(before)), Some(Value::Array(after))) => self.items(before, after),
            // Nothing, and nothing in it, are the same to an API server.
            (before, after) if is_empty(before) && is_empty(after) => {}
            (before, after) => self.differ(before, after),
        }
    }

    fn items(&mut self, before: &[Value], after: &[Value]) {
        let all = [before, after].into_iter().find(|items| !items.is_empty()).unwrap_or_default();
        let keys = keys_of(all).filter(|keys| {
            let fits = |items: &[Value]| items.is_empty() || keys_of(items) == Some(*keys);
            fits(before) && fits(after)
        });
        let Some(keys) = keys else {
            return match before.len() == after.len() {
                true => before.iter().zip(after).enumerate().for_each(|(at, (before, after))| {
                    self.step(&format!("[{at}]"), false, |walk| walk.values(Some(before), Some(after)));
                }),
                false => self.add(Difference::Changed),
            };
        };
        let same = |items: &'_ [Value], item: &Value| {
            items.iter().find(|one| key_of(one, keys) == key_of(item, keys)).cloned()
        };
        let added = after.iter().filter(|item| same(before, item).is_none());
        for item in before.iter().chain(added) {
            let (before, after) = (same(before, item), same(after, item));
            let step = format!("[{}]", shown(item, keys));
            self.step(&step, false, |walk| walk.values(before.as_ref(), after.as_ref()));
        }
    }

    fn differ(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let text = |value: Option<&Value>| match value {
            None | Some(Value::Null) => Some(None),
            Some(Value::String(text)) => Some(Some(text.clone())),
            Some(value @ (Value::Bool(_) | Value::Number(_))) => Some(Some(value.to_string())),
            Some(Value::Array(_) | Value::Object(_)) => None,
        };
        let difference = match (self.hidden, text(before), text(after)) {
            (false, Some(from), Some(to)) => Difference::Value { from, to },
            (true | false, _, _) => match (before, after) {
                (None | Some(Value::Null), _) => Difference::Added,
                (Some(_), None | Some(Value::Null)) => Difference::Removed,
                (Some(_), Some(_)) => Difference::Changed,
            },
        };
        self.add(difference);
    }

    fn add(&mut self, difference: Difference) {
        self.found.push(FieldChange { path: self.path.clone(), difference });
    }

    fn step(&mut self, step: &str, hides: bool, then: impl FnOnce(&mut Self)) {
        let (length, hidden) = (self.path.len(), self.hidden);
        self.path.push_str(step);
        self.hidden |= hides;
        then(self);
        self.path.truncate(length);
        self.hidden = hidden;
    }
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => false,
    }
}
