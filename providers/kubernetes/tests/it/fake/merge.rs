//! Merging by parts: server-side apply, strategic merge patches, and what apply takes away.

use serde_json::{Map, Value};

use super::fieldset::Fields;
use super::kinds::Kind;
use super::schema::{ITEM, Shape, item, shape};

/// An object with what somebody says of it. A `null` takes away.
pub(super) fn merge<'a>(kind: Kind, path: &mut Vec<&'a str>, live: &Value, said: &'a Value) -> Value {
    match (shape(kind, path, said), live, said) {
        (Shape::Map, _, Value::Object(said)) => {
            let mut all: Map<String, Value> = live.as_object().cloned().unwrap_or_default();
            for (name, value) in said.iter().filter(|(name, _)| !name.starts_with('$')) {
                if value.is_null() {
                    all.remove(name);
                    continue;
                }
                path.push(name);
                let merged = merge(kind, path, &live[name.as_str()], value);
                path.pop();
                all.insert(name.clone(), merged);
            }
            Value::Object(all)
        }
        (Shape::Keyed(keys), Value::Array(live), Value::Array(said)) => {
            let mut all = Vec::new();
            path.push(ITEM);
            for value in said {
                let step = item(keys, value);
                let old = live.iter().find(|one| item(keys, one) == step).unwrap_or(&Value::Null);
                all.push(merge(kind, path, old, value));
            }
            path.pop();
            let others = live.iter().filter(|one| !said.iter().any(|it| item(keys, it) == item(keys, one)));
            all.extend(others.cloned());
            Value::Array(all)
        }
        (Shape::Set, Value::Array(live), Value::Array(said)) => {
            let mut all = live.clone();
            all.extend(said.iter().filter(|one| !live.contains(one)).cloned());
            Value::Array(all)
        }
        (Shape::Atomic | Shape::Keyed(_) | Shape::Set | Shape::Map, _, said) => said.clone(),
    }
}

/// Takes away what an apply had said before and nobody says now.
pub(super) fn prune(kind: Kind, path: &mut Vec<String>, value: &mut Value, last: &Fields, kept: &Fields) {
    let nothing = Fields::default();
    for (step, below) in &last.children {
        let still = kept.children.get(step);
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let shape = shape(kind, &names, value);
        // An object has its parts even when nobody says anything of them.
        let whole = !path.is_empty() && (step.starts_with("f:") || below.member);
        let goes = still.is_none() && whole;
        match (value.as_object_mut(), step.strip_prefix("f:")) {
            (Some(map), Some(name)) => {
                if goes {
                    map.remove(name);
                } else if let Some(inner) = map.get_mut(name) {
                    path.push(name.to_owned());
                    prune(kind, path, inner, below, still.unwrap_or(&nothing));
                    path.pop();
                }
            }
            (Some(_), None) | (None, _) => {
                let Some(list) = value.as_array_mut() else { continue };
                let is = |one: &Value| match shape {
                    Shape::Keyed(keys) => item(keys, one) == *step,
                    Shape::Set => format!("v:{one}") == *step,
                    Shape::Map | Shape::Atomic => false,
                };
                let Some(at) = list.iter().position(is) else { continue };
                if goes {
                    list.remove(at);
                } else {
                    path.push(ITEM.to_owned());
                    prune(kind, path, &mut list[at], below, still.unwrap_or(&nothing));
                    path.pop();
                }
            }
        }
    }
}

/// Why a list that is merged by keys cannot be, where it cannot. `strict`: a key that has a default has to be there too.
pub(super) fn untyped(kind: Kind, path: &mut Vec<String>, value: &Value, strict: bool) -> Option<String> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let shape = shape(kind, &names, value);
    let at =
        || path.iter().fold(String::new(), |at, name| if name == ITEM { at } else { format!("{at}.{name}") });
    if let (Shape::Keyed(keys), Some(list)) = (shape, value.as_array()) {
        for (index, one) in list.iter().enumerate() {
            let missing = |key: &&&str| one[**key].is_null() && (strict || **key != "protocol");
            if let Some(key) = keys.iter().find(missing) {
                return Some(format!(
                    "{}: element {index}: associative list with keys has an element that omits key field \"{key}\"",
                    at()
                ));
            }
            if list[..index].iter().any(|other| item(keys, other) == item(keys, one)) {
                let shown = item(keys, one);
                return Some(format!("{}: duplicate entries for key {}", at(), &shown[2..]));
            }
        }
    }
    let parts = super::schema::parts(kind, &names, value)?;
    let parts: Vec<(String, Value)> =
        parts.into_iter().map(|part| (part.name.to_owned(), part.value.clone())).collect();
    for (name, value) in parts {
        path.push(name);
        let found = untyped(kind, path, &value, strict);
        path.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}
